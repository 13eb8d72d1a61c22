"""Cursors: how far a polled source was read. A cursor moves in the transaction that stores what was read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays

PollKey = tuple[str, str, str]  # brand, source, stream


class StoredCursor(msgspec.Struct, frozen=True):
    """Where a stream was read to (`position`, None before the first page) and how its polls went."""

    brand: str
    source: str
    stream: str
    position: str | None
    updated_at: datetime | None
    last_error: str | None
    last_run_at: datetime | None
    next_run_at: datetime | None


_COLUMNS = ", ".join(StoredCursor.__struct_fields__)


def due_polls(connection: Connection, polls: Sequence[PollKey]) -> list[PollKey]:
    """Which of these streams should be polled now: never polled, or their time has come. In the order given."""
    waiting = {
        tuple(row)
        for row in connection.exec_driver_sql("SELECT brand, source, stream FROM cursors WHERE next_run_at > now()")
    }
    return [poll for poll in polls if poll not in waiting]


def lock_cursor(
    connection: Connection, brand: str, source: str, stream: str = "", *, hold_seconds: float = 0, force: bool = False
) -> StoredCursor | None:
    """Take a stream for one poll; None if somebody else has it or it is not due yet (`force`: due or not).

    The row is locked until the transaction ends; for `hold_seconds` after that `due_polls` and other calls leave the
    stream alone, so that no transaction stays open while pages are fetched. `finish_poll` ends the hold.
    """
    connection.exec_driver_sql(
        "INSERT INTO cursors (brand, source, stream) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (brand, source, stream),
    )
    row = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM cursors WHERE (brand, source, stream) = (%s, %s, %s)"  # noqa: S608 - put together from constants
        " AND (%s OR next_run_at IS NULL OR next_run_at <= now()) FOR UPDATE SKIP LOCKED",
        (brand, source, stream, force),
    ).first()
    if row is None:
        return None
    connection.exec_driver_sql(
        "UPDATE cursors SET last_run_at = now(), next_run_at = now() + make_interval(secs => %s)"
        " WHERE (brand, source, stream) = (%s, %s, %s)",
        (hold_seconds, brand, source, stream),
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
) -> None:
    """Note how far was read. Call it in the transaction that stored what was read; `hold_seconds` prolongs the hold."""
    connection.exec_driver_sql(
        """
        INSERT INTO cursors (brand, source, stream, position, updated_at, last_run_at)
        VALUES (%(brand)s, %(source)s, %(stream)s, %(position)s, now(), now())
        ON CONFLICT (brand, source, stream) DO UPDATE SET position = excluded.position, updated_at = now(),
            next_run_at = CASE WHEN %(hold)s::float8 IS NULL THEN cursors.next_run_at
                               ELSE now() + make_interval(secs => %(hold)s::float8) END
        """,
        {
            "brand": brand,
            "source": source,
            "stream": stream,
            "position": None if position is None else arrays.clean(position),
            "hold": hold_seconds,
        },
    )


def finish_poll(
    connection: Connection,
    brand: str,
    source: str,
    stream: str = "",
    *,
    next_run_in_seconds: float,
    error: str | None = None,
) -> None:
    """End a poll: when the next one is due, and the error (without values) that ended this one, or None."""
    connection.exec_driver_sql(
        "UPDATE cursors SET next_run_at = now() + make_interval(secs => %s), last_error = %s"
        " WHERE (brand, source, stream) = (%s, %s, %s)",
        (next_run_in_seconds, None if error is None else arrays.clean(error), brand, source, stream),
    )
