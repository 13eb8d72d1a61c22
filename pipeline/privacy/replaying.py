"""After a backup was restored: what the ledger says and the database does not know is done again, in its order."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from pipeline.logs import get_logger
from pipeline.privacy import holds, ledger, suppression, withdrawals
from pipeline.privacy.erasure import erase_people
from pipeline.privacy.ledger import LedgerEntry, LedgerLine
from pipeline.privacy.retention.expiry import RETENTION
from pipeline.records.base import Fact
from pipeline.store.engine import patiently, transaction
from pipeline.store.retention import retiring

_PAUSES_SECONDS = (0.2, 1.0, 3.0)
_log = get_logger(__name__)


class Replayed(Fact, frozen=True):
    """How many entries were done again, by kind. `torn`: lines that were cut short, and left out."""

    counts: dict[str, int]
    torn: int


def replay_ledger() -> Replayed:
    """Do again what the database does not know. Killed, it goes on where it was; what is known is passed over.

    Raises ConfigurationError if somebody changed the ledger, TransientError if the database stays away.
    """
    read = ledger.read_ledger()
    with transaction(timeout_seconds=0) as connection:
        lines = ledger.unknown_lines(connection)
    counts: dict[str, int] = {}
    for line in lines:
        patiently(partial(_replay, line), pauses=_PAUSES_SECONDS)
        counts[line.entry.kind] = counts.get(line.entry.kind, 0) + 1
    if lines:
        _log.warning("ledger_replayed", entries=len(lines))
    return Replayed(counts, len(read.torn))


def _replay(line: LedgerLine) -> None:
    """In one transaction with that it is known. What is left of an erasure, CRMs before all, is for the schedule."""
    entry = line.entry
    with transaction(timeout_seconds=0) as connection:
        if entry.kind in (ledger.HOLD, ledger.RELEASE):
            holds.restore(connection, line)
        elif entry.kind == ledger.WITHDRAW:
            withdrawals.restore(connection, line)
        elif entry.kind in (ledger.SUPPRESS, ledger.UNSUPPRESS):
            suppression.restore(connection, line)
        elif entry.kind == ledger.ERASE:
            people, digests = _still_meant(connection, entry)
            if people or digests:
                erase_people(connection, people, digests={entry.brand: digests}, request_id=entry.request_id)
            ledger.note_known(connection, [line])


def _still_meant(connection: Connection, entry: LedgerEntry) -> tuple[set[UUID], tuple[bytes, ...]]:
    """Whom to erase, and which addresses to suppress. Retention may have been killed before it erased: who came again
    since, or is held or restricted, was there all the time, and is not what a restored backup brought back."""
    people = set(entry.person_ids)
    if entry.details.get("by") != RETENTION:
        return people, entry.digests
    staying = retiring.people_staying(connection, people, since=entry.at)
    return people - staying, () if staying else entry.digests
