"""What became of requests, counted by source, outcome and minute: who asks why nothing comes finds it here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from pipeline.store import arrays

_KEPT_DAYS = 7


class RequestKey(NamedTuple):
    """`outcome` is `taken`, `handshake`, or the `error` word of the answer; `minute` is aware, its seconds 0."""

    minute: datetime
    source: str
    outcome: str


# In the order of the key, so that two receivers cannot wait for each other.
_ADD = """
WITH forgotten AS (
    DELETE FROM intake_requests WHERE minute < now() - make_interval(days => %(days)s)
)
INSERT INTO intake_requests AS known (minute, source, outcome, requests)
SELECT * FROM unnest(%(minutes)s::timestamptz[], %(sources)s::text[], %(outcomes)s::text[], %(counts)s::int[])
ON CONFLICT (minute, source, outcome) DO UPDATE SET requests = known.requests + excluded.requests
"""


def add_requests(connection: Connection, counts: Mapping[RequestKey, int]) -> None:
    """Add to what is counted, and forget what is a week old. One statement."""
    keys = sorted(counts)
    connection.exec_driver_sql(
        _ADD,
        {
            "days": _KEPT_DAYS,
            "minutes": arrays.moments(key.minute for key in keys),
            "sources": arrays.texts(key.source for key in keys),
            "outcomes": arrays.texts(key.outcome for key in keys),
            "counts": arrays.numbers(counts[key] for key in keys),
        },
    )


def count_requests(connection: Connection, *, minutes: int) -> dict[str, dict[str, int]]:
    """Requests of the last minutes: source -> outcome -> how many. One statement."""
    counts: dict[str, dict[str, int]] = {}
    for source, outcome, count in connection.exec_driver_sql(
        "SELECT source, outcome, sum(requests) FROM intake_requests"
        " WHERE minute > now() - make_interval(mins => %(minutes)s) GROUP BY source, outcome ORDER BY source, outcome",
        {"minutes": minutes},
    ):
        counts.setdefault(source, {})[outcome] = int(count)
    return counts
