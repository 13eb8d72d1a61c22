from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from pipeline.errors import ConfigurationError
from pipeline.inspection.field_rows import field_rows
from pipeline.records import Envelope, Lead, Parked, RawEvent, Suppressed
from pipeline.stages.mapping.bodies import ROW
from pipeline.stages.mapping.consents import read_consent_list
from pipeline.stages.mapping.source_mapping import (
    load_source_mapping,
    map_event,
    read_source_mapping,
    undecided,
)
from tests.support.mapped_records import map_record, try_record

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def event(body: bytes | dict, *, source: str = "api", content_type: str = "application/json", **said) -> RawEvent:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return RawEvent(UUID(int=1), "default", source, "hot", NOW, said.get("occurred_at"), Envelope(content_type, raw))


def mapping_of(tmp_path: Path, text: str):
    path = tmp_path / "acme.yaml"
    path.write_text(f"source: acme\nversion: 1\n{text}", encoding="utf-8")
    return read_source_mapping(path)


def test_paths_first_of_several_constant_and_default(tmp_path):
    mapping = mapping_of(
        tmp_path,
        """
lead:
  email: {from: [contact.email, "answers[id=mail].value"]}
  company: {from: firm, default: unknown}
  language: {constant: es}
  first_name: names[0]
touch:
  utm_source: page.utm_source
ignored: [contact.id]
""",
    )
    record = {
        "contact": {"email": " ", "id": 7},
        "answers": [{"id": "x", "value": "1"}, {"id": "mail", "value": "a@example.org"}],
        "names": ["Ada", "B"],
        "page": {"utm_source": "google"},
        "shoe_size": 38,
    }
    mapped = map_record(mapping, record)
    assert mapped.fields == {
        "email": "a@example.org",
        "company": "unknown",
        "language": "es",
        "first_name": "Ada",
        "utm_source": "google",
    }
    assert mapped.custom == {"answers[0]": {"id": "x", "value": "1"}, "names[1]": "B", "shoe_size": 38}
    assert undecided(mapping, record) == ["answers[0]", "names[1]", "shoe_size"]


def test_what_is_kept_is_custom_but_no_longer_undecided(tmp_path):
    mapping = mapping_of(tmp_path, "lead: {email: mail}\nkept: [meta]\nignored: [id]\n")
    record = {"mail": "a@example.org", "meta": {"x": 1}, "id": 3, "new": 1}
    assert map_record(mapping, record).custom == {"meta": {"x": 1}, "new": 1}
    assert undecided(mapping, record) == ["new"]


def test_a_required_field_that_is_missing_parks_the_lead_with_its_path(tmp_path):
    mapping = mapping_of(tmp_path, "lead: {email: {from: [mail, email], required: true}}\n")
    missing = try_record(mapping, {"mail": ""})
    assert isinstance(missing, Parked)
    assert (missing.code, missing.field) == ("missing_required", "email")
    assert "mail or email" in missing.message
    parked = map_event(event({"mail": {"a": 1}}), mapping=mapping)
    assert isinstance(parked, Parked)
    assert (parked.code, parked.field, parked.stage) == ("wrong_type", "email", "map_fields")


def test_a_value_table_and_a_date_with_its_zone(tmp_path):
    mapping = mapping_of(
        tmp_path,
        """
lead:
  email: mail
  product_interest: {from: topic, values: {Demostración: Demo, Precios: Pricing}}
  occurred_at: {from: when, as: date, formats: ["%d/%m/%Y %H:%M"], zone: Europe/Madrid}
  phone: {from: tel, region_from: land}
""",
    )
    mapped = map_record(
        mapping,
        {"mail": "x", "topic": "DEMOSTRACION", "when": "02/03/2026 10:00", "tel": "600111222", "land": "España"},
    )
    assert mapped.fields["product_interest"] == "Demo"
    assert mapped.fields["occurred_at"] == "2026-03-02T09:00:00Z"
    assert mapped.fields["region"] == "ES"
    assert map_record(mapping, {"mail": "x", "topic": "Otro"}).flags == {"product_interest": ["unlisted"]}


