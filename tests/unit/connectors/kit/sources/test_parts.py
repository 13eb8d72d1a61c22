"""The records of a body: found wherever `records_at` says, each once, with what stands beside it."""

from __future__ import annotations

import copy
import json
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit.errors import ConfigurationError, RecordError
from connectors.kit.paths import get_path, parse_path
from connectors.kit.sources.parts import Part, RecordsMissingError, prepare_part, take_apart, with_beside

META = {
    "object": "page",
    "entry": [
        {
            "id": "1",
            "time": 5,
            "changes": [{"field": "leadgen", "value": {"n": 1}}, {"field": "feed", "value": {"n": 2}}],
        },
        {"id": "2", "time": 6, "changes": [{"field": "leadgen", "value": [{"n": 3}, [{"n": 4}]]}]},
        {"id": "3", "changes": []},
        {"id": "4", "changes": None},
        {"id": "5"},
    ],
}


def places(document, records_at):
    return [(part.place, part.value) for part in take_apart(document, records_at)]


def test_lists_in_lists_are_gone_through_and_each_record_has_its_place():
    assert places(META, "entry[*].changes[*].value") == [
        ("entry[0].changes[0].value", {"n": 1}),
        ("entry[0].changes[1].value", {"n": 2}),
        ("entry[1].changes[0].value[0]", {"n": 3}),
        ("entry[1].changes[0].value[1][0]", {"n": 4}),
    ]
    assert places([{"a": 1}, [{"a": 2}]], None) == [("[0]", {"a": 1}), ("[1][0]", {"a": 2})]
    assert places({"a": 1}, None) == [("", {"a": 1})]


def test_each_object_around_a_record_is_one_step_out():
    first = take_apart(META, "entry[*].changes[*].value")[0]
    seen = with_beside(first.value, first.beside)
    assert get_path(seen, "n") == 1
    assert get_path(seen, "^.field") == "leadgen"
    assert get_path(seen, "^.^.id") == "1"
    assert get_path(seen, "^.^.^.object") == "page"
    assert get_path(seen, "^.value") is None
    assert get_path(seen, "^.^.changes") is None
    assert orjson.loads(orjson.dumps(seen))["^"] == {
        "field": "leadgen",
        "^": {"id": "1", "time": 5, "^": {"object": "page"}},
    }


def test_records_of_one_object_share_what_stands_beside_them():
    parts = take_apart({"title": "x", "rows": [{"n": number} for number in range(100)]}, "rows")
    assert len({id(part.beside) for part in parts}) == 1
    assert copy.deepcopy(parts[0].beside) == {"title": "x"}


def test_a_record_that_has_such_a_key_itself_keeps_it():
    (part,) = take_apart({"^": "outer", "rows": [{"^": "own"}]}, "rows")
    seen = with_beside(part.value, part.beside)
    assert (get_path(seen, r"\^"), get_path(seen, "^")) == ("own", {r"\^": "outer"})


def test_an_object_that_stands_where_a_list_may_is_one_record():
    assert places({"entry": {"changes": {"value": {"n": 1}}}}, "entry[*].changes[*].value") == [
        ("entry.changes.value", {"n": 1})
    ]


@pytest.mark.parametrize("records_at", ["leads", "leads[*]", ("leads", "contacts")])
@pytest.mark.parametrize("value", [[], None, [[], []]])
def test_nothing_in_the_list_is_no_record(records_at, value):
    assert places({"leads": value}, records_at) == []


@pytest.mark.parametrize("records_at", ["leads", "a.b", "leads[*].x", ("leads", "b")])
def test_nothing_where_the_list_should_be_is_told(records_at):
    with pytest.raises(RecordsMissingError, match="the body has nothing at"):
        take_apart({"a": 1}, records_at)


def test_keys_with_dots_and_brackets_have_places_that_lead_to_them():
    document = {"a.b": {"x[0]": [{"n": 1}]}, "Tel. 1": [{"n": 2}]}
    for records_at in (r"a\.b.x\[0\]", "Tel. 1"):
        (part,) = take_apart(document, records_at)
        assert get_path(document, part.place) == part.value


