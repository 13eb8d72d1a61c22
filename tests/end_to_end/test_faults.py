"""Nothing accepted is lost and nothing is written twice while everything that can break does."""

from __future__ import annotations

import subprocess

import pytest

from benchmarks.faults import find_doubles, find_unsent, shake
from benchmarks.invented import write_csv
from tests.support.system import AFLUENTE, System

pytestmark = pytest.mark.long  # a whole system, for minutes


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    data = tmp_path_factory.mktemp("faults") / "data"
    data.mkdir()
    # Short leases so that the test does not wait a minute for each killed batch; small ones so that kills hit many.
    (data / "afluente.yaml").write_text("tuning: {lease_seconds: 6, delivery_lease_seconds: 8, batch_size: 50}\n")
    with System(data, asks_here=True) as running:
        yield running


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


@pytest.mark.parametrize(
    ("leads", "kills", "outage_seconds"),
    [pytest.param(600, 4, 2, id="short"), pytest.param(2_000, 8, 5, id="long")],
)
def test_kills_wipes_and_outages_neither_lose_nor_double_a_lead(system, tmp_path, leads, kills, outage_seconds):
    file = tmp_path / "leads.csv"
    write_csv(file, leads)
    before = system.json("balance")["all"]

    result = shake(system, file, kills=kills, outage_seconds=outage_seconds)

    assert result["kills"] >= kills - 2
    assert (result["wipes"], result["outages"], result["restarts"]) == (2, 1, 1)
    balance = result["balance"]
    assert balance["accepted"] - before["accepted"] + balance["repeated"] - before["repeated"] == leads
    assert balance["difference"] == 0
    assert balance["settled"] + balance["quarantined"] + balance["suppressed"] == balance["accepted"]
    assert not find_unsent(system), balance
    counts = find_doubles(system)
    assert counts["keys"] == counts["records"], "a person was written twice"
    assert counts["sent"] == counts["people"] == counts["records"]
