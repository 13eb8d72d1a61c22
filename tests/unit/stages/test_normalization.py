from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.canonical import CANONICAL_FIELDS
from pipeline.identity.matching.evidence import evidence_of
from pipeline.records import Envelope, Lead, Parked, RawEvent, Suppressed
from pipeline.stages.attribution.touches import touch_of
from pipeline.stages.mapping.bodies import ROW
from pipeline.stages.mapping.source_mapping import map_event
from pipeline.stages.normalization import normalize_lead

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def lead(flags: dict[str, list[str]] | None = None, /, **fields) -> Lead:
    return Lead(
        event_id=UUID(int=1),
        brand="default",
        source="api",
        lane="hot",
        received_at=NOW,
        occurred_at=NOW,
        mapping_version="x@1",
        fields=fields,
        flags=flags or {},
    )


def normalized(region: str | None = None, flags: dict[str, list[str]] | None = None, /, **fields) -> Lead:
    found = normalize_lead(lead(flags, **fields), default_region=region)
    assert isinstance(found, Lead)
    return found


def test_every_field_gets_its_one_spelling():
    found = normalized(
        first_name="ada",
        last_name="DE LA CRUZ",
        email=" Ada@Example.ORG ",
        phone="030 23125123",
        country="Alemania",
        company="  Brandt\u200b   GmbH ",
        industry="software",
        employee_count="1,200",
        message="Hi\r\n\r\n\r\n\r\nthere\x00",
        whatsapp_id="34600111222@s.whatsapp.net",
    )
    assert found.fields == {
        "first_name": "Ada",
        "last_name": "de la Cruz",
        "full_name": "Ada de la Cruz",
        "email": "ada@example.org",
        "phone": "+493023125123",
        "country": "DE",
        "company": "Brandt GmbH",
        "industry": "Technology",
        "employee_count": 1200,
        "message": "Hi\n\nthere",
        "whatsapp_id": "+34600111222",
    }
    assert found.flags == {"phone": ["fictional"]}  # kept for films by the regulator
    assert found.raw["phone"] == "030 23125123"
    assert found.raw["email"] == " Ada@Example.ORG "


@pytest.mark.parametrize(
    ("written", "kept"), [("51-200", "51-200"), ("10.000+", "10000+"), ("1,001 to 5,000", "1001-5000")]
)
def test_a_range_of_employees_is_no_count_and_is_kept_as_a_range(written, kept):
    found = normalized(email="ada@example.org", employee_count=written)
    assert found.fields["employee_range"] == kept
    assert "employee_count" not in found.fields
    assert found.flags == {"employee_count": ["range"]}
    assert found.raw["employee_count"] == written


def test_more_addresses_than_are_kept_are_dropped_with_a_flag():
    others = [f"person{number}@example.org" for number in range(30)]
    found = normalized(email="ada@example.org", other_emails=others)
    assert found.fields["other_emails"] == others[:20]
    assert found.flags["other_emails"] == ["truncated"]


def test_what_is_no_value_is_kept_raw_and_flagged_and_the_lead_goes_on():
    found = normalized(
        email="ada@example.org",
        phone="call me",
        country="Atlantis",
        industry="alchemy",
        employee_count="many",
        other_emails=["x@", "b@example.org", "y@"],
        whatsapp_id="12",
    )
    assert found.fields == {"email": "ada@example.org", "other_emails": ["b@example.org"]}
    assert found.flags == {
        "phone": ["not_a_phone"],
        "country": ["unknown_country"],
        "industry": ["unknown_industry"],
        "employee_count": ["not_a_number"],
        "other_emails": ["invalid_email"],
        "whatsapp_id": ["not_a_phone"],
    }
    assert found.raw["phone"] == "call me"
    assert found.raw["other_emails"] == ["x@", "y@"]


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"email": "x@", "full_name": "Ada Brandt"}, "nothing_to_identify", "email"),
        ({"phone": "call me"}, "nothing_to_identify", "phone"),
        ({"full_name": "Ada Brandt", "company": "Brandt"}, "nothing_to_identify", None),
        ({}, "nothing_to_identify", None),
        ({"external_id": " \u200b"}, "nothing_to_identify", "external_id"),
    ],
)
def test_a_lead_with_nothing_to_tell_a_person_by_is_parked(fields, code, field):
    parked = normalize_lead(lead(**fields), default_region=None)
    assert isinstance(parked, Parked)
    assert (parked.code, parked.field, parked.stage) == (code, field, "normalize")
    assert "Ada" not in parked.message


