"""Who turned out to be another is listed nowhere as somebody of their own any more, and leads on to that other."""

from __future__ import annotations

from uuid import UUID

import pytest

from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.identity.unmerges import unmerge_person
from pipeline.intake.receiver.lead_status import read_status
from pipeline.privacy.person_consents import consent_state_of
from pipeline.recompute.channels import recompute_channels
from pipeline.store.deliveries.deliveries import due_counts
from pipeline.store.engine import transaction
from pipeline.store.events.balance import balance
from tests.support.command_line import answer, capture, deliver, lines, run, work
from tests.support.identity_rows import owner

ME = Decision("vera")
ADA = {"email": "ada@brandt.example", "full_name": "Ada Brandt", "utm_source": "google", "utm_medium": "cpc"}
BEN = {"email": "ben@kairo.example", "full_name": "Ben Kairo", "phone": "+4915123456789", "utm_source": "news"}


@pytest.fixture
def two(database, redis_url) -> tuple[UUID, UUID, UUID]:
    """Ada and Ben, known to the CRM, and the event that brought Ben."""
    first, second = capture(
        {
            **ADA,
            "occurred_at": "2026-03-02T09:00:00Z",
            "consents": [{"purpose": "marketing", "channel": "email", "granted": True}],
        },
        {
            **BEN,
            "occurred_at": "2026-03-01T09:00:00Z",
            "consents": [{"purpose": "marketing", "channel": "email", "granted": False}],
        },
    )
    work()
    deliver()
    return owner(first), owner(second), second


@pytest.mark.long
def test_exports_list_people_and_on_request_those_who_lead_on(two):
    ada, ben, _ = two
    assert {row["person_id"] for row in lines("people", "export")} == {str(ada), str(ben)}
    assert lines("people", "export", "--merged") == []
    merge_people(ada, ben, ME)
    (person,) = lines("people", "export")
    assert (person["person_id"], person["phone"], person["touches"]) == (str(ada), "+4915123456789", 2)
    assert lines("people", "export", "--merged") == [
        {"person_id": str(ben), "merged_into": str(ada), "brand": "default"}
    ]
    assert {row["person_id"]: row["merged_into"] for row in lines("deliveries", "export")} == {
        str(ada): None,
        str(ben): str(ada),
    }
    assert {row["person_id"] for row in lines("leads", "export")} == {str(ada)}
    unmerge_person(ada, ME)
    assert lines("people", "export", "--merged") == []
    assert len(lines("people", "export")) == 2


def test_an_explanation_of_the_old_id_leads_on(two):
    ada, ben, event_id = two
    merge_people(ada, ben, ME)
    found = answer("explain", str(ben))
    assert (found["kind"], found["merged_into"], found["events"]) == ("person", str(ada), [])
    shown = run("explain", str(ben)).stdout
    assert str(ada) in shown
    assert "Golden record, as it was" in shown
    assert answer("explain", str(event_id))["match"]["person_id"] == str(ada)


def test_the_state_of_a_lead_names_the_person_it_belongs_to_now(two):
    ada, ben, event_id = two
    merge_people(ada, ben, ME)
    found = read_status(event_id)
    assert found["person_id"] == str(ada)
    assert [one["destination"] for one in found["deliveries"]] == ["sandbox"]
    unmerge_person(ada, ME)
    assert read_status(event_id)["person_id"] == str(ben)


def test_balance_and_status_count_nobody_twice_and_miss_nobody(two):
    ada, ben, _ = two
    for change in (lambda: merge_people(ada, ben, ME), lambda: unmerge_person(ada, ME)):
        change()
        with transaction() as connection:
            found = balance(connection, {"default": ["sandbox"]})
            waiting = due_counts(connection)["sandbox"]["bulk"][0]
        assert (found["all"]["difference"], found["missing_deliveries"]) == (0, 0)
        assert waiting == 2, "one record to update and one to mark, then both to restore"
        deliver()


def test_a_recomputation_of_channels_passes_merged_people_by(two):
    ada, ben, _ = two
    merge_people(ada, ben, ME)
    assert recompute_channels(is_dry_run=False).people_read == 1


def test_while_two_are_one_a_refusal_of_either_counts_and_then_each_has_its_own_again(two):
    ada, ben, _ = two

    def state(person_id: UUID) -> str | None:
        with transaction() as connection:
            return consent_state_of(connection, person_id).get(("marketing", "email"))

    assert (state(ada), state(ben)) == ("granted", "refused")
    merge_people(ada, ben, ME)
    assert (state(ada), state(ben)) == ("refused", None)
    assert answer("explain", str(ada))["consent_state"] == [
        {"purpose": "marketing", "channel": "email", "state": "refused"}
    ]
    assert "Consent in force" in run("explain", str(ada)).stdout
    unmerge_person(ada, ME)
    assert (state(ada), state(ben)) == ("granted", "refused")


def test_whoever_subscribes_again_with_the_same_address_has_consented(database, redis_url):
    refusal = {**BEN, "consents": [{"purpose": "marketing", "channel": "email", "granted": False}]}
    grant = {"email": BEN["email"], "consents": [{"purpose": "marketing", "channel": "email", "granted": True}]}
    first, _ = capture(
        {**refusal, "occurred_at": "2026-03-01T09:00:00Z"}, {**grant, "occurred_at": "2026-03-02T09:00:00Z"}
    )
    work()
    with transaction() as connection:
        assert consent_state_of(connection, owner(first)) == {("marketing", "email"): "granted"}
