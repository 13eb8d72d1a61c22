"""A touch stands in clear: nothing in it may tell who the lead is, wherever a careless link held it."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import EarlierTouch, Lead, Touch
from pipeline.stages.attribution.touches import touches_of
from pipeline.values.personal_data import redact_path, redactor_of

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MAIL = "ada@example.org"
PERSON = {
    "email": MAIL,
    "other_emails": ["brandt.a@example.net"],
    "phone": "+493023125123",
    "other_phones": ["+4915123456789"],
    "full_name": "Ada Brandt",
    "first_name": "Ada",
    "last_name": "Brandt",
}
SITE = "https://www.example.com"


def doubly(text: str) -> str:
    return quote(quote(text, safe=""), safe="")


PERSONAL = [
    # as a parameter's value
    {"page_url": f"{SITE}/?utm_campaign={MAIL}"},
    {"page_url": f"{SITE}/?utm_campaign={quote(MAIL)}"},
    {"page_url": f"{SITE}/?utm_campaign={doubly(MAIL)}"},
    {"page_url": f"{SITE}/?utm_content=hi+{MAIL}"},
    {"page_url": f"{SITE}/?utm_term=Ada+Brandt"},
    {"page_url": f"{SITE}/?utm_term=ada-brandt"},
    {"page_url": f"{SITE}/?utm_term=Brandt,%20Ada"},
    {"page_url": f"{SITE}/?utm_term=AdaBrandt"},
    {"page_url": f"{SITE}/?utm_term=demo%20for%20Ada%20Brandt"},
    {"page_url": f"{SITE}/?utm_content={b64encode(MAIL.encode()).decode()}"},
    {"page_url": f"{SITE}/?utm_content={urlsafe_b64encode(MAIL.encode()).decode().rstrip('=')}"},
    {"page_url": f"{SITE}/?utm_content=%2B49%2030%2023125123"},
    {"page_url": f"{SITE}/?utm_content=030-23125123"},
    {"page_url": f"{SITE}/?utm_content=00493023125123"},
    {"page_url": f"{SITE}/?utm_content=015123456789"},
    {"page_url": f"{SITE}/?utm_campaign=spring%26email%3D{doubly(MAIL)}"},
    {"page_url": f"{SITE}/?utm_campaign=spring%26name%3DAda"},
    {"page_url": f"{SITE}/?utm_campaign=spring%26First_Name%3DAda"},
    {"page_url": f"{SITE}/?gclid={MAIL}"},
    {"page_url": f"{SITE}/?gclid=Ada%20Brandt"},
    # as parameters of their own
    {"page_url": f"{SITE}/demo?email={MAIL}&name=Ada%20Brandt&phone=03023125123"},
    {"page_url": f"{SITE}/demo?mc_eid=ada&_kx=ada&mkt_tok=ada&_hsenc=ada"},
    {"page_url": f"{SITE}/demo#email={MAIL}"},
    {"page_url": f"{SITE}/demo#/thanks?name=Ada&utm_source=ada%40example.org"},
    # in the path
    {"page_url": f"{SITE}/u/{MAIL}/demo"},
    {"page_url": f"{SITE}/u/{quote(MAIL)}/demo"},
    {"page_url": f"{SITE}/u/{doubly(MAIL)}/demo"},
    {"page_url": f"{SITE}/u/{doubly(quote(MAIL))}/demo"},
    {"page_url": f"{SITE}/u/{b64encode(MAIL.encode()).decode()}/demo"},
    {"page_url": f"{SITE}/thanks/Ada%20Brandt"},
    {"page_url": f"{SITE}/thanks/ada-brandt"},
    {"page_url": f"{SITE}/thanks/ada_brandt/"},
    {"page_url": f"{SITE}/thanks/ada"},
    {"page_url": f"{SITE}/call/+49-30-23125123"},
    {"page_url": f"{SITE}/call/03023125123"},
    {"page_url": f"{SITE}/thanks%3Femail%3D{quote(MAIL)}"},
    {"page_url": f"{SITE}/thanks%3Fname%3DAda"},
    {"page_url": f"{SITE}/thanks;name=Ada"},
    {"page_url": "file:///C:/Users/ada/form.html"},
    {"page_url": f"https://ada:secret@www.example.com/?utm_source={MAIL}"},
    # in the referrer: the host only is kept
    {"referrer": f"https://ada:secret@example.net/ada?email={MAIL}"},
    {"referrer": "https://www.google.com/search?q=ada+brandt"},
    {"referrer": "https://mail.example.net/inbox/ada"},
    # in fields of their own
    {"utm_source": MAIL},
    {"utm_medium": "ADA BRANDT"},
    {"utm_content": "brandt.a@example.net"},
    {"utm_id": "+49 (30) 231 25 123"},
    {"utm_term": "tel: 0049 30 23125123"},
    {"campaign_name": f"reply to {MAIL}"},
    {"campaign_name": "Ada Brandt's list"},
    {"ad_name": "for Ada Brandt only"},
    {"form_name": "Ada"},
    {"form_id": "3023125123"},
    {"event_name": "Dinner with Ada Brandt"},
    {"partner": MAIL},
    {"partner": "Ada Brandt"},
    {"platform": "ada"},
    {"reported_source": "my cousin Ada Brandt"},
    {"utm_source_platform": MAIL},
    {"fbclid": f"IwAR-{MAIL}"},
    {"li_fat_id": "Ada-Brandt"},
]


@pytest.mark.parametrize("fields", PERSONAL)
@pytest.mark.parametrize("is_earlier", [False, True], ids=["own touch", "earlier touch"])
def test_nothing_personal_is_left_whatever_a_link_held(fields, is_earlier):
    lead = Lead(UUID(int=1), "default", "web_form", "hot", NOW, NOW, "x@1", dict(PERSON), person_id=UUID(int=2))
    if is_earlier:
        lead.earlier_touches = [EarlierTouch(NOW, fields)]
    else:
        lead.fields |= fields
    for made in touches_of(lead):
        shown = repr([getattr(made, name) for name in Touch.__struct_fields__ if name != "rules_version"]).lower()
        assert "ada" not in shown
        assert "brandt" not in shown
        assert "23125" not in shown.replace(" ", "")
        assert "456789" not in shown
        assert "secret" not in shown
        assert b64encode(MAIL.encode()).decode().lower().rstrip("=") not in shown


KEPT = [
    "spring_sale_2026",
    "Brand DE | exact",
    "238001234500771",
    "12-34-56",
    "adam-smith-lecture",
    "brandtastic",
    "Cj0KCQiA5NSdBhDfARIsALzs2EDm1kZ",
    "c3ByaW5nX3NhbGVfMjAyNg==",
    "user-research",
    "phone-case",
    "name-your-price",
    "email",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_names_no_person_stays_as_it_came(text):
    assert redactor_of(PERSON)(text) == text


def test_a_personal_parameter_keeps_its_name_only():
    assert redactor_of({})("a=1&First-Name=Grace&b=2") == "a=1&First-Name=(redacted)&b=2"


def test_only_the_personal_segment_of_a_path_goes():
    assert redact_path("/kunden/ada%40example.org/angebot%20neu", redactor_of({})) == "/kunden/(redacted)/angebot%20neu"


def test_of_a_page_on_somebodys_disk_no_path_is_kept():
    fields = {"page_url": "file:///C:/Users/grace/form.html"}
    (made,) = touches_of(Lead(UUID(int=1), "d", "web_form", "hot", NOW, NOW, "x@1", fields, person_id=UUID(int=2)))
    assert made.landing_path is None


@given(st.text(max_size=300), st.dictionaries(st.sampled_from(sorted(PERSON)), st.text(max_size=40), max_size=4))
def test_any_text_may_be_redacted_and_twice_is_as_good_as_once(text, fields):
    redact = redactor_of(fields)
    assert redact(redact(text)) == redact(text)
    redact_path(text, redact)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 70 + " Zacharias Quillington",
        "Quillington-newsletter",
        "offer_for_quillington",
        "zacharias.quillington(at)example.org",
        "write to somebody [at] example.org today",
    ],
)
def test_a_name_among_other_words_and_an_address_spelled_out_go_too(text):
    person = {"first_name": "Zacharias", "last_name": "Quillington", "email": "zq@example.org"}
    shown = redactor_of(person)(text)
    assert "uillington" not in shown
    assert "example.org" not in shown


@pytest.mark.parametrize("text", ["sommer-newsletter", "Quillingtons", "sale (at noon)", "x" * 70 + "quillington"])
def test_short_family_names_and_parts_of_words_stay(text):
    assert redactor_of({"first_name": "Ada", "last_name": "Sommer"})(text) == text
    assert redactor_of({"first_name": "Ada", "last_name": "Quillington"})(text) == text