def test_what_stands_among_records_and_is_none_keeps_its_place():
    found = places({"rows": [{"n": 1}, None, "x", {"n": 2}]}, "rows")
    assert found == [("rows[0]", {"n": 1}), ("rows[1]", None), ("rows[2]", "x"), ("rows[3]", {"n": 2})]
    assert places({"e": [None, {"v": {"n": 1}}]}, "e[*].v") == [("e[0]", None), ("e[1].v", {"n": 1})]
    with pytest.raises(RecordError, match=r"rows\[1\]: one JSON object per lead is expected, not null"):
        prepare_part(None, Part("rows[1]", None))


def test_a_mapping_reads_one_value_so_every_entry_is_refused_there_with_the_remedy():
    with pytest.raises(ConfigurationError, match="say which, as list"):
        parse_path("items[*].name")


def test_prepare_gets_the_record_or_the_record_and_what_is_around_it():
    part = take_apart({"id": 7, "data": {"kind": "demo", "rows": [{"n": 1}]}}, "data.rows")[0]
    assert prepare_part(lambda record: {**record, "m": 2}, part) == {"n": 1, "m": 2}
    assert prepare_part(lambda record, around: {"kinds": [around[0]["kind"], around[1]["id"]]}, part) == {
        "kinds": ["demo", 7]
    }
    assert prepare_part(lambda record, suffix="x": {"s": suffix}, part) == {"s": "x"}

    def spoil(record):
        record.pop("n")
        return record

    assert (prepare_part(spoil, part), part.value) == ({}, {"n": 1}), "the body is read more than once"
    with pytest.raises(RecordError, match="prepare gave null"):
        prepare_part(lambda record: None, part)


LEAVES = st.fixed_dictionaries({"n": st.integers()})
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4), max_leaves=12)
DOCUMENTS = st.fixed_dictionaries(
    {"id": st.integers(), "entry": st.lists(st.fixed_dictionaries({"k": st.integers(), "rows": TREES}), max_size=4)}
)


@given(DOCUMENTS)
def test_whatever_the_nesting_every_record_is_found_once_at_a_place_that_leads_to_it(document):
    parts = take_apart(document, "entry[*].rows")
    assert len({part.place for part in parts}) == len(parts)
    assert json.dumps(document["entry"]).count('"n"') == len(parts)
    for part in parts:
        assert get_path(document, part.place) is part.value
        assert (
            get_path(with_beside(part.value, part.beside), "^.k")
            == document["entry"][int(part.place[6:].split("]")[0])]["k"]
        )
        assert get_path(with_beside(part.value, part.beside), "^.^.id") == document["id"]


def test_taking_apart_costs_as_much_for_each_record_of_a_large_body_as_for_those_of_a_small_one():
    def seconds(count: int) -> float:
        rows = [{"n": number} for number in range(count)]
        document = {**{f"k{number}": number for number in range(count)}, "rows": rows}
        begun = time.thread_time()
        take_apart(document, ("rows", "rows[*]"))
        return time.thread_time() - begun

    seen = [(seconds(5_000), seconds(20_000)) for _ in range(7)]  # in turns: what slows one slows the other
    small, large = (min(figures) for figures in zip(*seen, strict=True))
    assert large < 9 * small  # four times the rows


def test_what_holds_records_of_another_path_is_no_record_itself():
    document = {
        "entry": [
            {"id": "1", "changes": [{"field": "messages", "value": {"messages": [{"n": 1}, {"n": 2}], "meta": 7}}]},
            {"id": "2", "changes": [{"field": "template", "value": {"event": "APPROVED"}}, {"field": "none"}]},
        ]
    }
    parts = take_apart(document, ("entry[*].changes[*].value.messages", "entry[*].changes[*]"))
    assert [part.place for part in parts] == [
        "entry[0].changes[0].value.messages[0]",
        "entry[0].changes[0].value.messages[1]",
        "entry[1].changes[0]",
        "entry[1].changes[1]",
    ]
    assert [get_path(with_beside(part.value, part.beside), "^.meta") for part in parts[:2]] == [7, 7]
    assert get_path(with_beside(parts[2].value, parts[2].beside), "^.id") == "2"
