"""Whoever writes while a run of retention is at it is nobody of whom nothing came for long any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.privacy.ledger import read_ledger
from pipeline.privacy.retention import running
from pipeline.privacy.retention.running import approve_rules, retain
from tests.support.command_line import capture, work
from tests.support.identity_rows import rows
from tests.support.own_ledger import ADA, BEA

NOW = datetime.now(UTC) + timedelta(days=100)


def write_anew(ada: UUID, _: UUID) -> None:
    capture({**ADA, "message": "again"})
    work()
    rows("UPDATE events SET received_at = %s WHERE person_id = %s RETURNING 1", NOW, ada)


def merge(ada: UUID, bea: UUID) -> None:
    merge_people(ada, bea, Decision("somebody"))


@pytest.mark.parametrize("happens", [write_anew, merge])
def test_who_was_found_too_old_and_is_not_any_more_stays(installation, monkeypatch, happens):
    ada, bea = installation.person(ADA), installation.person(BEA)
    rows("UPDATE events SET received_at = %s WHERE person_id = %s RETURNING 1", NOW, bea)
    installation.configure(retention=[{"what": "people", "after": "30d"}])
    approve_rules("vera")
    real = running.erase

    def happen_first(asked, **more):
        assert asked.person_id == ada
        happens(ada, bea)
        return real(asked, **more)

    monkeypatch.setattr(running, "erase", happen_first)
    assert sum(retain(budget_seconds=60, is_now=True, now=NOW).counts.values()) == 0
    assert len(rows("SELECT FROM people WHERE merged_into IS NULL")) == (2 if happens is write_anew else 1)
    assert read_ledger().lines == ()
    assert rows("SELECT count(*) FROM privacy_requests") == [(0,)]
