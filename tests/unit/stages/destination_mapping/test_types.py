"""Each type of a CRM's field: what of ours fits, how it is written, and what is refused before any call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RecordError
from pipeline.stages.destination_mapping.declarations import TYPES as NAMES
from pipeline.stages.destination_mapping.mapping import MappedPerson, map_person, read_destination_mapping
from pipeline.stages.destination_mapping.types import TYPES

PERSON = UUID(int=7)
MARCH = datetime(2026, 3, 2, 9, 14, 55, 123456, tzinfo=UTC)
MADRID = timezone(timedelta(hours=1))


def read(folder, field: str):
    path = folder / "acme.yaml"
    path.write_text(f"destination: acme\nversion: 1\nfields: {{A: {field}}}\n", encoding="utf-8")
    return read_destination_mapping(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mappings")


def written(folder, field: str, value: object) -> object:
    """What the CRM gets of one value, or the error that refuses it."""
    try:
        return map_person(read(folder, field), PERSON, {"message": value}, {}).fields.get("A")
    except RecordError as error:
        return error


# what is said of the field, the value, what the CRM gets
FITS = [
    ("message", "a", "a"),
    ("message", 7, "7"),
    ("message", 1.5, "1.5"),
    ("message", True, "true"),
    ("message", False, "false"),
    ("message", ["a", "b"], "a; b"),
    ("message", MARCH, "2026-03-02T09:14:55.123456+00:00"),
    ("{from: message, max: 3}", "abc", "abc"),
    ("{from: message, max: 3, too_long: truncate}", "abcd", "abc"),
    ("{from: message, max: 3, too_long: truncate}", "ab cd", "ab"),
    ("{from: message, max: 2, too_long: truncate}", "😀😀😀", "😀😀"),
    ("{from: message, as: number}", 7, 7),
    ("{from: message, as: number}", 1.5, 1.5),
    ("{from: message, as: number}", -3, -3),
    ("{from: message, as: number, digits: 2}", 99.99, 99.99),
    ("{from: message, as: number, at_least: 0, at_most: 5}", 0, 0),
    ("{from: message, as: number, at_least: 0, at_most: 5}", 5, 5),
    ("{from: message, as: integer}", 7, 7),
    ("{from: message, as: integer}", 7.0, 7),
    ("{from: message, as: integer, digits: 8}", 99_999_999, 99_999_999),
    ("{from: message, as: integer, digits: 8}", -99_999_999, -99_999_999),
    ("{from: message, as: boolean}", True, True),
    ("{from: message, as: boolean}", False, False),
    ("{from: message, as: date}", MARCH, "2026-03-02"),
    ("{from: message, as: date}", datetime(2026, 3, 2, 0, 30, tzinfo=MADRID), "2026-03-01"),
    ("{from: message, as: date}", "2026-03-02T09:14:55Z", "2026-03-02"),
    ("{from: message, as: date}", "2026-03-02", "2026-03-02"),
    ("{from: message, as: datetime}", MARCH, "2026-03-02T09:14:55Z"),
    ("{from: message, as: datetime}", datetime(2026, 3, 2, 10, tzinfo=MADRID), "2026-03-02T09:00:00Z"),
    ("{from: message, as: datetime}", "2026-03-02", "2026-03-02T00:00:00Z"),
    ("{from: message, as: datetime}", 1772442895, "2026-03-02T09:14:55Z"),
    ("{from: message, as: email}", "ada@example.org", "ada@example.org"),
    ("{from: message, as: email}", "ada+x@sub.example.org", "ada+x@sub.example.org"),
    ("{from: message, as: phone}", "+493023125123", "+493023125123"),
    ("{from: message, as: phone}", "112", "112"),
    ("{from: message, as: url}", "https://example.org/a?b=c", "https://example.org/a?b=c"),
    ("{from: message, as: url}", "example.org", "example.org"),
    ("{from: message, as: list}", ["a", "b"], "a; b"),
    ("{from: message, as: list}", "a", "a"),
    ("{from: message, as: list, separator: ';'}", ["a", "b"], "a;b"),
    ("{from: message, as: list, separator: ';', max: 5, too_long: truncate}", ["abc", "def"], "abc"),
    ("{from: message, as: list, separator: ';', max: 3, too_long: truncate}", ["abc", "def"], "abc"),
    ("{from: message, as: list, separator: ';', max: 2, too_long: truncate}", ["abc", "def"], "ab"),
    ("{from: message, as: picklist, picklist: [Hot, Cold]}", "Hot", "Hot"),
    ("{from: message, as: picklist, picklist: [Hot, Cold]}", "HOT", "Hot"),
    ("{from: message, as: picklist, picklist: [Café]}", "cafe", "Café"),
    ("{from: message, as: picklist, picklist: [Hot, Cold], values: {warm: Hot}}", "Warm", "Hot"),
    ("{from: message, as: picklist, picklist: [Hot], values: {warm: ''}}", "warm", None),
    ("{from: message, as: picklist, picklist: [Hot], unlisted: leave_out}", "warm", None),
    ("{from: message, as: picklist, picklist: [Hot, Other], unlisted: default, default: Other}", "warm", "Other"),
    ("{from: message, as: picklist, picklist: [Hot, Other], unlisted: default, default: other}", None, "Other"),
    ("{from: message, as: picklist, picklist: ['1', '2']}", 1, "1"),
    ("{from: message, as: list, separator: ';', picklist: [A, B]}", ["b", "a"], "B;A"),
    ("{from: message, as: list, separator: ';', picklist: [A, B], unlisted: leave_out}", ["x", "a"], "A"),
    ("{from: message, as: list, separator: ';', picklist: [A, B], unlisted: leave_out}", ["x"], None),
    ("{from: message, values: {a: b}}", "A", "b"),
    ("{from: message, values: {a: b}}", "c", "c"),
    ("{from: message, default: x}", "", "x"),
    ("{constant: x}", "a", "x"),
    ("{constant: 2026-03-02T09:14:55Z, as: date}", "a", "2026-03-02"),
]  # fmt: skip

# what is said of the field, the value, the code of the refusal
REFUSED = [
    ("{from: message, required: true}", None, "missing_required"),
    ("{from: message, required: true}", " ", "missing_required"),
    ("{from: message, max: 3}", "abcd", "too_long"),
    ("{from: message, as: email, max: 10}", "ada@example.org", "too_long"),
    ("{from: message, as: list, max: 3}", ["ab", "cd"], "too_long"),
    ("{from: message, as: picklist, picklist: [Very hot], max: 3}", "very hot", "too_long"),
    ("{from: message, as: number}", "seven", "wrong_type"),
    ("{from: message, as: number}", "7", "wrong_type"),
    ("{from: message, as: number}", True, "wrong_type"),
    ("{from: message, as: number}", float("nan"), "wrong_type"),
    ("{from: message, as: number}", float("inf"), "wrong_type"),
    ("{from: message, as: number}", [7], "wrong_type"),
    ("{from: message, as: number, digits: 2}", 100, "too_long"),
    ("{from: message, as: number, digits: 2}", -100.5, "too_long"),
    ("{from: message, as: number, at_least: 0}", -0.5, "out_of_range"),
    ("{from: message, as: number, at_most: 5}", 5.01, "out_of_range"),
    ("{from: message, as: integer}", 7.5, "wrong_type"),
    ("{from: message, as: integer}", False, "wrong_type"),
    ("{from: message, as: integer}", float("nan"), "wrong_type"),
    ("{from: message, as: boolean}", "yes", "wrong_type"),
    ("{from: message, as: boolean}", 1, "wrong_type"),
    ("{from: message, as: date}", "soon", "wrong_type"),
    ("{from: message, as: date}", True, "wrong_type"),
    ("{from: message, as: datetime}", ["2026-03-02"], "wrong_type"),
    ("{from: message, as: datetime}", "2026-02-30", "wrong_type"),
    ("{from: message, as: email}", "ada@", "invalid_email"),
    ("{from: message, as: email}", "ada@example", "invalid_email"),
    ("{from: message, as: email}", "ada @example.org", "invalid_email"),
    ("{from: message, as: email}", "a@b.example, c@d.example", "invalid_email"),
    ("{from: message, as: email}", 7, "invalid_email"),
    ("{from: message, as: phone}", "n/a", "invalid_phone"),
    ("{from: message, as: phone}", "12", "invalid_phone"),
    ("{from: message, as: url}", "none", "invalid_url"),
    ("{from: message, as: url}", "see example.org", "invalid_url"),
    ("{from: message, as: picklist, picklist: [Hot, Cold]}", "warm", "unlisted"),
    ("{from: message, as: list, picklist: [A, B]}", ["a", "x"], "unlisted"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "expected"), FITS)
def test_a_value_is_written_as_the_crm_has_it(folder, field, value, expected):
    assert written(folder, field, value) == expected


@pytest.mark.parametrize(("field", "value", "code"), REFUSED)
def test_what_the_crm_would_refuse_is_refused_first(folder, field, value, code):
    error = written(folder, field, value)
    assert isinstance(error, RecordError)
    assert (error.code, error.field) == (code, "A")
    assert not isinstance(value, str) or len(value) < 4 or value not in error.message, "no value in a message"


def test_every_type_has_its_writing():
    assert tuple(TYPES) == NAMES


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.datetimes() | st.dates()


@settings(deadline=None)  # each example reads a mapping
@given(value=ANYTHING | st.lists(st.text(max_size=9), max_size=4), kind=st.sampled_from([*NAMES[:-1]]))
def test_any_value_is_written_or_refused(folder, value, kind):
    limit = ", max: 9" if kind in ("text", "email", "phone", "url", "list") else ""
    found = written(folder, f"{{from: message, as: {kind}{limit}}}", value)
    assert found is None or isinstance(found, RecordError | str | int | float | bool)
    assert not limit or isinstance(found, RecordError) or found is None or len(found) <= 9


ONCE = """
destination: acme
version: 1
fields:
  Mail: email
  First: {from: original_source, max: 5, too_long: truncate, write: once}
  Since: {from: original_at, as: datetime, write: once}
  Last: {from: latest_source, max: 5, too_long: truncate}
