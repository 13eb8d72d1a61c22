"""A changed rule or mapping reaches the golden records of people who are known already."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from pipeline.crypto.encryption import open_profile
from pipeline.recompute import golden_records
from pipeline.recompute.golden_records import renew_golden_records
from pipeline.stages.survivorship import survivorship
from pipeline.stages.survivorship.rules import GoldenRule, SurvivorshipRules, survivorship_rules
from tests.support.command_line import answer, run
from tests.support.identity_rows import leads, rows

pytestmark = pytest.mark.usefixtures("database")

ADA = [
    {"full_name": "Ada Sample", "email": "ada@example.com", "city": "Bonn", "job_title": "Buyer"},
    {"full_name": "Ada Sample", "email": "ada@example.com", "city": "Berlin"},
]
BEA = {"full_name": "Bea Muster", "email": "bea@muster.example", "city": "Wien"}


@pytest.fixture
def oldest_city(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """From now on the first city counts."""
    rules = survivorship_rules()
    changed = SurvivorshipRules(rules.version, {**rules.fields, "city": GoldenRule("oldest", {}, ())})
    with monkeypatch.context() as patch:
        patch.setattr(survivorship, "survivorship_rules", lambda: changed)
        yield


def _city(person_id: UUID) -> str:
    ((sealed,),) = rows("SELECT profile FROM people WHERE person_id = %s", person_id)
    return str(open_profile(sealed, person_id).values()["city"])


def _version(person_id: UUID) -> int:
    return int(rows("SELECT version FROM people WHERE person_id = %s", person_id)[0][0])


def _wanted(person_id: UUID) -> list[tuple[int]]:
    return rows("SELECT wanted_version FROM deliveries WHERE person_id = %s", person_id)


@pytest.fixture
def ada() -> UUID:
    return leads(*ADA, BEA)[0]


def test_a_changed_rule_makes_golden_records_anew_and_the_crm_hears_of_it(ada: UUID, request) -> None:
    assert _city(ada) == "Berlin"
    before, wanted = _version(ada), _wanted(ada)
    request.getfixturevalue("oldest_city")
    done = renew_golden_records(people_at_once=1)
    assert (done.people, done.changed, done.left) == (2, 1, 0)
    assert _city(ada) == "Bonn"
    assert _version(ada) == before + 1
    assert _wanted(ada) != wanted
    assert renew_golden_records().changed == 0, "a second run finds nothing to do"
    assert _version(ada) == before + 1


def test_a_dry_run_says_what_would_change_and_changes_nothing(ada: UUID, oldest_city: None) -> None:
    before = rows("SELECT person_id, version, profile FROM people ORDER BY 1")
    assert renew_golden_records(is_dry_run=True).changed == 1
    assert rows("SELECT person_id, version, profile FROM people ORDER BY 1") == before


def test_whose_leads_do_not_all_go_through_today_keeps_the_values(
    ada: UUID, oldest_city: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = golden_records.recompute_leads

    def all_but_one(connection, event_ids):
        return (lead for lead in whole(connection, event_ids) if lead.fields.get("job_title") != "Buyer")

    monkeypatch.setattr(golden_records, "recompute_leads", all_but_one)
    done = renew_golden_records()
    assert (done.changed, done.left) == (0, 1)
    assert _city(ada) == "Berlin"


def test_the_command_says_how_many_have_other_values(ada: UUID) -> None:
    assert answer("people", "renew", "--dry-run") == {"dry_run": True, "people": 2, "changed": 0, "left": 0}
    said = run("people", "renew").stdout
    assert "2 people looked at" in said
    assert "0 have other values than before" in said
