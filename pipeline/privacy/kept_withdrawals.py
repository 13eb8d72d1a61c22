"""Withdrawals by a key of the index that nothing is filed under any more: a replayed ledger brings them.

Whoever has the address is found by what all evidence says, page by page. Killed, it begins again, and changes nothing.
"""

from __future__ import annotations

from uuid import UUID

from pipeline.crypto.encryption import open_evidence
from pipeline.identity.evidence_cache import unpack
from pipeline.identity.matching.evidence import STRONG_KINDS, keys_of
from pipeline.identity.withdrawn_points import tell_concerned
from pipeline.lanes import BULK
from pipeline.store.engine import transaction
from pipeline.store.identity import filed_keys
from pipeline.store.keys import index_keys, rotating
from pipeline.store.keys.index_keys import IndexKey
from pipeline.store.keys.rotating import Piece
from pipeline.store.people import withdrawn_points as store

_AT_ONCE = 500


def link_kept_withdrawals(*, at_once: int = _AT_ONCE) -> int:
    """Let them hold for whoever is there; gives how many addresses they are about. Two statements where nothing waits.

    Whoever comes meanwhile is looked for by all keys anyway. What needs a key that is not there stays as it is, and
    `doctor` says so.
    """
    with transaction(timeout_seconds=0) as connection:
        index_keys.refresh(connection)
        unlinked = store.read_unlinked_kept(connection)
    made_by = set(unlinked.values())
    keys = [key for key in index_keys.known().all if key.row_id in made_by]
    known = {key.row_id for key in keys}
    wanted = {number for number, row_id in unlinked.items() if row_id in known}
    if not wanted:
        return 0
    after, is_over = UUID(int=0), False
    while not is_over:
        with transaction(timeout_seconds=0) as connection:
            ids = filed_keys.next_pieces(connection, after, at_once)
            pieces = rotating.hold_evidence(connection, ids)
            found = {(piece.id, number) for piece in pieces for number in _numbers(piece, keys) & wanted}
            tell_concerned(connection, store.link_found(connection, found), lane=BULK)
        is_over = len(ids) < at_once
        after = ids[-1] if ids else after
    with transaction(timeout_seconds=0) as connection:
        store.note_linked(connection, wanted)
    return len(wanted)


def _numbers(piece: Piece, keys: list[IndexKey]) -> set[int]:
    named = [name for name in keys_of(unpack(open_evidence(piece.sealed, piece.id))) if name[0] in STRONG_KINDS]
    return {key.number(piece.brand, *name) for key in keys for name in named}
