"""Nothing accepted is lost and nothing is written twice while everything that can break does."""

from __future__ import annotations

import random
import subprocess
import threading
import time

import psutil
import pytest
import redis

from benchmarks.invented import write_csv
from benchmarks.system import System
from pipeline.settings import embedded_broker_url

LEADS = 2_000
KILLS = 8


@pytest.fixture
def system(tmp_path):
    config = tmp_path / "data" / "afluente.yaml"
    config.parent.mkdir()
    # Short leases so that the test does not wait a minute for each killed batch; small ones so that kills hit many.
    config.write_text("tuning: {lease_seconds: 6, delivery_lease_seconds: 8, batch_size: 50}\n")
    running = System(tmp_path / "data")
    running.start()
    yield running
    running.stop()


def kill_a_worker(system: System, dice: random.Random) -> bool:
    """SIGKILL a random process of a random worker node: its parent or one of its children."""
    nodes = [process for process in system.json("status")["processes"] if process["name"] in {"hot", "bulk", "deliver"}]
    try:
        family = [psutil.Process(node["pid"]) for node in nodes]
        family += [child for parent in list(family) for child in parent.children(recursive=True)]
        dice.choice(family).kill()
    except psutil.NoSuchProcess:
        return False
    return True


def test_kills_wipes_and_outages_neither_lose_nor_double_a_lead(system, tmp_path):
    dice = random.Random(20261120)
    file = tmp_path / "leads.csv"
    write_csv(file, LEADS)
    importing = threading.Thread(target=system.cli, args=("import", str(file), "--source", "datablist"))
    importing.start()
    broker = redis.Redis.from_url(embedded_broker_url(system.data).replace("redis+socket://", "unix://"))

    killed = 0
    for round_number in range(KILLS):
        time.sleep(0.7)
        killed += kill_a_worker(system, dice)
        if round_number in {2, 5}:
            broker.flushall()
        if round_number == 3:
            system.sandbox("/_faults", {"status": 500, "seconds": 5, "rate": 1.0})
    importing.join()
    system.kill()
    system.start()

    balance = system.wait_until_ended(timeout=200)
    assert killed >= KILLS - 2
    assert balance["accepted"] == LEADS
    assert balance["difference"] == 0
    assert balance["settled"] + balance["quarantined"] + balance["suppressed"] == LEADS
    people = {person["person_id"] for person in system.lines("people", "export")}
    keys = [record["external_id"] for record in system.sandbox("/_records")]
    assert len(keys) == len(set(keys)), "a person was written twice"
    delivered = {row["person_id"] for row in system.lines("deliveries", "export") if row["state"] == "sent"}
    assert delivered == people == set(keys)


def test_a_second_up_on_the_same_folder_is_refused(system):
    second = subprocess.run(
        [*_afluente(), "up", "--port", "0"],
        env=system.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode != 0
    assert "already" in second.stderr
    assert str(system.process.pid) in second.stderr


def _afluente() -> list[str]:
    from benchmarks.system import AFLUENTE

    return [AFLUENTE]
