"""A new key of the index takes the place of the one before: the statements of each step, page by page.

`pipeline.recompute.index_rotation` calls them in order; `index_keys` says what holds meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.crypto.blind_index import BlindIndex
from pipeline.store import arrays, keyring
from pipeline.store.identity.filed_keys import hold_all_filing
from pipeline.store.keys import index_keys
from pipeline.store.keys.index_keys import IndexKey, IndexKeys
from pipeline.store.keys.tables import COMING, CURRENT, KEPT, LEAVING

_WAIT_SECONDS = 10  # for those who file: whoever comes after waits as long


def hold_alone(connection: Connection) -> IndexKeys:
    """The keys as they are; nobody files or looks up by them until the transaction ends. Three statements.

    Raises TransientError if others file for longer than 10 s.
    """
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'")
    hold_all_filing(connection)
    return index_keys.read(connection)


def add_key(connection: Connection, keys: IndexKeys, state: str, key: bytes | None = None) -> tuple[IndexKey, bytes]:
    """A further key, a new one if none is given, and as it is sealed. The keys are held alone; call `note_change`."""
    key = key or os.urandom(32)
    index = BlindIndex(key)
    generation, key_id = max(known.generation for known in keys.all) + 1, index_keys.id_of(index)
    sealed = keyring.keep(connection, index_keys.name_of(generation), key)
    first = keys.all[-1]
    connection.exec_driver_sql(
        "INSERT INTO index_keys (generation, key_id, state) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (first.generation, first.key_id, first.state),
    )
    connection.exec_driver_sql(
        "INSERT INTO index_keys (generation, key_id, state) VALUES (%s, %s, %s)", (generation, key_id, state)
    )
    return IndexKey(generation, key_id, state, index), sealed


def put_back(connection: Connection, name: str, sealed: bytes) -> None:
    """A key that a database of before it lacks, as it was sealed under this name, kept for what was digested with it.
    Three statements, seven if it is lacking. Raises ConfigurationError if it was sealed with a key that is not set."""
    keys, key = hold_alone(connection), keyring.opened(name, sealed)
    if index_keys.id_of(BlindIndex(key)) not in {known.key_id for known in keys.all}:
        add_key(connection, keys, KEPT, key)
        note_change(connection)


def let_come(connection: Connection, keys: IndexKeys) -> tuple[IndexKey, bytes]:
    """A new key under which everything is filed too from now on; and as it is sealed. Six statements."""
    connection.exec_driver_sql("DELETE FROM index_rotation")
    made = add_key(connection, keys, COMING)
    note_change(connection)
    return made


def change_places(connection: Connection) -> None:
    """The coming key is the one that people are looked up by from now on. Three statements. The keys are held alone."""
    _set_state(connection, CURRENT, LEAVING)
    _set_state(connection, COMING, CURRENT)
    note_change(connection)


def end(connection: Connection) -> None:
    """Nothing is filed under the key before any more: it is kept for suppressions. Three statements, one of them over
    the keys that several share. The keys are held alone."""
    connection.exec_driver_sql(
        "DELETE FROM shared_keys s WHERE NOT EXISTS (SELECT FROM evidence_keys k WHERE k.key = s.key)"
    )
    _set_state(connection, LEAVING, KEPT)
    note_change(connection)


def remove_key(connection: Connection, key: IndexKey) -> None:
    """A key that nothing was digested with is forgotten for good. Three statements. The keys are held alone."""
    connection.exec_driver_sql("DELETE FROM keyring WHERE name = %s", (index_keys.name_of(key.generation),))
    connection.exec_driver_sql("DELETE FROM index_keys WHERE generation = %s AND state = 'kept'", (key.generation,))
    note_change(connection)


def note_change(connection: Connection) -> None:
    """Let every process read the keys again. One statement."""
    connection.exec_driver_sql(
        "INSERT INTO filed_versions AS kept (name, version) VALUES ('index', 1)"
        " ON CONFLICT (name) DO UPDATE SET version = kept.version + 1"
    )


def _set_state(connection: Connection, before: str, after: str) -> None:
    connection.exec_driver_sql(
        "UPDATE index_keys SET state = %s, current_since = CASE WHEN %s = 'current' THEN now() ELSE current_since END"
        " WHERE state = %s",
        (after, after, before),
    )


def is_looked_up_still(connection: Connection) -> bool:
    """Whether transactions of before the keys changed places are under way. One statement."""
    return bool(
        connection.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM pg_stat_activity a, index_keys i WHERE i.state = 'current'"
            " AND a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'"
            " AND a.xact_start < i.current_since)"
        ).scalar_one()
    )


class Step(NamedTuple):
    """How far a step of the rotation is: the key up to which it is done, None at its beginning; how many rows."""

    after: list[str] | None
    done: int
    is_over: bool


def read_step(connection: Connection, step: str) -> Step:
    """One statement."""
    row = connection.exec_driver_sql(
        "SELECT after, done, ended_at IS NOT NULL FROM index_rotation WHERE step = %s", (step,)
    ).first()
    if row is None:
        return Step(None, 0, is_over=False)
    return Step(None if row[0] is None else msgspec.json.decode(row[0], type=list[str]), row[1], row[2])


def note_step(connection: Connection, step: str, after: Sequence[str] | None, done: int) -> None:
    """After a page, in its transaction: `done` more rows; `after` None: the step is over. One statement."""
    text = None if after is None else msgspec.json.encode(after).decode()
    connection.exec_driver_sql(
        "INSERT INTO index_rotation AS kept (step, after, done, ended_at)"
        " VALUES (%(step)s, %(after)s, %(done)s, CASE WHEN %(after)s::text IS NULL THEN now() END)"
        " ON CONFLICT (step) DO UPDATE SET after = excluded.after, done = kept.done + excluded.done,"
        " ended_at = excluded.ended_at",
        {"step": step, "after": text, "done": done},
    )


class Piece(NamedTuple):
    """What is to be filed under the coming key: evidence, or of an activity what it says of who it is."""

    id: UUID
    brand: str
    sealed: bytes

    def __repr__(self) -> str:
        return f"<Piece {self.id}>"


def hold_evidence(connection: Connection, evidence_ids: Collection[UUID]) -> list[Piece]:
    """Those of these pieces that are there, and stay until the transaction ends. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT evidence_id, brand, sealed FROM evidence WHERE evidence_id = ANY(%s::uuid[]) ORDER BY evidence_id"
        " FOR KEY SHARE",
        (arrays.uuids(sorted(evidence_ids)),),
    )
    return [Piece(evidence_id, brand, bytes(sealed)) for evidence_id, brand, sealed in rows]


