"""Evidence that is filed by keys of another version is filed anew: once, right after the update.

Until that is done nobody is found by the keys that are missing, so `dedupe` waits. What was filed by pages stays; a run
that was killed begins with the first page again and finds it filed.

Short names that were added to the vocabulary give evidence further keys, and no other version: those are filed beside
the keys it has when people are found anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from uuid import UUID

from sqlalchemy import Connection

from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.matching.evidence import KEYS_VERSION
from pipeline.store.engine import transaction
from pipeline.store.identity import evidence_rows, filed_keys, upgrades
from pipeline.store.keys import index_keys

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
            index_keys.hold(connection)
            evidence_ids = filed_keys.next_pieces(connection, after, pieces_at_once)
            if not evidence_ids:
                filed_keys.end_refiling(connection)
                return done
            _file(connection, evidence_ids)
        done, after = done + len(evidence_ids), evidence_ids[-1]
        on_progress(done, total)


def file_missing_keys(evidence_ids: Collection[UUID]) -> None:
    """Let this evidence be found by all of its keys of now, whatever else it is found by. Safe beside workers."""
    with transaction() as connection:
        index_keys.hold(connection)
        _file(connection, evidence_ids)


def _file(connection: Connection, evidence_ids: Collection[UUID]) -> None:
    known, cache = evidence_rows.read_evidence(connection, evidence_ids), EvidenceCache()
    filed: dict[int, set[tuple[int, UUID]]] = {}
    for evidence_id, stored in known.items():
        numbers = cache.keys(stored)
        for generation, keys in ((cache.index.current.generation, numbers), *cache.coming(numbers).items()):
            filed.setdefault(generation, set()).update((key, evidence_id) for key in keys)
    for generation, pairs in sorted(filed.items()):
        filed_keys.file_again(connection, pairs, generation=generation)
