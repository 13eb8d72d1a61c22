"""What happens is told, in the transaction it happens in, to the endpoints that want to hear of it."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest

from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.identity.unmerges import unmerge_person
from pipeline.records.webhooks import WEBHOOK_EVENTS
from pipeline.store.engine import transaction
from pipeline.store.identity import people_moves
from tests.support.command_line import deliver
from tests.support.store_rows import bump, write_person
from tests.support.webhook_receiver import Answer, endpoint, outbox

from .conftest import PERSON


def told() -> list[str]:
    return [message.event for message in outbox()]


def test_a_lead_on_its_way_to_the_crm_is_told_of_at_each_step(installation, receiver):
    installation.webhooks(all=endpoint(receiver, events=list(WEBHOOK_EVENTS)))
    installation.leads(PERSON)
    deliver()
    assert told() == ["person.created", "lead.settled", "delivery.sent"]


def test_what_comes_again_and_says_more_is_told_as_an_update(installation, receiver):
    installation.webhooks(all=endpoint(receiver, events=["person.created", "person.updated"]))
    installation.leads(PERSON)
    assert told() == ["person.created"]
    installation.send()
    installation.leads(PERSON | {"job_title": "Head of Marketing"})
    assert told() == ["person.created", "person.updated"]


def test_a_merge_and_its_end_are_told(installation, receiver):
    installation.webhooks(all=endpoint(receiver, events=["person.merged", "person.unmerged"]))
    installation.leads(PERSON, {"email": "other@example.org", "full_name": "Grace Other"})
    with transaction() as connection:
        one, other = connection.exec_driver_sql("SELECT person_id FROM people ORDER BY person_id").scalars()
    merge_people(one, other, Decision("tests", "the same"))
    unmerge_person(other, Decision("tests", "not the same"))
    assert told() == ["person.merged", "person.unmerged"]
    installation.send()
    merged, unmerged = [request.content["data"] for request in receiver.received]
    assert (merged["person_id"], merged["merged_into"]) == (str(other), str(one))
    assert (unmerged["person_id"], unmerged["merged_into"]) == (str(other), None)


def test_a_lead_and_a_delivery_that_cannot_go_on_are_told(installation, receiver):
    installation.webhooks(all=endpoint(receiver, events=["lead.quarantined", "delivery.quarantined", "delivery.sent"]))
    (quarantined, _) = installation.leads({"email": "no address"}, PERSON)
    deliver("rejected", code="too_long", message="the company is too long")
    installation.send()
    contents = sorted((request.content for request in receiver.received), key=lambda content: content["type"])
    delivery, lead = [content["data"] for content in contents]
    assert told() == ["lead.quarantined", "delivery.quarantined"]
    assert (lead["event_id"], lead["state"]) == (quarantined, "quarantined")
    assert (delivery["destination"], delivery["state"], delivery["code"]) == ("sandbox", "quarantined", "too_long")


def change_and_give_up(person_id: UUID) -> None:
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE people SET version = version + 1 WHERE person_id = %s", (person_id,))
        raise RuntimeError


def test_what_was_rolled_back_is_not_told(installation, receiver):
    installation.webhooks(all=endpoint(receiver, events=["person.created", "person.updated"]))
    person_id = write_person(first_name="Ada")
    installation.send()
    with pytest.raises(RuntimeError):
        change_and_give_up(person_id)
    assert told() == ["person.created"]
    bump([person_id])
    assert told() == ["person.created", "person.updated"]


def test_an_endpoint_hears_of_its_events_and_brands_and_of_nothing_before_it_was_there(installation, receiver):
    installation.leads(PERSON)
    installation.webhooks(
        brands=("default", "casa"),
        mine=endpoint(receiver, events=["person.created"], brands=["default"]),
        theirs=endpoint(receiver, events=["person.created"], brands=["casa"]),
        updates=endpoint(receiver, events=["person.updated"]),
    )
    write_person(first_name="Ada")
    assert Counter(message.endpoint for message in outbox()) == {"mine": 1}


def test_an_endpoint_taken_out_of_the_settings_hears_nothing_more(installation, receiver):
    installation.webhooks(all=endpoint(receiver, events=["person.created"]))
    write_person(first_name="Ada")
    installation.webhooks()
    write_person(first_name="Grace")
    assert [message.state for message in outbox()] == ["held"]
    assert installation.send().delivered == 0


def test_the_outbox_holds_ids_and_nothing_of_a_person(installation, receiver):
    installation.webhooks(all=endpoint(receiver, events=list(WEBHOOK_EVENTS), fields=["email"]))
    installation.leads(PERSON)
    deliver()
    with transaction() as connection:
        rows = connection.exec_driver_sql("SELECT to_jsonb(m)::text FROM webhook_messages m").scalars().all()
    assert len(rows) == 3
    assert not any(word in row for row in rows for word in ("ada", "Ada", "example.org", "Example"))


def test_messages_about_one_person_go_out_one_after_the_other_in_the_order_of_what_happened(installation, receiver):
    answers = iter([Answer(500)] * 5)  # each is seen once, so that what follows is a message of its own
    receiver.answer = lambda _: next(answers, Answer())
    installation.webhooks(
        all=endpoint(receiver, events=["person.created", "person.merged", "person.unmerged"], concurrent=8)
    )
    people = [write_person(first_name="Ada") for _ in range(5)]
    for _ in range(3):
        with transaction() as connection:
            people_moves.forward_people(connection, dict.fromkeys(people[1:], people[0]))
            people_moves.forward_people(connection, dict.fromkeys(people[1:]))
    installation.send()
    while any(message.state == "due" for message in outbox()):
        installation.send()
    order: dict[UUID, list[str]] = {}
    for request in receiver.received:
        order.setdefault(UUID(request.content["data"]["person_id"]), []).append(request.content["type"])
    assert order.pop(people[0]) == ["person.created"] * 2
    assert order.keys() == set(people[1:])
    assert set(map(tuple, order.values())) == {("person.created",) * 2 + ("person.merged", "person.unmerged") * 3}


def test_updates_that_nobody_was_told_of_yet_are_one_message(installation, receiver):
    installation.webhooks(all=endpoint(receiver, events=["person.updated"]))
    person_id = write_person(first_name="Ada")
    for _ in range(3):
        bump([person_id])
    installation.send()
    (request,) = receiver.received
    assert request.content["data"]["version"] == 4


def test_an_update_while_the_one_before_is_under_way_is_told_by_a_message_of_its_own(installation, receiver):
    installation.webhooks(all=endpoint(receiver, events=["person.updated"]))
    person_id = write_person(first_name="Ada")
    bump([person_id])
    receiver.answer = lambda _: bump([person_id]) or Answer() if len(receiver.received) == 1 else Answer()
    installation.send()
    assert [request.content["data"]["version"] for request in receiver.received] == [2, 3]
    assert len(set(receiver.ids())) == 2
