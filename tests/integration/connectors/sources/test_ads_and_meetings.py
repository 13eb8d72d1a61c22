"""Sources of ads, meetings and shops as they are shipped, from the post over a real socket to the person."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.settings.loading import load_settings
from tests.support.command_line import answer, lines, run, work
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
    "google_ads_lead_form",
    "calendly",
    "cal_com",
    "zoom_webinar",
    "shopify",
    "woocommerce",
    "whatsapp_cloud",
)
TOKEN = "agreed-token"


@pytest.fixture
def receiver(monkeypatch) -> Iterator[Receiver]:
    set_secrets(monkeypatch, SHIPPED)
    monkeypatch.setenv("WHATSAPP_CLOUD_VERIFY_TOKEN", TOKEN)
    forget_caches()
    with running_receiver(load_settings()) as running:
        yield running


@pytest.mark.short(3)
@pytest.mark.parametrize("source", SHIPPED)
def test_each_sample_is_taken_and_ends_as_a_lead_or_with_a_reason(receiver, source):
    assert_samples_end(receiver, source)


@pytest.mark.long
@pytest.mark.parametrize("source", SHIPPED)
def test_a_second_delivery_of_a_sample_changes_nothing(receiver, source):
    settle(receiver, source, sample(source))
    before = (count_events(), people(), touches())
    settle(receiver, source, sample(source))
    assert (count_events(), people(), touches()) == before


@pytest.mark.short(3)
@pytest.mark.parametrize("source", SHIPPED)
def test_another_secret_is_refused_and_nothing_is_stored(receiver, source):
    refused = post(receiver, source, sample(source), secret="another")
    assert (refused.status_code, set(refused.json()) >= {"error", "message"}) == (401, True)
    assert count_events() == 0


@pytest.mark.short(3)
@pytest.mark.parametrize("source", SHIPPED)
def test_before_the_secret_is_set_the_sender_is_asked_to_come_back(monkeypatch, tmp_path, source):
    monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path))
    forget_caches()
    with running_receiver(load_settings()) as receiver:
        assert post(receiver, source, sample(source)).status_code == 503


@pytest.mark.long
@pytest.mark.parametrize(
    ("source", "name", "reason"),
    [
        ("google_ads_lead_form", "test_data", "test"),
        ("shopify", "test_order", "test"),
        ("calendly", "canceled", "nobody_yet"),
        ("cal_com", "canceled", "nobody_yet"),
        ("zoom_webinar", "joined", "nobody_yet"),
        ("woocommerce", "product", "not_a_lead"),
        ("whatsapp_cloud", "template_update", "not_a_lead"),
        ("whatsapp_cloud", "statuses", "nobody_yet"),
    ],
)
def test_what_is_no_lead_is_kept_with_its_reason(receiver, source, name, reason):
    settle(receiver, source, sample(source, name))
    assert set(ends()) == {("suppressed", reason)}
    assert people() == []
    event_id = answer("leads", "list")[0]["event_id"]
    assert answer("explain", event_id)["reason"] == reason
    assert f"suppressed ({reason})" in run("explain", event_id).stdout
    assert {lead["reason"] for lead in lines("leads", "export")} == {reason}


def test_what_is_no_lead_is_not_released_as_one(receiver):
    settle(receiver, "woocommerce", sample("woocommerce", "product"))
    event_id = answer("leads", "list")[0]["event_id"]
    refused = run("leads", "release", event_id, "--why", "a try")
    assert refused.returncode != 0
    assert "not_a_lead" in refused.stdout + refused.stderr


def test_zoom_asks_whether_the_address_is_ours(receiver):
    body = {"event": "endpoint.url_validation", "payload": {"plainToken": "abcDEF123"}, "event_ts": 1772442894000}
    asked = post(receiver, "zoom_webinar", body)
    assert (asked.status_code, asked.json()) == (
        200,
        {
            "plainToken": "abcDEF123",
            "encryptedToken": "b20059ca2c404b68829e277d59815b37607ae34278649abf1b34fc941894dbcb",
        },
    )
    assert post(receiver, "zoom_webinar", body, secret="another").status_code == 401
    assert count_events() == 0


def test_meta_asks_whether_the_address_is_ours(receiver):
    asked = {"hub.mode": "subscribe", "hub.verify_token": TOKEN, "hub.challenge": "1158201444"}
    good = receiver.get("/in/default/whatsapp_cloud", params=asked)
    assert (good.status_code, good.text) == (200, "1158201444")
    other = receiver.get("/in/default/whatsapp_cloud", params={**asked, "hub.verify_token": SECRET})
    assert (other.status_code, "1158201444" in other.text) == (403, False)


def test_a_new_hook_of_woocommerce_pings_unsigned(receiver):
    ping = receiver.post("/in/default/woocommerce", data={"webhook_id": "12"})
    assert (ping.status_code, count_events()) == (200, 0)
    for body in ({"webhook_id": "12", "email": "ada@example.org"}, {"webhook_id": ""}, {"email": "ada"}):
        assert receiver.post("/in/default/woocommerce", data=body).status_code == 401
    assert receiver.post("/in/default/woocommerce", json={"webhook_id": "12"}).status_code == 401


def booking(number: int, *, before: int | None = None, kind: str = "ET01", hour: int = 9) -> dict[str, Any]:
    body = sample("calendly")
    invitees = "https://api.calendly.com/scheduled_events/EV1/invitees/IN"
    body["created_at"] = f"2026-03-02T{hour:02}:00:00.000000Z"
    body["payload"]["uri"] = f"{invitees}{number}"
    body["payload"]["old_invitee"] = f"{invitees}{before}" if before else None
    body["payload"]["scheduled_event"]["event_type"] = f"https://api.calendly.com/event_types/{kind}"
    body["payload"]["scheduled_event"]["start_time"] = f"2026-03-0{number}T14:00:00.000000Z"
    return body


def canceled(number: int) -> dict[str, Any]:
    body = booking(number)
    return {**body, "event": "invitee.canceled", "payload": {**body["payload"], "rescheduled": True}}


@pytest.mark.parametrize("backwards", [False, True], ids=["as it happened", "backwards"])
def test_a_meeting_that_is_rescheduled_twice_is_one_lead(receiver, backwards):
    story = [booking(1), canceled(1), booking(2, before=1, hour=10), canceled(2), booking(3, before=2, hour=11)]
    settle(receiver, "calendly", *(reversed(story) if backwards else story))
    assert (len(people()), len(touches())) == (1, 1)
    assert sorted(map(str, ends())) == sorted([str(("settled", None))] * 3 + [str(("suppressed", "activity"))] * 2)


def test_a_further_booking_is_a_further_touch(receiver):
    settle(receiver, "calendly", booking(1), booking(2, hour=10), booking(3, kind="ET02", hour=11))
    assert (len(people()), len(touches())) == (1, 3)


def test_a_booking_that_waits_for_a_yes_is_one_lead_with_the_confirmed_one(receiver):
    asked = {**sample("cal_com"), "triggerEvent": "BOOKING_REQUESTED", "createdAt": "2026-03-02T09:10:00Z"}
    settle(receiver, "cal_com", asked, sample("cal_com"))
    assert (len(people()), len(touches()), count_events()) == (1, 1, 2)


def test_a_body_that_an_admin_of_cal_com_gave_another_shape_is_kept(receiver):
    settle(receiver, "cal_com", {"who": "ada@example.org"}, {"payload": ["x"]})
    assert {state for state, _ in ends()} == {"quarantined"}


def test_a_registrant_of_two_webinars_has_two_touches(receiver):
    first, second = sample("zoom_webinar"), sample("zoom_webinar")
    second["payload"]["object"] |= {"id": "89999999999", "uuid": "uSample02=="}
    second["event_ts"] += 1_000
    settle(receiver, "zoom_webinar", first, second)
    assert (len(people()), len(touches())) == (1, 2)


def test_a_click_on_an_ad_is_found_where_an_order_began(receiver):
    order = {**sample("shopify"), "note_attributes": []}
    settle(receiver, "shopify", order)
    assert touches() == [("google", "Paid Search")]


def test_an_order_and_a_customer_of_one_number_are_two_records(receiver):
    customer = {**sample("woocommerce", "customer"), "id": 727}
    settle(receiver, "woocommerce", sample("woocommerce"), customer)
    assert (len(people()), count_events()) == (2, 2)
    assert ends() == [("settled", None)] * 2


def test_what_shopify_asks_about_privacy_is_no_lead(receiver):
    body = {"shop_id": 1, "shop_domain": "sample.example", "customer": {"id": 77, "email": "ada.sample@example.org"}}
    settle(receiver, "shopify", body)
    assert ends() == [("suppressed", "not_a_lead")]


def activities() -> list[tuple[str, str]]:
    """(kind, source) of what is shown of the only person, in the order in which it happened."""
    (person,) = people()
    told = answer("explain", person["person_id"])["activities"]
    return [(activity["kind"], activity["source"]) for activity in reversed(told)]


def test_what_shopify_asks_about_privacy_is_seen_where_the_person_is(receiver):
    settle(receiver, "shopify", sample("shopify"))
    body = {"shop_id": 1, "shop_domain": "sample.example", "customer": {"id": 77, "email": "ada.sample@example.org"}}
    asked, redacted = {**body, "data_request": {"id": 9}}, {**body, "orders_to_redact": [5501]}
    settle(receiver, "shopify", asked, redacted)
    assert sorted(kind for kind, _ in activities()) == ["order", "privacy_data_request", "privacy_redact"]


@pytest.mark.parametrize("source", ["shopify", "woocommerce"])
def test_an_order_is_a_lead_and_is_shown_with_its_amount_as_it_was_changed_last(receiver, source):
    settle(receiver, source, sample(source))
    revised = sample(source)
    revised |= {"total_price": "99.00", "updated_at": "2026-03-05T10:00:00+01:00"}
    revised |= {"total": "99.00", "date_modified_gmt": "2026-03-05T10:00:00"}
    settle(receiver, source, revised)
    (person,) = people()
    (order,) = answer("explain", person["person_id"])["activities"]
    assert (order["says"], order["details"]["amount"], order["state"]) == ("order", "99.00", "also")
    assert order["details"]["currency"] in ("EUR", "GBP")
    assert (len(touches()), count_events()) == (1, 2)


def test_what_was_booked_moved_and_missed_is_told_of_who_booked(receiver):
    missed = {**booking(3), "event": "invitee_no_show.created", "created_at": "2026-03-09T09:00:00Z"}
    off = canceled(2)
    off["payload"]["rescheduled"] = False
    settle(receiver, "calendly", booking(1), canceled(1), booking(2, before=1, hour=10), off, booking(3), missed)
    assert sorted(kind for kind, _ in activities()) == ["canceled", "no_show", "rescheduled"]


def test_an_event_that_nobody_declared_is_kept_and_counted(receiver):
    unheard = {**sample("zoom_webinar", "joined"), "event": "webinar.participant_waved"}
    settle(receiver, "zoom_webinar", unheard)
    assert ends() == [("suppressed", "not_a_lead")]
    assert answer("balance")["all"]["suppressed"] == 1


@pytest.mark.parametrize(("state", "known"), [("subscribed", "granted"), ("unsubscribed", "denied"), ("pending", None)])
def test_a_consent_that_nobody_confirmed_or_refused_is_none(receiver, state, known):
    order = sample("shopify")
    order["customer"]["email_marketing_consent"]["state"] = state
    settle(receiver, "shopify", order)
    granted = [granted for (granted,) in rows("SELECT granted FROM consents")]
    assert granted == ([] if known is None else [known == "granted"])


def message(
    number: int, text: str, *, who: str = "12025550143", referral: dict[str, str] | None = None
) -> dict[str, Any]:
    said = {"from": who, "id": f"wamid.{number}", "timestamp": str(1_772_442_000 + number), "type": "text"}
    said |= {"text": {"body": text}} | ({"referral": referral} if referral else {})
    return said


def chat(*messages: dict[str, Any]) -> dict[str, Any]:
    contacts = [{"wa_id": who, "profile": {"name": f"Ada {who[-1]}"}} for who in {said["from"] for said in messages}]
    value = {"messaging_product": "whatsapp", "contacts": contacts, "messages": list(messages)}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}],
    }


CLICK = {"source_type": "ad", "source_id": "238001", "ctwa_clid": "Aff-1"}
LATER_CLICK = {"source_type": "ad", "source_id": "238002", "ctwa_clid": "Aff-2"}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=str)
def test_the_first_message_of_a_conversation_is_the_lead_in_whatever_order_they_come(receiver, order):
    said = [message(0, "I saw your ad", referral=CLICK), message(1, "Anybody there?"), message(2, "Thanks")]
    settle(receiver, "whatsapp_cloud", *(chat(said[place]) for place in order))
    (person,) = people()
    assert (person["message"], person["touches"]) == ("I saw your ad", 1)
    assert touches() == [("facebook", "Paid Social")]


def test_later_messages_and_receipts_are_told_of_who_wrote_first(receiver):
    settle(receiver, "whatsapp_cloud", chat(message(1, "Anybody?")))
    assert activities() == []  # as far as is known it is the first one
    settle(receiver, "whatsapp_cloud", chat(message(0, "Hello")), chat(message(2, "So?")))
    receipts = sample("whatsapp_cloud", "statuses")
    value = receipts["entry"][0]["changes"][0]["value"]
    for status in value["statuses"]:
        status["recipient_id"] = message(0, "")["from"]
    settle(receiver, "whatsapp_cloud", receipts)
    assert sorted(kind for kind, _ in activities()) == ["message", "message", "message_delivered", "message_read"]
    assert (len(people()), len(touches())) == (1, 1)


def test_an_ad_that_is_clicked_later_is_a_further_touch_of_the_same_person(receiver):
    settle(receiver, "whatsapp_cloud", chat(message(0, "Hello")), chat(message(1, "Again", referral=LATER_CLICK)))
    settle(receiver, "whatsapp_cloud", chat(message(2, "So?")))
    (person,) = people()
    assert (person["message"], person["touches"]) == ("Hello", 2)
    assert [channel for _, channel in touches()] == ["Organic Social", "Paid Social"]


def test_two_people_in_one_change_are_two_leads_by_their_own_names(receiver):
    settle(receiver, "whatsapp_cloud", chat(message(0, "Hi"), message(1, "Ho", who="12025550144")))
    assert sorted((person["full_name"], person["message"]) for person in people()) == [("Ada 3", "Hi"), ("Ada 4", "Ho")]


def test_a_person_who_shows_no_number_is_known_by_the_id_of_the_business(receiver):
    body = chat(message(0, "Hi"))
    value = body["entry"][0]["changes"][0]["value"]
    value["contacts"] = [{"user_id": "GB.sample", "profile": {"name": "Ada", "username": "ada"}}]
    value["messages"][0] |= {"from": None, "from_user_id": "GB.sample"}
    settle(receiver, "whatsapp_cloud", body)
    assert ends() == [("settled", None)]


def test_a_long_conversation_is_no_sign_of_an_id_that_names_no_record(receiver):
    for number in range(8):
        assert post(receiver, "whatsapp_cloud", chat(message(number, f"line {number}"))).status_code == 200
    work()
    assert not [problem for problem in answer("status", code=None)["problems"] if "different contents" in problem]
    assert "different contents" not in run("doctor").stdout


def test_a_body_whose_signature_is_over_other_bytes_makes_no_lead(receiver):
    raw = json.dumps(chat(message(0, "Hi"))).encode()
    digest = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={digest}"}
    assert receiver.post("/in/default/whatsapp_cloud", data=raw + b" ", headers=headers).status_code == 401
    assert receiver.post("/in/default/whatsapp_cloud", data=raw, headers=headers).status_code == 200