def test_consent_is_what_was_answered_and_silence_is_no_answer(tmp_path):
    mapping = mapping_of(
        tmp_path,
        """
lead: {email: mail}
consent:
  newsletter: {purpose: marketing, channel: email, from: opt_in, at: at, policy_version: text}
  terms: {from: terms, values: {gelesen: true}}
""",
    )
    granted = map_record(mapping, {"opt_in": "ja", "at": "2026-03-02T08:00:00Z", "text": 7}).consents
    assert [(c.purpose, c.channel, c.granted, c.at, c.policy_version) for c in granted] == [
        ("marketing", "email", True, datetime(2026, 3, 2, 8, tzinfo=UTC), "7")
    ]
    assert [c.granted for c in map_record(mapping, {"opt_in": False}).consents] == [False]
    assert map_record(mapping, {"opt_in": ""}).consents == []
    assert map_record(mapping, {}).consents == []
    unclear = map_record(mapping, {"opt_in": "perhaps"})
    assert unclear.consents == []
    assert unclear.flags == {"consents": ["not_a_boolean"]}


def test_canonical_names_pass_through_from_the_top_and_from_containers():
    lead = map_event(event({"email": "a@example.org", "fields": {"city": "Bonn", "email": "b@example.org", "hat": 1}}))
    assert isinstance(lead, Lead)
    assert lead.fields == {"email": "a@example.org", "city": "Bonn"}
    assert lead.custom == {"fields.hat": 1}


def test_a_canonical_name_beats_its_alias_whatever_the_order_of_keys():
    for record in (
        {"name": "B", "full_name": "A"},
        {"full_name": "A", "name": "B"},
        {"name": "B", "fields": {"full_name": "A"}},
    ):
        lead = map_event(event(record))
        assert isinstance(lead, Lead)
        assert lead.fields["full_name"] == "A"


def test_leads_of_the_identity_set_come_in_through_the_api():
    lead = map_event(
        event(
            {
                "record_id": "r1",
                "received_at": "2025-01-06T00:01:12Z",
                "source": "whatsapp",
                "region": "MX",
                "fields": {"name": "José Luis", "phone": "5219997098083"},
            },
            content_type=ROW,
        )
    )
    assert isinstance(lead, Lead)
    assert lead.fields == {
        "external_id": "r1",
        "occurred_at": "2025-01-06T00:01:12Z",
        "reported_source": "whatsapp",
        "region": "MX",
        "full_name": "José Luis",
        "phone": "5219997098083",
    }
    assert lead.custom == {}


def test_values_of_wrong_types_are_flagged_and_kept_raw():
    lead = map_event(
        event({"email": {"a": 1}, "phone": True, "employee_count": "many", "external_id": 7, "city": ["a", "b"]})
    )
    assert isinstance(lead, Lead)
    assert lead.fields == {"external_id": "7", "city": "a, b"}
    assert lead.flags == {"email": ["wrong_type"], "phone": ["wrong_type"], "employee_count": ["not_a_number"]}
    assert set(lead.raw) == {"email", "phone", "employee_count"}


def test_words_about_a_consent_carry_no_address_or_number_on():
    given = {"purpose": "news for ada@example.org", "channel": "sms to +34 612 345 678", "granted": True}
    lead = map_event(event({"email": "a@example.org", "consents": [given | {"source": "x/eve%40example.org"}]}))
    (consent,) = lead.consents
    assert (consent.purpose, consent.channel, consent.source) == (
        "news for (redacted)",
        "sms to (redacted)",
        "x/(redacted)",
    )


def test_canonical_consents_are_read_and_bad_ones_flagged():
    good = {"purpose": "marketing", "channel": "email", "granted": True, "at": "2026-03-02T08:00:00Z", "source": "form"}
    unanswered = {"purpose": "marketing", "channel": "phone", "granted": None}
    lead = map_event(event({"email": "a@example.org", "consents": [good, unanswered, 1, {"granted": True}]}))
    assert isinstance(lead, Lead)
    assert [(c.channel, c.granted) for c in lead.consents] == [("email", True), ("phone", None)]
    assert lead.flags["consents"] == ["wrong_type", "wrong_type"]


@pytest.mark.parametrize(
    ("purpose", "channel", "found"),
    [
        ("marketing", "email", ("marketing", "email")),
        ("Marketing", "E-mail", ("marketing", "email")),
        ("Marketing communications", "Mail", ("marketing", "email")),
        ("MARKETING", "Telefon", ("marketing", "phone")),
        ("Werbung", "call", ("marketing", "phone")),
        ("Datenschutz", "Text", ("privacy_policy", "sms")),
        ("privacy policy", "WhatsApp", ("privacy_policy", "whatsapp")),
        ("Privacy-Policy", "Website", ("privacy_policy", "web")),
        ("News-Letter", "correo electrónico", ("newsletter", "email")),
        ("Events & Fairs", "Carrier Pigeon", ("events & fairs", "carrier pigeon")),
    ],
)
def test_a_purpose_and_a_channel_have_one_name_wherever_they_are_said(tmp_path, purpose, channel, found):
    rule = f"lead: {{email: mail}}\nconsent: {{c: {{purpose: {purpose!r}, channel: {channel!r}, from: ok}}}}\n"
    (declared,) = map_record(mapping_of(tmp_path, rule), {"ok": True}).consents
    assert (declared.purpose, declared.channel) == found
    lead = map_event(
        event({"email": "a@example.org", "consents": [{"purpose": purpose, "channel": channel, "granted": True}]})
    )
    assert [(one.purpose, one.channel) for one in lead.consents] == [found]


