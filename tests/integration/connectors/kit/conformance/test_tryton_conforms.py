"""A Tryton that is not ours, before every check that a kind of CRM must pass."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from connectors.destinations.tryton import DESTINATION
from connectors.kit import ChangedRecord, Connection, Watched
from connectors.kit.conformance.destinations import CHECKS, Workbench, run_check
from connectors.kit.conformance.destinations.line import Line
from pipeline.inspection.crm.conformance import fields_by, seen_by
from pipeline.stages.destination_mapping.mapping import load_destination_mapping
from tests.support.tryton import PASSWORD, USER, Tryton, needs_tryton, running_tryton
from tests.support.workbenches import sent_fields

pytestmark = [pytest.mark.long, needs_tryton]

ELSEWHERE = {
    "short_answer_leaves_nobody_out": "results are bare ids, which the check does not shorten: test_tryton.py does",
    "each_status_becomes_its_error": "413 answers the login too, which holds no record: test_tryton.py has the rest",
}
"""What a check cannot ask of Tryton, and where it is asked."""


def add_party(tryton: Tryton, record) -> str:
    made = [["create", [{"type": "email", "value": record.fields["email"]}]]]
    return str(tryton.new("party.party", name=record.fields["last_name"], contact_mechanisms=made))


def party_of(tryton: Tryton, key: str) -> str:
    ((party,),) = [[row["id"] for row in tryton.all("party.party", "code", where=[["code", "=", key]])]]
    return str(party)


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Iterator[Workbench]:
    mapping = load_destination_mapping("tryton")
    with contextlib.ExitStack() as opened:
        tryton = opened.enter_context(running_tryton(tmp_path_factory.mktemp("tryton")))
        line = opened.enter_context(Line(tryton.url, keeps_host=True, asks_plain=False))
        connection = Connection(
            "crm",
            line.url,
            options={"database": "crm"},
            secrets={"user": USER, "password": PASSWORD},
            timeout_seconds=20.0,
            fields=sent_fields(mapping),
        )
        direct = DESTINATION.connect(replace(connection, base_url=tryton.url))
        workbench = Workbench(
            DESTINATION,
            connection,
            fields_by(mapping),
            seen_by(opened.enter_context(contextlib.closing(direct))),
            line,
            refused=lambda fields: {**fields, "conversion_probability": 7.25},
            unkeyed=lambda record: add_party(tryton, record),
            kept_in_adoption=("first_name", "last_name", "email", "phone", "website", "other"),  # those of the party
            person_id=lambda key: party_of(tryton, key),
            remove=lambda party: tryton.rpc("model.party.party.delete", [int(party)], tryton.context),
        )
        workbench.tryton = tryton
        yield workbench


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_tryton_conforms(bench, check):
    if check.__name__ in ELSEWHERE:
        pytest.skip(ELSEWHERE[check.__name__])
    outcome = run_check(check, bench)
    if outcome.skipped is not None:
        pytest.skip(f"does not apply to Tryton: {outcome.skipped}")
    assert outcome.problems == ()


def test_what_somebody_changes_of_a_party_is_told_with_its_addresses(bench):
    [vera] = bench.people(1)
    party = int(bench.unkeyed(vera))
    watched = Watched("party.party", ("name",))
    with bench.writer() as writer:
        (told,) = [record for record in every_change(writer, watched, None) if record.crm_id == str(party)]
        assert (told.values, told.fields) == ({"email": vera.fields["email"]}, {"name": vera.fields["last_name"]})
        since = told.changed_at + timedelta(microseconds=1)
        assert [record for record in every_change(writer, watched, since) if record.crm_id == str(party)] == []
        bench.tryton.change("party.party", party, name="Vera Marsh")
        (again,) = [record for record in every_change(writer, watched, since) if record.crm_id == str(party)]
    assert (again.fields, again.changed_at >= since) == ({"name": "Vera Marsh"}, True)


def every_change(writer, watched: Watched, since: datetime | None) -> list[ChangedRecord]:
    told, cursor = [], None
    while True:
        page = writer.list_changes(watched, since, cursor)
        told += page.records
        cursor = page.cursor
        if cursor is None:
            return told
