"""Suppressed addresses as use cases see them: made of evidence, written, asked for. `identity.screening` asks for each
batch of leads; docs/decisions has why a person is kept out by keyed digests of every form of every address."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection

from pipeline.audit.entries import record_action
from pipeline.errors import UsageError
from pipeline.identity.screening import digests_of, suppression_digest
from pipeline.privacy import ledger
from pipeline.privacy.ledger import LedgerEntry, LedgerLine
from pipeline.privacy.subjects import Asked, brands_of, check_asked, forms_of
from pipeline.records import new_id
from pipeline.store.engine import transaction
from pipeline.store.suppressions import suppressions

OBJECTION, SPAM = "objection", "spam"
REASONS = (OBJECTION, SPAM)  # that a human gives; `erased` comes of an erasure
_REASON = "reason"  # in an entry's details

__all__ = ["REASONS", "digests_of", "restore", "suppress", "suppress_address", "suppressed", "suppression_digest"]


def suppress(
    connection: Connection,
    brand: str,
    digests: Collection[bytes],
    *,
    reason: str = "erased",
    request_id: UUID | None = None,
) -> None:
    """Let nobody be known by these addresses of a brand again. `reason`: erased, objection or spam. One statement."""
    suppressions.add_suppressions(connection, brand, digests, reason, request_id)


def suppressed(connection: Connection, brand: str, digests: Collection[bytes]) -> set[bytes]:
    """Those of these digests that are suppressed in a brand. One statement."""
    return set(suppressions.read_among(connection, brand, digests))


def suppress_address(asked: Asked, *, reason: str, lift: bool = False) -> int:
    """Suppress an address or number in each brand that is meant, as its owner objected or is a spammer; with `lift`
    take that back. Gives how many forms of it. It stands in the ledger first, so that no restored backup forgets it.
    Raises UsageError, and ConfigurationError if the ledger cannot be written."""
    check_asked(asked)
    if reason not in REASONS:
        raise UsageError(f"is one of {', '.join(REASONS)}", argument="reason")
    if asked.email is None and asked.phone is None:
        raise UsageError("an address or a number is suppressed: give --email or --phone")
    count = 0
    with transaction() as connection:
        for brand in brands_of(asked):
            digests = {suppression_digest(brand, *form) for form in forms_of(asked, brand)}
            kind = ledger.UNSUPPRESS if lift else ledger.SUPPRESS
            entry = LedgerEntry(kind, new_id(), brand, digests=tuple(sorted(digests)), details={_REASON: reason})
            ledger.append(connection, entry)
            count += _act(connection, entry)
            record_action(connection, "address.release" if lift else "address.suppress", brand=brand, reason=reason)
    return count


def _act(connection: Connection, entry: LedgerEntry) -> int:
    """Gives how many forms of an address are suppressed by it, or are no more."""
    reason = entry.details[_REASON]
    if entry.kind == ledger.UNSUPPRESS:
        return suppressions.take_back(connection, entry.brand, entry.digests, reason)
    suppress(connection, entry.brand, entry.digests, reason=reason)
    return len(entry.digests)


def restore(connection: Connection, line: LedgerLine) -> None:
    """Do again what an entry of the ledger says of an address. The database knows of it then."""
    _act(connection, line.entry)
    ledger.note_known(connection, [line])
