"""The HubSpot writer against the sandbox: one contact for each person, whatever goes wrong on the way."""

from __future__ import annotations

import time

import pytest

from connectors.kit import QuotaError, Record, TerminalError, TransientError
from pipeline.delivery.halving import write_in_halves
from tests.support.crm import order, records, totals
from tests.support.hubspot_crm import CONTACTS, by_hand, make_contact, mark, people, person
from tests.support.hubspot_crm import writer as open_writer


def writer(sandbox, **more):
    return open_writer(sandbox.address, **{"secrets": {}, **more})


def test_a_person_is_made_then_updated_by_one_key(hubspot):
    opened = writer(hubspot)
    (first,) = opened.write([person(city="Bonn")])
    (second,) = opened.write([person(city=None, jobtitle="COO")])
    assert (first.created, second.created, first.crm_id == second.crm_id) == (True, False, True)
    (kept,) = records(hubspot)
    assert (kept["fields"].get("city"), kept["fields"]["jobtitle"]) == (None, "COO")


def test_the_same_batch_twice_changes_nothing(hubspot):
    opened = writer(hubspot)
    opened.write(people(100))
    results = opened.write(people(100))
    assert {(result.state, result.created) for result in results} == {("written", False)}
    assert totals(hubspot) == {"written": 200, "created": 100, "changed": 0, "unchanged": 100, "rejected": 0}


def test_each_record_gets_the_id_of_its_own_contact_though_results_are_shuffled(hubspot):
    results = writer(hubspot).write(people(50))
    ids = {kept["external_id"]: kept["id"] for kept in records(hubspot)}
    assert {result.key: result.crm_id for result in results} == ids


@pytest.mark.parametrize("fault", ["write_then_fail", "write_then_drop", "garbled_answer"])
def test_an_answer_that_got_lost_makes_no_second_contact(hubspot, fault):
    opened = writer(hubspot)
    order(hubspot, **{fault: 1})
    with pytest.raises(TransientError):
        opened.write(people(3))
    order(hubspot)
    assert [result.created for result in opened.write(people(3))] == [False] * 3
    assert len(records(hubspot)) == 3


def test_a_timeout_after_the_write_makes_no_second_contact(hubspot):
    order(hubspot, latency_ms=600)
    with pytest.raises(TransientError, match="may have been done"):
        writer(hubspot, timeout_seconds=0.2).write(people(2))
    order(hubspot)
    time.sleep(0.7)
    assert [result.created for result in writer(hubspot).write(people(2))] == [False, False]
    assert len(records(hubspot)) == 2


def test_who_is_left_out_of_an_answer_is_sent_again_alone_and_stays_single(hubspot):
    opened = writer(hubspot)
    order(hubspot, short_answer=1)
    results = opened.write(people(5))
    left = [person for person, result in zip(people(5), results, strict=True) if result.state == "retry"]
    assert len(left) == 1, "results have trace ids: the others are believed"
    order(hubspot)
    assert opened.write(left)[0].state == "written"
    assert len(records(hubspot)) == 5


def test_who_is_in_hubspot_by_the_email_gets_our_key_and_no_second_contact(hubspot):
    made = make_contact(hubspot, email="ada0@example.org", mobilephone="+493023125123")
    opened = writer(hubspot)
    linked, other = opened.write([person(0, email="Ada0@example.org"), person(1)])
    assert (linked.state, linked.crm_id, linked.code) == ("written", made, "linked")
    assert (other.state, other.created) == ("written", True)
    contacts = {kept["external_id"]: kept["fields"] for kept in records(hubspot)}
    assert set(contacts) == {"key-0", "key-1"}
    assert contacts["key-0"]["mobilephone"] == "+493023125123", "what we do not own stays"
    (again,) = opened.write([person(0)])
    assert (again.crm_id, again.code) == (made, None)


def test_a_link_whose_answer_is_lost_is_found_by_our_key_the_next_time(hubspot):
    made = make_contact(hubspot, email="ada0@example.org")
    by_hand(hubspot, "PATCH", f"{CONTACTS}/{made}", {"properties": {"afluente_id": "key-0"}})
    (result,) = writer(hubspot).write([person(0)])
    assert (result.state, result.crm_id, result.code) == ("written", made, None)


def test_two_people_with_one_email_are_never_exchanged_and_lack_no_more_than_the_email(hubspot):
    opened = writer(hubspot)
    opened.write([person(0)])
    for _ in range(2):
        (other,) = opened.write([person(1, email="ada0@example.org", city="Bonn")])
        assert (other.state, other.code, other.field) == ("rejected", "CONFLICT", "email")
        (first,) = opened.write([person(0)])
        assert (first.state, first.created) == ("written", False)
    contacts = {kept["external_id"]: kept for kept in records(hubspot)}
    assert contacts["key-0"]["fields"]["email"] == "ada0@example.org"
    assert (contacts["key-1"]["fields"]["city"], contacts["key-1"]["fields"].get("email")) == ("Bonn", None)
    assert other.crm_id == contacts["key-1"]["id"]


