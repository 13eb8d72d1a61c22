"""Halving of calls that came to nothing: which record is at fault, or is the CRM down?"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from connectors.kit import Record, WriteResult
from pipeline.delivery.halving import write_in_halves
from pipeline.errors import QuotaError, RecordError, TerminalError, TransientError

RECORDS = [Record(key=f"{number}", fields={}) for number in range(200)]


class Crm:
    """A CRM that says of a whole call what `answer` says of its keys: an error to raise, or None to accept it."""

    def __init__(self, answer: Callable[[set[str]], Exception | None]) -> None:
        self.answer = answer
        self.calls = 0
        self.holds: set[str] = set()

    def write(self, records: list[Record]) -> list[WriteResult]:
        self.calls += 1
        keys = {record.key for record in records}
        error = self.answer(keys)
        if error is not None:
            raise error
        self.holds |= keys
        return [WriteResult(record.key, "written", crm_id=f"id-{record.key}") for record in records]


def always() -> bool:
    return True


def written_by(crm: Crm, records: list[Record] = RECORDS, may_call: Callable[[], bool] = always):
    written = write_in_halves(records, crm.write, may_call=may_call)
    named = [result.key for result in written.results] + [record.key for record in written.unsent]
    assert sorted(named) == sorted(record.key for record in records), "each record is answered for or unsent, once"
    return written


def states(written) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for result in written.results:
        found.setdefault(result.state, []).append(result.key)
    return found


def test_a_batch_that_is_accepted_takes_one_call():
    crm = Crm(lambda keys: None)
    assert len(states(written_by(crm))["written"]) == 200
    assert crm.calls == 1


def test_a_record_for_which_the_crm_refuses_the_whole_call_ends_alone_and_the_others_are_written():
    crm = Crm(lambda keys: RecordError("malformed", message="unreadable") if "77" in keys else None)
    written = written_by(crm)
    assert states(written)["rejected"] == ["77"]
    assert len(crm.holds) == 199
    assert written.trouble is None
    assert crm.calls <= 17


def test_a_crm_that_refuses_each_record_alone_is_halted_before_all_of_them_are_given_up():
    crm = Crm(lambda keys: RecordError("no_such_field"))
    written = written_by(crm)
    assert isinstance(written.trouble, TerminalError)
    assert len(states(written)["rejected"]) == 10
    assert len(written.unsent) == 190


def test_an_outage_costs_three_calls_and_no_record_an_attempt():
    crm = Crm(lambda keys: TransientError("answered 500"))
    written = written_by(crm)
    assert crm.calls == 3
    assert written.results == []
    assert isinstance(written.trouble, TransientError)


def test_a_crm_that_names_a_time_to_come_back_is_not_called_again_before_it():
    crm = Crm(lambda keys: TransientError("answered 503", retry_after=30))
    written_by(crm)
    assert crm.calls == 1


def test_a_passing_fault_delays_nobody():
    failures = iter([TransientError("answered 502")])
    crm = Crm(lambda keys: next(failures, None))
    assert len(states(written_by(crm))["written"]) == 200
    assert crm.calls == 3


def test_a_record_on_which_every_call_fails_is_found_and_costs_only_itself_an_attempt():
    crm = Crm(lambda keys: TransientError("answered 500") if "77" in keys else None)
    written = written_by(crm)
    assert states(written)["retry"] == ["77"]
    assert len(crm.holds) == 199
    assert written.trouble is None


def test_two_such_records_are_found_in_a_few_rounds():
    crm = Crm(lambda keys: TransientError("answered 500") if keys & {"3", "150"} else None)
    left = RECORDS
    for _ in range(40):
        left = written_by(crm, left).unsent
        if len(left) <= 1:
            break
    assert len(crm.holds) == 198


def test_a_single_record_whose_call_fails_with_no_other_answer_is_unsent_rather_than_blamed():
    written = written_by(Crm(lambda keys: TransientError("answered 500")), RECORDS[:1])
    assert written.results == []
    assert len(written.unsent) == 1


@pytest.mark.parametrize("error", [QuotaError("429", retry_after=5), TerminalError("401")])
def test_a_refusal_of_all_stops_the_calls_at_once(error):
    crm = Crm(lambda keys: error)
    written = written_by(crm)
    assert (crm.calls, written.trouble, len(written.unsent)) == (1, error, 200)


def test_a_bug_that_one_record_provokes_costs_only_that_record_an_attempt_and_names_no_value():
    def stumble(keys: set[str]) -> Exception | None:
        return KeyError("ada@example.com") if "77" in keys else None

    written = written_by(Crm(stumble))
    (result,) = [result for result in written.results if result.state == "retry"]
    assert (result.key, result.code) == ("77", "bug")
    assert "KeyError at" in result.message
    assert "ada" not in result.message


def test_no_further_call_is_made_when_there_is_no_time_or_quota_for_it():
    crm = Crm(lambda keys: RecordError("malformed") if "77" in keys else None)
    grants = iter([True, True])
    written = written_by(crm, may_call=lambda: next(grants, False))
    assert crm.calls == 3
    assert written.trouble is None
    assert written.unsent


def test_the_end_of_the_task_s_time_is_not_taken_for_a_bug():
    with pytest.raises(SoftTimeLimitExceeded):
        write_in_halves(RECORDS, Crm(lambda keys: SoftTimeLimitExceeded()).write, may_call=always)


def refused(records: list[Record]) -> list[WriteResult]:
    return [WriteResult(record.key, "rejected", code="INSUFFICIENT_ACCESS", blames_setting=True) for record in records]


def test_one_record_refused_for_rights_is_tried_again_and_halts_nothing():
    written = write_in_halves(RECORDS[:1], refused, may_call=always)
    assert states(written) == {"retry": ["0"]}
    assert written.trouble is None


def test_several_records_all_refused_for_rights_halt_the_destination_and_each_try_counts():
    written = write_in_halves(RECORDS[:3], refused, may_call=always)
    assert states(written) == {"retry": ["0", "1", "2"]}
    assert isinstance(written.trouble, TerminalError)


def test_many_records_all_refused_for_rights_halt_the_destination_and_cost_none_an_attempt():
    written = write_in_halves(RECORDS, refused, may_call=always)
    assert (written.results, len(written.unsent)) == ([], 200)
    assert isinstance(written.trouble, TerminalError)


def test_a_record_refused_for_rights_beside_written_ones_is_given_up_at_once():
    def write(records: list[Record]) -> list[WriteResult]:
        return [*refused(records[:1]), *(WriteResult(record.key, "written") for record in records[1:])]

    written = write_in_halves(RECORDS[:4], write, may_call=always)
    assert states(written)["rejected"] == ["0"]
    assert written.trouble is None
