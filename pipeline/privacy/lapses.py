"""Grants that were given until a moment that is past now: CRMs that are told of consent hear that they hold no more.

What holds is decided when it is read, by the clock; this only makes those due whose answer changed by time alone.
"""

from __future__ import annotations

from pipeline.lanes import BULK
from pipeline.routing import told_of_consent, want_people
from pipeline.store.engine import transaction
from pipeline.store.people.consents import note_lapsed

_AT_ONCE = 2_000


def sweep_lapsed() -> int:
    """Note grants that have expired, and want their people where consent is told; gives how many statements. One
    transaction, of one statement where nothing has expired."""
    with transaction() as connection:
        lapsed = note_lapsed(connection, limit=_AT_ONCE, told=told_of_consent)
        if lapsed.people:
            want_people(connection, lapsed.people, BULK)
    return lapsed.expired
