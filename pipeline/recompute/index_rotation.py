"""A new key of the index takes the place of the current one, beside all other work; nobody becomes a second person.

    come    a new key, noted in the ledger: from now on everything is filed under both
    file    what is there is filed under the new one as well, page by page: evidence, activities that wait; suppressions
            of addresses that somebody has who is known go over to it
    change  the new one is what everybody looks up, in one transaction
    move    withdrawals of addresses that somebody has go over to it
    drop    what is filed under the former one is removed, page by page
    end     that one is kept for who was erased, and for withdrawn addresses of nobody: there is nothing to digest anew

A run that was killed goes on where it was. `pipeline.store.keys.index_keys` says what holds at each moment.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.audit.entries import record_action
from pipeline.crypto.encryption import open_evidence
from pipeline.errors import RefusedError, UsageError
from pipeline.identity.evidence_cache import unpack
from pipeline.identity.matching.evidence import STRONG_KINDS, keys_of
from pipeline.identity.screening import key_of, suppression_digest
from pipeline.identity.withdrawn_points import sweep_withdrawn
from pipeline.privacy import ledger
from pipeline.privacy.ledger import LedgerEntry
from pipeline.recompute.moved_withdrawals import move_withdrawals
from pipeline.recompute.resealing import let_leads_pass
from pipeline.records import new_id
from pipeline.store.engine import patiently, transaction
from pipeline.store.erasures.requests import AWAITING_APPROVAL, is_any_in_state
from pipeline.store.identity import filed_keys
from pipeline.store.keys import index_keys, rotating
from pipeline.store.keys.index_keys import IndexKey, IndexKeys
from pipeline.store.keys.rotating import Piece
from pipeline.store.session_lock import alone_or_refused
from pipeline.store.suppressions import suppressions

ROWS_AT_ONCE = 500
_PAUSES_SECONDS = (0.5, 2.0, 10.0)  # while the database is away, or others file for long
_LOOKED_UP_SECONDS = 60.0  # of transactions that began before the keys changed places
_LOOK_SECONDS = 0.2
_LOCK = 14  # of this installation's, one rotation at a time
_NO_ID = UUID(int=0)
FILE_EVIDENCE, FILE_ACTIVITIES = "file evidence", "file activities"
DROPPED = {"drop evidence_keys": "evidence_keys", "drop activity_keys": "activity_keys"}

OnProgress = Callable[[str, int], None]
_Page = tuple[list[str] | None, int]  # up to where, and how many rows; None: it is over


class IndexKeyUse(msgspec.Struct, frozen=True):
    """A key of the index, its state, and how many digests of it are stored, by table and in the `ledger`. `names`: what
    is stored is named by its content with this one. `is_droppable`: nothing needs it."""

    key_id: str
    state: str
    digests: dict[str, int]
    names: bool = False
    is_droppable: bool = False


class Rotated(msgspec.Struct, frozen=True):
    """`key_id`: people are looked up by it now. `former`: by this one before. `done`: rows by step."""

    key_id: str
    former: str
    done: dict[str, int]


def rotate(
    *,
    is_new: bool = True,
    rows_at_once: int = ROWS_AT_ONCE,
    per_second: int | None = None,
    on_progress: OnProgress = lambda _step, _rows: None,
) -> Rotated:
    """Let a new key take the place of the current one, or end what was begun. `is_new` False: only the latter.

    `per_second`: rows at most. `on_progress` hears of each page: its step, and how many rows of it are done. Raises
    RefusedError while another run is at it, UsageError where nothing was begun and nothing is to be, ConfigurationError
    if the ledger cannot be written, TransientError if the database stays away; what is done stays done.
    """
    run = _Run(rows_at_once, per_second, on_progress)
    with _alone():
        keys = _read()
        if keys.coming is None and keys.leaving is None:
            if not is_new:
                raise UsageError("no rotation was begun: nothing is to be ended", argument="go_on")
            patiently(_let_come, pauses=_PAUSES_SECONDS)
        if _read().coming is not None:
            run.pages(FILE_EVIDENCE, _file_evidence)
            run.pages(FILE_ACTIVITIES, _file_activities)
            patiently(_change_places, pauses=_PAUSES_SECONDS)
        _wait_for_others()
        patiently(_link_withdrawn, pauses=_PAUSES_SECONDS)
        move_withdrawals()
        for step, table in DROPPED.items():
            run.pages(step, partial(_drop, table))
        return Rotated(*patiently(_end, pauses=_PAUSES_SECONDS), run.done)


def index_key_use() -> list[IndexKeyUse]:
    """Which key of the index made how many digests, the newest first. Reads all numbers that are stored."""
    with transaction(synchronous=False, timeout_seconds=0) as connection:
        keys = index_keys.read(connection)
        counts = index_keys.count_digests(connection, keys.all)
    for line in ledger.read_ledger().lines:
        for digest in line.entry.digests:
            key_id = index_keys.row_id_of(digest) or keys.all[-1].key_id
            of_key = counts.setdefault(key_id, {})
            of_key["ledger"] = of_key.get("ledger", 0) + 1
    states = {key.key_id: key.state for key in keys.all}
    first = keys.all[-1].key_id
    return [
        IndexKeyUse(
            key_id,
            states.get(key_id, "missing"),
            digests,
            names=key_id == first,
            is_droppable=states.get(key_id) == "kept" and not digests and key_id != first,
        )
        for key_id, digests in counts.items()
    ]


def drop_key(key_id: str) -> None:
    """Forget a key that nothing needs. Raises UsageError for one that is not known, RefusedError with what needs it."""
    use = {known.key_id: known for known in index_key_use()}
    if key_id not in use:
        raise UsageError(f"no key of the index has the id {key_id}; there are: {', '.join(use)}", argument="drop")
    with _alone(), transaction() as connection:
        keys = rotating.hold_alone(connection)
        counted = {**use[key_id].digests, **index_keys.count_digests(connection, keys.all).get(key_id, {})}
        _require_unneeded(connection, msgspec.structs.replace(use[key_id], digests=counted))
        rotating.remove_key(connection, next(key for key in keys.all if key.key_id == key_id))
        record_action(connection, "keys.drop_index_key", object_kind="index_key", object_id=key_id)


def _require_unneeded(connection: Connection, use: IndexKeyUse) -> None:
    if use.names:
        raise RefusedError(f"key {use.key_id} is the first one: evidence, companies and what CRMs have are named by it")
    if use.state != "kept":
        raise RefusedError(f"key {use.key_id} is {use.state}: people are looked up by it")
    if use.digests:
        told = ", ".join(f"{count} in {place}" for place, count in sorted(use.digests.items()))
        raise RefusedError(
            f"key {use.key_id} made digests that nobody can make anew ({told}): without it who was erased is let"
            " in, and who withdrew is written to"
        )
    if is_any_in_state(connection, AWAITING_APPROVAL):
        raise RefusedError("erasures wait to be approved, which may have digests of this key: approve or refuse them")


def _read() -> IndexKeys:
    with transaction(synchronous=False) as connection:
        index_keys.refresh(connection)
    return index_keys.known()


def _let_come() -> None:
    with transaction() as connection:
        keys = rotating.hold_alone(connection)
        key, sealed = rotating.let_come(connection, keys)
        details = {
            "key": key.key_id,
            "name": index_keys.name_of(key.generation),
            "sealed": base64.b64encode(sealed).decode(),
        }
        ledger.append(connection, LedgerEntry(ledger.INDEX_KEY, new_id(), "", details=details))
        record_action(connection, "keys.rotate_index", object_kind="index_key", object_id=key.key_id)


def _change_places() -> None:
    with transaction() as connection:
        if rotating.hold_alone(connection).coming is not None:
            rotating.change_places(connection)


def _end() -> tuple[str, str]:
    with transaction(timeout_seconds=0) as connection:
        keys = rotating.hold_alone(connection)
        former = keys.leaving
        if former is not None:
            rotating.end(connection)
    return keys.current.key_id, former.key_id if former else ""


def _link_withdrawn() -> None:
    """What was withdrawn by the former key, and not linked yet, while evidence is still filed under it. Nothing more
    is withdrawn by it, and whoever comes is looked for by all keys."""
    while sweep_withdrawn(seconds=0):
        pass


def _wait_for_others() -> None:
    """Who read the keys before they changed places looks people up by what is about to be removed."""
    until = time.monotonic() + _LOOKED_UP_SECONDS
    while time.monotonic() < until:
        with transaction(synchronous=False) as connection:
            if not rotating.is_looked_up_still(connection):
                return
        time.sleep(_LOOK_SECONDS)


class _Run:
    """One call: its pace, and what it did."""

    def __init__(self, rows_at_once: int, per_second: int | None, on_progress: OnProgress) -> None:
        self.done: dict[str, int] = {}
        self._rows_at_once, self._per_second, self._on_progress = rows_at_once, per_second, on_progress

    def pages(self, step: str, work: Callable[[Connection, list[str] | None, int], _Page]) -> None:
        """Do a step, page by page, from where it was; nothing if it is over."""
        is_over = False
        while not is_over:
            let_leads_pass()
            begun = time.monotonic()
            is_over, rows = patiently(partial(self._page, step, work), pauses=_PAUSES_SECONDS)
            if self._per_second:
                time.sleep(max(0.0, rows / self._per_second - (time.monotonic() - begun)))

    def _page(self, step: str, work: Callable[[Connection, list[str] | None, int], _Page]) -> tuple[bool, int]:
        with transaction(synchronous=False) as connection:
            index_keys.hold(connection)
            known = rotating.read_step(connection, step)
            if known.is_over:
                return True, 0
            after, rows = work(connection, known.after, self._rows_at_once)
            rotating.note_step(connection, step, after, rows)
        self.done[step] = self.done.get(step, 0) + rows
        self._on_progress(step, known.done + rows)
        return after is None, rows


def _file_evidence(connection: Connection, after: list[str] | None, limit: int) -> _Page:
    ids = filed_keys.next_pieces(connection, UUID(after[0]) if after else _NO_ID, limit)
    pieces = rotating.hold_evidence(connection, ids)
    _file(connection, "evidence_keys", pieces, strong_alone=False)
    return _end_of(ids, limit), len(pieces)


def _file_activities(connection: Connection, after: list[str] | None, limit: int) -> _Page:
    ids = rotating.next_waiting(connection, UUID(after[0]) if after else _NO_ID, limit)
    pieces = rotating.hold_activities(connection, ids)
    _file(connection, "activity_keys", pieces, strong_alone=True)
    return _end_of(ids, limit), len(pieces)


def _end_of(ids: list[UUID], limit: int) -> list[str] | None:
    """What comes from now on is filed under both keys anyway: a page that is not full is the last one."""
    return [str(ids[-1])] if len(ids) == limit else None


def _file(connection: Connection, table: str, pieces: list[Piece], *, strong_alone: bool) -> None:
    keys = index_keys.known()
    coming, former = keys.coming, [key for key in keys.all if key is not keys.coming]
    if coming is None:
        raise RefusedError("the keys changed places meanwhile: another run is at it")
    new: dict[int, int] = {}  # by the number of now
    filed: set[tuple[int, UUID]] = set()
    digests: dict[tuple[str, bytes], tuple[str, str, str]] = {}  # by brand and digest of now: of what
    for piece in pieces:
        for kind, value in keys_of(unpack(open_evidence(piece.sealed, piece.id))):
            if strong_alone and kind not in STRONG_KINDS:
                continue
            number = keys.current.number(piece.brand, kind, value)
            new[number] = coming.number(piece.brand, kind, value)
            filed.add((new[number], piece.id))
            if kind in STRONG_KINDS:
                digests |= {
                    (piece.brand, suppression_digest(piece.brand, kind, value, key)): (piece.brand, kind, value)
                    for key in former
                }
    rotating.file_coming(connection, table, filed, coming.generation)
    rotating.share_coming(connection, new)
    _move_suppressions(connection, digests, coming)


def _move_suppressions(
    connection: Connection, digests: dict[tuple[str, bytes], tuple[str, str, str]], coming: IndexKey
) -> None:
    """Those that are suppressions: hardly any, as a rule."""
    found = suppressions.read_by_keys(connection, {key_of(digest) for _, digest in digests})
    rotating.move_suppressions(
        connection,
        [
            (row.brand, row.digest, suppression_digest(*digests[row.brand, row.digest], coming))
            for row in found
            if (row.brand, row.digest) in digests
        ],
    )


def _drop(table: str, connection: Connection, after: list[str] | None, limit: int) -> _Page:
    return rotating.drop_former(connection, table, after, index_keys.known().current.generation, limit)


@contextmanager
def _alone() -> Iterator[None]:
    with alone_or_refused(_LOCK, "another `keys rotate-index` runs: wait for it, or stop it"):
        yield