def test_an_email_that_moves_from_one_person_to_another_arrives(hubspot):
    opened = writer(hubspot)
    opened.write([person(0), person(1)])
    for _ in range(3):
        results = opened.write([person(1, email="ada0@example.org"), person(0, email="new@example.org")])
        if all(result.state == "written" for result in results):
            break
    emails = {kept["external_id"]: kept["fields"]["email"] for kept in records(hubspot)}
    assert emails == {"key-0": "new@example.org", "key-1": "ada0@example.org"}


def test_a_mark_changes_nothing_else_and_is_emptied_by_none(hubspot):
    opened = writer(hubspot)
    opened.write([person(0), person(1, city="Bonn")])
    before = {kept["external_id"]: kept["fields"] for kept in records(hubspot)}
    opened.write([mark("key-1")])
    after = {kept["external_id"]: kept["fields"] for kept in records(hubspot)}
    assert after["key-1"] == {**before["key-1"], "afluente_merged_into": "key-0"}
    opened.write([person(1, city="Bonn", afluente_merged_into=None)])
    assert {kept["external_id"]: kept["fields"] for kept in records(hubspot)} == before


def test_a_contact_that_was_erased_is_not_made_again_to_be_marked(hubspot):
    opened = writer(hubspot)
    (made,) = opened.write([person(1)])
    by_hand(hubspot, "POST", f"{CONTACTS}/gdpr-delete", {"objectId": made.crm_id})
    (result,) = opened.write([mark("key-1")])
    assert (result.state, result.code) == ("written", "record_gone")
    assert records(hubspot) == []


def test_one_value_that_cannot_be_taken_refuses_its_record_alone(hubspot):
    batch = people(40)
    batch[17].fields["afluente_employee_count"] = "about 20"
    results = writer(hubspot).write(batch)
    assert [result.key for result in results if result.state == "rejected"] == ["key-17"]
    assert "20" not in (results[17].message or "")
    assert len(records(hubspot)) == 39


def test_a_text_that_cannot_be_sent_at_all_is_found_in_halves_and_the_others_are_written(hubspot):
    batch = people(20)
    broken = Record("key-20", {"email": "x@example.org", "lastname": "\ud800"})
    with pytest.raises(TypeError):
        writer(hubspot).write([*batch, broken])
    written = write_in_halves([*batch, broken], writer(hubspot).write, may_call=lambda: True)
    states = {result.key: result.state for result in written.results}
    assert {key for key, state in states.items() if state != "written"} == {"key-20"}


def test_the_rolling_window_and_the_day_are_told_apart(hubspot):
    opened = writer(hubspot)
    hubspot.dialect.limits.calls_in_window = 1
    opened.write(people(1))
    with pytest.raises(QuotaError, match="ten seconds") as rolling:
        opened.write(people(1))
    assert rolling.value.retry_after == 10
    hubspot.dialect.limits.calls_in_window = 100
    order(hubspot, daily_limit=1)
    with pytest.raises(QuotaError, match="daily") as daily:
        opened.write(people(1))
    assert daily.value.retry_after == 3600
    assert (opened.usage.used, opened.usage.limit) == (1, 1)


@pytest.mark.parametrize(
    ("status", "error"),
    [(423, TransientError), (477, TransientError), (521, TransientError), (525, TerminalError), (429, QuotaError)],
)
def test_a_status_is_the_error_that_says_what_happens_next(hubspot, status, error):
    order(hubspot, status=status)
    with pytest.raises(error):
        writer(hubspot).write(people(2))


def test_a_token_that_dies_early_is_renewed_by_the_writer(hubspot):
    order(hubspot, token_seconds=0.2, on="/oauth")
    opened = writer(hubspot)
    opened.check()
    time.sleep(0.3)
    assert opened.write(people(1))[0].state == "written"


def test_a_key_property_that_was_not_made_is_told_by_the_check(hubspot):
    opened = writer(hubspot, options={"external_id_property": "person_key"})
    for call in (opened.check, lambda: opened.write(people(2))):
        with pytest.raises(TerminalError, match="person_key as the key"):
            call()
    wanted = {"name": "person_key", "label": "Key", "type": "string", "fieldType": "text"}
    by_hand(
        hubspot, "POST", "/crm/v3/properties/contacts",
        {**wanted, "groupName": "contactinformation", "hasUniqueValue": True},
    )  # fmt: skip
    opened.check()
    assert opened.write(people(1))[0].state == "written"


def test_dated_paths_write_the_same_contacts(hubspot):
    writer(hubspot).write(people(2))
    results = writer(hubspot, options={"api_version": "2026-03"}).write(people(2))
    assert [result.created for result in results] == [False, False]


def test_records_are_refused_at_a_rate(hubspot):
    order(hubspot, record_error={"code": "INTERNAL_ERROR", "rate": 0.5})
    results = writer(hubspot).write(people(100))
    assert 20 < sum(result.state == "retry" for result in results) < 80
    order(hubspot, record_error={"code": "INVALID_EMAIL", "field": "email"})
    (result,) = writer(hubspot).write(people(1))
    assert (result.state, result.code, result.field) == ("rejected", "INVALID_EMAIL", "email")