def test_a_patch_of_an_operator_replaces_what_the_source_said():
    lead = map_event(
        event({"email": {"a": 1}, "city": "Bonn", "phone": "1"}),
        patch={"email": "a@example.org", "city": None, "note": "by hand"},
    )
    assert isinstance(lead, Lead)
    assert lead.fields == {"email": "a@example.org", "phone": "1"}
    assert lead.flags == {}
    assert lead.custom == {"note": "by hand"}


FORMS = [
    ("application/json", b'{"fields": {"email": "a@example.org"}, "utm_source": "x"}'),
    ("application/json; charset=utf-8", b'\xef\xbb\xbf{"email": "a@example.org", "utm_source": "x"}'),
    ("text/plain;charset=UTF-8", b'{"your-email": "a@example.org", "last_touch": {"utm_source": "x"}}'),
    ("application/x-www-form-urlencoded", b"email=a%40example.org&utm_source=x"),
    ("application/x-www-form-urlencoded", b"fields%5Bemail%5D=a%40example.org&last_touch%5Butm_source%5D=x"),
    ("application/x-www-form-urlencoded", b"fields.email=a%40example.org&fields.utm_source=x"),
    ("application/x-www-form-urlencoded", b"your-email=a%40example.org&utm_source=x"),
    (ROW, b'{"E-Mail": "", "email": "a@example.org", "utm_source": "x"}'),
]


@pytest.mark.parametrize(("content_type", "body"), FORMS)
def test_a_form_is_understood_however_the_page_posts_it(content_type, body):
    lead = map_event(event(body, source="web_form", content_type=content_type))
    assert isinstance(lead, Lead)
    assert lead.fields == {"email": "a@example.org", "utm_source": "x"}
    assert lead.custom == {}


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("application/json", b"", "empty_body"),
        ("application/json", b"{", "unreadable_json"),
        ("application/json", b"[1]", "not_an_object"),
        ("application/json", b"null", "not_an_object"),
        ("application/json", b"\xff\xfe\x00", "undecodable_text"),
        ("application/json", b"[" * 100_000, "unreadable_json"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(3_000)), "unreadable_form"),
        (ROW, b"not a row", "unreadable_json"),
        ("image/png", b"\x89PNG", "content_type_not_accepted"),
    ],
)
def test_a_body_that_is_no_lead_is_parked_with_the_reason(content_type, body, code):
    parked = map_event(event(body, source="web_form", content_type=content_type))
    assert isinstance(parked, Parked)
    assert (parked.code, parked.stage) == (code, "map_fields")


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b'"oops"', "a text"), (b"null", "null"), (b"7", "a number"), (b"true", "true or false"), (b"[1]", "a list")],
)
def test_of_a_body_that_is_no_object_it_is_said_what_it_is(body, kind):
    parked = map_event(event(body, source="web_form", content_type="application/json"))
    assert isinstance(parked, Parked)
    assert parked.message == f"one JSON object per lead is expected, not {kind}"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"email": "a@example.org", "hp": "http://spam"}, "spam"),
        ({"email": "a@example.org", "elapsed_ms": 300}, "spam"),
        ({"email": "a@example.org", "elapsed_ms": "300"}, "spam"),
        ({"email": "a@example.org", "is_test": True}, "test"),
        ({"email": "a@example.org", "hp": "", "elapsed_ms": 8123}, None),
        ({"email": "a@example.org", "elapsed_ms": 0}, None),
        ({"email": "a@example.org", "elapsed_ms": "soon"}, None),
        ({"email": "a@example.org", "is_test": "no"}, None),
    ],
)
def test_bots_and_tests_are_suppressed_with_the_reason(record, reason):
    decided = map_event(event(record, source="web_form"))
    assert decided == Suppressed(UUID(int=1), reason) if reason else isinstance(decided, Lead)


