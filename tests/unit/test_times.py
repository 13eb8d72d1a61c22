from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.times import instant_text, parse_instant


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


READABLE = [
    ("2026-03-02T09:14:55Z", at(2026, 3, 2, 9, 14, 55)),
    ("2026-03-02T09:14:55+01:00", at(2026, 3, 2, 8, 14, 55)),
    ("2026-03-02T09:14:54+0000", at(2026, 3, 2, 9, 14, 54)),
    ("2026-03-02T09:14:54-0300", at(2026, 3, 2, 12, 14, 54)),
    ("2026-03-02 09:14:55", at(2026, 3, 2, 9, 14, 55)),
    ("2026-03-02T09:14", at(2026, 3, 2, 9, 14)),
    ("2026-03-02T09:14:55.123456Z", at(2026, 3, 2, 9, 14, 55, 123456)),
    ("2026-03-02", at(2026, 3, 2)),
    ("20260302", at(2026, 3, 2)),
    ("20260302T091455Z", at(2026, 3, 2, 9, 14, 55)),
    (" 2026-03-02 ", at(2026, 3, 2)),
    (1772442895, at(2026, 3, 2, 9, 14, 55)),
    ("1772442895", at(2026, 3, 2, 9, 14, 55)),
    (1772442895.5, at(2026, 3, 2, 9, 14, 55, 500000)),
    (1772442895123, at(2026, 3, 2, 9, 14, 55, 123000)),
    ("1772442895123", at(2026, 3, 2, 9, 14, 55, 123000)),
    (1772442895123456, at(2026, 3, 2, 9, 14, 55, 123456)),
]
UNREADABLE = [
    "",
    "yesterday",
    "31/31/2026",
    "02/03/2026",
    "2026-13-01",
    "2026-02-30",
    "0001-01-01",
    "9999-99-99",
    "12",
    0,
    -1,
    12,
    10**30,
    float("nan"),
    float("inf"),
    "2026-03-02T09:14:55+99:99",
    "x" * 10_000,
]


@pytest.mark.parametrize(("value", "moment"), READABLE)
def test_a_time_becomes_an_aware_utc_instant(value, moment):
    assert parse_instant(value) == moment
    assert parse_instant(value).tzinfo is UTC


@pytest.mark.parametrize("value", UNREADABLE)
def test_a_time_that_cannot_be_told_is_none(value):
    assert parse_instant(value) is None


def test_declared_formats_and_zone_are_used():
    moment = parse_instant("02/03/2026 09:14", formats=["%d/%m/%Y %H:%M"], zone="Europe/Madrid")
    assert moment == at(2026, 3, 2, 8, 14)
    assert parse_instant("2026-03-02T09:14:55Z", formats=["%d.%m.%Y"]) == at(2026, 3, 2, 9, 14, 55)


def test_summer_time_of_the_declared_zone_counts():
    assert parse_instant("2026-07-01 12:00", zone="Europe/Madrid") == at(2026, 7, 1, 10)
    assert parse_instant("2026-01-01 12:00", zone="Europe/Madrid") == at(2026, 1, 1, 11)


@given(st.text(max_size=80) | st.integers() | st.floats())
def test_anything_gives_an_instant_that_reads_back_or_none(value):
    moment = parse_instant(value)
    if moment is not None:
        assert parse_instant(instant_text(moment)) == moment


FIRST, LAST = datetime(1970, 1, 2), datetime(2099, 12, 30)  # noqa: DTZ001 - hypothesis puts the zones on


@given(st.datetimes(min_value=FIRST, max_value=LAST, timezones=st.timezones()))
def test_every_instant_written_in_iso_reads_back(moment):
    assert parse_instant(moment.isoformat()) == moment.astimezone(UTC)
