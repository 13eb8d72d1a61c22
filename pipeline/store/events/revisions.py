"""Revisions as they arrive: one key with several contents. `event_keys` holds the first, `event_revisions` the others.

The row of a key is locked by whoever meets it until it commits, so what is counted and numbered here is in one order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records import NewEvent
from pipeline.store import arrays
from pipeline.store.events.reconciled import note_posted

MANY = 5  # revisions of one id from which on it may be no id of a record (the index event_keys_revised begins there)
_READING = 8  # the first bytes of a content, which tell by what mapping it was read
_REREAD_LIMIT = 1_000  # latest contents of one record that are read again after its mapping changed

IdempotencyKey = tuple[str, str, bytes]  # brand, source, digest


class Said(NamedTuple):
    """What a stored event says of its record by the mapping of now, as a NewEvent would."""

    content: bytes
    revised_at: datetime | None
    contact: bytes | None


Reread = Callable[[Connection, Sequence[UUID]], Mapping[UUID, Said]]


class KeyGroup:
    """The arrivals of one call under one key, and what is stored under it. Nearly always there is one."""

    __slots__ = ("_counted", "_known", "arrivals", "content", "count", "record_id", "repeats", "revisions")

    def __init__(self, first_id: UUID) -> None:
        self.record_id = first_id  # the first event of the record
        self.arrivals: list[NewEvent] = []
        self.content: bytes | None = None
        self.count = 0  # revisions stored under the key
        self.revisions: list[NewEvent] = []  # further ones, found in this call
        self.repeats = 0  # arrivals that say what was said before, as far as nobody has counted them yet
        self._counted = 0  # arrivals that the statement which met the key has counted
        self._known: dict[bytes | None, tuple[UUID, UUID | None]] = {}  # content -> its event, what that revises

    def add(self, event: NewEvent) -> None:
        self.arrivals.append(event)

    @property
    def first(self) -> NewEvent:
        return self.arrivals[0]

    @property
    def repeats_of_first(self) -> int:
        """How many arrivals say no more than the first one."""
        if len(self.arrivals) == 1:
            return 0
        return sum(event.content in (None, self.first.content) for event in self.arrivals) - 1

    def meet(self, record_id: UUID, content: bytes | None, count: int, *, is_new: bool) -> None:
        """What is stored under the key, the first arrival itself if the key is new."""
        self.record_id, self.content, self.count = record_id, content, count
        if is_new or self.first.content in (None, content):
            self._counted = self.repeats_of_first + 1
        self._known[content] = (record_id, None)
        if self.first.content is None:
            self._known[None] = (record_id, None)

    @property
    def is_doubtful(self) -> bool:
        """Whether something arrived that is not what the first event said."""
        return any(event.content not in (None, self.content) for event in self.arrivals)

    @property
    def is_stale(self) -> bool:
        """Whether the contents stored were read by another mapping than that of the arrivals."""
        read_by = {event.content[:_READING] for event in self.arrivals if event.content is not None}
        return self.content is None or self.content[:_READING] not in read_by

    def know(self, content: bytes, event_id: UUID) -> None:
        self._known.setdefault(content, (event_id, None))

    def adopt(self, revised_at: datetime | None) -> bytes | None:
        """What the source's own post says of a record that it was asked for before, as changed at `revised_at`: the
        same in other words. None where only later changes arrived."""
        for event in self.arrivals:
            is_later = revised_at is not None and event.revised_at is not None and event.revised_at > revised_at
            if event.content is not None and not is_later:
                self.know(event.content, self.record_id)
                return event.content
        return None

    def tell_apart(self, latest: UUID) -> None:
        """Which arrivals are revisions. `latest`: the event that arrived last under the key."""
        for event in self.arrivals:
            if event.content in self._known or event.content is None:
                self.repeats += 1
                continue
            self._known[event.content] = (event.event_id, latest)
            self.revisions.append(event)
            latest = event.event_id
        self.repeats = max(0, self.repeats - self._counted)

    def place_of(self, event: NewEvent) -> tuple[UUID, UUID | None]:
        """The event that says this, and what that one revises if it came in this call."""
        return self._known.get(event.content) or (self.record_id, None)


def tell_apart(
    connection: Connection, groups: Mapping[IdempotencyKey, KeyGroup], reread: Reread | None
) -> list[NewEvent]:
    """Which arrivals of these groups are revisions: they are noted, and given to be stored. Three statements, or more
    where contents of an earlier mapping have to be read again."""
    unread = {key for key, group in groups.items() if group.content is None}
    if reread is not None:
        _refresh(connection, {key: group for key, group in groups.items() if group.is_stale}, reread)
    asked = [
        (key, content, group)
        for key, group in groups.items()
        for content in {event.content for event in group.arrivals} - {None, None if key in unread else group.content}
    ]
    latest: dict[UUID, UUID] = {}
    recovered: dict[UUID, datetime | None] = {}
    for place, event_id, latest_id, is_recovered, revised_at in _read(connection, asked):
        _, content, group = asked[place]
        if is_recovered:
            recovered[group.record_id] = revised_at
        if event_id is not None and content is not None:
            group.know(content, event_id)
        if latest_id is not None:
            latest[group.record_id] = latest_id
    posted = [
        (group.record_id, key, content)
        for key, group in groups.items()
        if group.record_id in recovered and (content := group.adopt(recovered[group.record_id])) is not None
    ]
    note_posted(connection, posted)
    for group in groups.values():
        group.tell_apart(latest.get(group.record_id, group.record_id))
    _store(connection, groups)
    return [event for group in groups.values() for event in group.revisions]


_READ = """
SELECT asked.place - 1, r.event_id, (
    SELECT l.event_id FROM event_revisions l WHERE l.record_id = asked.record_id AND l.number = asked.revisions),
    v.event_id IS NOT NULL, v.revised_at
FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::bytea[], %s::uuid[], %s::int[]) WITH ORDINALITY
    AS asked (brand, source, digest, content, record_id, revisions, place)
LEFT JOIN event_revisions r ON r.digest = asked.digest AND r.content = asked.content AND r.source = asked.source
    AND r.brand = asked.brand
LEFT JOIN recovered_events v ON v.event_id = asked.record_id AND v.posted_at IS NULL
"""


def _read(
    connection: Connection, asked: Sequence[tuple[IdempotencyKey, bytes | None, KeyGroup]]
) -> Iterable[tuple[int, UUID | None, UUID | None, bool, datetime | None]]:
    if not asked:
        return []
    rows = connection.exec_driver_sql(
        _READ,
        (
            arrays.texts(key[0] for key, _, _ in asked),
            arrays.texts(key[1] for key, _, _ in asked),
            arrays.blobs(key[2] for key, _, _ in asked),
            arrays.blobs(content for _, content, _ in asked),
            arrays.uuids(group.record_id for _, _, group in asked),
            arrays.numbers(group.count for _, _, group in asked),
        ),
    )
    return [tuple(row) for row in rows]


_STORE = """
INSERT INTO event_revisions (brand, source, digest, content, event_id, record_id, number)
SELECT * FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::bytea[], %s::uuid[], %s::uuid[], %s::int[])
"""
_COUNT = """
UPDATE event_keys k SET repeats = k.repeats + met.repeats, revisions = k.revisions + met.revisions
FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::int[], %s::int[])
    AS met (brand, source, digest, repeats, revisions)
WHERE k.digest = met.digest AND k.source = met.source AND k.brand = met.brand
"""


def _store(connection: Connection, groups: Mapping[IdempotencyKey, KeyGroup]) -> None:
    rows = [
        (key, event, group.record_id, group.count + number)
        for key, group in groups.items()
        for number, event in enumerate(group.revisions, start=1)
    ]
    if rows:
        connection.exec_driver_sql(
            _STORE,
            (
                arrays.texts(key[0] for key, _, _, _ in rows),
                arrays.texts(key[1] for key, _, _, _ in rows),
                arrays.blobs(key[2] for key, _, _, _ in rows),
                arrays.blobs(event.content for _, event, _, _ in rows),
                arrays.uuids(event.event_id for _, event, _, _ in rows),
                arrays.uuids(record_id for _, _, record_id, _ in rows),
                arrays.numbers(number for _, _, _, number in rows),
            ),
        )
    met = [(key, group) for key, group in groups.items() if group.repeats or group.revisions]
    if met:
        connection.exec_driver_sql(
            _COUNT,
            (
                arrays.texts(key[0] for key, _ in met),
                arrays.texts(key[1] for key, _ in met),
                arrays.blobs(key[2] for key, _ in met),
                arrays.numbers(group.repeats for _, group in met),
                arrays.numbers(len(group.revisions) for _, group in met),
            ),
        )


def mark_records(connection: Connection, record_ids: Collection[UUID]) -> None:
    """Say on the first events of these records that they have revisions. One statement, none without ids."""
    if record_ids:
        ids = arrays.uuids(sorted(record_ids))
        connection.exec_driver_sql(
            "UPDATE events SET record_id = event_id WHERE event_id = ANY(%s::uuid[]) AND record_id IS NULL", (ids,)
        )


class ManyRevisions(NamedTuple):
    """Ids of a source with MANY revisions or more, met within the last days: how many, and the most of one."""

    ids: int
    most: int


_MANY = f"""
SELECT source, count(*), max(revisions) FROM event_keys
WHERE revisions >= {MANY} AND last_seen_at > now() - interval '7 days' GROUP BY source
"""  # noqa: S608 - put together from constants


def many_revisions(connection: Connection) -> dict[str, ManyRevisions]:
    """By source, those that have any. One statement on a small index."""
    return {source: ManyRevisions(ids, most) for source, ids, most in connection.exec_driver_sql(_MANY)}


_LATEST = """
SELECT record_id, event_id, content FROM (
    SELECT record_id, event_id, content, row_number() OVER (PARTITION BY record_id ORDER BY number DESC) AS place
    FROM event_revisions WHERE record_id = ANY(%s::uuid[])) AS numbered WHERE place <= %s
