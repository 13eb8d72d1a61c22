from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.dates.formats import strptime_pattern
from pipeline.values.dates.times import instant_text, parse_instant, read_instant


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
    ("2026-03-02T09:14:55.1234567Z", at(2026, 3, 2, 9, 14, 55, 123456)),
    ("2026-03-02T09:14:55,5Z", at(2026, 3, 2, 9, 14, 55, 500000)),
    ("2026-03-02t09:14:55z", at(2026, 3, 2, 9, 14, 55)),
    ("2026-03-02T09:14:55 z", at(2026, 3, 2, 9, 14, 55)),
    ("2026-03-02 09:14:55 +0100", at(2026, 3, 2, 8, 14, 55)),
    ("2026-03-02 09:14:55 +01:00", at(2026, 3, 2, 8, 14, 55)),
    ("2026-03-02T09:14:55+01", at(2026, 3, 2, 8, 14, 55)),
    ("2026-03-02T09:14:55\u221203:00", at(2026, 3, 2, 12, 14, 55)),
    ("2026-03-02T09:14:55+05:30", at(2026, 3, 2, 3, 44, 55)),
    ("2026-03-02T09:14:55+01:00[Europe/Madrid]", at(2026, 3, 2, 8, 14, 55)),
    ("2026-03-02T24:00:00Z", at(2026, 3, 3)),
    ("2016-12-31T23:59:60Z", at(2017, 1, 1)),
    ("2026-W10-1", at(2026, 3, 2)),
    ("2026-061", at(2026, 3, 2)),
    ("2024-366", at(2024, 12, 31)),
    ("20260302T0914", at(2026, 3, 2, 9, 14)),
    ("20260302 091455", at(2026, 3, 2, 9, 14, 55)),
    ("20260302091455", at(2026, 3, 2, 9, 14, 55)),
    ("202603020914", at(2026, 3, 2, 9, 14)),
    (20260302, at(2026, 3, 2)),
    ("1772442895123456789", at(2026, 3, 2, 9, 14, 55, 123457)),
    ("2026/03/02", at(2026, 3, 2)),
    ("2026.03.02", at(2026, 3, 2)),
    ("2026/3/2 9:14", at(2026, 3, 2, 9, 14)),
    ("2026-3-2", at(2026, 3, 2)),
    ("25/03/2026", at(2026, 3, 25)),
    ("03/25/2026", at(2026, 3, 25)),
    ("25-03-2026 14:05", at(2026, 3, 25, 14, 5)),
    ("25/03/26", at(2026, 3, 25)),
    ("3/25/26 2:05 PM", at(2026, 3, 25, 14, 5)),
    ("03/03/2026", at(2026, 3, 3)),
    ("02.03.2026", at(2026, 3, 2)),
    ("2.3.2026", at(2026, 3, 2)),
    ("2. 3. 2026", at(2026, 3, 2)),
    ("02.03.26", at(2026, 3, 2)),
    ("02.03.2026 09:14:55", at(2026, 3, 2, 9, 14, 55)),
    ("02.03.2026, 09:14 Uhr", at(2026, 3, 2, 9, 14)),
    ("02.03.2026 um 9.14 Uhr", at(2026, 3, 2, 9, 14)),
    ("03.25.2026", at(2026, 3, 25)),
    ("25 03 2026", at(2026, 3, 25)),
    ("\u200e25/\u200e03/\u200e2026", at(2026, 3, 25)),
    ("25/03/2026\u00a014:05", at(2026, 3, 25, 14, 5)),
    ("25/03/2026, 2:05:09 p. m.", at(2026, 3, 25, 14, 5, 9)),
    ("25/03/2026, 2:05:09 p.\u00a0m.", at(2026, 3, 25, 14, 5, 9)),
    ("25/03/2026 12:05 a.m.", at(2026, 3, 25, 0, 5)),
    ("3/25/2026 12:05 PM", at(2026, 3, 25, 12, 5)),
    ("3/25/2026, 2:05:09\u202fPM", at(2026, 3, 25, 14, 5, 9)),
    ("25/03/2026 14:05 PM", at(2026, 3, 25, 14, 5)),
    ("25/03/2026 2pm", at(2026, 3, 25, 14)),
    ("14:05 25/03/2026", at(2026, 3, 25, 14, 5)),
    ("14:05, 25 March 2026", at(2026, 3, 25, 14, 5)),
    ("2 March 2026", at(2026, 3, 2)),
    ("2 Mar 2026 09:14", at(2026, 3, 2, 9, 14)),
    ("02-Mar-26", at(2026, 3, 2)),
    ("02-Mar-2026 09:14:55", at(2026, 3, 2, 9, 14, 55)),
    ("2Mar2026", at(2026, 3, 2)),
    ("March 2, 2026", at(2026, 3, 2)),
    ("March 2nd, 2026 5:14 PM", at(2026, 3, 2, 17, 14)),
    ("Mar. 2, 2026 at 5:14 pm", at(2026, 3, 2, 17, 14)),
    ("2nd of March 2026", at(2026, 3, 2)),
    ("2026 March 2", at(2026, 3, 2)),
    ("2026-Mar-02", at(2026, 3, 2)),
    ("Monday, March 2, 2026 5:14 PM", at(2026, 3, 2, 17, 14)),
    ("2 de marzo de 2026", at(2026, 3, 2)),
    ("3 de marzo del 2026 a las 17:14", at(2026, 3, 3, 17, 14)),
    ("lunes, 2 de marzo de 2026, 17:14", at(2026, 3, 2, 17, 14)),
    ("mar 03 mar 2026", at(2026, 3, 3)),
    ("1 sept 2026", at(2026, 9, 1)),
    ("2 de março de 2026 às 17h14", at(2026, 3, 2, 17, 14)),
    ("segunda-feira, 2 de março de 2026", at(2026, 3, 2)),
    ("02/mar/2026", at(2026, 3, 2)),
    ("2 mars 2026", at(2026, 3, 2)),
    ("1er août 2026 à 9h05", at(2026, 8, 1, 9, 5)),
    ("lundi 2 mars 2026 à 17 h 14", at(2026, 3, 2, 17, 14)),
    ("15 déc. 2026", at(2026, 12, 15)),
    ("12. März 2026", at(2026, 3, 12)),
    ("12. Mär. 2026, 17:14 Uhr", at(2026, 3, 12, 17, 14)),
    ("Donnerstag, den 12. März 2026", at(2026, 3, 12)),
    ("1. Dez 2026", at(2026, 12, 1)),
    ("2026年3月2日 9:14", at(2026, 3, 2, 9, 14)),
    ("２０２６/０３/０２", at(2026, 3, 2)),
    ("٢٠٢٦/٠٣/٠٢", at(2026, 3, 2)),
    ("Mon, 02 Mar 2026 09:14:55 +0100", at(2026, 3, 2, 8, 14, 55)),
    ("Mon, 2 Mar 2026 09:14:55 GMT", at(2026, 3, 2, 9, 14, 55)),
    ("Mon, 2 Mar 2026 09:14:55 +0100 (CET)", at(2026, 3, 2, 8, 14, 55)),
    ("Monday, 02-Mar-26 09:14:55 GMT", at(2026, 3, 2, 9, 14, 55)),
    ("Mon Mar  2 09:14:55 2026", at(2026, 3, 2, 9, 14, 55)),
    ("Mon Mar  2 09:14:55 CET 2026", at(2026, 3, 2, 8, 14, 55)),
    ("Mon Mar 02 09:14:55 +0000 2026", at(2026, 3, 2, 9, 14, 55)),
    ("Mon Mar 02 2026 09:14:55 GMT+0100 (Central European Standard Time)", at(2026, 3, 2, 8, 14, 55)),
    ("2026-03-02 09:14:55 UTC", at(2026, 3, 2, 9, 14, 55)),
    ("2026-03-02 09:14:55 GMT", at(2026, 3, 2, 9, 14, 55)),
    ("2026-03-02 09:14 UTC+1", at(2026, 3, 2, 8, 14)),
    ("2026-03-02 09:14 GMT-03:00", at(2026, 3, 2, 12, 14)),
    ("2026-03-02 09:14 CET", at(2026, 3, 2, 8, 14)),
    ("2026-07-02 09:14 CEST", at(2026, 7, 2, 7, 14)),
    ("2026-03-02 09:14 EST", at(2026, 3, 2, 14, 14)),
    ("2026-07-02 09:14 EDT", at(2026, 7, 2, 13, 14)),
    ("2026-07-02 9:14 AM PDT", at(2026, 7, 2, 16, 14)),
    ("2026-03-02 09:14 MEZ", at(2026, 3, 2, 8, 14)),
    ("2026-03-02 09:14 Europe/Madrid", at(2026, 3, 2, 8, 14)),
    ("2026-07-02 09:14 europe/madrid", at(2026, 7, 2, 7, 14)),
    ("2026-07-02 09:14 America/Argentina/Buenos_Aires", at(2026, 7, 2, 12, 14)),
    ("31/12/90", at(1990, 12, 31)),
    ("31/12/68", at(2068, 12, 31)),
    ("25 Mar '26", at(2026, 3, 25)),
]
UNREADABLE = [
    *(
        "",
        "yesterday",
        "Q1 2026",
        "March 2026",
        "2026",
        "2026-03",
        "03/2026",
        "2 March",
        "2 March 14:05",
        "02/03",
        "12",
    ),
    *("31/31/2026", "31/02/2026", "31/04/2026", "2026-13-01", "2026-02-30", "2025-02-29", "29 Feb 2025", "2025-366"),
    *(
        "00/03/2026",
        "2026-00-01",
        "0001-01-01",
        "9999-99-99",
        "31/12/69",
        "01.01.1960",
        "32 March 2026",
        "March 0, 2026",
    ),
    *("2026-03-02T25:00", "2026-03-02 09:60", "25/03/2026 24:01", "25/03/2026 14:05 AM", "25/03/2026 0:30 PM"),
    *("2026-03-02T09:14:55+99:99", "2026-03-02109:14", "25/03/2026 9", "25/03/2026 noon", "25/03/2026 x"),
    "32 March 2026",
    *("x25/03/2026", "25/03/2026 and 26/03/2026", "25/03-2026", "25//03/2026", "2 Foo 2026", "de marzo de 2026"),
    *(
        "34600111222",
        "+34 600 111 222",
        "19999",
        "80001",
        "12345678901234567890",
        "9" * 30,
        "x" * 10_000,
        "1" * 100_000,
    ),
    "ada@example.org",
    *(
        "1.2.3",
        "1.2.3.4",
        "20260302122",
        "12345678901234567890",
        "10-50",
        "08001",
        "9999-12-31",
        "\ud800",
        "\x00",
        "NULL",
        "-",
        "n/a",
    ),
    *(0, -1, 12, 10**30, -(10**30), float("nan"), float("inf"), float("-inf"), 1e300, 80_001, True, False),
]
AMBIGUOUS = [
    *("02/03/2026", "2/3/2026", "02-03-2026", "02 03 2026", "12/11/2026 09:14", "2/3/26", "02/03/2026 9:14 a. m."),
    *("26-03-02", "01-02-03", "10-11-12", "02/03/2026T09:14:55Z", "Mon, 02/03/2026", "09:14 02/03/2026"),
]
UNKNOWN_ZONES = [
    *("2026-03-02 09:14 CST", "2026-03-02 09:14 IST", "2026-03-02 09:14 BST", "2026-03-02 09:14 XYZ"),
    *("2026-03-02 09:14 Europe/Atlantis", "25 Mar 2026 09:14 foo", "2026-03-02 09:14 Cuba"),
]
SERIALS = [
    (45352, at(2024, 3, 1)),
    (45352.0, at(2024, 3, 1)),
    (45352.38, at(2024, 3, 1, 9, 7, 12)),
    ("45352", at(2024, 3, 1)),
    ("45352.38", at(2024, 3, 1, 9, 7, 12)),
    ("45352,38", at(2024, 3, 1, 9, 7, 12)),
    ("45352.385358796", at(2024, 3, 1, 9, 14, 55)),
    (46083.5, at(2026, 3, 2, 12)),
    (44196, at(2020, 12, 31)),
    (45350.999999999, at(2024, 2, 29)),
    (80000, at(2119, 1, 11)),
]


