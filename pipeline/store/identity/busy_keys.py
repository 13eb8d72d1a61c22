"""Addresses and numbers that very much evidence shares: how much, and a sample of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_evidence
from pipeline.store import arrays

# LATERAL with LIMIT: one index probe per key, however many share it.
_BUSY = """
SELECT asked.key, pieces.count FROM unnest(%s::bigint[]) AS asked (key)
CROSS JOIN LATERAL (
    SELECT count(*) AS count FROM (SELECT 1 FROM evidence_keys k WHERE k.key = asked.key LIMIT %s) AS first
) AS pieces
WHERE pieces.count >= %s
UNION ALL SELECT key, 0 FROM suppressions WHERE key = ANY(%s::bigint[])
"""
_FIRST = """
SELECT asked.key, e.evidence_id, e.sealed FROM unnest(%s::bigint[]) AS asked (key)
CROSS JOIN LATERAL (SELECT evidence_id FROM evidence_keys k WHERE k.key = asked.key LIMIT %s) AS first
JOIN evidence e USING (evidence_id)
"""


def hold_keys(connection: Connection, keys: Collection[int]) -> None:
    """Let nobody else who asks file evidence under these keys until the transaction ends. One statement.

    Waits for others, in one order; call it before anything else is held.
    """
    if keys:
        connection.exec_driver_sql("SELECT lock_components(%s::bigint[], true)", (arrays.numbers(sorted(keys)),))


class BusyKeys(NamedTuple):
    """`counts`: how many pieces of evidence share a key. `suppressed`: numbers under which addresses are suppressed."""

    counts: dict[int, int]
    suppressed: set[int]


def read_busy_keys(
    connection: Connection, keys: Collection[int], *, least: int, most: int, screened: Collection[int] = ()
) -> BusyKeys:
    """Those of these keys that at least `least` pieces of evidence share; how many, up to `most`. And those of the
    `screened` numbers under which there are suppressions. One statement, none without keys."""
    counts: dict[int, int] = {}
    suppressed: set[int] = set()
    if keys or screened:
        rows = connection.exec_driver_sql(
            _BUSY, (arrays.numbers(sorted(keys)), most, least, arrays.numbers(sorted(screened)))
        )
        for key, count in rows:
            if count:
                counts[key] = count
            else:
                suppressed.add(key)
    return BusyKeys(counts, suppressed)


def read_evidence_sample(connection: Connection, keys: Collection[int], *, most: int) -> dict[int, dict[UUID, bytes]]:
    """Up to `most` pieces of the evidence that shares each key, decrypted. One statement, of bounded cost."""
    packed: dict[int, dict[UUID, bytes]] = {key: {} for key in keys}
    if keys:
        for key, evidence_id, sealed in connection.exec_driver_sql(_FIRST, (arrays.numbers(sorted(keys)), most)):
            packed[key][evidence_id] = open_evidence(bytes(sealed), evidence_id)
    return packed
