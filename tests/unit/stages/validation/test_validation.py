"""Rules over the whole lead: who is stopped, who is flagged, and above all who goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.canonical import CANONICAL_FIELDS
from pipeline.errors import ConfigurationError
from pipeline.identity.matching.evidence import evidence_of
from pipeline.records import Lead, Parked, Suppressed
from pipeline.stages.normalization import normalize_lead
from pipeline.stages.validation.rules import RULES, load_rules, read_rules
from pipeline.stages.validation.validation import compile_rules, judge
from pipeline.values.yaml_files import MAPPINGS

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PHONE, ADA = "+34600111222", "ada@example.com"
FIVE = " ".join(f"https://spam{number}.example/x" for number in range(5))


def lead(is_released: bool = False, /, source: str = "api", **fields) -> Lead:
    return Lead(
        event_id=UUID(int=1),
        brand="default",
        source=source,
        lane="hot",
        received_at=NOW,
        occurred_at=NOW,
        mapping_version="x@1",
        fields={"region": "ES", **fields},
        is_released=is_released,
    )


def verdict(*args, **fields) -> str:
    """What becomes of a lead, in a word: `suppressed test`, `quarantined nothing_to_identify`, `goes on`, or flags."""
    found = normalize_lead(lead(*args, **fields), default_region=None)
    if isinstance(found, Suppressed):
        return f"suppressed {found.reason} by {found.rule}"
    if isinstance(found, Parked):
        return f"quarantined {found.code}"
    flags = sorted({flag for flags in found.flags.values() for flag in flags if flag in RULES})
    return f"goes on, {', '.join(flags)}" if flags else "goes on"


# Leads that must go on, untouched by any rule.
INNOCENT = [
    {"email": ADA, "full_name": "Ada Sample"},
    {"phone": PHONE},
    {"email": ADA, "message": "Interested in a demo"},
    {"email": ADA, "message": "We saw https://shop.example/a and https://shop.example/b, what do they cost?"},
    {"email": ADA, "message": "See www.example.com/a, www.example.com/b, www.example.com/c, www.example.com/d"},
    {
        "email": "ana@gmail.com",
        "website": "https://www.anas-shop.example",
        "message": "https://anas-shop.example/1 https://anas-shop.example/2 http://www.anas-shop.example/3"
        " https://blog.anas-shop.example/4 https://anas-shop.example/5",
    },
    {
        "email": "ana@gmail.com",
        "page_url": "https://shop.example/pricing?utm_source=x",
        "message": " ".join(f"https://shop.example/product/{number}" for number in range(8)),
    },
    {"email": ADA, "message": "Wir hätten gern ein Angebot für [10 Stück] und [20 Stück]."},
    {"email": ADA, "message": "Precio: 3.000 €/mes. ¿Algo más? www"},
    {"email": ADA, "message": "Preguntar por el http de la web"},
    {"email": ADA, "message": "ratio 3://4 is what I mean"},
    {"email": ADA, "message": 'My signature: <a href="https://acme.example">Acme</a>'},
    {"email": ADA, "full_name": "Tadeusz Test", "phone": PHONE},
    {"email": ADA, "first_name": "Tadeusz", "last_name": "Test"},
    {"email": ADA, "full_name": "Testa Rossi"},
    {"email": ADA, "full_name": "Ernesto Testino"},
    {"email": ADA, "full_name": "Proberts Contest"},
    {"email": ADA, "full_name": "Greta Protest"},
    {"email": ADA, "first_name": "Jennifer", "last_name": "Null"},
    {"email": ADA, "full_name": "Demo Demopoulos"},
    {"email": ADA, "full_name": "Dummy Test Company Ltd", "company": "Testo SE"},
    {"email": ADA, "full_name": "Ada Sample", "company": "Demo"},
    {"email": ADA, "full_name": "Ada Sample", "company": "Test GmbH"},
    {"email": "latest@example.com", "full_name": "Ada Sample"},
    {"email": "contest@example.com"},
    {"email": "testa.maria@example.com"},
    {"email": "maria.testa@example.com"},
    {"email": "testimonials@example.com"},
    {"email": "demo@acme.example"},
    {"email": "greatest.hits@example.com"},
    {"email": "ana.prueba@example.com"},
    {"email": "probert@example.com"},
    {"email": ADA, "full_name": "Siobhan McDonald-DiCaprio"},
    {"email": ADA, "first_name": "MacGregor", "last_name": "DeAngelo"},
    {"email": ADA, "first_name": "JoAnnMarie", "last_name": "VanDerBerg"},
    {"email": ADA, "first_name": "SIOBHAN", "last_name": "O'BRIEN"},
    {"email": ADA, "full_name": "Schtscherbakow Knightsbridge"},
    {"email": "j.r.r.tolk@gmail.com", "full_name": "Anna Berta"},
    {"email": ADA, "full_name": "St. John Smith"},
    {"email": ADA, "full_name": "Dr. Ada Sample, M.Sc."},
    {"email": ADA, "message": "Добрый день, интересует ваша компания, пришлите прайс"},
    {"email": ADA, "region": "RU", "message": "Добрый день, посмотрите наш сайт https://other.example спасибо"},
    {"email": ADA, "country": "GR", "message": "Καλημέρα σας, δείτε https://other.example παρακαλώ"},
    {"email": ADA, "region": "DE", "message": "Grüße! Firma Πλαίσιο: https://other.example, bitte Angebot senden"},
    {"email": ADA, "region": "ES", "message": "Xin chào, tôi muốn biết giá của sản phẩm https://other.example này"},
    {"email": ADA, "external_id": "tester-1"},
    {"external_id": "crm-77", "full_name": "Ada Sample"},
    {"linkedin_url": "https://www.linkedin.com/in/ada-sample"},
    {"whatsapp_id": "34600111222@s.whatsapp.net", "full_name": "Ada"},
]
# fields of the lead, what becomes of it
JUDGED = [
    # an ad platform's own test leads, whatever else they hold
    (
        {"full_name": "<test lead: dummy data for full_name>", "email": "test@fb.com"},
        "suppressed test by test_marker",
    ),
    (
        {"first_name": "<test lead: dummy data for first_name>", "email": ADA, "phone": PHONE},
        "suppressed test by test_marker",
    ),
    ({"company": "<TEST LEAD: dummy data for company_name>", "email": ADA}, "suppressed test by test_marker"),
    (
        {"external_id": "TeSter-abc123", "full_name": "FirstName LastName", "email": ADA, "phone": PHONE},
        "suppressed test by test_marker",
    ),
    # words for a test, and nobody behind them
    ({"email": "test@test.com"}, "suppressed test by test_lead"),
    ({"email": "test@acme.example"}, "suppressed test by test_lead"),
    ({"email": "TESTING@acme.example"}, "suppressed test by test_lead"),
    ({"email": "prueba2@acme.example"}, "suppressed test by test_lead"),
    ({"email": "test.user+3@acme.example"}, "suppressed test by test_lead"),
    ({"email": "teste@gmail.com", "full_name": "teste"}, "suppressed test by test_lead"),
    ({"email": "test@test.com", "full_name": "Test Test", "external_id": "7"}, "suppressed test by test_lead"),
    ({"email": "test@test.com", "first_name": "Test", "last_name": "User"}, "suppressed test by test_lead"),
    ({"email": "test@test.com", "phone": "1234567890", "full_name": "prueba"}, "suppressed test by test_lead"),
    ({"email": "probe@acme.example", "full_name": "Max Mustermann"}, "suppressed test by test_lead"),
    ({"email": "test@acme.example", "full_name": "-"}, "suppressed test by test_lead"),
    ({"full_name": "Test Test"}, "suppressed test by test_lead"),
    ({"full_name": "prueba prueba", "message": "prueba"}, "suppressed test by test_lead"),
    # a placeholder typed by somebody real
    ({"email": "test@test.com", "full_name": "Ana Ruiz", "phone": PHONE}, "goes on, test_like"),
    ({"email": "test@test.com", "full_name": "Test", "phone": PHONE}, "goes on, test_like"),
    ({"email": "test@test.com", "phone": PHONE}, "goes on, test_like"),
    ({"email": "test@test.com", "whatsapp_id": "34600111222"}, "goes on, test_like"),
    ({"email": "test@acme.example", "other_emails": [ADA]}, "goes on, test_like"),
    ({"email": "test@test.com", "full_name": "Ana Ruiz"}, "quarantined nothing_to_identify"),
    ({"email": "test@acme.example", "full_name": "Ana Ruiz"}, "goes on, test_like"),
    ({"email": "teste@padaria-real.example", "full_name": "Ana Ruiz"}, "goes on, test_like"),
    ({"email": ADA, "full_name": "Test Test"}, "goes on, test_like"),
    ({"email": ADA, "full_name": "Max Mustermann"}, "goes on, test_like"),
    ({"phone": PHONE, "full_name": "Prueba"}, "goes on, test_like"),
    # links
    ({"email": ADA, "message": "Hi [url=https://spam.example]casino[/url]"}, "suppressed spam by link_stuffed"),
    ({"email": ADA, "message": 'x [URL="http://spam.example"] y'}, "suppressed spam by link_stuffed"),
    ({"email": ADA, "message": "[url]www.spam.example[/url]"}, "suppressed spam by link_stuffed"),
    ({"email": ADA, "message": "[link=http://spam.example]x[/link]"}, "suppressed spam by link_stuffed"),
    ({"email": ADA, "message": FIVE}, "suppressed spam by link_stuffed"),
    ({"email": ADA, "message": f"Best prices {FIVE} now"}, "suppressed spam by link_stuffed"),
    (
        {
            "email": ADA,
            "message": " ".join(f'<a href="http://s{number}.example/">pills</a>' for number in range(5)),
        },
        "suppressed spam by link_stuffed",
    ),
    ({"email": ADA, "phone": PHONE, "message": FIVE}, "suppressed spam by link_stuffed"),
    (
        {
            "email": ADA,
            "message": f"{FIVE} These are the shops we run today. Could you quote a migration of all of them?",
        },
        "goes on, many_links",
    ),
    (
        {"email": ADA, "message": "https://a.example https://b.example https://c.example"},
        "goes on, many_links",
    ),
    (
        {"email": ADA, "message": "HTTPS://A.example WWW.b.example http://c.example"},
        "goes on, many_links",
    ),
    ({"email": ADA, "full_name": "www.acme.example"}, "goes on, link_in_name"),
    ({"email": ADA, "first_name": "Ada", "last_name": "https://acme.example"}, "goes on, link_in_name"),
    ({"email": ADA, "full_name": "www.acme.example", "message": "www.acme.example"}, "goes on, link_in_name"),
    (
        {"email": "ada@acme.example", "full_name": "https://acme.example", "message": "see https://acme.example"},
        "goes on, link_in_name",
    ),
    (
        {"email": ADA, "full_name": "Win! https://spam.example/x", "message": "Go: https://www.spam.example/x/ !"},
        "suppressed spam by link_repeated",
    ),
    (
        {"email": ADA, "first_name": "https://spam.example", "last_name": "https://spam.example"},
        "suppressed spam by link_repeated",
    ),
    ({"email": ADA, "first_name": "https://a.example", "last_name": "https://b.example"}, "goes on, link_in_name"),
    # letters
    ({"email": ADA, "first_name": "xKjhGdfQwrTt", "last_name": "pLmNoQwRtyU"}, "goes on, random_name"),
    ({"email": ADA, "full_name": "xKjhGdfQwrTt pLmNoQwRtyU"}, "goes on, random_name"),
    ({"email": "x.k.jh.gd@gmail.com", "first_name": "xKjhGdfQwrTt", "last_name": "Smith"}, "goes on, random_name"),
    ({"email": "ada@gmail.com", "first_name": "xKjhGdfQwrTt", "last_name": "Smith"}, "goes on"),
    (
        {"email": ADA, "message": "Продвижение сайтов в топ, смотрите https://spam.example сегодня"},
        "goes on, foreign_script",
    ),
    (
        {"email": ADA, "country": "US", "message": "低价批发手机壳请访问我们的网站 www.spam.example"},
        "goes on, foreign_script",
    ),
    ({"email": ADA, "region": None, "message": "Продвижение сайтов https://spam.example тут"}, "goes on"),
    # nobody
    ({"message": "call me"}, "quarantined nothing_to_identify"),
    ({"full_name": "Ada Sample"}, "quarantined nothing_to_identify"),
    ({"email": "asdf@asdf.com", "full_name": "Ada Sample"}, "quarantined nothing_to_identify"),
    ({"email": "noemail@noemail.com", "phone": "9999999999"}, "quarantined nothing_to_identify"),
    ({"email": "ada at example.com", "phone": "call me"}, "quarantined nothing_to_identify"),
    ({}, "quarantined nothing_to_identify"),
]


@pytest.mark.parametrize("fields", INNOCENT)
def test_an_innocent_lead_goes_on_without_a_flag(fields):
    assert verdict(**fields) == "goes on"


@pytest.mark.parametrize(("fields", "expected"), JUDGED)
def test_a_lead_is_judged(fields, expected):
    assert verdict(**fields) == expected


@pytest.mark.parametrize(
    "email", ["test@test.com", "asdf@asdf.com", "noemail@noemail.com", "na@na.com", "no@tiene.com"]
)
def test_a_placeholder_is_never_what_a_person_is_matched_by(email):
    found = normalize_lead(lead(email=email, phone=PHONE, full_name="Ana Ruiz"), default_region=None)
    assert isinstance(found, Lead)
    evidence = evidence_of(found)
    assert (evidence.email, evidence.phones, evidence.name) == (None, (PHONE,), ("ana", "ruiz"))
    assert "placeholder" in found.flags["email"]


def test_a_flag_stands_at_the_field_it_is_about():
    found = normalize_lead(
        lead(email="test@acme.example", full_name="www.acme.example", message="a://b.c https://a.example " * 3),
        default_region=None,
    )
    by_rule = {field: [flag for flag in flags if flag in RULES] for field, flags in found.flags.items()}
    assert {field: flags for field, flags in by_rule.items() if flags} == {
        "email": ["test_like"],
        "message": ["many_links"],
        "full_name": ["link_in_name"],
    }


def test_what_an_operator_released_goes_on_with_a_flag_in_place_of_a_stop():
    assert verdict(True, email=ADA, message=FIVE) == "goes on, link_stuffed, many_links"
    assert verdict(True, email="test@acme.example") == "goes on, test_lead, test_like"
    assert verdict(True, full_name="Test Test") == "quarantined nothing_to_identify"


def test_a_stop_names_its_rule_and_its_field_but_no_value(tmp_path):
    rules = rulebook(tmp_path, ("random_name: {severity: flag}", "random_name: {severity: quarantine}"))
    found = compile_rules(rules.of("api"))(
        {"email": ADA, "full_name": "xKjhGdfQwrTt pLmNoQwRtyU"}, {"email": ADA}, False
    )
    assert (found.rule, found.field, found.reason) == ("random_name", "full_name", None)


def rulebook(tmp_path, *changes):
    text = (MAPPINGS / "validation.yaml").read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path = tmp_path / "validation.yaml"
    path.write_text(text, encoding="utf-8")
    return read_rules(path)


def test_a_rule_is_as_severe_as_the_file_says_for_all_or_for_one_source(tmp_path):
    rules = rulebook(
        tmp_path,
        ("many_links: {severity: flag", "many_links: {severity: suppress, reason: spam"),
        ("sources: {}", "sources:\n  portal: {link_stuffed: skip, many_links: flag}\n"),
    )
    given = {"email": ADA, "message": FIVE}
    assert compile_rules(rules.of("api"))(given, given, False).rule == "link_stuffed"
    assert compile_rules(rules.of("portal"))(given, given, False) == ((("message", "many_links"),), None, None, None)
    three = {"email": ADA, "message": "https://a.example https://b.example https://c.example"}
    assert compile_rules(rules.of("api"))(three, three, False)[1:] == ("many_links", "message", "spam")


# what is changed in the file, and what the message must name
BROKEN = [
    (("version: 1", "version: one"), ["version", "'one'", "1, 2, 3"]),
    (("many_links:", "many_link:"), ["rules.many_link", "did you mean many_links?"]),
    (("  link_in_name: {severity: flag}\n", ""), ["rules.link_in_name", "is missing", "severity: skip"]),
    (("link_in_name: {severity: flag}", "link_in_name: {severity: off}"), ["rules.link_in_name.severity", "False"]),
    (
        ("link_in_name: {severity: flag}", "link_in_name: {severity: warn}"),
        ["'warn'", "flag, quarantine, suppress, skip"],
    ),
    (("link_in_name: {severity: flag}", "link_in_name: flag"), ["rules.link_in_name", "is not an object"]),
    (("link_in_name: {severity: flag}", "link_in_name: {severity: suppress}"), ["rules.link_in_name.reason", "spam"]),
    (("reason: spam}", "reason: spammy}"), ["rules.link_repeated.reason", "'spammy'", "test, erased"]),
    (("flag, links: 3", "flag, links: 0"), ["rules.many_links.links", "0", "1, 2, 3"]),
    (("flag, links: 3", "flag, links: many"), ["rules.many_links.links", "'many'"]),
    (("flag, links: 3", "flag, words: [a]"), ["rules.many_links.words", "allowed: links, reason, severity"]),
    (("ids: [TeSter-]", "ids: [7]"), ["rules.test_marker.ids[0]", "7", "is not a text"]),
    (
        ("nothing_to_identify: {severity: quarantine}", "nothing_to_identify: {severity: flag}"),
        ["quarantine, suppress"],
    ),
    (("sources: {}", "sources: {portal: {many_lynx: flag}}"), ["sources.portal.many_lynx", "did you mean many_links?"]),
    (("sources: {}", "sources: {portal: {many_links: suppress}}"), ["sources.portal.many_links", "for a reason"]),
    (("sources: {}", "sources: {portal: flag}"), ["sources.portal", "is not an object"]),
    (("sources: {}", "source: {}"), ["source", "did you mean sources?"]),
]


@pytest.mark.parametrize(("change", "named"), BROKEN)
def test_a_mistake_in_the_rules_says_where_what_and_what_is_allowed(tmp_path, change, named):
    with pytest.raises(ConfigurationError) as caught:
        rulebook(tmp_path, change)
    message = str(caught.value)
    assert message.startswith("validation.yaml: ")
    assert [word for word in named if word not in message] == []


def test_every_rule_is_on_the_page_about_values():
    page = (MAPPINGS.parent / "docs" / "normalization.md").read_text(encoding="utf-8")
    section = page.partition("## Rules over the whole lead")[2]
    assert [rule for rule in RULES if f"`{rule}`" not in section] == []
    assert {rule.name for rule in load_rules().rules} == set(RULES)


texts = st.text(max_size=80) | st.sampled_from(
    [
        "test@test.com",
        "[url=http://",
        "https://a.b/",
        "www.",
        "TeSter-",
        "<test lead: dummy data for",
        FIVE,
        "xKjhGdfQwrTt",
    ]
)
anything = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.lists(texts, max_size=3)
forms = st.dictionaries(st.sampled_from(sorted(CANONICAL_FIELDS)), anything, max_size=12)


@settings(deadline=None)  # the first lead of all reads the vocabularies
@given(forms, st.sampled_from([None, "ES", "RU"]), st.booleans())
def test_nothing_that_a_mapping_can_hand_over_raises(given_fields, region, is_released):
    found = normalize_lead(lead(is_released, **{**given_fields, "region": region}), default_region=None)
    assert isinstance(found, Lead | Parked | Suppressed)


@settings(deadline=None)
@given(forms, st.booleans())
def test_a_lead_is_judged_by_what_it_says_not_by_the_order_it_says_it_in(given_fields, is_released):
    turned = dict(reversed(given_fields.items()))
    fields = {"email": ADA}
    assert judge("api", given_fields, fields, is_released=is_released) == judge(
        "api", turned, fields, is_released=is_released
    )
