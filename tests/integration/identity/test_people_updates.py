"""People who become one do so by their golden records, however many leads they have; who comes apart is made anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

import pytest
from sqlalchemy import Connection

from pipeline import replay
from pipeline.identity import resolution
from pipeline.records import Lead
from tests.support.people_checks import (
    accept,
    assert_all_follows,
    claim,
    finish,
    forget_work,
    people_by_lead,
)

ANA = [
    {"external_id": f"a{place}", "full_name": "Ana López", "email": "ana.lopez@gmail.com", "city": f"Town {place}"}
    for place in range(5)
]
BY_PHONE = [
    {"external_id": f"b{place}", "full_name": "Ana López Vega", "phone": "+34612345678", "company": f"Kairo {place}"}
    for place in range(5)
]
BOTH = {"external_id": "c", "full_name": "Ana López", "email": "ana.lopez@gmail.com", "phone": "+34612345678"}


@pytest.fixture
def read_again(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The events that were read again from the store."""
    seen: list[UUID] = []
    original = replay.recompute_leads

    def watched(connection: Connection, event_ids: Sequence[UUID]) -> Iterable[Lead]:
        seen.extend(event_ids)
        return original(connection, event_ids)

    monkeypatch.setattr(resolution, "recompute_leads", watched)
    return seen


def _resolve(*batches: list[dict[str, str]]) -> None:
    forget_work()
    for leads in batches:
        accept(leads)
        finish(claim())


@pytest.mark.parametrize("first", [ANA, BY_PHONE], ids=["by_mailbox", "by_phone"])
def test_two_people_become_one_without_reading_their_leads_again(
    database: str, read_again: list[UUID], first: list[dict[str, str]]
) -> None:
    second = BY_PHONE if first is ANA else ANA
    _resolve(first, second, [BOTH])
    assert len(set(people_by_lead("default").values())) == 1
    assert read_again == []
    assert_all_follows("default")


def test_a_lead_in_the_same_batch_as_the_one_that_joins_is_in_the_golden_record(
    database: str, read_again: list[UUID]
) -> None:
    """One that says what was known before brings no new evidence, but a value all the same."""
    again = {**ANA[0], "external_id": "d", "job_title": "Head of Sales"}
    _resolve(ANA, BY_PHONE, [BOTH, again])
    assert len(set(people_by_lead("default").values())) == 1
    assert read_again == []
    assert_all_follows("default")


def test_who_comes_apart_is_made_anew_from_the_leads_that_are_left(database: str, read_again: list[UUID]) -> None:
    full = {**BOTH, "city": "Bonn"}
    bare = {"external_id": "f", "full_name": "Ana", "phone": "+34612345678", "job_title": "Head of Sales"}
    others = [
        {"external_id": f"e{place}", "full_name": name, "phone": "+34612345678"}
        for place, name in enumerate(("Luis Vega", "Marta Ruiz"))
    ]
    _resolve([full], [bare])
    assert len(set(people_by_lead("default").values())) == 1
    _resolve(others)
    assert read_again
    assert len(set(people_by_lead("default").values())) == 4
    assert_all_follows("default")
