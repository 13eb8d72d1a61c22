"""By what activities are found that wait for somebody."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays

_FILE_KEYS = """
WITH filed AS (
    INSERT INTO activity_keys (key, event_id, generation)
    SELECT * FROM unnest(%(keys)s::bigint[], %(ids)s::uuid[], %(generations)s::smallint[])
    ON CONFLICT DO NOTHING
)
SELECT key FROM suppressions WHERE key = ANY(%(screened)s::bigint[])
"""


def file_keys(
    connection: Connection, keys: Mapping[UUID, Mapping[int, int]], *, screened: Collection[int] = ()
) -> set[int]:
    """Let waiting activities be found by these keys of theirs, each with the generation of its index key; gives those
    of the `screened` numbers under which addresses are suppressed. One statement, none of nothing."""
    rows = sorted(
        (key, event_id, generation) for event_id, numbers in keys.items() for key, generation in numbers.items()
    )
    if not rows:
        return set()
    values = {
        "keys": arrays.numbers(key for key, _, _ in rows),
        "ids": arrays.uuids(event_id for _, event_id, _ in rows),
        "generations": arrays.filled(arrays.numbers, [generation or None for _, _, generation in rows]),
        "screened": arrays.numbers(sorted(screened)),
    }
    return set(connection.exec_driver_sql(_FILE_KEYS, values).scalars())
