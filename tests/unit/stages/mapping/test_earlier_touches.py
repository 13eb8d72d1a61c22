"""A record may remember a contact before this one: it counts with its own time and its own evidence, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.records import EarlierTouch, Envelope, Lead, RawEvent
from pipeline.stages.mapping.source_mapping import load_source_mapping, map_event, read_source_mapping
from pipeline.stages.normalization import normalize_lead
from tests.support.mapped_records import map_record

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 20, 7, 30, tzinfo=UTC)
AT = "2026-02-20T07:30:00Z"
RULES = """
source: acme
version: 1
lead: {email: mail, occurred_at: sent}
earlier_touches:
  - {at: first.at, utm_source: first.utm_source, page_url: [first.landing, first.page], referrer: first.referrer}
  - {at: {from: second.at, as: date, order: dmy}, utm_source: {from: second.source, values: {fb: facebook}},
     utm_medium: {constant: social}}
"""


@pytest.fixture(scope="module")
def mapping(tmp_path_factory):
    path = tmp_path_factory.mktemp("mappings") / "acme.yaml"
    path.write_text(RULES, encoding="utf-8")
    return read_source_mapping(path)


def touch(at=FEBRUARY, **fields):
    return EarlierTouch(at, fields)


# what the record remembers, the touches it makes, what is noticed
FOUND = [
    ({}, [], None),
    ({"first": None}, [], None),
    ({"first": {}}, [], None),
    ({"first": {"at": AT}}, [], None),
    ({"first": {"at": AT, "utm_source": ""}}, [], None),
    ({"first": {"at": AT, "utm_source": "linkedin"}}, [touch(utm_source="linkedin")], None),
    ({"first": {"at": " 2026-02-20T08:30:00+01:00 ", "utm_source": "x"}}, [touch(utm_source="x")], None),
    ({"first": {"at": 1771572600, "utm_source": "x"}}, [touch(utm_source="x")], None),
    ({"first": {"at": "1771572600000", "utm_source": "x"}}, [touch(utm_source="x")], None),
    ({"first": {"at": AT, "page": "https://a.example/?gclid=x"}}, [touch(page_url="https://a.example/?gclid=x")], None),
    ({"first": {"at": AT, "landing": "", "page": "https://a.example"}}, [touch(page_url="https://a.example")], None),
    ({"first": {"at": AT, "referrer": " https://b.example/\x00 "}}, [touch(referrer="https://b.example/")], None),
    ({"first": {"at": AT, "utm_source": 7}}, [touch(utm_source="7")], None),
    ({"first": {"at": AT, "utm_source": ["a", "b"]}}, [touch(utm_source="a, b")], None),
    ({"first": {"at": AT, "utm_source": {"a": 1}}}, [], None),
    ({"first": {"utm_source": "x"}}, [], "undated"),
    ({"first": {"at": "", "utm_source": "x"}}, [], "undated"),
    ({"first": {"at": None, "utm_source": "x"}}, [], "undated"),
    ({"first": {"at": "last week", "utm_source": "x"}}, [], "undated"),
    ({"first": {"at": True, "utm_source": "x"}}, [], "undated"),
    ({"first": {"at": {"a": 1}, "utm_source": "x"}}, [], "undated"),
    ({"first": {"at": 12, "utm_source": "x"}}, [], "undated"),
    ({"first": "a text"}, [], None),
    ({"first": ["a"]}, [], None),
    ({"second": {"at": "20/02/2026 07:30", "source": "FB"}}, [touch(utm_source="facebook", utm_medium="social")], None),
    ({"second": {"at": "31/31/2026", "source": "FB"}}, [], "undated"),
    ({"second": {"at": "20/02/2026 07:30"}}, [], None),
    (
        {"first": {"at": AT, "utm_source": "a"}, "second": {"at": "20/02/2026 07:30", "source": "b"}},
        [touch(utm_source="a"), touch(utm_source="b", utm_medium="social")],
        None,
    ),
    (
        {"first": {"utm_source": "a"}, "second": {"at": AT, "source": "b"}},
        [touch(utm_source="b", utm_medium="social")],
        "undated",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("record", "touches", "flag"), FOUND)
def test_what_a_record_remembers_becomes_a_touch_with_a_time_and_evidence(mapping, record, touches, flag):
    mapped = map_record(mapping, {"mail": "a@example.org", **record})
    assert mapped.earlier_touches == touches
    noticed = [one for one in mapped.flags.get("earlier_touches", []) if one != "unlisted"]
    assert noticed == ([flag] if flag else [])


def test_the_text_of_an_unreadable_time_is_kept(mapping):
    assert map_record(mapping, {"first": {"at": "last week", "utm_source": "x"}}).raw == {
        "earlier_touches": "last week"
    }


def lead_of(mapping, record) -> Lead:
    raw = RawEvent(
        UUID(int=1), "default", "acme", "hot", NOON, None, Envelope("application/json", orjson.dumps(record))
    )
    mapped = map_event(raw, mapping=mapping)
    assert isinstance(mapped, Lead)
    lead = normalize_lead(mapped, default_region=None)
    assert isinstance(lead, Lead)
    return lead


@pytest.mark.parametrize(
    ("sent", "at", "kept"),
    [
        ("2026-03-01T00:00:00Z", AT, True),
        (AT, AT, True),
        ("2026-02-20T07:29:59Z", AT, False),
        (None, AT, True),
        (None, "2026-03-02T12:00:01Z", False),
        ("nonsense", AT, True),
    ],
)
def test_a_touch_that_is_later_than_the_lead_is_no_earlier_one(mapping, sent, at, kept):
    lead = lead_of(mapping, {"mail": "a@example.org", "sent": sent, "first": {"at": at, "utm_source": "x"}})
    assert [one.fields for one in lead.earlier_touches] == ([{"utm_source": "x"}] if kept else [])
    assert lead.flags.get("earlier_touches") == (None if kept else ["later_than_lead"])
    again = normalize_lead(lead, default_region=None)
    assert isinstance(again, Lead)
    assert again.earlier_touches == lead.earlier_touches


def test_the_form_on_your_own_site_remembers_its_first_visit():
    record = {
        "fields": {"email": "ada@example.org"},
        "submitted_at": "2026-03-02T09:00:00Z",
        "first_touch": {"at": AT, "landing_page": "https://www.example.com/", "gclid": "Cj0", "utm_id": "7", "odd": 1},
    }
    mapped = map_record(load_source_mapping("web_form"), record)
    assert mapped.earlier_touches == [touch(page_url="https://www.example.com/", utm_id="7", gclid="Cj0")]
    assert mapped.custom == {"first_touch.odd": 1}
    assert mapped.undecided == ["first_touch.odd"]


@pytest.mark.parametrize(
    ("said", "touches", "flags"),
    [
        ([{"at": AT, "utm_source": "x", "shoe_size": 38}], [touch(utm_source="x")], None),
        ({"at": AT, "utm_source": "x"}, [touch(utm_source="x")], None),
        ([{"at": AT}], [], None),
        ([{"at": "0001-01-01T00:00:00Z", "utm_source": "x"}], [], ["undated"]),
        ([{"at": "2026-02-30T00:00:00Z", "utm_source": "x"}], [], ["undated"]),
        ([{"at": "Z", "utm_source": "x"}], [], ["undated"]),
        ([{"at": "20260220T073000Z", "utm_source": "x"}], [touch(utm_source="x")], None),
        ([{"utm_source": "x"}], [], ["undated"]),
        (["x", {"at": AT, "gclid": "g"}], [touch(gclid="g")], ["wrong_type"]),
        ([], [], None),
        ([{"at": AT, "utm_source": "x"}] * 21, [touch(utm_source="x")] * 20, ["truncated"]),
    ],
)
def test_canonical_records_may_list_their_earlier_touches(said, touches, flags):
    for record in ({"earlier_touches": said}, {"fields": {"earlier_touches": said}}):
        mapped = map_record(load_source_mapping("api"), {"email": "a@example.org", **record})
        assert mapped.earlier_touches == touches
        assert mapped.flags.get("earlier_touches") == flags
        assert mapped.custom == {}


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # busy machines draw nested records slowly
@given(at=ANY, source=ANY, page=ANY, whole=ANY)
def test_nothing_a_record_remembers_stops_it(mapping, at, source, page, whole):
    for record in ({"first": {"at": at, "utm_source": source, "page": page}}, {"first": whole, "second": whole}):
        for one in map_record(mapping, record).earlier_touches:
            assert one.at.tzinfo is not None
            assert one.fields
    mapped = map_record(load_source_mapping("api"), {"earlier_touches": whole})
    assert len(mapped.earlier_touches) <= 20
