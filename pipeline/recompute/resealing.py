"""Everything that is stored put under the newest sealing key, beside all other work; afterwards older keys can go.

A run that was killed goes on where it was. What is written meanwhile by a process that has not read the newest key yet
is found by a later pass, or by the next run.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import msgspec

from pipeline.audit.entries import record_action
from pipeline.crypto.encryption import cipher
from pipeline.errors import UsageError
from pipeline.store.engine import patiently, transaction
from pipeline.store.events.progress import count_pending_up_to
from pipeline.store.keys import in_use, resealing
from pipeline.store.keys.sealed_tables import SEALED_TABLES, SealedTable
from pipeline.store.session_lock import alone_or_refused
from pipeline.values.nearest import unknown_name

ROWS_AT_ONCE = 500
_PASSES = 5  # over a table: what others held in one is free in the next
_PASS_PAUSE_SECONDS = 1.0
_PAUSES_SECONDS = (0.5, 2.0, 10.0)  # while the database is away
_MANY_PENDING = 1_000  # leads that wait for a chain: then these come first
_BACKLOG_PAUSES = 10  # of half a second, and then a page all the same: a busy day must not put it off for ever
_BACKLOG_PAUSE_SECONDS = 0.5
MESSAGES = "messages"  # beside the tables: batches that are on their way, which are worked off and not sealed anew
_LOCK = 13  # of this installation's, one reseal at a time


CountMessages = Callable[[], Mapping[str, int] | None]


class KeyUse(msgspec.Struct, frozen=True):
    """A key and how many stored values it sealed, by table, and messages that are on their way. `is_set`: it is among
    AFLUENTE_SECRET_KEYS; `is_newest`: it seals now; `is_droppable`: nothing of all that needs it."""

    key_id: str
    is_set: bool
    is_newest: bool
    is_droppable: bool
    values: dict[str, int]


class Resealed(msgspec.Struct, frozen=True):
    """How many values were sealed anew, by table; which tables (or MESSAGES) still hold values of older keys; what
    could not be counted, so that no key can go; which keys can."""

    key_id: str
    resealed: dict[str, int]
    left: list[str]
    uncounted: list[str]
    droppable: list[str]


def reseal(
    *,
    table: str | None = None,
    rows_at_once: int = ROWS_AT_ONCE,
    on_progress: Callable[[str, int], None] = lambda _table, _values: None,
    count_messages: CountMessages = lambda: None,
) -> Resealed:
    """Seal with the newest key what older ones sealed, in every table or in one.

    `on_progress` hears of each page: its table, and how many values of it are done so far. `count_messages` gives the
    sealed messages by key, None if nobody could count them: then no key can go. Raises UsageError for a
    table that holds nothing sealed, RefusedError while another run is at it, ConfigurationError if a key is missing,
    TransientError if the database stays away; what is done stays done.
    """
    chosen = _chosen(table)
    newest = cipher().key_ids[0]
    done: Counter[str] = Counter()
    with _alone():
        with transaction() as connection:
            in_use.note_sealing_key(connection)
            record_action(connection, "keys.reseal", object_kind="sealing_key", object_id=newest, reason=table)
        for sealed_table in chosen:
            _reseal_table(sealed_table, newest, rows_at_once, done, on_progress)
        left = [sealed_table.name for sealed_table in chosen if _is_left(sealed_table, newest)]
        messages = count_messages() if table is None else {}
        left += [MESSAGES] if messages and messages.keys() - {newest} else []
        droppable = _judge(newest, is_needed=bool(left)) if table is None and messages is not None else []
    by_table = {sealed_table.name: done[sealed_table.name] for sealed_table in chosen}
    return Resealed(newest, by_table, left, [MESSAGES] if messages is None else [], droppable)


def key_use(*, table: str | None = None, count_messages: CountMessages = lambda: None) -> list[KeyUse]:
    """Which key sealed how much. Reads all that is stored, which takes a while for millions of rows. What is noted of
    keys that can go is put right by it, unless `table` is all that it looks at."""
    chosen = _chosen(table)
    counts: dict[str, dict[str, int]] = {}
    for sealed_table in chosen:
        with transaction(synchronous=False, timeout_seconds=0) as connection:
            for key_id, count in resealing.count_by_key(connection, sealed_table).items():
                counts.setdefault(key_id, {})[sealed_table.name] = count
    messages = count_messages() if table is None else {}
    for key_id, count in (messages or {}).items():
        counts.setdefault(key_id, {})[MESSAGES] = count
    is_whole = table is None and messages is not None
    with transaction(synchronous=False) as connection:
        if table is None:
            in_use.note_needed(connection, list(counts))
        droppable = in_use.read_droppable_keys(connection) if is_whole else {}
    key_ids = cipher().key_ids
    return [
        KeyUse(
            key_id,
            is_set=key_id in key_ids,
            is_newest=key_id == key_ids[0],
            is_droppable=key_id in droppable and key_id not in counts,
            values=counts.get(key_id, {}),
        )
        for key_id in dict.fromkeys([*key_ids, *sorted(counts)])
    ]


def give_up(key_id: str) -> None:
    """A key is lost for good: what it sealed stays unreadable, and nothing waits for it any more.

    Raises UsageError for a key that is set, or that nothing is known to need.
    """
    if key_id in cipher().key_ids:
        raise UsageError(f"key {key_id} is set: nothing is lost", argument="give_up")
    with transaction() as connection:
        if not in_use.note_unused(connection, [key_id]):
            known = ", ".join(in_use.read_keys_in_use(connection))
            raise UsageError(f"nothing is known to need key {key_id}; needed are: {known}", argument="give_up")
        record_action(connection, "keys.give_up", object_kind="sealing_key", object_id=key_id)


def _reseal_table(
    table: SealedTable, newest: str, rows_at_once: int, done: Counter[str], on_progress: Callable[[str, int], None]
) -> None:
    for number in range(_PASSES):
        if number:
            time.sleep(_PASS_PAUSE_SECONDS)
        is_at_end = False
        while not is_at_end:
            let_leads_pass()
            is_at_end, resealed = patiently(partial(_reseal_page, table, newest, rows_at_once), pauses=_PAUSES_SECONDS)
            done[table.name] += resealed
            on_progress(table.name, done[table.name])
        if not _is_left(table, newest):
            return


def _reseal_page(table: SealedTable, newest: str, rows_at_once: int) -> tuple[bool, int]:
    """Whether the pass is at its end, and how many values were sealed anew."""
    with transaction(synchronous=False) as connection:
        after = resealing.read_progress(connection, table, newest)
        page = resealing.reseal_page(connection, table, after, rows_at_once)
        resealing.note_progress(connection, table, newest, page.last, page.resealed)
    return page.last is None, page.resealed


def let_leads_pass() -> None:
    """Wait while many leads wait for a chain, but not for ever."""
    for _ in range(_BACKLOG_PAUSES):
        with transaction(synchronous=False) as connection:
            pending = count_pending_up_to(connection, _MANY_PENDING)
        if pending < _MANY_PENDING:
            return
        time.sleep(_BACKLOG_PAUSE_SECONDS)


def _is_left(table: SealedTable, newest: str) -> bool:
    with transaction(synchronous=False, timeout_seconds=0) as connection:
        return resealing.is_sealed_by_another(connection, table, newest)


def _judge(newest: str, *, is_needed: bool) -> list[str]:
    """Note of every other key whether something is still under one, and give those that can go."""
    with transaction() as connection:
        if is_needed:
            in_use.note_needed(connection, cipher().key_ids[1:])
            return []
        others = [key_id for key_id in in_use.read_keys_in_use(connection) if key_id != newest]
        in_use.note_unused(connection, others)
        droppable = in_use.read_droppable_keys(connection)
    return [key_id for key_id in cipher().key_ids[1:] if key_id in droppable or key_id not in others]


def _chosen(table: str | None) -> Sequence[SealedTable]:
    if table is None:
        return SEALED_TABLES
    chosen = [sealed_table for sealed_table in SEALED_TABLES if sealed_table.name == table]
    if not chosen:
        raise UsageError(unknown_name(table, [entry.name for entry in SEALED_TABLES]), argument="table")
    return chosen


@contextmanager
def _alone() -> Iterator[None]:
    with alone_or_refused(_LOCK, "another `keys reseal` runs: wait for it, or stop it"):
        yield
