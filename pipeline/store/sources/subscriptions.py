"""What sources said when they were asked last whether they know our address."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays
from pipeline.store.sources.rhythms import SourceKey


class SubscriptionRow(msgspec.Struct, frozen=True):
    """`token`: ok or refused; `hook`: active, paused, elsewhere or absent; either None where nobody could tell, and
    `error` says why."""

    brand: str
    source: str
    checked_at: datetime
    token: str | None = None
    hook: str | None = None
    missing_scopes: list[str] = []
    error: str | None = None


_COLUMNS = ", ".join(SubscriptionRow.__struct_fields__)


def read_subscriptions(connection: Connection) -> dict[SourceKey, SubscriptionRow]:
    """Of every source that was ever asked. One statement."""
    rows = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM source_subscriptions ORDER BY source, brand"  # noqa: S608 - put together from constants
    )
    return {(row.brand, row.source): row for row in (SubscriptionRow(*row) for row in rows)}


def write_subscription(
    connection: Connection,
    brand: str,
    source: str,
    *,
    token: str | None,
    hook: str | None,
    missing_scopes: Sequence[str] = (),
    error: str | None = None,
) -> None:
    """Note what a source said just now. One statement."""
    connection.exec_driver_sql(
        """
        INSERT INTO source_subscriptions (brand, source, token, hook, missing_scopes, error)
        VALUES (%s, %s, %s, %s, %s::text[], %s)
        ON CONFLICT (brand, source) DO UPDATE SET checked_at = now(), token = excluded.token, hook = excluded.hook,
            missing_scopes = excluded.missing_scopes, error = excluded.error
        """,
        (brand, source, token, hook, arrays.texts(missing_scopes), None if error is None else arrays.clean(error)),
    )


def last_handshakes(connection: Connection) -> dict[str, datetime]:
    """The minute of the last handshake that a receiver answered, by source; of the last seven days, which requests are
    counted for. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT source, max(minute) FROM intake_requests WHERE outcome = 'handshake' GROUP BY source"
    )
    return dict(map(tuple, rows))
