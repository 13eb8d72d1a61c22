from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit.paths import compile_path, parse_path
from pipeline.errors import ConfigurationError
from pipeline.stages.mapping.decided_paths import DecidedPaths
from pipeline.stages.paths import compile_first

RECORD = {
    "email": "a@example.org",
    "answers": {"email": "b@example.org", "deep": {"er": 1}},
    "items": [{"name": "x"}, {"name": "y", "values": ["1", "2"]}],
    "field_data": [{"name": "email", "values": ["c@example.org"]}, {"name": "full name", "values": ["Ada"]}],
    "Tel. 1": "600",
    "a.b": "whole",
    "a": {"b": "nested"},
    "empty": "",
    "zero": 0,
    "no": False,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("email", "a@example.org"),
        ("answers.email", "b@example.org"),
        ("answers.deep.er", 1),
        ("items[1].name", "y"),
        ("items[1].values[0]", "1"),
        ("items[9].name", None),
        ("field_data[name=email].values[0]", "c@example.org"),
        ("field_data[name=full name].values[0]", "Ada"),
        ("field_data[name=phone].values[0]", None),
        ("Tel. 1", "600"),
        ("a.b", "whole"),
        ("answers.email.domain", None),
        ("email[0]", None),
        ("items.name", None),
        ("nothing", None),
        ("zero", 0),
        ("no", False),
    ],
)
def test_a_path_leads_to_its_value_or_to_nothing(path, value):
    assert compile_path(path)(RECORD) == value


@pytest.mark.parametrize(
    ("paths", "value"),
    [
        (["nothing", "email"], "a@example.org"),
        (["empty", "answers.email"], "b@example.org"),
        (["empty"], None),
        (["zero", "email"], 0),
        (["no", "email"], False),
        (["items[7]", "field_data[name=email].values[0]"], "c@example.org"),
    ],
)
def test_the_first_path_with_something_in_it_wins_and_zero_is_something(paths, value):
    found = compile_first(paths)(RECORD)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a]b", "[x", "a[=b]", "a[0]b"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ConfigurationError, match=r"path"):
        parse_path(path)


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_a_configuration_error(path):
    try:
        get = compile_path(path)
    except ConfigurationError:
        return
    get(RECORD)
    get({"a": [1, {"b": None}]})
    get([1])  # type: ignore[arg-type]


def test_what_nobody_decided_about_is_named_as_shallow_as_possible():
    decided = DecidedPaths(["answers.email", "field_data[name=email].values[0]", "items", "Tel. 1"])
    record = {
        "answers": {"email": "x", "phone": "1", "deep": {"er": 1}},
        "field_data": [{"name": "email", "values": ["c", "d"]}, {"name": "phone", "values": ["1"]}],
        "items": [1, 2],
        "Tel. 1": "600",
        "blank": "",
        "extra": {"whole": "subtree"},
    }
    assert decided.rest(record) == {
        "answers.phone": "1",
        "answers.deep": {"er": 1},
        "field_data[0].values[1]": "d",
        "field_data[1]": {"name": "phone", "values": ["1"]},
        "extra": {"whole": "subtree"},
    }


def test_a_value_where_an_object_was_expected_is_not_lost():
    assert DecidedPaths(["person.email"]).rest({"person": "a text"}) == {"person": "a text"}


def test_a_container_decided_as_a_whole_covers_what_is_in_it():
    decided = DecidedPaths(["meta", "meta.inner.key"])
    assert decided.rest({"meta": {"inner": {"key": 1, "other": 2}}}) == {}
    assert decided.covers("meta.inner.other")
    assert not decided.covers("other")
    assert not decided.covers("a[b")


@pytest.mark.parametrize(
    ("value", "spelling"),
    [(True, "true"), (False, "false"), (None, "null"), (1, "1"), (1.0, "1"), (1.5, "1.5"), (True, "True"), ("1", "1")],
)
def test_a_selector_takes_the_entry_whose_value_json_writes_so(value, spelling):
    record = {"emails": [{"value": "other"}, {"primary": "else", "value": "b"}, {"primary": value, "value": "a"}]}
    assert compile_path(f"emails[primary={spelling}].value")(record) == "a"
    rest = DecidedPaths([f"emails[primary={spelling}].value"]).rest(record)
    assert set(rest) == {"emails[0]", "emails[1]"}


@pytest.mark.parametrize(
    "paths",
    [
        ["emails[primary=true].value", "emails[kind=work].value"],
        ["emails[0].value", "emails[kind=work].value"],
        ["emails[-2].value", "emails[primary=false].value", "emails[kind=work].value"],
        ["emails[kind=home].value", "emails[kind=work].value", "emails[primary=true].value"],
    ],
)
def test_of_a_list_that_is_read_in_several_ways_what_none_of_them_reads_is_undecided(paths):
    emails = [
        {"primary": True, "kind": "home", "value": "a@example.org"},
        {"primary": False, "kind": "work", "value": "b@example.org", "note": "x"},
    ]
    rest = DecidedPaths(paths).rest({"emails": emails})
    selected = {key for key in ("primary", "kind") if any(f"[{key}=" in path for path in paths)}
    assert set(rest) == {"emails[1].note"} | {
        f"emails[{place}].{key}" for place in (0, 1) for key in {"primary", "kind"} - selected
    }


def test_a_whole_entry_that_one_way_reads_is_decided_whatever_others_read_of_it():
    record = {"emails": [{"kind": "work", "value": {"a": 1, "b": 2}, "note": "x"}]}
    assert set(DecidedPaths(["emails[0].value", "emails[kind=work].value.a"]).rest(record)) == {"emails[0].note"}
    assert DecidedPaths(["emails[0]", "emails[kind=work].value"]).rest(record) == {}
