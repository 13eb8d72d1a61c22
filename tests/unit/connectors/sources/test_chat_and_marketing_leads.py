"""The shipped sources of chats, TikTok and mailing lists: what becomes of single values, from record to lead."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from connectors.kit import sources
from connectors.kit.sources.idempotency import event_id_of
from connectors.kit.sources.parts import take_apart
from connectors.kit.sources.records import split_records
from connectors.kit.sources.samples import samples_of
from pipeline.records import Lead, Suppressed
from pipeline.stages.mapping.source_mapping import load_source_mapping
from tests.support.mapped_records import try_record


def sample(source: str, name: str = "typical") -> Any:
    return json.loads(next(sample.body for sample in samples_of(source) if sample.name == name))


def records_of(source: str, body: Any) -> list[dict[str, Any]]:
    return split_records(sources()[source], json.dumps(body).encode(), "application/json")


def lead_of(source: str, body: Any) -> Lead:
    (record,) = records_of(source, body)
    lead = try_record(load_source_mapping(source), record)
    assert isinstance(lead, Lead), lead
    return lead


def test_the_body_itself_is_the_record_where_no_other_is_in_it():
    paths = ("entry[*]", "")
    assert [part.place for part in take_apart({"entry": [{"id": 1}, {"id": 2}]}, paths)] == ["entry[0]", "entry[1]"]
    assert [part.value for part in take_apart({"object": 9}, paths)] == [{"object": 9}]
    assert [part.place for part in take_apart({"entry": []}, paths)] == [""]
    assert [part.value for part in take_apart([{"a": 1}, {"b": 2}], paths)] == [{"a": 1}, {"b": 2}]


def test_ids_of_nineteen_digits_and_more_are_text_with_every_digit():
    body = sample("tiktok_lead_gen")
    body["entry"][0] |= {"id": 9223372036854775807, "ad_id": 18446744073709551615, "campaign_id": "1790000000000000003"}
    fields = lead_of("tiktok_lead_gen", body).fields
    assert (fields["submission_id"], fields["ad_id"]) == ("9223372036854775807", "18446744073709551615")
    assert fields["campaign_id"] == "1790000000000000003"
    (record,) = records_of("tiktok_lead_gen", body)
    assert event_id_of(sources()["tiktok_lead_gen"], record) == "9223372036854775807"


def test_of_several_forms_of_a_contact_the_last_one_is_what_was_sent():
    body = sample("hubspot_workflow", "all_properties")
    body["form-submissions"].reverse()
    lead = lead_of("hubspot_workflow", body)
    assert (lead.fields["submission_id"], lead.fields["company"]) == ("c-sample02", "Invented SARL")
    assert [(consent.channel, consent.granted) for consent in lead.consents] == [("email", False)]


@pytest.mark.parametrize("opted_out", ["", "false", None])
def test_a_contact_that_did_not_opt_out_has_said_nothing(opted_out):
    assert lead_of("hubspot_workflow", sample("hubspot_workflow") | {"hs_email_optout": opted_out}).consents == []


def test_a_new_agent_is_no_lead_and_a_body_of_an_admins_own_is_not_set_aside():
    event = sample("zendesk", "user_created")
    event["detail"]["role"] = "agent"
    (record,) = records_of("zendesk", event)
    assert isinstance(try_record(load_source_mapping("zendesk"), record), Suppressed)
    assert lead_of("zendesk", {"requester": {"email": "ada@example.org"}}).fields["email"] == "ada@example.org"


def test_a_contact_that_left_its_address_later_is_the_same_record():
    first, later = sample("intercom"), sample("intercom")
    later |= {"id": "notif_2", "topic": "contact.lead.added_email"}
    deleted = {**sample("intercom"), "id": "notif_3", "topic": "contact.deleted"}
    ids = [event_id_of(sources()["intercom"], *records_of("intercom", body)) for body in (first, later, deleted)]
    assert (ids[0] == ids[1], ids[2]) == (True, "notif_3")


def test_only_what_the_visitor_wrote_is_the_message_of_a_chat():
    transcript = sample("tawk", "transcript")
    assert lead_of("tawk", transcript).fields["message"] == "Hello?\nWe need a demo."
    greeting = sample("tawk")
    greeting["message"]["sender"]["type"] = "agent"
    assert "message" not in lead_of("tawk", greeting).fields


def test_who_says_no_by_sms_still_says_yes_by_mail():
    by_mail, by_sms = sample("klaviyo"), sample("klaviyo")
    by_sms["data"][0]["topic"] = "event:klaviyo.unsubscribed_from_sms_marketing"
    ids = [event_id_of(sources()["klaviyo"], *records_of("klaviyo", body)) for body in (by_mail, by_sms)]
    assert ids[0] != ids[1]
    said = [(consent.channel, consent.granted) for consent in lead_of("klaviyo", by_sms).consents]
    assert said == [("sms", False)]


@pytest.mark.parametrize("email", ["Ada@Example.org", ["ada@example.org"], " ada@example.org "])
def test_a_contact_of_brevo_is_one_record_however_its_address_is_written(email):
    (record,) = records_of("brevo", {"event": "list_addition", "email": email, "ts": 1_772_442_894})
    assert event_id_of(sources()["brevo"], record) == "contact ada@example.org"


def test_a_link_to_the_chat_is_no_ad_and_keeps_its_word():
    lead = lead_of("messenger_instagram", sample("messenger_instagram", "postback"))
    assert (lead.fields["is_organic"], lead.fields["custom.chat_ref"]) == ("true", "newsletter")
    assert "ad_id" not in lead.fields


@pytest.mark.parametrize(("by", "said"), [("public", [True]), ("admin", []), ("api", [])])
def test_who_is_put_on_a_list_by_somebody_else_has_not_agreed(by, said):
    fields = {
        "type": "subscribe",
        "initiated_from": by,
        "list": "4",
        "contact[id]": "7",
        "contact[email]": "a@b.example",
    }
    body = urlencode(fields).encode()
    (record,) = split_records(sources()["activecampaign"], body, "application/x-www-form-urlencoded")
    lead = try_record(load_source_mapping("activecampaign"), record)
    assert isinstance(lead, Lead)
    assert [consent.granted for consent in lead.consents] == said


def test_being_on_a_list_of_brevo_says_neither_yes_nor_no():
    lead = lead_of("brevo", sample("brevo"))
    assert (lead.consents, lead.flags.get("consents")) == ([], None)