def test_a_lead_knows_its_mapping_and_when_it_occurred():
    lead = map_event(event({"email": "a@example.org"}, occurred_at=datetime(2026, 1, 1, tzinfo=UTC)))
    assert isinstance(lead, Lead)
    assert lead.mapping_version == load_source_mapping("api").version
    assert lead.occurred_at == datetime(2026, 1, 1, tzinfo=UTC)
    plain = map_event(event({"email": "a@example.org"}))
    assert isinstance(plain, Lead)
    assert plain.occurred_at == NOW


def test_the_version_changes_with_what_the_mapping_says_and_not_with_its_comments(tmp_path):
    plain = mapping_of(tmp_path, "lead: {email: mail}\n").version
    assert mapping_of(tmp_path, "# a comment\nlead:\n  email: mail\n").version == plain
    assert mapping_of(tmp_path, "lead: {email: e_mail}\n").version != plain
    assert plain.startswith("acme@1+")


def test_the_region_of_a_mapping_is_marked_as_assumed(tmp_path):
    mapping = mapping_of(tmp_path, "region: US\nlead: {phone: tel, region: land}\n")
    assert map_record(mapping, {"tel": "1"}).fields["region"] == "US"
    assert map_record(mapping, {"tel": "1"}).flags == {"region": ["assumed"]}
    assert map_record(mapping, {"tel": "1", "land": "MX"}).flags == {}


def test_a_record_with_endless_fields_is_bounded_and_says_so():
    lead = map_event(event({"email": "a@example.org", **{f"x{number}": "y" for number in range(2_000)}}))
    assert isinstance(lead, Lead)
    assert len(lead.custom) == 500
    assert lead.flags["custom"] == ["truncated"]


def test_an_unknown_source_is_a_configuration_error_that_names_the_known_ones():
    for slug in ("nope", "../api", "api.yaml", ""):
        with pytest.raises(ConfigurationError, match="web_form"):
            load_source_mapping(slug)


# what the mapping says of a field, the value, what becomes of it, flags
OPTIONS = [
    ("occurred_at: {from: v, as: date, order: dmy}", "03/04/2026", "2026-04-03T00:00:00Z", []),
    ("occurred_at: {from: v, as: date, order: mdy}", "03/04/2026", "2026-03-04T00:00:00Z", []),
    ("occurred_at: {from: v, as: date, order: dmy, zone: Europe/Madrid}", "3/4/2026 10:00", "2026-04-03T08:00:00Z", []),
    ("occurred_at: {from: v, as: date, formats: '%Y|%d|%m'}", "2026|03|04", "2026-04-03T00:00:00Z", []),
    ("occurred_at: {from: v, formats: '%Y|%d|%m'}", "2026|03|04", "2026-04-03T00:00:00Z", []),
    ("occurred_at: {from: v, order: dmy, zone: Europe/Madrid}", "3/4/2026 10:00", "2026-04-03T08:00:00Z", []),
    ("employee_count: {from: v, as: number, decimal: ','}", "1.234", 1234, []),
    ("employee_count: {from: v, as: number, decimal: '.'}", "1.5", 1.5, []),
    ("employee_count: {from: v, as: number, decimal: '.'}", "1,234", 1234, []),
    ("employee_count: {from: v, decimal: ','}", "1.200", 1200, []),
    ("other_emails: {from: v, separator: '|'}", "a@example.org|b@example.org", ["a@example.org", "b@example.org"], []),
    ("product_interest: {from: v, as: list, separator: '|'}", "Red, round | Blue", ["Red, round", "Blue"], []),
    ("product_interest: {from: v, as: list, separator: '|'}", "Red, round", ["Red, round"], []),
    ("product_interest: {from: v, as: list, separator: '|'}", ["a|b", "c"], ["a|b", "c"], []),
    ("product_interest: {from: v, as: list, separator: ' '}", "a  b", ["a", "b"], []),
    ("product_interest: {from: v, as: list, separator: '|'}", "|", None, []),
    ("product_interest: {from: v, as: list, separator: '|'}", 7, ["7"], []),
    ("product_interest: {from: v, as: boolean}", "ja", True, []),
    ("product_interest: {from: v, vocabulary: countries}", "ESPAÑA", "ES", []),
    ("product_interest: {from: v, vocabulary: countries}", "Atlantis", "Atlantis", ["unlisted"]),
    ("product_interest: {from: v, vocabulary: booleans}", "oui", "yes", []),
    ("product_interest: {from: v, as: list, vocabulary: booleans}", "oui; no", ["yes", "no"], []),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "value", "expected", "flags"), OPTIONS)