@pytest.mark.parametrize("field", ["phone", "other_phones"])
def test_a_phone_that_lacks_only_its_country_is_told_with_what_would_rescue_it(field):
    parked = normalize_lead(lead(email="x@", **{field: "612 345 678"}), default_region=None)
    assert isinstance(parked, Parked)
    assert (parked.code, parked.field) == ("nothing_to_identify", "email")
    assert "`region:` in the source's mapping" in parked.message
    assert "612" not in parked.message
    nobody = normalize_lead(lead(email="x@", phone="call me"), default_region=None)
    assert isinstance(nobody, Parked)
    assert "region" not in nobody.message, "a country would not make a number of it"


def test_an_address_of_the_wrong_type_is_named_when_nothing_else_is_left():
    parked = normalize_lead(lead({"email": ["wrong_type"]}, full_name="Ada"), default_region=None)
    assert isinstance(parked, Parked)
    assert (parked.code, parked.field) == ("wrong_type", "email")


@pytest.mark.parametrize(
    "fields",
    [
        {"email": "a@example.org"},
        {"other_emails": ["a@example.org"]},
        {"phone": "+493023125123"},
        {"other_phones": ["+493023125123"]},
        {"whatsapp_id": "34600111222"},
        {"linkedin_url": "https://linkedin.com/in/ada"},
        {"external_id": "7"},
    ],
)
def test_one_identifier_is_enough(fields):
    evidence = evidence_of(normalized(**fields))
    assert evidence.email or evidence.phones or evidence.profiles


@pytest.mark.parametrize(
    ("fields", "region", "flags", "phone"),
    [
        ({"phone": "600111222", "country": "ES", "region": "US"}, "US", {}, "+34600111222"),
        ({"phone": "600111222", "region": "ES"}, "US", {}, "+34600111222"),
        ({"phone": "600111222"}, "ES", {}, "+34600111222"),
        ({"phone": "+34600111222", "country": "US"}, "US", {}, "+34600111222"),
        ({"phone": "0171 1234567", "country": "US", "region": "DE"}, None, {}, "+491711234567"),
        # the mapping's own region gives way to a setting, the record's does not
        ({"phone": "600111222", "region": "US"}, "ES", {"region": ["assumed"]}, "+34600111222"),
        ({"phone": "2025550143", "region": "US"}, None, {"region": ["assumed"]}, "+12025550143"),
        ({"phone": "600111222", "region": "España"}, None, {}, "+34600111222"),
    ],
)
def test_a_number_without_prefix_belongs_to_country_region_or_setting(fields, region, flags, phone):
    assert normalized(region, flags, **fields).fields["phone"] == phone


def test_an_assumed_region_gives_way_to_the_setting_in_the_field_too():
    assert normalized("MX", {"region": ["assumed"]}, region="US", email="a@example.org").fields["region"] == "MX"
    assert normalized("MX", region="US", email="a@example.org").fields["region"] == "US"


@pytest.mark.parametrize(
    ("value", "moment", "flag"),
    [
        ("2026-03-01T10:00:00+01:00", datetime(2026, 3, 1, 9, tzinfo=UTC), None),
        (1772355600, datetime(2026, 3, 1, 9, tzinfo=UTC), None),
        (1772355600000, datetime(2026, 3, 1, 9, tzinfo=UTC), None),
        ("2026-03-03T08:59:59Z", datetime(2026, 3, 3, 8, 59, 59, tzinfo=UTC), None),
        ("2026-03-03T09:00:01Z", NOW, "in_the_future"),
        ("2062-01-01", NOW, "in_the_future"),
        ("yesterday", NOW, "unreadable_time"),
        (True, NOW, "unreadable_time"),
        ({"at": 1}, NOW, "unreadable_time"),
    ],
)
def test_the_sources_time_counts_unless_it_cannot_be(value, moment, flag):
    found = normalized(email="a@example.org", occurred_at=value)
    assert found.occurred_at == moment
    assert found.flags.get("occurred_at") == ([flag] if flag else None)
    assert "occurred_at" not in found.fields


@pytest.mark.parametrize(
    ("fields", "completed"),
    [
        ({"first_name": "Ada", "last_name": "Brandt"}, {"full_name": "Ada Brandt"}),
        ({"full_name": "Ada Brandt"}, {"first_name": "Ada", "last_name": "Brandt"}),
        ({"full_name": "Brandt, Ada"}, {"full_name": "Ada Brandt", "first_name": "Ada", "last_name": "Brandt"}),
        ({"full_name": "Nagy Anna", "country": "HU"}, {}),
        ({"full_name": "Ana María López"}, {"first_name": "Ana María", "last_name": "López"}),
        ({"full_name": "Ana Martín Pérez"}, {}),
        ({"full_name": "Ada Brandt", "first_name": "Ada"}, {"last_name": "Brandt"}),
        ({"first_name": "Ada"}, {}),
    ],
)
def test_a_name_is_completed_only_where_there_is_one_way(fields, completed):
    found = normalized(email="a@example.org", **fields).fields
    for name in ("first_name", "last_name", "full_name"):
        assert found.get(name) == completed.get(name, fields.get(name))


