"""Times as people type them at a command: a day that no calendar has is said to be that, and none ends in a trace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.cli.terminal.moments import parse_days, parse_expiry, parse_moment, parse_period
from pipeline.errors import UsageError

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize("typed", ["2026-02-30", "2026-13-01", "2025-02-29T10:00", "2026-04-31 23:59", "2026-00-10"])
@pytest.mark.parametrize("parse", [parse_moment, parse_expiry])
def test_a_day_that_there_is_not_is_said_to_be_none(parse, typed):
    with pytest.raises(UsageError, match=rf"--since .*: there is no {typed[:10]} in the calendar"):
        parse("--since", typed, NOW)


def test_days_alone_say_it_too():
    with pytest.raises(UsageError, match=r"--until .*: there is no 2026-02-30"):
        parse_days("2026-02-01", "2026-02-30")


@pytest.mark.parametrize("typed", ["", " ", "soon", "2026-03-01T25:00", "2026-03-01T10:00+99:00", "01/03/2026", "3mo"])
def test_what_is_no_time_says_how_to_write_one(typed):
    with pytest.raises(UsageError, match="is not a time; write it as 24h, 7d, 2026-03-01"):
        parse_moment("--since", typed, NOW)


def test_a_time_without_a_zone_is_utc_and_one_with_a_zone_is_that():
    assert parse_moment("--since", "2026-03-29T02:30", NOW) == datetime(2026, 3, 29, 2, 30, tzinfo=UTC)
    assert parse_moment("--since", "2026-03-01T00:30+02:00", NOW) == datetime(2026, 2, 28, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize("typed", ["2026-02-28", "20260228", "2026-W09-6"])
def test_a_day_counts_to_its_end_however_it_is_written(typed):
    assert parse_period(None, typed)["until"] == datetime(2026, 3, 1, tzinfo=UTC)


def test_the_last_day_of_all_ends_nothing():
    assert parse_period("2026-02-28", "9999-12-31") == {"since": datetime(2026, 2, 28, tzinfo=UTC), "until": None}


def test_one_day_is_a_period_and_none_is_not():
    period = parse_period("2026-02-28", "2026-02-28")
    assert period["until"] - period["since"] == timedelta(days=1)
    with pytest.raises(UsageError, match="--until 2026-02-27 is before --since 2026-02-28"):
        parse_period("2026-02-28", "2026-02-27")
