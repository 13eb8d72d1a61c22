"""Addresses and numbers that very much evidence shares: how much, and a sample of it."""

from __future__ import annotations

from collections.abc import Collection
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


def read_busy_keys(connection: Connection, keys: Collection[int], *, least: int, most: int) -> dict[int, int]:
    """Those of these keys that at least `least` pieces of evidence share; how many, up to `most`. One statement."""
    if not keys:
        return {}
    rows = connection.exec_driver_sql(_BUSY, (arrays.numbers(sorted(keys)), most, least))
    return dict(map(tuple, rows))


def read_evidence_sample(connection: Connection, keys: Collection[int], *, most: int) -> dict[int, dict[UUID, bytes]]:
    """Up to `most` pieces of the evidence that shares each key, decrypted. One statement, of bounded cost."""
    packed: dict[int, dict[UUID, bytes]] = {key: {} for key in keys}
    if keys:
        for key, evidence_id, sealed in connection.exec_driver_sql(_FIRST, (arrays.numbers(sorted(keys)), most)):
            packed[key][evidence_id] = open_evidence(bytes(sealed), evidence_id)
    return packed
