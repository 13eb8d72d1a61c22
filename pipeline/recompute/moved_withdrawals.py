"""What is withdrawn goes over to the new key of the index, where somebody is known who has the address.

Once the keys have changed places nothing more is withdrawn by a former one. Who has linked evidence to a withdrawal
under its former number has ended, and who comes after looks for it under all: so it moves with all its links while the
keys are held alone, a page at a time. Killed, it is done again: what has moved is not found any more.
"""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_evidence
from pipeline.identity.evidence_cache import unpack
from pipeline.identity.matching.evidence import STRONG_KINDS, keys_of
from pipeline.store.engine import patiently, transaction
from pipeline.store.keys import rotating
from pipeline.store.keys.index_keys import IndexKey, IndexKeys
from pipeline.store.people import moved_withdrawals as store
from pipeline.store.people.moved_withdrawals import FormerPoint

_AT_ONCE = 200  # whoever files waits for a page
_PAUSES_SECONDS = (0.5, 2.0, 10.0)
_LEAST = -(2**63)


def move_withdrawals(*, at_once: int = _AT_ONCE) -> int:
    """Gives how many addresses went over to the current key. Raises TransientError if the database stays away, or
    others file for long; what is done stays done."""
    moved, after = 0, _LEAST
    while True:
        last, count = patiently(partial(_page, after, at_once), pauses=_PAUSES_SECONDS)
        moved += count
        if last is None:
            return moved
        after = last


def _page(after: int, limit: int) -> tuple[int | None, int]:
    """Up to where, None at the end, and how many."""
    with transaction(synchronous=False) as connection:
        keys = rotating.hold_alone(connection)
        page = store.next_former(connection, after, keys.current.row_id, limit=limit)
        count = _move(connection, keys, page)
    return (page[-1].key if len(page) == limit else None), count


def _move(connection: Connection, keys: IndexKeys, page: list[FormerPoint]) -> int:
    by_id = {key.row_id: key for key in keys.all}
    moved = {
        point.key: number
        for point in page
        if (key := by_id.get(point.key_id)) is not None and (number := _number(point, key, keys.current)) is not None
    }
    store.move(connection, moved, keys.current.row_id)
    return len(moved)


def _number(point: FormerPoint, former: IndexKey, current: IndexKey) -> int | None:
    """The number of this address under the current key; None if nobody is known who has it."""
    if point.sealed is None or point.evidence_id is None or point.brand is None:
        return None
    for kind, value in keys_of(unpack(open_evidence(point.sealed, point.evidence_id))):
        if kind in STRONG_KINDS and former.number(point.brand, kind, value) == point.key:
            return current.number(point.brand, kind, value)
    return None
