"""Leads of addresses that nobody is to be known by again: who was erased stays erased, whatever list comes.

An address is compared in the form in which evidence is, so in whatever spelling it comes. A lead stops at one
suppressed address of several: the others are how the person would come back. Only who was erased may come anew, by a
post of a source that `privacy.own_forms` names, of something that happened after the erasure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.identity.matching.evidence import EMAIL, PHONE, STRONG_KINDS, Evidence, evidence_of, keys_of
from pipeline.records import SUPPRESSED_ADDRESS, Batch, Lead, Suppressed
from pipeline.settings.loading import settings
from pipeline.store.keyring import blind_index
from pipeline.store.suppressions import suppressions
from pipeline.store.suppressions.suppressions import DIGEST_BYTES, Suppression
from pipeline.values.emails.matching import match_form
from pipeline.values.phones.matching import match_forms

ERASED = "erased"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
# What an event is suppressed for, by the reason of the suppression.
_EVENT_REASONS = {ERASED: ERASED, "objection": "no_consent", "spam": "spam"}


def suppression_digest(brand: str, kind: str, value: str) -> bytes:
    """16 bytes of an address in the form in which it is compared: those that evidence is filed under, and 8 more."""
    text = f"{brand}\x00{kind}\x00{value}"
    index = blind_index()
    number = index.number(text).to_bytes(8, "big", signed=True)
    return (number + index.content_id(b"suppressed\x00" + text.encode("utf-8", "surrogatepass")).bytes)[:DIGEST_BYTES]


def digests_of(brand: str, evidence: Iterable[Evidence]) -> set[bytes]:
    """Of every address, number and profile that these say."""
    named = {key for piece in evidence for key in keys_of(piece) if key[0] in STRONG_KINDS}
    return {suppression_digest(brand, kind, value) for kind, value in named}


def key_of(digest: bytes) -> int:
    """The number under which evidence of the address is filed."""
    return int.from_bytes(digest[:8], "big", signed=True)


def screen(connection: Connection, leads: Sequence[tuple[Lead, Evidence]], known: Collection[int]) -> dict[UUID, str]:
    """By event why leads must not go on, of those that must not. `known`: numbers of theirs under which there are
    suppressions. One statement, none without `known`, one more for each brand where a person came anew."""
    if not known:
        return {}
    found: dict[tuple[str, bytes], Suppression] = {
        (row.brand, row.digest): row for row in suppressions.read_by_keys(connection, known)
    }
    stopped: dict[UUID, str] = {}
    lifted: dict[str, set[bytes]] = {}
    for lead, evidence in leads:
        met = {
            digest: row
            for digest in digests_of(lead.brand, [evidence])
            if (row := found.get((lead.brand, digest))) is not None
        }
        if not met:
            continue
        if _came_anew(lead, met):
            lifted.setdefault(lead.brand, set()).update(met)
        else:
            reasons = {ERASED if row.is_erased else row.reason for row in met.values()}
            stopped[lead.event_id] = _EVENT_REASONS[min(reasons, key=tuple(_EVENT_REASONS).index)]
    for brand, digests in sorted(lifted.items()):
        suppressions.lift(connection, brand, digests)
    return stopped


def screen_values(connection: Connection, people: Mapping[UUID, tuple[str, Mapping[str, Any]]]) -> set[UUID]:
    """Those of these people, each with brand and golden values, who have a suppressed address. One statement, none
    where they have no address at all."""
    theirs = {
        person_id: (
            brand,
            digests_of(brand, [evidence_of(_lead(person_id, brand, values))]) | _digests_of_all(brand, values),
        )
        for person_id, (brand, values) in people.items()
    }
    keys = {key_of(digest) for _, digests in theirs.values() for digest in digests}
    known = {(row.brand, row.digest) for row in suppressions.read_by_keys(connection, keys)}
    return {
        person_id
        for person_id, (brand, digests) in theirs.items()
        if any((brand, digest) in known for digest in digests)
    }


def _digests_of_all(brand: str, values: Mapping[str, Any]) -> set[bytes]:
    """Of every further address and number too. Evidence has a few of them, and no mailbox of several: but whoever was
    merged may have had one as their only address, and it stays suppressed."""
    emails = {match_form(email) for email in values.get("other_emails") or ()}
    phones = {form for phone in values.get("other_phones") or () for form in match_forms(phone)}
    forms = [*((EMAIL, email) for email in emails), *((PHONE, phone) for phone in phones)]
    return {suppression_digest(brand, kind, form) for kind, form in forms}


def _lead(person_id: UUID, brand: str, values: Mapping[str, Any]) -> Lead:
    return Lead(person_id, brand, "", "", _NEVER, _NEVER, "", dict(values))


def take_out(batch: Batch, reasons: Mapping[UUID, str]) -> None:
    """These leads and activities of a batch go no further, for the reasons that `screen` gave."""
    if reasons:
        batch.leads = [lead for lead in batch.leads if lead.event_id not in reasons]
        batch.activities = [activity for activity in batch.activities if activity.event_id not in reasons]
        batch.suppressed += [Suppressed(event_id, why, SUPPRESSED_ADDRESS) for event_id, why in sorted(reasons.items())]


def of_erased(suppressed: Iterable[Suppressed]) -> set[UUID]:
    """Those of these events that are of somebody who was erased: nothing is kept of them."""
    return {event.event_id for event in suppressed if (event.rule, event.reason) == (SUPPRESSED_ADDRESS, ERASED)}


def _came_anew(lead: Lead, met: Mapping[bytes, Suppression]) -> bool:
    return (
        lead.is_posted
        and lead.source in settings().privacy.own_forms
        and all(row.reason == ERASED and min(lead.received_at, lead.occurred_at) > row.at for row in met.values())
    )