"""


@pytest.fixture(scope="module")
def once(folder):
    path = folder / "acme.yaml"
    path.write_text(ONCE, encoding="utf-8")
    return read_destination_mapping(path)


def sent(once, confirmed=None, person_id=PERSON, **attribution) -> MappedPerson:
    known = {"original_source": "google", "original_at": MARCH, "latest_source": "linkedin", **attribution}
    return map_person(once, person_id, {"email": "a@example.org"}, known, confirmed=confirmed)


def test_fields_written_once_are_left_out_when_they_were_confirmed(once):
    first = sent(once)
    assert set(first.fields) == {"Mail", "First", "Since", "Last"}
    assert first.truncated == ("First", "Last")
    again = sent(once, first.once_digest, latest_source="news")
    assert set(again.fields) == {"Mail", "Last"}
    assert (again.truncated, again.leaves_out_once) == ((), True)
    assert again.once_digest == first.once_digest


@pytest.mark.parametrize(
    "changed",
    [
        {"original_source": "newsletter"},
        {"original_source": None},
        {"original_at": MARCH - timedelta(days=1)},
        {"person_id": UUID(int=8)},
    ],
)
def test_other_values_or_another_person_are_sent_anew(once, changed):
    confirmed = sent(once).once_digest
    again = sent(once, confirmed, **changed)
    assert again.once_digest != confirmed
    assert "Since" in again.fields
    assert not again.leaves_out_once


def test_without_anything_written_once_there_is_nothing_to_remember(once):
    person = sent(once, original_source=None, original_at=None)
    assert (person.once_digest, person.leaves_out_once) == (None, False)


def test_neither_value_nor_person_shows_in_a_repr(once):
    assert repr(sent(once)) == "<MappedPerson: 4 fields>"
