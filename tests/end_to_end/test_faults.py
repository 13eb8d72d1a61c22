"""Nothing accepted is lost and nothing is written twice while everything that can break does."""

from __future__ import annotations

import subprocess

import pytest

from benchmarks.faults import find_doubles, shake
from benchmarks.invented import write_csv
from tests.support.system import AFLUENTE, System

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


def test_kills_wipes_and_outages_neither_lose_nor_double_a_lead(system, tmp_path):
    file = tmp_path / "leads.csv"
    write_csv(file, LEADS)

    result = shake(system, file, kills=KILLS, outage_seconds=5)

    assert result["kills"] >= KILLS - 2
    assert (result["wipes"], result["outages"], result["restarts"]) == (2, 1, 1)
    balance = result["balance"]
    assert balance["accepted"] == LEADS
    assert balance["difference"] == 0
    assert balance["settled"] + balance["quarantined"] + balance["suppressed"] == LEADS
    counts = find_doubles(system)
    assert counts["keys"] == counts["records"], "a person was written twice"
    assert counts["sent"] == counts["people"] == counts["records"]


def test_a_second_up_on_the_same_folder_is_refused(system):
    second = subprocess.run(
        [AFLUENTE, "up", "--port", "0"],
        env=system.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode != 0
    assert "already" in second.stderr
    assert str(system.process.pid) in second.stderr