def next_waiting(connection: Connection, after: UUID, limit: int) -> list[UUID]:
    """The next activities by id that wait for somebody. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT event_id FROM activities WHERE event_id > %s AND state = 'waiting' ORDER BY event_id LIMIT %s",
        (after, limit),
    )
    return list(rows.scalars())


def hold_activities(connection: Connection, event_ids: Collection[UUID]) -> list[Piece]:
    """Those of these that wait, and wait until the transaction ends. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT event_id, brand, sealed_evidence FROM activities WHERE event_id = ANY(%s::uuid[])"
        " AND state = 'waiting' AND sealed_evidence IS NOT NULL ORDER BY event_id FOR UPDATE",
        (arrays.uuids(sorted(event_ids)),),
    )
    return [Piece(event_id, brand, bytes(sealed)) for event_id, brand, sealed in rows]


def file_coming(connection: Connection, table: str, keys: Collection[tuple[int, UUID]], generation: int) -> int:
    """Let these be found under the coming key: (number, id of the evidence or of the activity's event); gives how many
    were not yet. One statement, none of nothing."""
    if not keys:
        return 0
    ordered = sorted(keys)
    return connection.exec_driver_sql(
        f"INSERT INTO {table} SELECT number, id, %s FROM unnest(%s::bigint[], %s::uuid[]) AS new (number, id)"  # noqa: S608 - from constants
        " ON CONFLICT DO NOTHING",
        (generation, arrays.numbers(number for number, _ in ordered), arrays.uuids(piece for _, piece in ordered)),
    ).rowcount


def share_coming(connection: Connection, coming: Mapping[int, int]) -> None:
    """What was counted of numbers holds for those that come in their place. Who counts anew meanwhile notes both. One
    statement, none of nothing."""
    if coming:
        ordered = sorted(coming)
        connection.exec_driver_sql(
            "INSERT INTO shared_keys (key, names) SELECT new.coming, s.names"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS new (number, coming) JOIN shared_keys s ON s.key = new.number"
            " ORDER BY 1 ON CONFLICT DO NOTHING",
            (arrays.numbers(ordered), arrays.numbers(coming[number] for number in ordered)),
        )


_MOVE = """
WITH new (brand, former, digest) AS MATERIALIZED (
    SELECT * FROM unnest(%s::text[], %s::bytea[], %s::bytea[])
), gone AS (
    DELETE FROM suppressions s USING new WHERE s.brand = new.brand AND s.digest = new.former
    RETURNING s.brand, new.digest, s.reason, s.at, s.request_id
)
INSERT INTO suppressions (brand, digest, key, reason, at, request_id)
SELECT brand, digest, ('x' || encode(substring(digest FROM 1 FOR 8), 'hex'))::bit(64)::bigint, reason, at, request_id
FROM gone ORDER BY reason = 'erased', at DESC ON CONFLICT DO NOTHING
"""


def move_suppressions(connection: Connection, coming: Collection[tuple[str, bytes, bytes]]) -> int:
    """Suppressions of addresses that are known in clear: (brand, digest, digest under the coming key); gives how many
    are under that now. One statement, none of nothing."""
    if not coming:
        return 0
    ordered = sorted(coming)
    return connection.exec_driver_sql(
        _MOVE,
        (
            arrays.texts(brand for brand, _, _ in ordered),
            arrays.blobs([digest for _, digest, _ in ordered]),
            arrays.blobs([digest for _, _, digest in ordered]),
        ),
    ).rowcount


_DROP = """
WITH page AS MATERIALIZED (
    SELECT key, {id}, coalesce(generation, 0) <> %(generation)s AS is_former FROM {table} {behind}
    ORDER BY key, {id} LIMIT %(limit)s
), gone AS (
    DELETE FROM {table} t USING page WHERE t.key = page.key AND t.{id} = page.{id} AND page.is_former RETURNING 1
)
SELECT (SELECT count(*) FROM gone), key, {id} FROM page ORDER BY key DESC, {id} DESC LIMIT 1
"""
_IDS = {"evidence_keys": "evidence_id", "activity_keys": "event_id"}


def drop_former(
    connection: Connection, table: str, after: Sequence[str] | None, generation: int, limit: int
) -> tuple[list[str] | None, int]:
    """Of the next numbers of a table those that are not of this generation are removed: the key up to which it was
    looked through, None at its end, and how many went. One statement."""
    column = _IDS[table]
    behind = "" if after is None else f"WHERE (key, {column}) > (%(key)s::bigint, %(id)s::uuid)"
    values: dict[str, object] = {"generation": generation, "limit": limit}
    if after is not None:
        values |= {"key": int(after[0]), "id": after[1]}
    row = connection.exec_driver_sql(_DROP.format(table=table, id=column, behind=behind), values).first()
    return (None, 0) if row is None else ([str(row[1]), str(row[2])], row[0])
