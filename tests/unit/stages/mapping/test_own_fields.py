"""A company's own fields: named in a source's mapping, tidied, and no drift."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from pipeline.errors import ConfigurationError
from pipeline.records import Lead
from pipeline.stages.mapping.source_mapping import read_source_mapping
from pipeline.stages.normalization import normalize_lead

RECORD = {
    "mail": "ada@example.org",
    "answers": {"size": "43,5", "topics": "running; trail", "why": " My  knees\n\n\n\nhurt ", "none": "N/A"},
    "since": "02/03/2026",
}


@pytest.fixture
def mapping(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text(
        "source: acme\nversion: 1\nlead: {email: mail}\ncustom:\n"
        "  size: {from: answers.size, as: number}\n"
        "  topics: {from: [answers.subjects, answers.topics], as: list}\n"
        "  why: answers.why\n  nothing: answers.none\n"
        "  member: {from: answers.member, as: boolean, default: false}\n"
        "  since: {from: since, as: date, order: dmy}\n",
        encoding="utf-8",
    )
    return read_source_mapping(path)


def normalized(fields) -> Lead:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    lead = Lead(UUID(int=1), "default", "acme", "hot", now, now, "acme@1", fields=fields)
    made = normalize_lead(lead, default_region=None)
    assert isinstance(made, Lead)
    return made


def test_answers_are_kept_under_the_names_that_the_mapping_gives_them(mapping):
    mapped = mapping.map_record(RECORD)
    assert (mapped.custom, mapped.undecided) == ({}, [])
    fields = normalized(mapped.fields).fields
    assert fields == {
        "email": "ada@example.org",
        "custom.size": 43.5,
        "custom.topics": ["running", "trail"],
        "custom.why": "My knees\n\nhurt",
        "custom.member": False,
        "custom.since": "2026-03-02T00:00:00Z",
    }
    assert normalized(fields).fields == fields


def test_what_cannot_be_read_is_flagged_and_leaves_the_field_empty(mapping):
    mapped = mapping.map_record({"mail": "ada@example.org", "answers": {"size": {"eu": 43}}, "since": "soon"})
    lead = normalized(mapped.fields)
    assert lead.fields.keys() == {"email", "custom.member"}
    assert mapped.flags["custom.size"] == ["wrong_type"]


def test_a_required_answer_that_is_missing_holds_the_lead_back(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text("source: acme\nversion: 1\nlead: {email: mail}\ncustom: {size: {from: size, required: true}}\n")
    assert [rule.name for rule in read_source_mapping(path).declaration.fields if rule.required] == ["custom.size"]


@pytest.mark.parametrize("name", ["custom.size", "size"])
def test_a_field_of_ones_own_among_those_of_a_lead_is_refused_with_where_it_belongs(tmp_path, name):
    path = tmp_path / "acme.yaml"
    path.write_text(f"source: acme\nversion: 1\nlead: {{email: mail, {name}: answers.size}}\n")
    with pytest.raises(ConfigurationError, match="a field of your own stands under `custom`, beside `lead`"):
        read_source_mapping(path)
