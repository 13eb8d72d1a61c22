"""No check without a counter-example: each small wrong writer fails the checks named beside it, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.destinations.sql import SqlWriter
from connectors.kit import Record, WriteResult, destination_types
from connectors.kit.conformance.destinations import (
    CHECKS,
    SeenRecord,
    run_check,
    run_checks,
    withdrawal_is_never_behind,
)
from connectors.kit.conformance.destinations.change_checks import changes_are_told_with_their_moment
from connectors.kit.conformance.destinations.record_checks import links_are_undone
from pipeline.inspection.crm.conformance import workbench_to
from tests.support.spoiled_writers import SPOILED
from tests.support.sql_workbench import sql_workbench
from tests.support.strangers_crm import strangers_crm
from tests.support.workbenches import sandbox_workbench

NOT_OF_HERON = [
    "links_are_kept",
    "links_are_undone",
    "withdrawal_is_never_behind",
    "adoption_takes_over_and_makes_nobody",
    "setup_makes_what_is_missing_once",
    "changes_are_told_with_their_moment",
]
SALESFORCE = destination_types()["salesforce"].open


@pytest.fixture(scope="module")
def heron(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield from strangers_crm(tmp_path_factory.mktemp("heron"), patch)


@pytest.fixture
def bench(heron):
    """Heron's, with more people in it already than a page of its list has; looked into from inside: records whose
    ref is a key of ours, with `#` and a number behind or not."""
    heron.people.clear()
    for number in range(60):
        heron.add({"ref": f"before-{number}", "attributes": {"email": f"before{number}@example.org"}})

    def seen(keys, _object):
        people = list(heron.people.values())
        known = [(person["ref"].partition("#")[0], person) for person in people]
        return [SeenRecord(key, person["id"], dict(person["attributes"])) for key, person in known if key in keys]

    with workbench_to("heron") as bench:
        bench.seen = seen
        bench.usage_headers = lambda used, limit: {"X-Heron-Calls": f"{used}/{limit}"}
        yield bench


def failed(outcomes) -> dict[str, tuple[str, ...]]:
    return {outcome.check: outcome.problems for outcome in outcomes if outcome.problems}


@pytest.mark.long
def test_the_right_writer_passes_every_check_but_those_that_do_not_apply(bench):
    outcomes = run_checks(bench)
    assert failed(outcomes) == {}
    assert [outcome.check for outcome in outcomes if outcome.skipped] == NOT_OF_HERON


def spoiled(bench, name):
    spoil, expected = SPOILED[name]
    return replace(bench, destination=replace(bench.destination, open=spoil(bench.destination.open))), expected


@pytest.mark.parametrize("name", SPOILED)
def test_a_wrong_writer_fails_the_checks_named_for_it(bench, name):
    wrong, expected = spoiled(bench, name)
    found = failed(run_check(check, wrong) for check in CHECKS if check.__name__ in expected)
    assert set(found) == expected


@pytest.mark.long
@pytest.mark.parametrize("name", SPOILED)
def test_a_wrong_writer_fails_no_other_check(bench, name):
    wrong, expected = spoiled(bench, name)
    found = failed(run_checks(wrong))
    assert set(found) == expected, found


class ForgetsLinks(SALESFORCE):
    def write(self, records):
        return super().write([replace(record, links=()) for record in records])


class UndoesNoLink(SALESFORCE):
    def write(self, records):
        kept = [tuple(link for link in record.links if link.crm_id) for record in records]
        return super().write([replace(record, links=links) for record, links in zip(records, kept, strict=True)])


class WritesWhatItIsToTakeOver(SALESFORCE):
    def adopt(self, records):
        return self.write([replace(record, crm_id=None) for record in records])


class LeavesOutTheLastChange(SALESFORCE):
    def list_changes(self, watched, since, cursor=None):
        page = super().list_changes(watched, since, cursor)
        return replace(page, records=page.records[:-1])


class TellsWhatWas(SALESFORCE):
    """The first page that was asked for, whatever was changed since."""

    def list_changes(self, watched, since, cursor=None):
        if not hasattr(self, "page"):
            self.page = super().list_changes(watched, since, cursor)
        return self.page


class ForgetsWhoseChange(SALESFORCE):
    def list_changes(self, watched, since, cursor=None):
        page = super().list_changes(watched, since, cursor)
        return replace(page, records=tuple(replace(record, values={}) for record in page.records))


OF_CHANGES = [LeavesOutTheLastChange, TellsWhatWas, ForgetsWhoseChange]


@pytest.mark.parametrize("wrong", OF_CHANGES)
def test_a_writer_that_tells_changes_wrongly_fails_the_check_of_them(tmp_path, wrong):
    with sandbox_workbench("salesforce", tmp_path) as bench:
        assert run_check(changes_are_told_with_their_moment, bench).problems == ()
        spoiled_bench = replace(bench, destination=replace(bench.destination, open=wrong))
        assert run_check(changes_are_told_with_their_moment, spoiled_bench).problems


OF_SALESFORCE = {
    "links_are_kept": ForgetsLinks,
    "links_are_undone": UndoesNoLink,
    "adoption_takes_over_and_makes_nobody": WritesWhatItIsToTakeOver,
}


@pytest.mark.long
@pytest.mark.parametrize("check", OF_SALESFORCE)
def test_what_heron_has_not_is_failed_by_a_wrong_writer_of_another_kind(tmp_path, check):
    with sandbox_workbench("salesforce", tmp_path) as bench:
        wrong = replace(bench, destination=replace(bench.destination, open=OF_SALESFORCE[check]))
        assert set(failed(run_checks(wrong))) == {check}


def test_records_that_are_gone_are_not_taken_for_records_that_lead_nowhere(tmp_path):
    with sandbox_workbench("salesforce", tmp_path) as bench:
        assert run_check(links_are_undone, bench).problems == ()
        emptied = replace(bench, seen=lambda keys, object_name: [])
        (problem,) = run_check(links_are_undone, emptied).problems
    assert problem == "records after their link was undone: 0 and 0; one each is due"


class ForgetsWithdrawals(SqlWriter):
    def write(self, records):
        kept = [record for record in records if not is_withdrawal(record)]
        written = {result.key: result for result in super().write(kept)}
        return [written.get(record.key) or WriteResult(record.key, "written", crm_id=record.key) for record in records]


class TellsWithdrawalsBehind(SqlWriter):
    """With the next call, behind what it brings."""

    behind: tuple[Record, ...] = ()

    def write(self, records):
        late, self.behind = self.behind, tuple(record for record in records if is_withdrawal(record))
        now = [record for record in records if not is_withdrawal(record)]
        super().write([record for record in late if record.key not in {other.key for other in now}] + now)
        return [WriteResult(record.key, "written", crm_id=record.key) for record in records]


class DeletesWhatIsWithdrawn(SqlWriter):
    def write(self, records):
        results = super().write(records)
        self.delete([record for record in records if is_withdrawal(record)])
        return results


class HoldsWithdrawalsBack(SqlWriter):
    """Where others of the batch go, as if it were a call of their own."""

    def write(self, records):
        now = [record for record in records if not is_withdrawal(record)] or records
        written = {result.key: result for result in super().write(now)}
        return [written.get(record.key) or WriteResult(record.key, "retry", code="sent_apart") for record in records]


def is_withdrawal(record):
    return record.fields.get("state") == "withdrawn"


OF_CONSENTS = (ForgetsWithdrawals, TellsWithdrawalsBehind, DeletesWhatIsWithdrawn, HoldsWithdrawalsBack)


@pytest.mark.parametrize("writer", OF_CONSENTS, ids=lambda writer: writer.__name__)
def test_who_forgets_a_withdrawal_or_tells_it_late_is_found_out(empty_database, writer):
    with sql_workbench(empty_database) as bench:
        assert run_check(withdrawal_is_never_behind, bench).problems == ()
        wrong = replace(bench, destination=replace(bench.destination, open=writer))
        assert run_check(withdrawal_is_never_behind, wrong).problems


def test_every_check_has_a_writer_that_fails_it():
    caught = {check for _, checks in SPOILED.values() for check in checks} | set(OF_SALESFORCE)
    caught |= {withdrawal_is_never_behind.__name__}  # by OF_CONSENTS
    caught |= {changes_are_told_with_their_moment.__name__}  # by OF_CHANGES
    assert caught == {check.__name__ for check in CHECKS}