@pytest.mark.parametrize(("value", "moment"), READABLE)
def test_a_time_becomes_an_aware_utc_instant(value, moment):
    assert parse_instant(value) == moment
    assert parse_instant(value).tzinfo is UTC


@pytest.mark.parametrize("value", UNREADABLE)
def test_a_time_that_cannot_be_told_is_none(value):
    assert parse_instant(value) is None


@pytest.mark.parametrize("value", UNREADABLE)
def test_what_is_not_read_says_why(value):
    assert read_instant(value).flags in (("unreadable_time",), ("unknown_zone",), ("blank",))


@pytest.mark.parametrize("text", ["-", "n/a", "NULL", "#REF!", "k.A."])
def test_a_blank_is_no_time(text):
    assert read_instant(text) == (None, ("blank",))


@pytest.mark.parametrize("text", AMBIGUOUS)
def test_a_date_with_two_readings_is_not_read(text):
    assert read_instant(text) == (None, ("ambiguous_date",))


@pytest.mark.parametrize("text", UNKNOWN_ZONES)
def test_a_time_in_a_zone_that_means_several_or_nothing_is_not_read(text):
    assert read_instant(text) == (None, ("unknown_zone",))


def test_the_declared_zone_explains_its_own_abbreviations():
    assert parse_instant("2026-03-02 09:14 CST", zone="America/Chicago") == at(2026, 3, 2, 15, 14)
    assert parse_instant("2026-03-02 09:14 CST", zone="Asia/Shanghai") == at(2026, 3, 2, 1, 14)
    assert parse_instant("2026-07-02 09:14 BST", zone="Europe/London") == at(2026, 7, 2, 8, 14)
    assert parse_instant("2026-07-02 09:14 CST", zone="Europe/Madrid") is None


