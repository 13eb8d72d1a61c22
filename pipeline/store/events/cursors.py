"""Cursors: how far a polled source was read. A cursor moves in the transaction that stores what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays

PollKey = tuple[str, str, str]  # brand, source, stream


class StoredCursor(msgspec.Struct, frozen=True):
    """Where a stream was read to (`position`, None before the first page) and how its polls went.

    `read_from` is a digest of the address that the position belongs to, None if that is not known. `failures` counts
    runs in a row that ended by an error without a page. `note` is what a run had to say last, at `noted_at`.
    """

    brand: str
    source: str
    stream: str
    position: str | None
    updated_at: datetime | None
    last_error: str | None
    last_run_at: datetime | None
    next_run_at: datetime | None
    held_until: datetime | None
    failures: int
    read_from: str | None
    settings_digest: str | None
    note: str | None
    noted_at: datetime | None


_COLUMNS = ", ".join(StoredCursor.__struct_fields__)
_WAKE = """
UPDATE cursors SET next_run_at = now(), failures = 0
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS now_set (brand, source, stream, digest)
WHERE (cursors.brand, cursors.source, cursors.stream) = (now_set.brand, now_set.source, now_set.stream)
    AND next_run_at > now() AND (held_until IS NULL OR held_until <= now())
    AND last_run_at < %s  -- so each start of a process wakes once, whatever others are set up with
    AND (settings_digest <> now_set.digest OR failures > 0 OR last_error LIKE 'terminal:%%')
"""


def wake_polls(connection: Connection, digests: Mapping[PollKey, str], *, settings_read_at: datetime) -> None:
    """Make due what last ran before the settings were read, and was set up otherwise then or failed: a human may have
    mended it. Streams that somebody is polling are left alone. One statement."""
    if digests:
        connection.exec_driver_sql(
            _WAKE,
            (
                arrays.texts(brand for brand, _, _ in digests),
                arrays.texts(source for _, source, _ in digests),
                arrays.texts(stream for _, _, stream in digests),
                arrays.texts(digests.values()),
                settings_read_at,
            ),
        )


def due_polls(connection: Connection, polls: Sequence[PollKey]) -> list[PollKey]:
    """Which of these streams should be polled now: never polled, or their time has come. In the order given."""
    waiting = {
        tuple(row)
        for row in connection.exec_driver_sql("SELECT brand, source, stream FROM cursors WHERE next_run_at > now()")
    }
    return [poll for poll in polls if poll not in waiting]


def read_cursors(connection: Connection) -> dict[PollKey, StoredCursor]:
    """Every cursor. One statement."""
    rows = connection.exec_driver_sql(f"SELECT {_COLUMNS} FROM cursors")  # noqa: S608 - put together from constants
    cursors = [StoredCursor(*row) for row in rows]
    return {(cursor.brand, cursor.source, cursor.stream): cursor for cursor in cursors}


def lock_cursor(
    connection: Connection,
    brand: str,
    source: str,
    stream: str = "",
    *,
    hold_seconds: float = 0,
    at_once: bool = False,
    settings_digest: str | None = None,
) -> StoredCursor | None:
    """Take a stream for one poll; None if somebody else has it or it is not due yet.

    `at_once`: due or not, but not while somebody has it. The row is locked until the transaction ends; for
    `hold_seconds` after that `due_polls` and other calls leave the stream alone, so that no transaction stays open
    while pages are fetched. `finish_poll` ends the hold.
    """
    connection.exec_driver_sql(
        "INSERT INTO cursors (brand, source, stream) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (brand, source, stream),
    )
    row = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM cursors WHERE (brand, source, stream) = (%s, %s, %s)"  # noqa: S608 - put together from constants
        " AND (next_run_at IS NULL OR next_run_at <= now() OR (%s AND coalesce(held_until <= now(), true)))"
        " FOR UPDATE SKIP LOCKED",
        (brand, source, stream, at_once),
    ).first()
    if row is None:
        return None
    connection.exec_driver_sql(
        "UPDATE cursors SET last_run_at = now(), next_run_at = now() + make_interval(secs => %s),"
        " held_until = now() + make_interval(secs => %s), settings_digest = coalesce(%s, settings_digest)"
        " WHERE (brand, source, stream) = (%s, %s, %s)",
        (hold_seconds, hold_seconds, settings_digest, brand, source, stream),
    )
    return StoredCursor(*row)


def move_cursor(
    connection: Connection,
    brand: str,
    source: str,
    stream: str = "",
    *,
    position: str | None,
    hold_seconds: float | None = None,
    read_from: str | None = None,
) -> None:
    """Note how far was read, and of which address. Call it in the transaction that stored what was read; `hold_seconds`
    prolongs the hold."""
    connection.exec_driver_sql(
        """
        INSERT INTO cursors (brand, source, stream, position, read_from, updated_at, last_run_at)
        VALUES (%(brand)s, %(source)s, %(stream)s, %(position)s, %(read_from)s, now(), now())
        ON CONFLICT (brand, source, stream) DO UPDATE SET position = excluded.position, updated_at = now(),
            read_from = coalesce(excluded.read_from, cursors.read_from),
            next_run_at = coalesce(now() + make_interval(secs => %(hold)s::float8), cursors.next_run_at),
            held_until = coalesce(now() + make_interval(secs => %(hold)s::float8), cursors.held_until)
        """,
        {
            "brand": brand,
            "source": source,
            "stream": stream,
            "position": None if position is None else arrays.clean(position),
            "hold": hold_seconds,
            "read_from": read_from,
        },
    )


def wake_source(connection: Connection, brand: str, source: str) -> None:
    """Make its streams due that wait for a human, who has acted. Those that somebody is polling are left alone."""
    connection.exec_driver_sql(
        "UPDATE cursors SET next_run_at = now(), failures = 0 WHERE (brand, source) = (%s, %s)"
        " AND next_run_at > now() AND (held_until IS NULL OR held_until <= now())",
        (brand, source),
    )


def finish_poll(
    connection: Connection,
    brand: str,
    source: str,
    stream: str = "",
    *,
    next_run_in_seconds: float,
    error: str | None = None,
    failures: int = 0,
    note: str | None = None,
) -> None:
    """End a poll: when the next one is due, the error (without values) that ended this one, or None, and the how
    many-th in a row it is. A note of None leaves the one that is there."""
    connection.exec_driver_sql(
        "UPDATE cursors SET next_run_at = now() + make_interval(secs => %(seconds)s), held_until = NULL,"
        " last_error = %(error)s, failures = %(failures)s, note = coalesce(%(note)s, note),"
        " noted_at = CASE WHEN %(note)s::text IS NULL THEN noted_at ELSE now() END"
        " WHERE (brand, source, stream) = (%(brand)s, %(source)s, %(stream)s)",
        {
            "seconds": next_run_in_seconds,
            "error": None if error is None else arrays.clean(error),
            "failures": failures,
            "note": None if note is None else arrays.clean(note),
            "brand": brand,
            "source": source,
            "stream": stream,
        },
    )
