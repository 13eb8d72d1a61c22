"""Records that are no lead at all: a mapping tells them by words of the record."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigurationError
from pipeline.records import Lead, Suppressed
from pipeline.stages.mapping.source_mapping import SourceMapping, read_source_mapping
from tests.support.mapped_records import try_record

HEAD = "source: hooks\nversion: 1\nlead: {email: email}\n"
RULES = """
suppress:
  test: [{from: test, when: true}]
  not_a_lead:
    - {from: [event, type], is_not: [booked, " Asked "]}
    - {from: status, is: draft}
"""


def mapping_of(folder, said: str) -> SourceMapping:
    path = folder / "hooks.yaml"
    path.write_text(HEAD + said)
    return read_source_mapping(path)


@pytest.mark.parametrize(
    "said",
    [
        {"event": "booked"},
        {"event": " BOOKED "},
        {"event": "asked"},
        {"event": "", "type": "booked"},
        {"event": None},
        {},
        {"event": "booked", "status": "paid"},
        {"event": "booked", "status": ["draft"]},
    ],
)
def test_a_record_of_a_listed_kind_or_of_none_goes_on(tmp_path, said):
    assert isinstance(try_record(mapping_of(tmp_path, RULES), {"email": "a@example.org", **said}), Lead)


@pytest.mark.parametrize(
    "said",
    [
        {"event": "canceled"},
        {"event": "", "type": "canceled"},
        {"event": 7},
        {"event": {"name": "booked"}},
        {"event": "booked", "status": "Draft"},
    ],
)
def test_a_record_of_another_kind_is_no_lead(tmp_path, said):
    decided = try_record(mapping_of(tmp_path, RULES), {"email": "a@example.org", **said})
    assert isinstance(decided, Suppressed)
    assert decided.reason == "not_a_lead"


def test_a_test_is_told_as_a_test_whatever_its_kind(tmp_path):
    decided = try_record(mapping_of(tmp_path, RULES), {"event": "canceled", "test": True})
    assert isinstance(decided, Suppressed)
    assert decided.reason == "test"


@pytest.mark.parametrize("said", ["is: 7", "is_not: [7]", "is_not: {booked: true}"])
def test_a_word_that_is_no_text_is_told_with_its_place(tmp_path, said):
    with pytest.raises(ConfigurationError, match=r"hooks\.yaml: suppress\.not_a_lead\[0\]\.is"):
        mapping_of(tmp_path, f"suppress: {{not_a_lead: [{{from: event, {said}}}]}}")


def test_a_rule_says_one_thing(tmp_path):
    with pytest.raises(ConfigurationError, match="one of when, below, is and is_not"):
        mapping_of(tmp_path, "suppress: {not_a_lead: [{from: event, is: a, is_not: b}]}")