"""
_READ_ANEW = """ SET content = read.content
FROM unnest(%s::uuid[], %s::bytea[], %s::text[], %s::text[], %s::bytea[]) AS read (event_id, content, brand, source,
    digest)
WHERE t.digest = read.digest AND t.source = read.source AND t.brand = read.brand AND t.event_id = read.event_id
"""
_FRESHEN = tuple(f"UPDATE {table} t{_READ_ANEW}" for table in ("event_keys", "event_revisions"))
_FRESHEN_EVENTS = """
UPDATE events e SET revised_at = coalesce(e.revised_at, said.revised_at), contact = coalesce(e.contact, said.contact)
FROM unnest(%(ids)s::uuid[], %(moments)s::timestamptz[], %(contacts)s::bytea[]) AS said (event_id, revised_at, contact)
WHERE e.event_id = said.event_id AND e.event_id = ANY(%(ids)s::uuid[])
"""


def _refresh(connection: Connection, groups: Mapping[IdempotencyKey, KeyGroup], reread: Reread) -> None:
    """Contents of an earlier mapping, or of before there were any: read again from the stored bodies, and stored."""
    if not groups:
        return
    revised = {group.record_id: key for key, group in groups.items() if group.count}
    later: list[tuple[UUID, UUID, bytes]] = []
    if revised:
        rows = connection.exec_driver_sql(_LATEST, (arrays.uuids(sorted(revised)), _REREAD_LIMIT))
        later = [(record_id, event_id, bytes(content)) for record_id, event_id, content in rows]
    said = reread(connection, [*(group.record_id for group in groups.values()), *(row[1] for row in later)])
    first: list[tuple[IdempotencyKey, UUID, bytes]] = []
    taken: set[tuple[IdempotencyKey, bytes]] = set()
    for key, group in groups.items():
        if group.record_id in said:
            group.content = said[group.record_id].content
            group.know(group.content, group.record_id)
            first.append((key, group.record_id, group.content))
            taken.add((key, group.content))
    taken |= {(revised[record_id], content) for record_id, _, content in later}
    others: list[tuple[IdempotencyKey, UUID, bytes]] = []
    for record_id, event_id, _ in later:
        key = revised[record_id]
        # Two contents that the mapping of now takes for one: the earlier row keeps what it has, and is not met again.
        if event_id in said and (key, said[event_id].content) not in taken:
            others.append((key, event_id, said[event_id].content))
            taken.add((key, said[event_id].content))
    for statement, rows_read in zip(_FRESHEN, (first, others), strict=True):
        if rows_read:
            connection.exec_driver_sql(
                statement,
                (
                    arrays.uuids(event_id for _, event_id, _ in rows_read),
                    arrays.blobs(content for _, _, content in rows_read),
                    arrays.texts(key[0] for key, _, _ in rows_read),
                    arrays.texts(key[1] for key, _, _ in rows_read),
                    arrays.blobs(key[2] for key, _, _ in rows_read),
                ),
            )
    ids = sorted(said)
    connection.exec_driver_sql(
        _FRESHEN_EVENTS,
        {
            "ids": arrays.uuids(ids),
            "moments": arrays.moments(said[event_id].revised_at for event_id in ids),
            "contacts": arrays.blobs(said[event_id].contact for event_id in ids),
        },
    )