@pytest.mark.parametrize(("value", "moment"), SERIALS)
def test_a_bare_number_is_a_day_of_a_spreadsheet_and_flagged(value, moment):
    assert read_instant(value) == (moment, ("excel_serial",))


def test_a_spreadsheet_counts_in_the_declared_zone_and_calendar():
    assert parse_instant(45352.5, zone="Europe/Madrid") == at(2024, 3, 1, 11)
    assert parse_instant(43890, formats=["excel_1904"]) == at(2024, 3, 1)
    assert parse_instant("43890.5", formats=["excel_1904"]) == at(2024, 3, 1, 12)
    assert parse_instant("45352", formats=["excel"]) == at(2024, 3, 1)


ORDERED = [
    ("02/03/2026", "dmy", at(2026, 3, 2)),
    ("02/03/2026", "mdy", at(2026, 2, 3)),
    ("02/03/26", "dmy", at(2026, 3, 2)),
    ("02-03-26", "mdy", at(2026, 2, 3)),
    ("26-03-02", "ymd", at(2026, 3, 2)),
    ("26-03-02", "dmy", at(2002, 3, 26)),
    ("02.03.2026", "mdy", at(2026, 2, 3)),
    ("02/03/2026 9:14 PM", "mdy", at(2026, 2, 3, 21, 14)),
    ("2026-02-03", "dmy", at(2026, 2, 3)),
    ("2026/02/03", "mdy", at(2026, 2, 3)),
    ("3 Feb 2026", "mdy", at(2026, 2, 3)),
    ("25/03/2026", "dmy", at(2026, 3, 25)),
    ("25/03/2026", "ymd", at(2026, 3, 25)),
    ("45352", "dmy", at(2024, 3, 1)),
]


