"""Sources that nobody asks for a while, with the reason; and what waits for each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays


class FetchState(msgspec.Struct, frozen=True):
    """What of a source waits to be read, since when, how many of it failed, and why: of one record, `last_error`; of
    all, `error`, until when nobody asks, and whether a human must act."""

    source: str
    brand: str
    waiting: int
    oldest_at: datetime | None
    failing: int
    last_error: str | None = None
    error: str | None = None
    is_terminal: bool = False
    failures: int = 0
    until: datetime | None = None

    def waits_seconds(self, now: datetime) -> float:
        """The age of the oldest that waits; 0 where nothing does."""
        return max((now - self.oldest_at).total_seconds(), 0.0) if self.oldest_at is not None else 0.0


def pause(
    connection: Connection,
    source: str,
    brand: str,
    *,
    seconds: float,
    error: str,
    is_terminal: bool = False,
    failures: int,
    settings_digest: str,
) -> None:
    """Let nobody ask a source for so long. `failures`: in a row, this one included; 0 for a quota. One statement."""
    connection.exec_driver_sql(
        """
        INSERT INTO fetch_pauses (source, brand, until, failures, is_terminal, error, settings_digest)
        VALUES (%s, %s, now() + make_interval(secs => %s), %s, %s, %s, %s)
        ON CONFLICT (source, brand) DO UPDATE SET until = excluded.until, failures = excluded.failures,
            is_terminal = excluded.is_terminal, error = excluded.error, settings_digest = excluded.settings_digest
        """,
        (source, brand, seconds, failures, is_terminal, arrays.clean(error), settings_digest),
    )


def read_pause(connection: Connection, source: str, brand: str) -> tuple[int, bool] | None:
    """(failures in a row, whether it holds still) of a source's pause; None if there is none. One statement."""
    row = connection.exec_driver_sql(
        "SELECT failures, until > now() FROM fetch_pauses WHERE source = %s AND brand = %s", (source, brand)
    ).first()
    return None if row is None else (row[0], row[1])


def end_pause(connection: Connection, source: str, brand: str) -> bool:
    """Ask a source again; False if nobody had paused it. One statement."""
    return bool(
        connection.exec_driver_sql(
            "DELETE FROM fetch_pauses WHERE source = %s AND brand = %s", (source, brand)
        ).rowcount
    )


def end_outdated(connection: Connection, digests: Mapping[str, str]) -> None:
    """End the pauses of sources whose settings are others by now: {source: digest}. One statement."""
    connection.exec_driver_sql(
        """
        DELETE FROM fetch_pauses USING unnest(%s::text[], %s::text[]) AS now (source, digest)
        WHERE fetch_pauses.source = now.source AND settings_digest <> now.digest
        """,
        (arrays.texts(digests), arrays.texts(digests.values())),
    )


_STATES = """
WITH waiting AS (
    SELECT source, brand, count(*) AS waiting, min(created_at) AS oldest_at,
        count(*) FILTER (WHERE attempts > 0) AS failing, max(last_error) AS last_error
    FROM fetches GROUP BY source, brand
)
SELECT source, brand, coalesce(waiting, 0), oldest_at, coalesce(failing, 0), last_error, error,
    coalesce(is_terminal, false), coalesce(failures, 0), until
FROM waiting FULL JOIN fetch_pauses USING (source, brand) ORDER BY source, brand
"""


def fetch_states(connection: Connection) -> list[FetchState]:
    """Of every source that has something to read, or that nobody asks now. One statement."""
    return [FetchState(*row) for row in connection.exec_driver_sql(_STATES)]