def test_each_address_is_kept_once_and_the_first_is_the_main_one():
    found = normalized(
        "US",
        email="A@example.org; b@example.org",
        other_emails=["a@EXAMPLE.org", "c@example.org", "B@example.org"],
        phone="202 555 0143",
        other_phones=["+1 (202) 555-0143", "202-555-0144"],
    ).fields
    assert found["email"] == "a@example.org"
    assert found["other_emails"] == ["b@example.org", "c@example.org"]
    assert (found["phone"], found["other_phones"]) == ("+12025550143", ["+12025550144"])


def test_the_text_that_came_first_is_the_one_that_is_kept():
    mapped = lead(email=" A@example.org")
    mapped.raw = {"email": "what the mapping kept"}
    found = normalize_lead(mapped, default_region=None)
    assert isinstance(found, Lead)
    assert found.raw == {"email": "what the mapping kept"}


def test_the_lead_handed_in_is_left_as_it_is():
    given_lead = lead(email="A@example.org", phone="call me", other_emails=["B@example.org"])
    before = msgspec.msgpack.encode(given_lead)
    normalize_lead(given_lead, default_region=None)
    assert msgspec.msgpack.encode(given_lead) == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
# texts that look like something, so that the paths behind the first refusal are walked too
LIKELY = st.sampled_from(
    [
        "a@example.org",
        "A@EXAMPLE.org; b@example.org",
        "+34 600 111 222",
        "0171 1234567 x9",
        "600111222 / 600333444",
        "MEXICO",
        "Brandt, Ada",
        "ADA DE LA CRUZ",
        "2026-03-02T09:00:00Z",
        "1772355600",
        "1,234",
        "https://x.org/?utm_source=y",
    ]
)
RECORDS = st.dictionaries(st.sampled_from(sorted(CANONICAL_FIELDS)) | st.text(max_size=10), JSON | LIKELY, max_size=8)


def event(body: bytes, content_type: str, source: str) -> RawEvent:
    return RawEvent(UUID(int=1), "default", source, "hot", NOW, None, Envelope(content_type, body))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS, st.sampled_from([None, "US", "DE"]))
def test_any_record_normalized_twice_is_as_normalized_once(record, region):
    mapped = map_event(event(msgspec.json.encode(record), "application/json", "api"))
    assert isinstance(mapped, Lead | Parked | Suppressed)
    once = normalize_lead(mapped, default_region=region) if isinstance(mapped, Lead) else mapped
    if not isinstance(once, Lead):
        return
    twice = normalize_lead(once, default_region=region)
    assert isinstance(twice, Lead)
    assert (twice.fields, twice.flags, twice.raw) == (once.fields, once.flags, once.raw)
    assert twice.occurred_at == once.occurred_at
    assert once.occurred_at <= NOW + timedelta(days=1)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(once), type=Lead) == once, "it must survive the broker"
    once.person_id = UUID(int=2)
    assert touch_of(once).channel


@given(
    st.binary(max_size=300),
    st.sampled_from(
        [
            "application/json",
            "application/x-www-form-urlencoded",
            "text/plain",
            "multipart/form-data; boundary=x",
            ROW,
            "",
            "\x00",
        ]
    ),
    st.sampled_from(["web_form", "api", "standard_webhooks", "json_feed", "datablist"]),
)
def test_any_bytes_of_any_source_give_a_lead_or_a_reason(body, content_type, source):
    mapped = map_event(event(body, content_type, source))
    assert isinstance(mapped, Lead | Parked | Suppressed)
    if isinstance(mapped, Lead):
        assert isinstance(normalize_lead(mapped, default_region=None), Lead | Parked)


@given(
    st.dictionaries(
        st.sampled_from(["fields", "last_touch", "click_ids", "consent", "hp", "data", "person"]) | st.text(max_size=6),
        JSON,
        max_size=6,
    )
)
def test_any_shape_of_a_nested_record_gives_a_lead_or_a_reason(record):
    for source in ("web_form", "api", "standard_webhooks", "json_feed", "datablist"):
        mapped = map_event(event(msgspec.json.encode(record), "application/json", source))
        assert isinstance(mapped, Lead | Parked | Suppressed)
        if isinstance(mapped, Lead):
            msgspec.msgpack.encode(mapped)