@pytest.mark.parametrize(("text", "order", "moment"), ORDERED)
def test_a_known_order_settles_what_is_open(text, order, moment):
    assert parse_instant(text, order=order) == moment


@pytest.mark.parametrize(("text", "order"), [("03/25/2026", "dmy"), ("25/03/2026", "mdy"), ("25.03.26", "mdy")])
def test_a_date_that_goes_against_the_known_order_is_not_read(text, order):
    assert read_instant(text, order=order) == (None, ("contradicts_order",))


FORMATS = [
    ("02/03/2026", "%d/%m/%Y", at(2026, 3, 2)),
    ("02/03/2026", "DD/MM/YYYY", at(2026, 3, 2)),
    ("02/03/2026", "dd/mm/yyyy", at(2026, 3, 2)),
    ("02/03/2026", "MM/DD/YYYY", at(2026, 2, 3)),
    ("2/3/26", "d/m/yy", at(2026, 3, 2)),
    ("02/03/2026 09:14", "DD/MM/YYYY HH:mm", at(2026, 3, 2, 9, 14)),
    ("02/03/2026 09:14:55", "dd/mm/yyyy hh:mm:ss", at(2026, 3, 2, 9, 14, 55)),
    ("02/03/2026 9:14 PM", "MM/DD/YYYY h:mm A", at(2026, 2, 3, 21, 14)),
    ("02/03/2026 9:14 p. m.", "DD/MM/YYYY h:mm A", at(2026, 3, 2, 21, 14)),
    ("2 März 2026", "D MMMM YYYY", at(2026, 3, 2)),
    ("2-mar-26", "D-MMM-YY", at(2026, 3, 2)),
    ("2 de marzo de 2026", "%d de %B de %Y", at(2026, 3, 2)),
    ("2 Mar 2026", "%d %b %Y", at(2026, 3, 2)),
    ("20260302", "YYYYMMDD", at(2026, 3, 2)),
    ("2026-03-02T09:14:55+0100", "YYYY-MM-DDTHH:mm:ssZZ", at(2026, 3, 2, 8, 14, 55)),
    ("02.03.2026 09:14:55.250", "DD.MM.YYYY HH:mm:ss.SSS", at(2026, 3, 2, 9, 14, 55, 250000)),
    ("1772442895", "%d/%m/%Y", at(2026, 3, 2, 9, 14, 55)),
    ("2026-03-02", "%d/%m/%Y", at(2026, 3, 2)),
]


