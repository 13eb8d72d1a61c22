"""The Dataverse writer and its sandbox: one record for each key, whatever goes wrong on the way."""

from __future__ import annotations

import random
import time

import pytest

from connectors.kit import QuotaError, Record, TransientError
from pipeline.delivery.halving import write_in_halves
from tests.support.dataverse import FIELDS, batch, batches, call, order, records, sandbox_writer, totals


def test_a_record_is_created_then_updated_by_the_same_key(dataverse):
    opened = sandbox_writer(dataverse)
    (made,) = opened.write([Record("p-1", FIELDS)])
    (updated,) = opened.write([Record("p-1", {**FIELDS, "jobtitle": "Buyer"})])
    assert (made.created, updated.created) == (True, False)
    assert made.crm_id == updated.crm_id
    (stored,) = records(dataverse)
    assert (stored["external_id"], stored["object"], stored["id"]) == ("p-1", "leads", made.crm_id)
    assert stored["fields"] == {**FIELDS, "jobtitle": "Buyer"}


def test_the_same_batch_twice_changes_nothing(dataverse):
    opened = sandbox_writer(dataverse)
    first, second = opened.write(batch(100)), opened.write(batch(100))
    assert [result.crm_id for result in first] == [result.crm_id for result in second]
    assert totals(dataverse) == {"written": 200, "created": 100, "changed": 0, "unchanged": 100, "rejected": 0}
    assert batches(dataverse) == 2


def test_without_representation_the_same_records_are_written(dataverse):
    opened = sandbox_writer(dataverse, options={"return_representation": False})
    results = opened.write(batch(3))
    assert [(result.state, result.created) for result in results] == [("written", None)] * 3
    assert [result.crm_id for result in results] == [stored["id"] for stored in records(dataverse)]


def test_none_empties_a_column_and_a_column_that_is_not_sent_stays(dataverse):
    opened = sandbox_writer(dataverse)
    opened.write([Record("p-1", FIELDS)])
    opened.write([Record("p-1", {"companyname": None})])
    assert records(dataverse)[0]["fields"] == {name: text for name, text in FIELDS.items() if name != "companyname"}


@pytest.mark.parametrize("key", ["o'neil", "ü 1", "a(b)=c'"])
def test_a_key_may_hold_any_sign_that_dataverse_takes(dataverse, key):
    opened = sandbox_writer(dataverse)
    assert [opened.write([Record(key, FIELDS)])[0].created for _ in range(2)] == [True, False]
    assert [stored["external_id"] for stored in records(dataverse)] == [key]


def test_each_refusal_keeps_to_its_record_and_the_rest_is_written(dataverse):
    wrong = {
        "long": {"lastname": "x" * 51},
        "type": {"numberofemployees": "about 20"},
        "range": {"numberofemployees": 1_000_001},
        "choice": {"leadqualitycode": 9},
        "time": {"new_reroutedat": "yesterday"},
        "column": {"nosuch": "x"},
    }
    sent = [Record(key, {**FIELDS, **fields}) for key, fields in wrong.items()]
    random.shuffle(sent)
    results = {result.key: result for result in sandbox_writer(dataverse).write([*sent, Record("good", FIELDS)])}
    assert {key: (result.state, result.code) for key, result in results.items()} == {
        "long": ("rejected", "0x80044331"),
        "type": ("rejected", "0x80048d19"),
        "range": ("rejected", "0x8004432f"),
        "choice": ("rejected", "0x8004431a"),
        "time": ("rejected", "0x80048d19"),
        "column": ("rejected", "0x80048d19"),
        "good": ("written", None),
    }
    assert [key for key, result in results.items() if result.blames_setting] == ["column"]
    assert results["long"].field == "lastname"
    assert not [result for result in results.values() if "20" in (result.message or "")]
    assert [stored["external_id"] for stored in records(dataverse)] == ["good"]


def test_an_alternate_key_that_is_not_there_is_said_to_be_a_setting(dataverse):
    results = sandbox_writer(dataverse, options={"external_id_field": "new_other"}).write(batch(2))
    assert [(result.code, result.blames_setting) for result in results] == [("0x80060888", True)] * 2


