"""Paths of fields that nobody has decided about may be shown to anyone, and are few."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.mapping.drift import REST, drift_paths
from pipeline.stages.mapping.source_mapping import load_source_mapping
from pipeline.values.redaction import looks_personal

SHOWN = [
    ("shoe_size", "shoe_size"),
    ("answers.shoe_size", "answers.shoe_size"),
    ("Tel. 1", "Tel. 1"),
    ("items[0]", "items[*]"),
    ("items[17].sku", "items[*].sku"),
    ("a[0].b[1].c", "a[*].b[*].c"),
    ("field_data[3]", "field_data[*]"),
    ("field_data[3].label", "field_data[*].label"),
    ("answers[id=x]", "answers[id=x]"),
    ("ada@example.org", "(redacted)"),
    ("contacts.ada.brandt@example.org.age", "(redacted)"),
    ("by_mail.ada%40example.org", "(redacted)"),
    ("calls.+34 600 111 222", "calls.(redacted)"),
    ("calls.0034600111222.seconds", "calls.(redacted).seconds"),
    ("calls.600111222", "calls.#"),
    ("session_1771572600123", "session_#"),
    ("order-12345.total", "order-#.total"),
    ("q1234", "q1234"),
    ("utm_2026", "utm_2026"),
    ("8e3f12345678-uuid", "8e3f#-uuid"),
    ("a\x00b", "ab"),
    ("a\nb", "a b"),
    ("\u202eevil", "evil"),
    (" a ", "a"),
    ("", ""),
    ("x" * 300, "x" * 199 + REST),
    ("x" * 200, "x" * 200),
    ("größe", "größe"),
    ("017 012345 67", "#"),
    ("ada.brandt(at)example.org", "(redacted)"),
    ("size (at home)", "size (at home)"),
    ("which of our products do you know and since when", "which of our products do you know and since when"),
    ("I am Ada, of Hofstadt, in Hofstr. 5, 2nd floor, left", "I am Ada, of Hofstadt, in Hofstr. 5, 2nd floor," + REST),
]  # fmt: skip


@pytest.mark.parametrize(("path", "shown"), SHOWN)
def test_a_path_is_counted_without_indexes_people_and_numbers(path, shown):
    assert drift_paths([path]) == [shown]


def test_each_path_of_a_lead_is_counted_once_and_at_most_fifty():
    assert drift_paths(["b", "items[0].x", "items[1].x", "a"]) == ["a", "b", "items[*].x"]
    assert drift_paths([]) == []
    many = drift_paths(f"key {chr(97 + number % 26)}{chr(97 + number // 26)}" for number in range(60))
    assert len(many) == 51
    assert many[-1] == REST


@given(st.lists(st.text(max_size=400), max_size=80))
def test_any_keys_give_few_short_paths_without_people(keys):
    paths = drift_paths(keys)
    assert len(paths) <= 51
    assert all(len(path) <= 200 for path in paths)
    assert len(set(paths)) == len(paths)
    assert not any(looks_personal(path.removesuffix(REST)) for path in paths)


def test_a_key_that_names_the_lead_itself_is_not_shown():
    mapping = load_source_mapping("web_form")
    mapped = mapping.map_record(
        {
            "first_name": "Ada",
            "last_name": "Brandt",
            "email": "a@b.org",
            "Frau Ada Brandt, Hof 5": "x",
            "shoes": 1,
        }
    )
    assert mapped.undecided == ["(redacted)", "shoes"]
