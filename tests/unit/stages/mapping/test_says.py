"""What a record says: a lead, nothing, or something of somebody who is known already."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigurationError
from pipeline.records import Activity, Lead, Suppressed
from pipeline.stages.mapping.source_mapping import SourceMapping, read_source_mapping
from pipeline.stages.normalization import normalize_activity
from tests.support.mapped_records import try_record

HEAD = "source: hooks\nversion: 1\nlead: {email: {from: email, required: true}, phone: phone, occurred_at: at}\n"
SAYS = """
says:
  from: [event, type]
  words: {booked: lead, " Came ": activity:attended, left: consent, paid: order, bought: lead+order}
  wait_days: 3
  later: activity:message
  details: {room: room.name, seats: seats, is_paid: paid}
"""


def mapping_of(folder, said: str = SAYS) -> SourceMapping:
    path = folder / "hooks.yaml"
    path.write_text(HEAD + said)
    return read_source_mapping(path)


@pytest.mark.parametrize("said", [{"event": "booked"}, {"type": "BOOKED "}, {"event": ""}, {}])
def test_a_word_for_a_lead_and_no_word_at_all_make_a_lead(tmp_path, said):
    lead = try_record(mapping_of(tmp_path), {"email": "a@example.org", **said})
    assert isinstance(lead, Lead)
    assert (lead.later, lead.also) == ("message", None)


@pytest.mark.parametrize("said", [{"event": "sneezed"}, {"event": 7}, {"event": {"booked": 1}}])
def test_a_word_that_nobody_listed_is_nothing_and_is_kept(tmp_path, said):
    decided = try_record(mapping_of(tmp_path), {"email": "a@example.org", **said})
    assert type(decided) is Suppressed
    assert decided.reason == "not_a_lead"


def test_other_words_may_mean_something(tmp_path):
    mapping = mapping_of(tmp_path, "says: {from: event, words: {booked: lead}, else: activity:other}")
    decided = try_record(mapping, {"email": "a@example.org", "event": "sneezed"})
    assert isinstance(decided, Activity)
    assert decided.told == "activity:other"


def test_an_activity_is_normalized_as_a_lead_is_and_keeps_what_is_declared(tmp_path):
    record = {"event": "came", "email": " Ada@Example.org ", "room": {"name": "Blue"}, "seats": 2, "paid": True}
    decided = try_record(mapping_of(tmp_path), record)
    assert isinstance(decided, Activity)
    assert (decided.reason, decided.kind, decided.told) == ("activity", "attended", "activity:attended")
    assert decided.wait_days == 3
    assert decided.details == {"room": "Blue", "seats": "2", "is_paid": True}
    normalized = normalize_activity(decided, default_region=None)
    assert normalized.lead.fields["email"] == "ada@example.org"


def test_what_leads_require_no_activity_needs(tmp_path):
    decided = try_record(mapping_of(tmp_path), {"event": "came", "phone": "+442079460018"})
    assert isinstance(decided, Activity)


def test_a_consent_waits_for_good(tmp_path):
    decided = try_record(mapping_of(tmp_path), {"event": "left", "email": "a@example.org"})
    assert isinstance(decided, Activity)
    assert (decided.told, decided.wait_days) == ("consent", None)


def test_a_lead_may_be_something_besides(tmp_path):
    lead = try_record(mapping_of(tmp_path), {"event": "bought", "email": "a@example.org", "seats": 2})
    assert isinstance(lead, Lead)
    assert (lead.also, lead.details) == ("order", {"seats": "2"})


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("{words: {a: lead}}", "says: says no `from`"),
        ("{from: event}", r"says\.words: names no word"),
        ("{from: event, words: {a: led}}", r"says\.words\.a: 'led' is nothing that a record may say"),
        ("{from: event, words: {a: activity:Ab}}", r"says\.words\.a"),
        ("{from: event, words: {a: lead}, else: [lead]}", r"says\.else"),
        ("{from: event, words: {a: lead}, wait_days: -1}", r"says\.wait_days: -1"),
        ("{from: event, words: {a: lead}, wait_days: true}", r"says\.wait_days"),
        ("{from: event, words: {a: lead}, later: order}", r"says\.later: 'order' is no activity"),
        ("{from: event, words: {a: lead}, details: {A: b}}", r"says\.details\.A: is no name"),
        ("{from: event, words: {a: lead}, details: {a: [b]}}", r"says\.details\.a"),
        ("{from: event, word: {a: lead}}", r"says\.word"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, said, place):
    with pytest.raises(ConfigurationError, match=place):
        mapping_of(tmp_path, f"says: {said}")
