"""The newest errors of sources and destinations that still matter."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection

from pipeline.store.deliveries.objects import WAITS

# A delivery that was sent has no last error: whatever is due (partial index) or open in quarantine may have one.
_DESTINATION_ERRORS = f"""
SELECT DISTINCT ON (split_part(destination, '/', 1)) split_part(destination, '/', 1), error, at FROM (
    SELECT destination, last_error AS error, last_error_at AS at FROM deliveries
    WHERE state = 'due' AND last_error IS NOT NULL AND last_error NOT LIKE '{WAITS}: %%'
    UNION ALL
    SELECT destination, concat_ws(': ', concat_ws(' ', code, field), message), created_at FROM quarantine
    WHERE resolution = 'open' AND destination IS NOT NULL
) AS known ORDER BY 1, at DESC
"""  # noqa: S608 - put together from constants
_SOURCE_ERRORS = """
SELECT DISTINCT ON (source) source, error, at FROM (
    SELECT source, last_error AS error, coalesce(last_run_at, updated_at) AS at FROM cursors
    WHERE last_error IS NOT NULL
    UNION ALL
    SELECT source, concat_ws(': ', code, message), created_at FROM quarantine
    WHERE resolution = 'open' AND source IS NOT NULL AND destination IS NULL
) AS known ORDER BY source, at DESC
"""


class LastError(msgspec.Struct, frozen=True):
    """The newest error of a source or destination that still matters. `error` is a code and reason without values."""

    error: str
    at: datetime | None


def destination_errors(connection: Connection) -> dict[str, LastError]:
    """By destination, of those that have one. One statement."""
    return _last_errors(connection, _DESTINATION_ERRORS)


def source_errors(connection: Connection) -> dict[str, LastError]:
    """By source, of those that have one: of its polls or of its events. One statement."""
    return _last_errors(connection, _SOURCE_ERRORS)


def _last_errors(connection: Connection, statement: str) -> dict[str, LastError]:
    return {name: LastError(error, at) for name, error, at in connection.exec_driver_sql(statement)}
