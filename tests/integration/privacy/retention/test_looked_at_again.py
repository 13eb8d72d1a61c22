"""What keeps somebody is looked up when their data go, and not when a run, or a request, began."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting

import pytest

from pipeline.errors import NotFoundError, RefusedError
from pipeline.privacy import holds
from pipeline.privacy.erasure import approve as approve_erasure
from pipeline.privacy.retention import running
from pipeline.store.engine import transaction
from pipeline.store.retention import retiring
from tests.support.identity_rows import rows
from tests.support.own_ledger import ADA, BEA
from tests.support.retention_runs import approve, go, hold, rule

BODIES_OF = "SELECT person_id FROM events JOIN event_bodies USING (event_id)"
VISIT = {"page_url": "https://example.org/offers?utm_source=google"}


def before_the_first_erasure(monkeypatch, happens) -> None:
    """`happens` once the run knows whom it would erase."""
    real, happened = running.erase, []

    def erase(*arguments, **options):
        if not happened:
            happened.append(happens())
        return real(*arguments, **options)

    monkeypatch.setattr(running, "erase", erase)


@pytest.mark.parametrize("kind", [holds.HOLD, holds.RESTRICTION])
def test_who_is_kept_since_the_run_found_them_is_not_erased(installation, monkeypatch, kind):
    ada = installation.person(ADA)
    approve(installation, rule("people", "30d"))
    before_the_first_erasure(monkeypatch, lambda: hold(ada, kind))
    assert go() == {}
    assert rows("SELECT person_id FROM people") == [(ada,)]
    assert rows(BODIES_OF) == [(ada,)]
    assert rows("SELECT count(*) FROM suppressions") == [(0,)]


def test_who_came_again_since_the_run_found_them_is_not_erased(installation, monkeypatch):
    ada = installation.person(ADA)
    approve(installation, rule("people", "30d"))

    def come_again() -> None:
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE events SET received_at = now() + interval '99 days'")

    before_the_first_erasure(monkeypatch, come_again)
    assert go() == {}
    assert rows("SELECT person_id FROM people") == [(ada,)]


def test_what_retention_asked_for_is_approved_only_while_it_is_due(installation):
    ada, bea = installation.person(ADA), installation.person(BEA)
    approve(installation, rule("people", "30d"), privacy={"needs_approval": True})
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE people SET created_at = created_at - interval '1 year', latest_at = NULL")
        connection.exec_driver_sql("UPDATE events SET received_at = received_at - interval '1 year'")
    assert go(days=0) == {"people": 2}
    asked = dict(rows("SELECT subject_id, request_id FROM privacy_subjects JOIN privacy_requests USING (request_id)"))
    with transaction() as connection:  # she writes once more before anybody looks at it
        connection.exec_driver_sql("UPDATE events SET received_at = now() WHERE person_id = %s", (ada,))
    with pytest.raises(RefusedError, match="not due any more"):
        approve_erasure(asked[ada], by="olga")
    restriction = hold(bea, holds.RESTRICTION)
    with pytest.raises(RefusedError):
        approve_erasure(asked[bea], by="olga")
    assert rows("SELECT count(*) FROM people") == [(2,)]
    with transaction() as connection:
        holds.release(connection, holds.RESTRICTION, restriction.hold_id, reason="settled", by="vera")
    approve_erasure(asked[bea], by="olga")
    assert rows("SELECT person_id FROM people") == [(ada,)]


def test_who_is_held_while_a_statement_runs_that_destroys_keeps_all(installation, monkeypatch):
    """The statement saw the database of before; its transaction must not be kept."""
    ada = installation.person(ADA, **VISIT)
    approve(installation, rule("touches", "30d"))
    real = retiring.retire

    def retire_and_hold(*arguments, **options):
        done = real(*arguments, **options)
        if not rows("SELECT 1 FROM legal_holds"):
            hold(ada)
        return done

    monkeypatch.setattr(retiring, "retire", retire_and_hold)
    assert go() == {}
    assert rows("SELECT landing_path IS NOT NULL FROM touches") == [(True,)]


def test_a_hold_waits_for_an_erasure_that_is_under_way_and_says_that_nobody_is_left(installation):
    ada = installation.person(ADA)
    with ThreadPoolExecutor(1) as other:
        with transaction() as connection:
            connection.exec_driver_sql("SELECT FROM people FOR UPDATE")
            connection.exec_driver_sql("DELETE FROM people")
            placed = other.submit(hold, ada)
            with pytest.raises(StillWaiting):
                placed.result(0.3)
        with pytest.raises(NotFoundError):
            placed.result(10)
    assert rows("SELECT count(*) FROM legal_holds") == [(0,)]
