"""What is withdrawn goes into the ledger too, so that no restored backup forgets it: by keyed digests alone.

A withdrawal is taken, and holds, at once; the ledger hears of it by the sweep within half a minute. So a disk that is
full stops no withdrawal, and a line holds what came meanwhile. What names a person by id stands there by their
addresses: after a restore it holds for whoever has these, which errs towards sending less.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from pipeline.errors import ConfigurationError
from pipeline.identity.withdrawn_points import link_withdrawn
from pipeline.lanes import BULK
from pipeline.logs import get_logger
from pipeline.privacy import ledger
from pipeline.privacy.ledger import LedgerEntry, LedgerLine
from pipeline.records import new_id
from pipeline.store.engine import transaction
from pipeline.store.people import withdrawn_points as store
from pipeline.store.people.withdrawn_points import WithdrawnPoint

_AT_ONCE = 500
_WAIT_SECONDS = 20.0
_SAID = "said"  # in an entry's details: purpose, channel, act and time of each digest, in their order
_log = get_logger(__name__)


def ledger_withdrawals(*, seconds: float = _WAIT_SECONDS) -> int:
    """Append what was withdrawn since, a line for each brand; gives how many lines. What the ledger cannot take now
    stays queued. One transaction, of one statement where nothing waits."""
    try:
        with transaction() as connection:
            points = store.take_for_ledger(connection, seconds=seconds, limit=_AT_ONCE)
            brands = sorted({point.brand for point in points})
            for brand in brands:
                ledger.append(connection, _entry(brand, [point for point in points if point.brand == brand]))
    except ConfigurationError as error:
        _log.warning("withdrawals_not_in_ledger", error=type(error).__name__)
        return 0
    return len(brands)


def _entry(brand: str, points: Sequence[WithdrawnPoint]) -> LedgerEntry:
    digests = tuple(point.key.to_bytes(8, "big", signed=True) for point in points)
    said = [[point.purpose, point.channel, point.act, point.at.isoformat()] for point in points]
    details = {_SAID: json.dumps(said, separators=(",", ":"))}
    return LedgerEntry(ledger.WITHDRAW, new_id(), brand, digests=digests, details=details)


def restore(connection: Connection, line: LedgerLine) -> None:
    """Let what an entry says be withdrawn again, at its time; nothing where it still is. The database knows then."""
    entry = line.entry
    points = [
        WithdrawnPoint(
            *(int.from_bytes(digest, "big", signed=True), entry.brand, purpose, channel, act),
            datetime.fromisoformat(at),
            entry.request_id,
        )
        for digest, (purpose, channel, act, at) in zip(entry.digests, json.loads(entry.details[_SAID]), strict=True)
    ]
    store.note_withdrawn(connection, points)
    link_withdrawn(connection, {point.key for point in points}, lane=BULK)
    ledger.note_known(connection, [line])
