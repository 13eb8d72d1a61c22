"""Sources of chats, TikTok and mailing lists as they are shipped, from the post over a real socket to the person."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from connectors.kit import sources
from connectors.kit.sources.samples import samples_of
from pipeline.settings.loading import load_settings
from tests.support.command_line import answer, run, work
from tests.support.identity_rows import rows
from tests.support.intake_server import Receiver, count_events, running_receiver
from tests.support.posted_sources import (
    SECRET,
    assert_samples_end,
    ends,
    people,
    post,
    sample,
    set_secrets,
    settle,
    touches,
)
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database", "redis_url")

SHIPPED = (
    "intercom",
    "zendesk",
    "messenger_instagram",
    "x_direct_messages",
    "tiktok_lead_gen",
    "hubspot_workflow",
    "mailchimp",
    "activecampaign",
    "brevo",
    "klaviyo",
    "crisp",
    "tawk",
)
FORM = "application/x-www-form-urlencoded"
TOKEN = "agreed-token"
LEFT = ("mailchimp", "activecampaign", "brevo", "klaviyo", "intercom")  # where people take a consent back
UNKNOWN = {
    "intercom": {"type": "notification_event", "id": "notif_9", "topic": "brand.new", "data": {"item": {}}},
    "zendesk": {"type": "zen:event-type:brand.new", "id": "9"},
    "messenger_instagram": {"object": "page", "entry": [{"id": "1", "time": 9, "brand_new": [{"id": "9"}]}]},
    "x_direct_messages": {"for_user_id": "1", "brand_new_events": [{"id": "9"}]},
    "tiktok_lead_gen": {"object": 99, "time": 9, "brand_new": {"id": 9}},
    "mailchimp": urlencode({"type": "brand_new", "fired_at": "2026-03-02 09:00:00", "data[id]": "9"}).encode(),
    "activecampaign": urlencode({"type": "brand_new", "contact[id]": "9"}).encode(),
    "brevo": {"event": "brand_new", "email": "ada@example.org", "ts": 9},
    "klaviyo": {"data": [{"topic": "event:klaviyo.brand_new", "external_id": "9", "payload": {}}]},
    "crisp": {"event": "brand:new", "data": {"session_id": "session_9"}, "timestamp": 9},
    "tawk": {"event": "brand:new", "time": "2026-03-02T09:00:00Z"},
}
NO_LEADS = {
    "intercom": ("ping", "conversation"),
    "zendesk": ("user_changed",),
    "messenger_instagram": ("others",),
    "x_direct_messages": ("others", "echo"),
    "tiktok_lead_gen": ("ad_review",),
    "mailchimp": ("profile",),
    "activecampaign": ("opened",),
    "brevo": ("opened",),
    "crisp": ("message",),
    "tawk": ("others", "nameless"),
}
ODD = [b"{}", b"[]", b"null", b"7", b'"x"', b"[[[]]]", b"{", b"\x00\x01", b"a=1&a=2&b[]=3", b"[" * 400, b""]


@pytest.fixture
def receiver(monkeypatch) -> Iterator[Receiver]:
    set_secrets(monkeypatch, SHIPPED)
    monkeypatch.setenv("MESSENGER_INSTAGRAM_VERIFY_TOKEN", TOKEN)
    forget_caches()
    with running_receiver(load_settings()) as running:
        yield running


def type_of(source: str) -> str:
    """What the source says its bodies are."""
    return samples_of(source)[0].content_type


def consents() -> list[tuple[str, bool]]:
    """(channel, whether it is granted) as it holds now."""
    latest: dict[str, bool] = {}
    for channel, granted in rows("SELECT channel, granted FROM consents ORDER BY at"):
        latest[channel] = granted
    return sorted(latest.items())


@pytest.mark.short(4)
@pytest.mark.parametrize("source", SHIPPED)
def test_each_sample_is_taken_and_ends_as_a_lead_or_with_a_reason(receiver, source):
    assert_samples_end(receiver, source)


@pytest.mark.long
@pytest.mark.parametrize("source", SHIPPED)
def test_a_second_delivery_changes_nothing_and_another_secret_is_refused(receiver, source):
    given = samples_of(source)[0]
    settle(receiver, source, given.body, content_type=given.content_type)
    before = (count_events(), people(), touches())
    settle(receiver, source, given.body, content_type=given.content_type)
    assert (count_events(), people(), touches()) == before
    refused = post(receiver, source, given.body, secret="another", content_type=given.content_type)
    assert (refused.status_code, set(refused.json()) >= {"error", "message"}) == (401, True)
    assert count_events() == before[0]


@pytest.mark.long
@pytest.mark.parametrize("source", UNKNOWN)
def test_an_event_that_nobody_knows_is_kept_and_counted(receiver, source):
    settle(receiver, source, UNKNOWN[source], content_type=type_of(source))
    assert ends() == [("suppressed", "not_a_lead")]
    assert answer("balance")["all"]["accepted"] == 1
    assert people() == []


@pytest.mark.long
def test_no_body_however_odd_is_answered_as_a_failure_of_ours(receiver):
    for source in SHIPPED:
        for body in ODD:
            for content_type in ("application/json", FORM):
                status = post(receiver, source, body, content_type=content_type).status_code
                assert status in (200, 400, 413, 415), (source, body[:20], content_type)
    work()
    assert not rows("SELECT 1 FROM quarantine WHERE code IN ('bug', 'prepare_failed')")


def test_before_the_secret_is_set_senders_are_asked_to_come_back(monkeypatch, tmp_path):
    monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path))
    forget_caches()
    with running_receiver(load_settings()) as receiver:
        for source in SHIPPED:
            given = samples_of(source)[0]
            assert post(receiver, source, given.body, content_type=given.content_type).status_code == 503


def test_what_is_no_lead_is_kept_with_its_reason(receiver):
    for source, names in NO_LEADS.items():
        for given in samples_of(source):
            if given.name in names:
                assert post(receiver, source, given.body, content_type=given.content_type).status_code == 200
    work()
    assert set(ends()) == {("suppressed", "not_a_lead")}
    assert people() == []


def test_x_asks_whether_the_address_is_ours(receiver):
    asked = receiver.get("/in/default/x_direct_messages", params={"crc_token": "crc123"})
    assert (asked.status_code, asked.json()) == (
        200,
        {"response_token": "sha256=/IbP9WhAQrf0h/4cBMKNeNolMUDpjlu/5y5+CZ9ggI4="},
    )


def test_meta_asks_whether_the_address_is_ours(receiver):
    asked = {"hub.mode": "subscribe", "hub.verify_token": TOKEN, "hub.challenge": "1158201444"}
    good = receiver.get("/in/default/messenger_instagram", params=asked)
    assert (good.status_code, good.text) == (200, "1158201444")
    assert receiver.get("/in/default/messenger_instagram", params={**asked, "hub.verify_token": "x"}).status_code == 403


def test_mailchimp_greets_without_the_secret_and_posts_with_it_in_the_address(receiver):
    greeted = receiver.get("/in/default/mailchimp")
    assert greeted.status_code == 200
    body = samples_of("mailchimp")[0].body
    headers = {"Content-Type": FORM}
    assert receiver.post("/in/default/mailchimp", data=body, headers=headers).status_code == 401
    assert receiver.post(f"/in/default/mailchimp?secret={SECRET}", data=body, headers=headers).status_code == 200
    assert count_events("mailchimp") == 1


def membership(source: str, *, joins: bool, minute: int) -> bytes:
    """Somebody who joins or leaves a mailing list at 9:`minute`."""
    at, seconds = f"2026-03-02T09:{minute:02}:00+00:00", 1_772_442_000 + 60 * minute
    said = "subscribe" if joins else "unsubscribe"
    body: dict[str, Any]
    if source == "mailchimp":
        body = {"type": said, "fired_at": f"2026-03-02 09:{minute:02}:00", "data[id]": "8a25", "data[list_id]": "a6b5"}
        return urlencode({**body, "data[email]": "ada@example.org"}).encode()
    if source == "activecampaign":
        body = {"type": said, "date_time": at, "list": "4", "contact[id]": "1358", "contact[email]": "ada@example.org"}
        return urlencode(body).encode()
    if source == "brevo":
        event = "list_addition" if joins else "unsubscribe"
        body = {"id": minute, "event": event, "email": "ada@example.org", "list_id": [11], "ts": seconds}
    elif source == "intercom":
        topic = "contact.lead.created" if joins else "contact.unsubscribed"
        item = {"type": "contact", "id": "65f0", "email": "ada@example.org", "updated_at": at}
        item["custom_attributes"] = {"marketing_consent": True} if joins else {}
        body = {"id": f"notif_{minute}", "topic": topic, "created_at": seconds, "data": {"item": item}}
    else:
        topic = "subscribed_to_email_marketing" if joins else "unsubscribed_from_email_marketing"
        body = sample("klaviyo")
        event = body["data"][0]["payload"]["data"]
        event["attributes"]["timestamp"] = seconds
        body["data"][0] |= {"topic": f"event:klaviyo.{topic}", "external_id": f"e{minute}"}
    return json.dumps(body).encode()


@pytest.mark.short(3)
@pytest.mark.parametrize("source", LEFT)
@pytest.mark.parametrize("backwards", [False, True], ids=["as it happened", "backwards"])
def test_who_leaves_a_list_takes_the_consent_back_without_a_second_touch(receiver, source, backwards):
    story = [membership(source, joins=True, minute=1), membership(source, joins=False, minute=5)]
    settle(receiver, source, *(reversed(story) if backwards else story), content_type=type_of(source))
    assert (len(people()), len(touches())) == (1, 1)
    assert consents() == [("email", False)]


def test_who_joins_again_after_leaving_has_agreed_again(receiver):
    story = [
        membership("mailchimp", joins=joins, minute=minute) for joins, minute in ((True, 1), (False, 5), (True, 9))
    ]
    settle(receiver, "mailchimp", *story, content_type=FORM)
    assert consents() == [("email", True)]
    assert len(people()) == 1


def message(number: int, text: str, *, referral: dict[str, str] | None = None, user: str = "5361") -> dict[str, Any]:
    said = {"mid": f"m_{number}", "text": text}
    event = {"sender": {"id": user}, "recipient": {"id": "1"}, "timestamp": 1_772_442_000_000 + number, "message": said}
    return event | ({"referral": referral} if referral else {})


def chat(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"object": "instagram", "entry": [{"id": "1", "time": 1_772_442_000_000, "messaging": list(messages)}]}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=str)
def test_the_first_message_to_a_page_is_the_lead_in_whatever_order_they_come(receiver, order):
    ad = {"source": "ADS", "ad_id": "238001"}
    said = [chat(message(0, "I saw your ad", referral=ad)), chat(message(1, "Anybody there?"))]
    settle(receiver, "messenger_instagram", *(said[place] for place in order))
    (person,) = people()
    assert (person["message"], person["touches"]) == ("I saw your ad", 1)
    assert touches() == [("instagram", "Paid Social")]


def test_two_people_who_write_in_one_body_are_two_leads(receiver):
    settle(receiver, "messenger_instagram", chat(message(0, "Hi"), message(1, "Ho", user="9999")))
    assert sorted(person["message"] for person in people()) == ["Hi", "Ho"]
    assert [channel for _, channel in touches()] == ["Organic Social"] * 2


def test_a_transcript_says_more_of_the_chat_and_is_no_second_contact(receiver):
    transcript = sample("tawk", "transcript")
    transcript["chat"] |= {"id": sample("tawk")["chatId"], "visitor": sample("tawk")["visitor"]}
    settle(receiver, "tawk", sample("tawk"), transcript)
    (person,) = people()
    assert (person["message"], person["touches"]) == ("Hello?\nWe need a demo.", 1)


def test_ids_of_tiktok_keep_all_their_digits(receiver):
    settle(receiver, "tiktok_lead_gen", sample("tiktok_lead_gen"))
    event_id = answer("leads", "list")[0]["event_id"]
    told = run("explain", event_id).stdout
    for number in ("7412345678901234567", "1790000000000000003", "7302000000000000002"):
        assert number in told
    assert touches() == [("tiktok", "Paid Social")]


def test_a_lead_of_tiktok_is_proven_whether_its_letters_are_escaped_or_not(receiver):
    lead = sample("tiktok_lead_gen", "more")
    settle(receiver, "tiktok_lead_gen", json.dumps(lead, ensure_ascii=False).encode(), json.dumps(lead).encode())
    assert [person["first_name"] for person in people()] == ["Cléo"]
    assert count_events("tiktok_lead_gen") == 1


def test_a_workflow_of_hubspot_is_proven_by_the_address_that_it_was_told(receiver):
    body = json.dumps(sample("hubspot_workflow")).encode()
    signature = sources()["hubspot_workflow"].intake.signature

    def answered(uri: str) -> int:
        address = {":method": "POST", ":uri": uri}
        headers = signature.sign(secret=SECRET, body=body, message_id="", now=time.time(), headers=address)
        path = "/in/default/hubspot_workflow?team=emea"
        return receiver.post(path, data=body, headers={"Content-Type": "application/json", **headers}).status_code

    ours = f"{receiver.address}/in/default/hubspot_workflow"
    assert [answered(f"{ours}?team=emea"), answered(ours)] == [200, 401]


def test_two_forms_of_one_contact_are_two_touches_of_one_person(receiver):
    first, second = sample("hubspot_workflow"), sample("hubspot_workflow")
    second |= {"recent_conversion_date": "1772529294000", "recent_conversion_event_name": "Price list"}
    settle(receiver, "hubspot_workflow", first, second, first)
    assert (len(people()), len(touches())) == (1, 2)
