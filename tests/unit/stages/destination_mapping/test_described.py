"""A mapping against what a CRM says of its fields, rule by rule."""

from __future__ import annotations

import json

import pytest

from connectors.kit import DescribedField
from pipeline.stages.destination_mapping.described import find_misfits
from pipeline.stages.destination_mapping.mapping import read_destination_mapping

KEY = DescribedField("Our_Id", "text", is_key=True)
TEXT_KINDS = {"text", "email", "phone", "url", "list", "date", "datetime"}


@pytest.fixture
def misfits(tmp_path):
    """Codes and places of what does not fit a field called X, described so."""

    def find(rule, **described):
        path = tmp_path / "crm.yaml"
        path.write_text(json.dumps({"destination": "crm", "version": 1, "fields": {"X": rule}}))
        fields = [KEY, DescribedField("X", **{"kind": "text", **described})]
        return [(misfit.code, misfit.place) for misfit in find_misfits(read_destination_mapping(path), fields)]

    return find


def test_what_fits_is_not_mentioned(misfits):
    assert misfits({"from": "city", "max": 40}, max_length=40) == []
    assert misfits({"from": "city"}) == []


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        ("text", TEXT_KINDS),
        ("phone", TEXT_KINDS),
        ("number", {"number", "integer"}),
        ("integer", {"integer"}),
        ("boolean", {"boolean"}),
        ("date", {"date"}),
        ("datetime", {"date", "datetime"}),
        ("picklist", {"text"}),
        ("list", {"text", "list"}),
        ("reference", TEXT_KINDS | {"number", "integer", "boolean"}),
    ],
)
def test_a_type_that_the_crm_cannot_take_is_told(misfits, kind, taken):
    every = TEXT_KINDS | {"number", "integer", "boolean"}
    told = {mine for mine in every if misfits({"from": "city", "as": mine}, kind=kind)}
    assert told == every - taken


def test_a_field_that_takes_anything_as_its_own_is_not_judged_by_type(misfits):
    assert misfits({"from": "employee_count", "as": "integer"}, converts=True) == []


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ({"from": "city", "max": 41}, "fields.X.max"),
        ({"constant": "x" * 41}, "fields.X.constant"),
        ({"from": "city", "default": "x" * 41}, "fields.X.default"),
    ],
)
def test_what_is_longer_than_the_field_is_told_where_it_stands(misfits, rule, place):
    assert misfits(rule, max_length=40) == [("too_short", place)]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"from": "city", "as": "picklist", "picklist": ["hot", "cold"]}, []),
        ({"from": "city", "as": "picklist", "picklist": ["hot", "Cold"]}, ["fields.X.picklist"]),
        ({"from": "city", "as": "picklist", "picklist": ["hot", "warm"], "default": "warm"}, ["fields.X.picklist"]),
        ({"from": "city", "values": {"Bonn": "hot", "Rome": "mild", "Oslo": ""}}, ["fields.X.values.Rome"]),
        ({"constant": "mild"}, ["fields.X.constant"]),
        ({"constant": "hot"}, []),
        ({"from": "city"}, ["fields.X"]),
    ],
)
def test_a_word_that_the_crm_does_not_have_is_told_once(misfits, rule, told):
    assert misfits(rule, kind="picklist", values=("hot", "cold")) == [("picklist", place) for place in told]


def test_numbers_of_a_choice_are_compared_as_they_are_sent(misfits):
    rule = {"from": "city", "as": "integer", "values": {"Bonn": 1, "Rome": 9}}
    assert misfits(rule, kind="integer", values=("1", "2")) == [("picklist", "fields.X.values.Rome")]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"from": "city"}, [("required", "fields.X")]),
        ({"from": "city", "required": True}, []),
        ({"from": "city", "default": "none"}, []),
        ({"constant": "x"}, []),
    ],
)
def test_a_required_field_that_may_be_empty_here_is_told(misfits, rule, told):
    assert misfits(rule, is_required=True) == told


def test_a_field_that_is_not_ours_to_write_is_told_and_nothing_else_of_it(misfits):
    assert misfits({"from": "city", "max": 41}, is_writable=False, max_length=40) == [("not_writable", "fields.X")]


def test_a_crm_without_a_place_for_our_id_is_told(tmp_path):
    path = tmp_path / "crm.yaml"
    path.write_text(json.dumps({"destination": "crm", "version": 1, "fields": {"X": "city"}}))
    (told,) = find_misfits(read_destination_mapping(path), [DescribedField("X", "text")], key="leads by our_id")
    assert (told.code, told.place) == ("no_key", "")
    assert "leads by our_id" in told.sentence
