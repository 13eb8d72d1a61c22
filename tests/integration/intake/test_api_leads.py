"""`/v1/leads`: keys and roles, idempotency, what is taken and what is rejected, and where a lead is."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.settings.loading import load_settings
from tests.support.intake_server import Receiver, count_events, running_receiver, stored_events

CONFIG = "brands: {default: {}, other: {}}\nsources: {partner: {connector: api, lane: bulk}}\n"


@pytest.fixture(scope="module")
def receiver(module_database, tmp_path_factory) -> Iterator[Receiver]:
    config = tmp_path_factory.mktemp("config") / "afluente.yaml"
    config.write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFLUENTE_CONFIG", str(config))
        keys = "a:admin:an-api-key-of-the-tests,v:viewer:view-key,i:ingest:ingest-key,o:operator:op:with:colons"
        patch.setenv("AFLUENTE_API_KEYS", keys)
        with running_receiver(load_settings()) as running:
            yield running


def lead(**fields: object) -> dict[str, object]:
    return {"external_id": str(uuid.uuid4()), "email": "ada@example.org", **fields}


def test_one_lead_is_answered_with_its_event_id(receiver):
    sent = lead()
    answer = receiver.post_leads(sent)
    assert answer.status_code == 202
    (accepted,) = answer.json()["accepted"]
    assert accepted == {"event_id": accepted["event_id"], "external_id": sent["external_id"], "repeated": False}
    assert answer.json()["rejected"] == []
    assert uuid.UUID(accepted["event_id"]).version == 7


def test_a_repeated_external_id_gives_the_first_event_id(receiver):
    sent = lead(first_name="Ada")
    first = receiver.post_leads(sent).json()["accepted"][0]
    before = count_events()
    second = receiver.post_leads({**sent, "first_name": " Ada ", "company": ""}).json()["accepted"][0]
    assert second == {**first, "repeated": True}
    assert count_events() == before


def test_a_known_external_id_with_other_content_is_a_revision_and_names_what_it_revises(receiver):
    sent = lead()
    first = receiver.post_leads(sent).json()["accepted"][0]
    news = {**sent, "phone": "+49 30 901820", "job_title": "Head of Sales"}
    second = receiver.post_leads(news).json()["accepted"][0]
    assert second == {**first, "event_id": second["event_id"], "revises": first["event_id"]}
    assert second["event_id"] != first["event_id"]
    assert receiver.post_leads(news).json()["accepted"] == [
        {"event_id": second["event_id"], "external_id": sent["external_id"], "repeated": True}
    ]
    assert receiver.post_leads(sent).json()["accepted"] == [{**first, "repeated": True}]
    metrics = receiver.get("/metrics").text
    assert 'afluente_intake_events_total{outcome="revised",source="api"}' in metrics


@pytest.mark.parametrize("holder", ["ingest-key", "op:with:colons"])
def test_an_idempotency_key_never_hides_the_lead_of_another(receiver, holder):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first = receiver.post_leads({"email": "anna@example.org"}, **key).json()["accepted"][0]
    headers = {**key, "Authorization": f"Bearer {holder}"}
    for email in ("bert@example.org", "carl@example.org"):
        answer = receiver.post("/v1/leads", json={"email": email}, headers=headers).json()["accepted"][0]
        assert (answer["repeated"], answer["event_id"] != first["event_id"]) == (False, True)
        again = receiver.post("/v1/leads", json={"email": email}, headers=headers).json()["accepted"][0]
        assert again == {**answer, "repeated": True}


def test_an_idempotency_key_belongs_to_the_name_of_its_api_key(receiver):
    sent, key = {"email": "anna@example.org"}, uuid.uuid4().hex
    answers = [
        receiver.post("/v1/leads", json=sent, headers={"Idempotency-Key": key, "Authorization": f"Bearer {holder}"})
        for holder in ("ingest-key", "op:with:colons", "ingest-key")
    ]
    assert [answer.json()["accepted"][0]["repeated"] for answer in answers] == [False, False, True]


@pytest.mark.parametrize("named", [True, False])
def test_each_lead_of_a_list_is_recognized_by_itself_wherever_it_stands_in_the_next(receiver, named):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    one, two, three = (lead(email=f"l{number}@example.org") for number in range(3))
    if not named:
        one, two, three = ({"email": one["email"]}, {"email": two["email"]}, {"email": three["email"]})
    first = receiver.post_leads([one, two], **key).json()["accepted"]
    second = receiver.post_leads([two, three], **key).json()["accepted"]
    assert [answer["repeated"] for answer in first + second] == [False, False, True, False]
    assert second[0]["event_id"] == first[1]["event_id"]


def test_a_submission_id_names_a_lead_that_has_no_external_id(receiver):
    sent = {"email": "ada@example.org", "submission_id": uuid.uuid4().hex}
    first = receiver.post_leads(sent).json()["accepted"][0]
    assert receiver.post_leads([{"email": "other@example.org"}, sent]).json()["accepted"][1]["repeated"] is True
    other = receiver.post_leads({**sent, "city": "Lugo"}).json()["accepted"][0]
    assert (other["repeated"], other["revises"]) == (False, first["event_id"])
    answer = receiver.post_leads([{**sent, "submission_id": ["x"]}, {**sent, "submission_id": "x" * 300}])
    assert [fault["field"] for fault in answer.json()["rejected"]] == ["submission_id", "submission_id"]


def test_a_repeated_idempotency_key_gives_the_first_event_id(receiver):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first = receiver.post_leads({"email": "k@example.org"}, **key).json()["accepted"][0]
    second = receiver.post_leads({"email": "k@example.org"}, **key).json()["accepted"][0]
    assert second == {**first, "repeated": True}
    other = receiver.post_leads({"email": "k@example.org"}, **{"Idempotency-Key": "x" + key["Idempotency-Key"]})
    assert other.json()["accepted"][0]["repeated"] is False


def test_one_idempotency_key_never_hides_a_second_lead(receiver):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    many = receiver.post_leads([{"email": "a@example.org"}, {"email": "b@example.org"}], **key).json()["accepted"]
    assert [one["repeated"] for one in many] == [False, False]
    again = receiver.post_leads([lead(), lead()], **key).json()["accepted"]
    assert [one["repeated"] for one in again] == [False, False]


def test_a_lead_without_any_id_is_known_by_its_content(receiver):
    sent = {"phone": "+34 600 000 001", "message": uuid.uuid4().hex}
    first = receiver.post_leads(sent).json()["accepted"][0]
    assert receiver.post_leads(dict(reversed(sent.items()))).json()["accepted"][0] == {**first, "repeated": True}
    assert receiver.post_leads({**sent, "city": "Lugo"}).json()["accepted"][0]["repeated"] is False


def test_a_thousand_leads_go_in_one_call_and_one_more_do_not(receiver):
    before = count_events()
    answer = receiver.post_leads([lead() for _ in range(1000)])
    assert answer.status_code == 202
    assert len(answer.json()["accepted"]) == 1000
    assert count_events() == before + 1000
    assert receiver.post_leads([lead() for _ in range(1001)]).status_code == 413
    assert count_events() == before + 1000


def test_receipts_stand_in_the_order_of_the_leads(receiver):
    sent = [lead() for _ in range(50)]
    receiver.post_leads(sent[10:20])
    accepted = receiver.post_leads(sent).json()["accepted"]
    assert [one["external_id"] for one in accepted] == [one["external_id"] for one in sent]
    assert [one["repeated"] for one in accepted] == [10 <= index < 20 for index in range(50)]


def test_each_bad_lead_is_rejected_alone_and_named(receiver):
    answer = receiver.post_leads(
        [
            lead(),
            "text",
            None,
            {"email": 7},
            {"other_phones": "not a list"},
            {"first_name": "Nobody"},
            {"email": "  "},
            {"external_id": True},
            {"external_id": "x" * 300},
            lead(phone=4930123456),
        ]
    )
    assert answer.status_code == 202
    found = answer.json()
    assert len(found["accepted"]) == 2
    assert [(one["index"], one["field"]) for one in found["rejected"]] == [
        (1, None),
        (2, None),
        (3, "email"),
        (4, "other_phones"),
        (5, None),
        (6, None),
        (7, "external_id"),
        (8, "external_id"),
    ]
    assert all(one["message"] for one in found["rejected"])
    assert "not a list" not in answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"[1,", b'"text"', b"[" * 100_000])
def test_an_unreadable_call_is_400(receiver, body):
    headers = {"Authorization": "Bearer ingest-key", "Content-Type": "application/json"}
    answer = receiver.post("/v1/leads", data=body, headers=headers)
    assert (answer.status_code, "error" in answer.json()) == (400, True)


def test_json_needs_no_content_type_and_nothing_else_is_taken(receiver):
    headers = {"Authorization": "Bearer ingest-key"}
    assert receiver.post("/v1/leads", data=b' {"email": "n@example.org"}', headers=headers).status_code == 202
    assert receiver.post("/v1/leads", data={"email": "n@example.org"}, headers=headers).status_code == 415


@pytest.mark.parametrize(
    ("key", "status"), [(None, 401), ("", 401), ("wrong", 401), ("view-key", 403), ("ingest-key", 202)]
)
def test_only_keys_that_may_post_can_post(receiver, key, status):
    before = count_events()
    answer = receiver.post_leads(lead(), key=key)
    assert answer.status_code == status
    assert count_events() == before + (status == 202)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("key", "status"), [("", 401), ("wrong", 401), ("ingest-key", 403), ("view-key", 200), ("op:with:colons", 200)]
)
def test_only_keys_that_may_read_can_read(receiver, key, status):
    event_id = receiver.post_leads(lead()).json()["accepted"][0]["event_id"]
    assert receiver.get_lead(event_id, key=key).status_code == status


def test_a_new_lead_is_pending_and_without_person(receiver):
    sent = lead()
    event_id = receiver.post_leads(sent).json()["accepted"][0]["event_id"]
    found = receiver.get_lead(event_id).json()
    assert (found["event_id"], found["state"], found["person_id"]) == (event_id, "pending", None)
    assert (found["source"], found["brand"], found["external_id"]) == ("api", "default", sent["external_id"])
    assert (found["deliveries"], found["quarantine"]) == ([], None)
    assert "ada@example.org" not in str(found)


def test_an_unknown_event_is_404_and_what_is_no_id_400(receiver):
    assert receiver.get_lead(str(uuid.uuid4())).status_code == 404
    assert receiver.get_lead("not-an-id").status_code == 400


def test_a_call_may_name_its_brand_and_its_source(receiver):
    sent = lead()
    headers = {"Authorization": "Bearer ingest-key"}
    answer = receiver.post("/v1/leads?brand=other&source=partner", json=sent, headers=headers)
    event_id = answer.json()["accepted"][0]["event_id"]
    (event,) = stored_events("partner")
    assert (str(event.event_id), event.brand, event.lane) == (event_id, "other", "bulk")
    assert receiver.post("/v1/leads?brand=nobody", json=sent, headers=headers).status_code == 400
    assert receiver.post("/v1/leads?source=web_form", json=sent, headers=headers).status_code == 404


def test_the_name_of_the_key_is_stored_and_the_key_is_not(receiver):
    sent = lead()
    receiver.post_leads(sent, key="ingest-key")
    event = next(one for one in stored_events("api") if str(sent["external_id"]).encode() in one.envelope.body)
    assert event.envelope.origin == {"via": "api", "key": "i", "index": 0}
    assert "ingest-key" not in str(event.envelope.headers)


def test_the_same_lead_from_many_clients_at_once_makes_one_event(receiver):
    sent = [lead() for _ in range(20)]
    before = count_events()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: receiver.post_leads(sent).json()["accepted"], range(32)))
    assert count_events() == before + 20
    assert len({tuple(one["event_id"] for one in accepted) for accepted in answers}) == 1
    assert sum(not one["repeated"] for accepted in answers for one in accepted) == 20
