"""Legal holds, which keep people from being deleted, and restrictions (article 18 of the GDPR), which keep them from
being used as well: kept, not sent, not deleted for their age.

Both are about a person and whoever that is one with, survive merges and splits, need a reason, and are never deleted:
only released. Each stands in the ledger too, so that a restored backup does not forget it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.audit.entries import record_action
from pipeline.errors import NotFoundError, RefusedError, UsageError
from pipeline.privacy import ledger
from pipeline.privacy.ledger import LedgerEntry, LedgerLine
from pipeline.records import new_id
from pipeline.store.holds import holds as stored
from pipeline.store.holds.holds import Hold, people_under, read_holds
from pipeline.store.holds.tables import HOLD, RESTRICTION

__all__ = [
    "HOLD",
    "RESTRICTION",
    "Hold",
    "held_people",
    "lift",
    "place",
    "read_holds",
    "release",
    "restore",
    "restrict",
    "restricted_people",
]

_NOUN = {HOLD: "legal hold", RESTRICTION: "restriction"}


def held_people(connection: Connection, person_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these people who must not be deleted because of a legal hold. One statement."""
    return people_under(connection, HOLD, person_ids)


def restricted_people(connection: Connection, person_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these people whose data is kept and not used. One statement."""
    return people_under(connection, RESTRICTION, person_ids)


def place(connection: Connection, kind: str, person_id: UUID, *, reason: str, by: str) -> Hold:
    """Put a person under a legal hold or a restriction. Raises NotFoundError if there is no such person, UsageError
    without a reason; of a person who has several, each is released by itself."""
    _check_reason(reason)
    brand = stored.brand_of(connection, person_id)
    if brand is None:
        raise NotFoundError(f"no person has the id {person_id}: `afluente people find` finds people by what is at hand")
    hold = Hold(new_id(), kind, person_id, brand, reason.strip(), datetime.now(UTC), by)
    ledger.append(connection, _placed(hold))
    stored.place_hold(connection, hold)
    _record(connection, f"{kind}.place", hold, hold.reason)
    return hold


def person_in(connection: Connection, person_id: UUID, brand: str | None) -> UUID:
    """The id, if there is such a person in the brand, or a restriction of one there who was erased since; `brand` None:
    not asked. Raises NotFoundError, which says of a person of another brand what it says of nobody."""
    if brand is None or stored.brand_of(connection, person_id) == brand:
        return person_id
    if read_holds(connection, RESTRICTION, person_ids=[person_id], brand=brand):
        return person_id
    raise NotFoundError(f"no person has the id {person_id}: `afluente people find` finds people by what is at hand")


def release(connection: Connection, kind: str, hold_id: UUID, *, reason: str, by: str) -> Hold:
    """End a hold. Raises NotFoundError if there is none of that id and kind, RefusedError if it has ended already."""
    _check_reason(reason)
    hold = stored.read_hold(connection, hold_id)
    if hold is None or hold.kind != kind:
        raise NotFoundError(f"no {_NOUN[kind]} has the id {hold_id}: `afluente privacy hold list` shows them")
    if hold.released_at is not None:
        raise RefusedError(f"this {_NOUN[kind]} ended on {hold.released_at:%Y-%m-%d} already")
    at = datetime.now(UTC)
    ledger.append(connection, _released(hold, reason=reason.strip(), by=by, at=at))
    stored.release_hold(connection, hold_id, reason=reason.strip(), by=by, at=at)
    _record(connection, f"{kind}.release", hold, reason)
    return hold


def restrict(connection: Connection, person_id: UUID, *, reason: str, by: str) -> list[Hold]:
    """`place` a restriction."""
    return [place(connection, RESTRICTION, person_id, reason=reason, by=by)]


def lift(connection: Connection, person_id: UUID, *, reason: str, by: str) -> list[Hold]:
    """End all restrictions of a person, on whichever of their ids they were placed; gives them. Raises RefusedError if
    there is none."""
    _check_reason(reason)
    found = read_holds(connection, RESTRICTION, person_ids=stored.ids_of(connection, person_id))
    if not found:
        raise RefusedError(
            f"the data of {person_id} is not restricted: `afluente privacy restrict --list` shows whose is"
        )
    return [release(connection, RESTRICTION, hold.hold_id, reason=reason, by=by) for hold in found]


def restore(connection: Connection, line: LedgerLine) -> None:
    """Do what an entry of the ledger says of a hold; nothing if it was done. The database knows of it then."""
    entry, details = line.entry, line.entry.details
    if entry.kind == ledger.HOLD:
        hold = Hold(
            entry.request_id,
            details["kind"],
            entry.person_ids[0],
            entry.brand,
            details["reason"],
            entry.at,
            details["by"],
        )
        stored.place_hold(connection, hold)
    elif entry.kind == ledger.RELEASE:
        stored.release_hold(connection, entry.request_id, reason=details["reason"], by=details["by"], at=entry.at)
    ledger.note_known(connection, [line])


def _record(connection: Connection, action: str, hold: Hold, reason: str) -> None:
    record_action(
        connection,
        action,
        brand=hold.brand,
        object_kind="person",
        object_id=hold.person_id,
        reason=reason,
        request_id=hold.hold_id,
    )


def _placed(hold: Hold) -> LedgerEntry:
    details = {"kind": hold.kind, "reason": hold.reason, "by": hold.placed_by}
    return LedgerEntry(ledger.HOLD, hold.hold_id, hold.brand, (hold.person_id,), (), hold.placed_at, details)


def _released(hold: Hold, *, reason: str, by: str, at: datetime) -> LedgerEntry:
    details = {"kind": hold.kind, "reason": reason, "by": by}
    return LedgerEntry(ledger.RELEASE, hold.hold_id, hold.brand, (hold.person_id,), (), at, details)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise UsageError("needs a reason, which is kept with it: no personal data", argument="reason")