def test_options_say_how_a_value_is_read(tmp_path, rule, value, expected, flags):
    mapping = mapping_of(tmp_path, f"lead:\n  {rule}\n")
    mapped = map_record(mapping, {"v": value})
    name = rule.partition(":")[0]
    assert mapped.fields.get(name) == expected
    assert mapped.flags.get(name, []) == flags


def test_a_consent_nested_without_end_is_flagged_and_costs_no_lead():
    deep = []
    for _ in range(5_000):
        deep = [deep]
    flags, raw = {}, {}
    read_consent_list([{"purpose": "x", "deep": deep}], [], flags, raw)
    assert flags == {"consents": ["wrong_type"]}
    assert raw == {"consents": "(cannot be shown)"}


def test_a_list_is_gathered_from_all_of_its_columns_and_the_first_filled_one_leads(tmp_path):
    mapping = mapping_of(
        tmp_path,
        "lead:\n  phone: {from: [Phone, Mobile, Work]}\n  other_phones: {all_of: [Mobile, Work]}\n",
    )
    lead = map_record(mapping, {"Phone": "1", "Mobile": "2; 3", "Work": "4"})
    assert (lead.fields["phone"], lead.fields["other_phones"]) == ("1", ["2", "3", "4"])
    lead = map_record(mapping, {"Phone": "", "Mobile": " ", "Work": "4"})
    assert (lead.fields["phone"], lead.fields["other_phones"]) == ("4", ["4"])
    assert lead.undecided == []
    rows = field_rows(mapping, {"Phone": "1", "Mobile": "2", "Work": "4"}, lead)
    assert [(row.path, row.flags) for row in rows if row.path] == [
        ("Phone", []),
        ("Mobile", []),
        ("Work", ["in the list"]),
    ]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("phone: {all_of: [a, b]}", "only for lists: other_emails, other_phones"),
        ("other_phones: {from: a, all_of: b}", "both `from` and `all_of`"),
        ("other_phones: {all_of: b, constant: x}", "both `all_of` and `constant`"),
    ],
)
def test_only_a_list_is_gathered_and_from_one_place_said(tmp_path, rule, said):
    with pytest.raises(ConfigurationError, match=said):
        mapping_of(tmp_path, f"lead:\n  {rule}\n")


def row(record: dict, **origin) -> RawEvent:
    envelope = Envelope(ROW, orjson.dumps(record), {}, origin)
    return RawEvent(UUID(int=1), "default", "acme", "bulk", NOW, None, envelope)


def test_a_table_s_titles_are_known_whatever_their_case(tmp_path):
    mapping = mapping_of(tmp_path, "lead:\n  email: Email\n  phone: Phone no\nkept: [City]\n")
    lead = map_event(row({"EMAIL": "a@example.org", "PHONE NO.": "1", "city": "Bonn"}), mapping=mapping)
    assert isinstance(lead, Lead)
    assert (lead.fields, lead.undecided) == ({"email": "a@example.org", "phone": "1"}, [])
    both = map_event(row({"email": "b@example.org", "Email": "a@example.org"}), mapping=mapping)
    assert isinstance(both, Lead)
    assert both.fields["email"] == "a@example.org"
    sent = map_record(mapping, {"EMAIL": "a@example.org", "Email": "b@example.org"})  # no table: keys are exact
    assert sent.fields["email"] == "b@example.org"


def test_what_was_said_at_the_import_beats_the_mapping_s_region_and_not_the_row_s(tmp_path):
    mapping = mapping_of(tmp_path, "region: US\nlead:\n  email: Email\n  region: Market\n")
    said = map_event(row({"Email": "a@example.org"}, region="ES"), mapping=mapping)
    own = map_event(row({"Email": "a@example.org", "Market": "DE"}, region="ES"), mapping=mapping)
    assert isinstance(said, Lead)
    assert isinstance(own, Lead)
    assert (said.fields["region"], own.fields["region"], said.flags) == ("ES", "DE", {})


def test_ids_of_meta_s_exports_are_those_of_its_api(tmp_path):
    mapping = mapping_of(tmp_path, "lead:\n  external_id: id\ntouch:\n  campaign_id: c\n  ad_id: a\n")
    lead = map_record(mapping, {"id": "l:1203344556677889", "c": "c:12020881234565", "a": "c:spring"})
    assert lead.fields == {"external_id": "1203344556677889", "campaign_id": "12020881234565", "ad_id": "c:spring"}