class TestMarks:
    def test_a_record_that_is_only_to_be_updated_is_marked_and_else_left_as_it_was(self, dataverse):
        opened = sandbox_writer(dataverse)
        opened.write([Record("p-1", FIELDS)])
        mark = Record("p-1", {"new_afluentemergedinto": "p-0"}, update_only=True)
        (result,) = opened.write([mark])
        assert (result.state, result.created, result.code) == ("written", False, None)
        assert records(dataverse)[0]["fields"] == {**FIELDS, "new_afluentemergedinto": "p-0"}
        opened.write([Record("p-1", {"new_afluentemergedinto": None})])
        assert records(dataverse)[0]["fields"] == FIELDS

    def test_a_record_that_is_gone_is_not_made_again_to_be_marked(self, dataverse):
        opened = sandbox_writer(dataverse)
        opened.write([Record("p-1", FIELDS)])
        assert call(dataverse, "DELETE", "leads(new_afluenteid='p-1')").status_code == 204
        gone = Record("p-1", {"new_afluentemergedinto": "p-0"}, update_only=True)
        results = opened.write([gone, Record("p-2", FIELDS)])
        assert [(result.state, result.code) for result in results] == [("written", "record_gone"), ("written", None)]
        assert [stored["external_id"] for stored in records(dataverse)] == ["p-2"]


class TestFaults:
    @pytest.mark.parametrize("fault", ["write_then_drop", "write_then_fail", "garbled_answer"])
    def test_an_answer_that_got_lost_makes_no_second_record(self, dataverse, fault):
        opened = sandbox_writer(dataverse)
        order(dataverse, **{fault: 1})
        with pytest.raises(TransientError):
            opened.write(batch(3))
        order(dataverse)
        assert [result.created for result in opened.write(batch(3))] == [False] * 3
        assert totals(dataverse)["created"] == len(records(dataverse)) == 3

    def test_a_wait_that_ended_after_the_write_makes_no_second_record(self, dataverse):
        opened = sandbox_writer(dataverse, timeout_seconds=0.3)
        opened.check()
        order(dataverse, latency_ms=600)
        with pytest.raises(TransientError, match="it may have been done"):
            opened.write(batch(2))
        order(dataverse)
        patient = sandbox_writer(dataverse)
        deadline = time.monotonic() + 10
        while totals(dataverse)["created"] < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [result.created for result in patient.write(batch(2))] == [False, False]
        assert len(records(dataverse)) == 2

    def test_a_short_answer_is_believed_of_those_that_it_names_and_the_rest_is_sent_again(self, dataverse):
        opened = sandbox_writer(dataverse)
        order(dataverse, short_answer=1)
        assert [result.state for result in opened.write(batch(3))] == ["written", "written", "retry"]
        order(dataverse)
        assert [result.created for result in opened.write(batch(3))] == [False] * 3

    def test_a_short_answer_that_names_nobody_is_not_believed(self, dataverse):
        opened = sandbox_writer(dataverse, options={"return_representation": False})
        order(dataverse, short_answer=1)
        assert {result.state for result in opened.write(batch(3))} == {"retry"}

    @pytest.mark.parametrize(
        ("code", "state"), [("0x80040265", "rejected"), ("0x80044151", "retry"), ("0x80040237", "retry")]
    )
    def test_records_refused_on_request_have_the_outcome_of_their_code(self, dataverse, code, state):
        order(dataverse, record_error={"code": code, "field": "jobtitle", "rate": 0.5})
        records_sent = [Record(f"k-{number}", {**FIELDS, "jobtitle": "Buyer"}) for number in range(40)]
        results = sandbox_writer(dataverse).write(records_sent)
        refused = [result for result in results if result.state != "written"]
        assert 0 < len(refused) < 40
        assert {(result.state, result.code, result.field) for result in refused} == {(state, code, "jobtitle")}
        assert len(records(dataverse)) == 40 - len(refused)

    def test_the_limits_come_in_turn_and_the_wait_grows_while_calls_go_on(self, dataverse):
        opened = sandbox_writer(dataverse)
        opened.check()
        order(dataverse, limit_per_second=0.001, burst=1)
        opened.write(batch(1))
        said = []
        for _ in range(3):
            with pytest.raises(QuotaError) as caught:
                opened.write(batch(1))
            said.append((caught.value.retry_after, str(caught.value)))
        assert [wait for wait, _ in said] == [1, 2, 3]
        for word, (_, text) in zip(("limit of requests", "execution time", "calls at once"), said, strict=True):
            assert word in text

    def test_an_environment_that_takes_fewer_parts_is_written_to_in_halves(self, dataverse, monkeypatch):
        monkeypatch.setattr("connectors.sandbox.dialects.dataverse.batch.MOST_REQUESTS", 10)
        opened = sandbox_writer(dataverse)
        written = write_in_halves(batch(40), opened.write, may_call=lambda: True)
        assert {result.state for result in written.results} == {"written"}
        assert len(records(dataverse)) == 40
