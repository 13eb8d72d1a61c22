"""What is withdrawn of an address or a number holds for everybody who has it, whomever the statement is found to be of.

Who is named by an id withdraws for themselves alone: a mailbox of several tells nobody apart (docs/decisions/0048).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.identity.matching.contact_points import points_about
from pipeline.identity.matching.evidence import Evidence, evidence_of
from pipeline.lanes import BULK
from pipeline.records import WITHDRAWING, Consent, Lead
from pipeline.routing import told_of_consent, want_people
from pipeline.store.engine import transaction
from pipeline.store.keyring import key_number
from pipeline.store.people import withdrawn_points as store
from pipeline.store.people.withdrawn_points import WithdrawnPoint

_SWEPT = 200  # at once
_LINKED_SECONDS = 60.0  # a worker links them within


def withdrawn_in(leads: Iterable[Lead]) -> list[WithdrawnPoint]:
    """What leads, or statements as leads, withdraw of their addresses and numbers."""
    return [
        point
        for lead in leads
        if any(map(_withdraws, lead.consents))
        for point in points_of(
            evidence_of(lead), lead.consents, brand=lead.brand, event_id=lead.event_id, at=lead.occurred_at
        )
    ]


def points_of(
    evidence: Evidence, consents: Iterable[Consent], *, brand: str, event_id: UUID, at: datetime
) -> list[WithdrawnPoint]:
    """What these statements of an event withdraw; `at` is for those without a time."""
    return [
        WithdrawnPoint(
            key_number(brand, *point),
            brand,
            consent.purpose,
            consent.channel,
            str(consent.act),
            consent.at or at,
            event_id,
        )
        for consent in consents
        if _withdraws(consent)
        for point in points_about(evidence, consent.channel)
    ]


def _withdraws(consent: Consent) -> bool:
    return consent.granted is False and consent.act in WITHDRAWING


def link_withdrawn(
    connection: Connection,
    fresh: Collection[int],
    came: Collection[tuple[UUID, int]] = (),
    *,
    lane: str,
    own: Collection[UUID] = (),
) -> None:
    """Let what is withdrawn hold for whoever has the address: `fresh` keys for all there are, and what was withdrawn
    before for evidence that `came`. CRMs that are told of consent hear of the former, but for `own`, who settle after
    this. One statement, none of nothing; where somebody is concerned one more, and those of `want_people`."""
    concerned = store.link_withdrawn(connection, fresh, came)
    told = told_of_consent(brand for _, brand in concerned)
    people = {(person_id, brand) for person_id, brand in concerned if brand in told}
    store.renew_people(connection, {person_id for person_id, _ in people})
    settling = set(own)
    wanted = {person for person in people if person[0] not in settling}
    if wanted:
        want_people(connection, wanted, lane)


def sweep_withdrawn() -> int:
    """Link what a worker that was killed left; gives how many keys. One statement where there is nothing."""
    with transaction() as connection:
        keys = store.next_unlinked(connection, seconds=_LINKED_SECONDS, limit=_SWEPT)
        link_withdrawn(connection, keys, lane=BULK)
    return len(keys)
