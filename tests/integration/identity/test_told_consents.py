"""A word that only changes what somebody agrees to: by time, and for whom nobody knows yet too."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from pipeline import flow
from pipeline.identity.activities import sweep_activities
from pipeline.privacy.person_consents import consent_state_of
from pipeline.store.engine import transaction
from tests.support import store_rows
from tests.support.command_line import answer, capture, run, work
from tests.support.identity_rows import rows

pytestmark = pytest.mark.usefixtures("database")

MARKETING = ("marketing", "email")


def order(email: str = "ada@example.org", *, granted_at: str | None = None, number: int = 1) -> dict[str, Any]:
    consent = {"state": "subscribed", "consent_updated_at": granted_at} if granted_at else None
    customer = {"email": email, "first_name": email.partition("@")[0].title(), "last_name": f"Sample{number}"}
    return {
        "resource": "Order",
        "record": f"gid://shopify/Order/{number}",
        "email": email,
        "created_at": "2026-03-01T09:00:00Z",
        "customer": customer | {"email_marketing_consent": consent},
    }


def word(at: str, *, email: str = "ada@example.org", granted: bool = False) -> dict[str, Any]:
    state = "subscribed" if granted else "unsubscribed"
    consent = {"state": state, "consent_updated_at": at}
    return {
        "resource": "consent",
        "record": f"consent {email} {at}",
        "email_address": email,
        "email_marketing_consent": consent,
    }


def take(*records: dict[str, Any]) -> list[UUID]:
    events = capture(*records, source="shopify")
    work()
    return events


def state() -> str | None:
    """What the only person agrees to."""
    ((person_id,),) = rows("SELECT person_id FROM people WHERE merged_into IS NULL")
    with transaction() as connection:
        return consent_state_of(connection, person_id).get(MARKETING)


def test_a_withdrawal_counts_for_who_is_known_and_is_no_lead():
    take(order(granted_at="2026-03-01T09:00:00Z"))
    assert state() == "granted"
    (told,) = take(word("2026-03-05T09:00:00Z"))
    assert state() == "refused"
    assert rows("SELECT state, reason FROM events WHERE event_id = %s", told) == [("suppressed", "consent")]
    assert rows("SELECT count(*) FROM touches") == [(1,)]


def refusal(at: str) -> None:
    """A plain no, which is no withdrawal."""
    said = {"purpose": "marketing", "channel": "email", "granted": False, "at": at}
    capture({"says": "consent", "email": "ada@example.org", "consents": [said]}, source="consents")
    work()


def test_an_older_word_that_comes_late_overrides_none():
    take(order())
    refusal("2026-03-05T09:00:00Z")
    take(word("2026-03-02T09:00:00Z", granted=True))
    assert state() == "refused"
    take(word("2026-03-06T09:00:00Z", granted=True))
    assert state() == "granted"
    refusal("2026-03-04T09:00:00Z")
    assert state() == "granted"


def test_a_withdrawal_that_comes_late_stands_against_a_word_that_was_said_after_it():
    take(order(), word("2026-03-06T09:00:00Z", granted=True))
    assert state() == "granted"
    take(word("2026-03-05T09:00:00Z"))
    assert state() == "refused"


def test_what_somebody_says_as_a_lead_and_alone_is_one_voice():
    take(order())
    refusal("2026-03-05T09:00:00Z")
    take(order(granted_at="2026-03-07T09:00:00Z", number=1) | {"record": "gid://shopify/Order/9"})
    assert state() == "granted"


def test_the_withdrawal_of_an_unknown_address_is_kept_for_good_and_there_before_any_crm_hears_of_the_person():
    (told,) = take(word("2026-03-05T09:00:00Z"))
    assert rows("SELECT reason FROM events WHERE event_id = %s", told) == [("nobody_yet",)]
    assert rows("SELECT waits_until FROM activities") == [(None,)]
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE activities SET looked_at = now() - interval '10 years'")
    assert sweep_activities() == 0
    capture(order(granted_at="2026-03-01T09:00:00Z"), source="shopify")
    claimed = store_rows.claim()
    assert claimed is not None
    batch = flow.normalize_batch(flow.map_claim(claimed))
    batch = flow.attribute_batch(flow.deduplicate_batch(batch))
    assert state() == "refused"
    assert rows("SELECT count(*) FROM deliveries") == [(0,)]
    flow.load_batch(batch)
    assert state() == "refused"


def test_a_word_of_one_address_is_not_that_of_another():
    take(word("2026-03-05T09:00:00Z", email="ruth@example.org"), order(granted_at="2026-03-01T09:00:00Z"))
    assert state() == "granted"


def test_a_word_goes_along_when_people_come_together_and_apart():
    take(order(granted_at="2026-03-01T09:00:00Z"), order("ruth@example.net", number=2))
    (told,) = take(word("2026-03-05T09:00:00Z", email="ruth@example.net"))
    ((ruth,),) = rows("SELECT person_id FROM consents WHERE event_id = %s", told)
    ((ada,),) = rows("SELECT person_id FROM people WHERE person_id <> %s", ruth)
    assert run("people", "merge", str(ada), str(ruth), "--why", "they are one").returncode == 0
    assert state() == "refused"
    gone = next(person for person in (ada, ruth) if answer("explain", str(person))["merged_into"])
    assert run("people", "unmerge", str(gone), "--why", "they are two").returncode == 0
    with transaction() as connection:
        found = [consent_state_of(connection, person).get(MARKETING) for person in (ada, ruth)]
    assert found == ["granted", "refused"]
