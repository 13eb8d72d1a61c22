"""Opt-outs that a team sets in a table of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.intake.crm_consents.reading import read_due
from tests.integration.delivery.test_consents_told import ADA, BEN, PEOPLE, come, says
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_objects import open_crm, send
from tests.integration.intake.crm_consents.test_reading import holds, make_reading_due
from tests.support.command_line import work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.identity_rows import rows

MAPPING = f"destination: team\nversion: 1\nobjects:{PEOPLE}"
READS = {"contacts": {"fields": {"no_mail": "marketing.email"}, "changed": "edited_at"}}


@pytest.fixture
def crm(request, database, redis_url, tmp_path, monkeypatch) -> Iterator[Any]:
    yield from open_crm("sql", request, tmp_path, monkeypatch)


@pytest.fixture
def company(crm, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        write_destination(sources, "team", MAPPING)
        crm.configure(mapping="team", reads_consent=READS)
        yield sources


def test_what_a_team_sets_in_its_table_is_a_withdrawal(company, crm):
    ada, ben = come(says(ADA, True, "2026-03-01T09:00:00Z"), says(BEN, True, "2026-03-01T09:00:00Z"))
    send()
    table = "afluente.contacts"
    crm.target.execute(f"ALTER TABLE {table} ADD no_mail boolean, ADD edited_at timestamptz DEFAULT now()")
    assert read_due("crm").statements == 0
    crm.target.execute(
        f"UPDATE {table} SET no_mail = true, edited_at = clock_timestamp() WHERE email = 'ada@example.org'"
    )
    make_reading_due()
    assert read_due("crm").statements == 1
    work()
    assert (holds(ada), holds(ben)) == ("withdrawn", "granted")


def test_a_table_without_a_column_of_changes_is_a_sentence(company, crm):
    come(ADA)
    send()
    crm.configure(mapping="team", reads_consent={"contacts": {"fields": {"no_mail": "marketing.email"}}})
    assert read_due("crm").waits == 1
    ((error,),) = rows("SELECT last_error FROM crm_consent_reads")
    assert "destinations.crm.reads_consent: say the column" in error