@pytest.mark.parametrize(("text", "pattern", "moment"), FORMATS)
def test_a_declared_format_is_tried_first(text, pattern, moment):
    assert parse_instant(text, formats=[pattern]) == moment


@pytest.mark.parametrize("pattern", ["", "tomorrow", "[YYYY]-w", "DD/MM/YYYY o'clock", "x"])
def test_a_format_that_is_none_is_told_when_the_mapping_is_read(pattern):
    with pytest.raises(ValueError, match="no date format"):
        strptime_pattern(pattern)


def test_there_are_tables_worth_their_name():
    assert len(READABLE) >= 100
    assert len(UNREADABLE) >= 60


def test_declared_formats_and_zone_are_used():
    moment = parse_instant("02/03/2026 09:14", formats=["%d/%m/%Y %H:%M"], zone="Europe/Madrid")
    assert moment == at(2026, 3, 2, 8, 14)
    assert parse_instant("2026-03-02T09:14:55Z", formats=["%d.%m.%Y"]) == at(2026, 3, 2, 9, 14, 55)


def test_summer_time_of_the_declared_zone_counts():
    assert parse_instant("2026-07-01 12:00", zone="Europe/Madrid") == at(2026, 7, 1, 10)
    assert parse_instant("2026-01-01 12:00", zone="Europe/Madrid") == at(2026, 1, 1, 11)


DATE_LIKE = st.text(alphabet="0123456789/-.: TZ+amp,marde'\u00a0\u0662\ud800", max_size=30)


@given(st.text(max_size=80) | DATE_LIKE | st.integers() | st.floats())
def test_anything_gives_an_instant_that_reads_back_or_none(value):
    moment = parse_instant(value)
    if moment is not None:
        assert parse_instant(instant_text(moment)) == moment


FIRST, LAST = datetime(1990, 1, 2), datetime(2099, 12, 30)  # noqa: DTZ001 - hypothesis puts the zones on


@given(st.datetimes(min_value=FIRST, max_value=LAST, timezones=st.timezones()))
def test_every_instant_written_in_iso_reads_back(moment):
    assert parse_instant(moment.isoformat()) == moment.astimezone(UTC)


def test_a_declared_format_that_is_none_reads_nothing_and_raises_nothing():
    assert read_instant("0203", formats=["%d%d"]) == (None, ("unreadable_time",))


@pytest.mark.parametrize(
    "text",
    [
        "1970-01-01",
        "1970-01-01T00:00:00Z",
        "1970-01-01 01:00:00",
        "01.01.1970 00:00",
        "1 Jan 1970",
        "1989-12-31T23:59:59Z",
    ],
)
def test_a_time_before_leads_were_taken_is_a_clock_that_was_never_set(text):
    assert read_instant(text) == (None, ("unreadable_time",))


@pytest.mark.parametrize("text", ["1990-01-01T00:00:00Z", "01.01.1990", "631152000"])
def test_the_first_time_that_counts_is_of_1990(text):
    assert read_instant(text).moment == datetime(1990, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("2026-02-03 10.30", (10, 30, 0, 0)),
        ("2026-02-03T10,5", None),
        ("20260203T10.30", (10, 30, 0, 0)),
        ("2026-02-03 10.30.15", (10, 30, 15, 0)),
        ("2026-02-03 10:30.5", None),
        ("2026-02-03T1030.5", None),
        ("2026-02-03 10:30:15.5", (10, 30, 15, 500000)),
        ("2026-02-03T10:30", (10, 30, 0, 0)),
        ("2026-02-03T103015,25Z", (10, 30, 15, 250000)),
    ],
)
def test_a_fraction_is_of_seconds_never_of_an_hour(text, clock):
    moment = read_instant(text).moment
    read = (moment.hour, moment.minute, moment.second, moment.microsecond) if moment else None
    assert read == clock
