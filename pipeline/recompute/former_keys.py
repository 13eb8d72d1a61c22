"""Evidence that is filed by keys of another version is filed anew: once, right after the update.

Until that is done nobody is found by the keys that are missing, so `dedupe` waits. What was filed by pages stays; a run
that was killed begins with the first page again and finds it filed.

Words that were added to the short names give evidence further keys, and no other version: they are filed beside those
it has when people are found anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from uuid import UUID

from sqlalchemy import Connection

from pipeline.identity.matching.evidence import KEYS_VERSION
from pipeline.identity.neighborhoods import Memory
from pipeline.store.engine import transaction
from pipeline.store.identity import evidence_rows, filed_keys, upgrades

PIECES_AT_ONCE = 1_000


def refile_keys(
    *, pieces_at_once: int = PIECES_AT_ONCE, on_progress: Callable[[int, int], None] = lambda _done, _pieces: None
) -> int:
    """File all evidence by the keys of now, if it is not; gives how many pieces.

    `on_progress` hears how many are done, and how many there are. Raises TransientError if the database stays away or
    busy; what is done stays done.
    """
    with transaction(timeout_seconds=0) as connection:
        upgrades.hold_filing(connection)
        if not filed_keys.begin_refiling(connection, KEYS_VERSION):
            return 0
        total = filed_keys.count_evidence(connection)
    done, after = 0, UUID(int=0)
    while True:
        with transaction(timeout_seconds=0) as connection:
            upgrades.hold_filing(connection)
            pieces = filed_keys.next_pieces(connection, after, pieces_at_once)
            if not pieces:
                filed_keys.end_refiling(connection)
                return done
            _file(connection, pieces)
        done, after = done + len(pieces), pieces[-1]
        on_progress(done, total)


def file_missing_keys(pieces: Collection[UUID]) -> None:
    """Let these pieces be found by all of their keys of now, whatever else they are found by. Safe beside workers."""
    with transaction() as connection:
        _file(connection, pieces)


def _file(connection: Connection, pieces: Collection[UUID]) -> None:
    known, memory = evidence_rows.read_evidence(connection, pieces), Memory()
    filed_keys.file_again(connection, {(key, piece) for piece, one in known.items() for key in memory.keys(one)})
