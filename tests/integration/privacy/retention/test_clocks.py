"""Retention by clocks that are wrong, at the ends of months, and beside others who are at work in a month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from pipeline.privacy.retention import plan
from pipeline.privacy.retention.running import retain
from pipeline.store.engine import transaction
from pipeline.store.retention import retiring
from pipeline.store.retention.statements import AgeRule
from tests.support.identity_rows import rows
from tests.support.own_ledger import ADA
from tests.support.retention_runs import approve, go, rule

BODIES = "SELECT count(*) FROM event_bodies"


def test_a_clock_that_is_ahead_destroys_nothing_early(installation, monkeypatch):
    installation.person(ADA)
    approve(installation, rule("bodies", "30d"), rule("people", "30d"))
    ahead = SimpleNamespace(
        now=lambda zone: datetime.now(zone) + timedelta(days=100), fromtimestamp=datetime.fromtimestamp
    )
    monkeypatch.setattr(plan, "datetime", ahead)
    assert sum(retain(budget_seconds=60, is_now=True).counts.values()) == 0
    assert rows(BODIES) == [(1,)]


def test_a_run_of_a_clock_that_was_ahead_holds_up_none_of_now(installation):
    installation.person(ADA)
    approve(installation, rule("bodies", "30d"))
    assert go(days=1) == {}
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE retention_runs SET began_at = began_at + interval '1 year'")
    assert retain(budget_seconds=60).counts == {"bodies": 0}  # it looked
    assert retain(budget_seconds=60).counts == {}  # once a day


@pytest.mark.parametrize(
    ("year", "month", "after"),
    [(2027, 2, (2027, 3)), (2028, 2, (2028, 3)), (2026, 4, (2026, 5)), (2026, 12, (2027, 1)), (2026, 1, (2026, 2))],
)
def test_a_month_ends_where_the_next_one_begins(year, month, after):
    begin = retiring._month_of(f"event_bodies_{year}{month:02}")
    assert (begin, retiring._next(begin)) == (datetime(year, month, 1, tzinfo=UTC), datetime(*after, 1, tzinfo=UTC))


def test_a_month_is_old_once_every_moment_of_it_is(database):
    now = datetime.now(UTC)
    name, end = f"event_bodies_{now:%Y%m}", retiring._next(datetime(now.year, now.month, 1, tzinfo=UTC))

    def is_old(cutoff: datetime) -> bool:
        with transaction() as connection:
            return name in retiring.old_months(connection, [AgeRule(None, None, None, cutoff)])

    assert not is_old(end - timedelta(microseconds=1))
    assert is_old(end)
    assert is_old(end.astimezone(timezone(timedelta(hours=14))))
    assert not is_old(end.replace(tzinfo=timezone(timedelta(hours=14))))  # its midnight comes earlier there


def test_a_month_in_which_others_are_at_work_is_left_and_the_run_goes_on(installation, monkeypatch):
    installation.person(ADA, page_url="https://example.org/offers?utm_source=google")
    approve(installation, rule("bodies", "30d"), rule("touches", "30d"))
    monkeypatch.setattr(retiring, "_LOCK_SECONDS", 0.1)
    with transaction() as connection:
        connection.exec_driver_sql("LOCK TABLE event_bodies IN ACCESS SHARE MODE")
        assert go() == {"bodies": 1, "touches": 1}
    month = f"event_bodies_{datetime.now(UTC):%Y%m}"
    assert rows("SELECT to_regclass(%s) IS NOT NULL", month) == [(True,)]
