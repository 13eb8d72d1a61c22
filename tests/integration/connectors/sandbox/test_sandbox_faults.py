"""The sandbox fails on request, in the ways real CRMs fail, and the Salesforce writer says what happens next."""

from __future__ import annotations

import time

import pytest
import requests

from connectors.kit import QuotaError, TransientError
from connectors.sandbox.server import Sandbox
from tests.support.crm import order, record, records, totals, writer


@pytest.mark.parametrize("status", [500, 503])
def test_a_status_is_answered_until_its_time_is_up(sandbox, status):
    opened = writer(sandbox)
    opened.check()
    order(sandbox, status=status, seconds=0.5)
    with pytest.raises(TransientError):
        opened.write([record()])
    time.sleep(0.6)
    assert opened.write([record()])[0].state == "written"


def test_a_failure_after_the_write_leaves_the_record_and_a_repeat_changes_nothing(sandbox):
    opened = writer(sandbox)
    for fault in ("write_then_fail", "write_then_drop"):
        order(sandbox, **{fault: 1})
        with pytest.raises(TransientError):
            opened.write([record(fault)])
        order(sandbox)
        assert opened.write([record(fault)])[0].created is False
    assert totals(sandbox) == {"written": 4, "created": 2, "changed": 0, "unchanged": 2, "rejected": 0}


def test_a_dropped_connection_writes_nothing(sandbox):
    opened = writer(sandbox)
    order(sandbox, drop_connection=1)
    with pytest.raises(TransientError):
        opened.write([record()])
    assert records(sandbox) == []


def test_a_short_answer_proves_nothing_of_any_record(sandbox):
    order(sandbox, short_answer=1)
    results = writer(sandbox).write([record("a"), record("b")])
    assert [result.state for result in results] == ["retry", "retry"]
    assert len(records(sandbox)) == 2, "it is the answer that is short, not the work: a repeat must be harmless"
    order(sandbox, short_answer=0)
    assert [result.state for result in writer(sandbox).write([record("a"), record("b")])] == ["written", "written"]
    assert len(records(sandbox)) == 2


def test_a_garbled_answer_proves_nothing(sandbox):
    order(sandbox, garbled_answer=1)
    with pytest.raises(TransientError):
        writer(sandbox).write([record()])


def test_single_records_are_refused_at_a_rate(sandbox):
    order(sandbox, record_error={"code": "UNABLE_TO_LOCK_ROW", "rate": 0.5})
    results = writer(sandbox).write([record(f"p-{n}") for n in range(200)])
    assert 50 < sum(result.state == "retry" for result in results) < 150


def test_a_limit_a_second_is_kept(sandbox):
    opened = writer(sandbox)
    opened.check()
    order(sandbox, limit_per_second=2)
    answers = [_tries(opened) for _ in range(5)]
    assert answers == [True, True, False, False, False]
    time.sleep(0.6)
    assert _tries(opened)


def test_a_daily_limit_is_told_and_kept(sandbox):
    opened = writer(sandbox)
    opened.check()
    order(sandbox, daily_limit=2)
    opened.write([record()])
    assert (opened.usage.used, opened.usage.limit) == (2, 2)
    with pytest.raises(QuotaError, match="daily"):
        opened.write([record()])


def test_latency_is_added(sandbox):
    opened = writer(sandbox)
    opened.check()
    order(sandbox, latency_ms=300)
    before = time.monotonic()
    opened.check()
    assert time.monotonic() - before >= 0.3


def test_an_unknown_fault_is_refused_with_those_allowed(sandbox):
    answer = requests.post(f"{sandbox.address}/_faults", json={"explode": True}, timeout=5)
    assert answer.status_code == 400
    assert "write_then_fail" in answer.json()["error"]


def test_faults_may_be_given_in_short(tmp_path):
    spec = "status=503,rate=1,retry_after=4"
    with (
        Sandbox(port=0, state=tmp_path / "crm.sqlite", faults=spec) as running,
        pytest.raises(TransientError) as caught,
    ):
        writer(running).check()
    assert caught.value.retry_after == 4


def test_a_reset_forgets_records_calls_and_faults(sandbox):
    opened = writer(sandbox)
    opened.write([record()])
    order(sandbox, status=500)
    requests.post(f"{sandbox.address}/_reset", timeout=5)
    assert records(sandbox) == []
    assert totals(sandbox)["written"] == 0
    opened.check()


def _tries(opened):
    try:
        opened.check()
    except QuotaError:
        return False
    return True
