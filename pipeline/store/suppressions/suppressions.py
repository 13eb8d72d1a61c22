"""Suppressed addresses: written once, asked for by every batch.

A digest is 16 bytes: the 8 under which evidence of the address is filed, and 8 more. So a batch is looked up by numbers
that it has at hand anyway, and the whole digest is made only where one of them is known here; and whoever came back
under a suppressed address is found by a join.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays

DIGEST_BYTES = 16


class Suppression(NamedTuple):
    """One suppressed address of a brand. `is_erased`: an erasure set it, whatever else it is suppressed for."""

    brand: str
    digest: bytes
    reason: str
    at: datetime
    is_erased: bool


_ADD = """
INSERT INTO suppressions AS known (brand, digest, key, reason, request_id)
SELECT %(brand)s, digest, ('x' || encode(substring(digest FROM 1 FOR 8), 'hex'))::bit(64)::bigint, %(reason)s,
    %(request)s
FROM unnest(%(digests)s::bytea[]) AS new (digest)
ON CONFLICT (brand, digest) DO UPDATE SET at = now(), request_id = coalesce(excluded.request_id, known.request_id),
    reason = CASE WHEN known.reason = 'erased' THEN excluded.reason ELSE known.reason END
"""


def add_suppressions(
    connection: Connection, brand: str, digests: Collection[bytes], reason: str, request_id: UUID | None
) -> None:
    """Suppress these addresses of a brand. One statement, none without digests. An objection stays one when its person
    is erased: only `erased` is lifted by a form."""
    if digests:
        connection.exec_driver_sql(
            _ADD,
            {
                "brand": brand,
                "digests": arrays.blobs(sorted(digests)),
                "reason": reason,
                "request": request_id,
            },
        )


def read_by_keys(connection: Connection, keys: Iterable[int]) -> list[Suppression]:
    """All suppressions under these numbers, of whatever brand. One statement, none without numbers."""
    wanted = sorted(set(keys))
    if not wanted:
        return []
    rows = connection.exec_driver_sql(
        "SELECT brand, digest, reason, at, reason = 'erased' OR request_id IS NOT NULL FROM suppressions"
        " WHERE key = ANY(%s::bigint[])",
        (arrays.numbers(wanted),),
    )
    return [Suppression(brand, bytes(digest), reason, at, is_erased) for brand, digest, reason, at, is_erased in rows]


def read_among(connection: Connection, brand: str, digests: Collection[bytes]) -> dict[bytes, str]:
    """Those of these digests that are suppressed in a brand, with the reason. One statement, none without digests."""
    if not digests:
        return {}
    rows = connection.exec_driver_sql(
        "SELECT digest, reason FROM suppressions WHERE brand = %s AND digest = ANY(%s::bytea[])",
        (brand, arrays.blobs(sorted(digests))),
    )
    return {bytes(digest): reason for digest, reason in rows}


def is_any_erased(connection: Connection, brand: str, digests: Collection[bytes]) -> bool:
    """Whether an erasure suppressed one of these digests of a brand. One statement, none without digests."""
    if not digests:
        return False
    found = connection.exec_driver_sql(
        "SELECT EXISTS (SELECT FROM suppressions WHERE brand = %s AND digest = ANY(%s::bytea[])"
        " AND (reason = 'erased' OR request_id IS NOT NULL))",
        (brand, arrays.blobs(sorted(digests))),
    )
    return bool(found.scalar())


def lift(connection: Connection, brand: str, digests: Collection[bytes]) -> int:
    """Take back suppressions of an erasure, as the person came anew by themselves; gives how many. One statement."""
    if not digests:
        return 0
    return connection.exec_driver_sql(
        "DELETE FROM suppressions WHERE brand = %s AND digest = ANY(%s::bytea[]) AND reason = 'erased'",
        (brand, arrays.blobs(sorted(digests))),
    ).rowcount


# What an erasure suppressed besides stays so, as its own: only its person may lift that.
_TAKE_BACK = """
WITH meant AS (
    SELECT digest, request_id FROM suppressions
    WHERE brand = %(brand)s AND digest = ANY(%(digests)s::bytea[]) AND reason = %(reason)s FOR UPDATE
), kept AS (
    UPDATE suppressions s SET reason = 'erased' FROM meant m
    WHERE s.brand = %(brand)s AND s.digest = m.digest AND m.request_id IS NOT NULL
), released AS (
    DELETE FROM suppressions s USING meant m
    WHERE s.brand = %(brand)s AND s.digest = m.digest AND m.request_id IS NULL
)
SELECT count(*) FROM meant
"""


def take_back(connection: Connection, brand: str, digests: Collection[bytes], reason: str) -> int:
    """Take back what a human suppressed for this reason; gives how many. One statement, none without digests."""
    if not digests:
        return 0
    values = {"brand": brand, "digests": arrays.blobs(sorted(digests)), "reason": reason}
    return int(connection.exec_driver_sql(_TAKE_BACK, values).scalar_one())


# By the request and not by the reason: who objected before is erased under the objection, which stays one.
_BACK = """
SELECT DISTINCT s.request_id, e.evidence_id FROM suppressions s
JOIN evidence_keys k ON k.key = s.key JOIN evidence e ON e.evidence_id = k.evidence_id AND e.brand = s.brand
WHERE s.request_id = ANY(%s::uuid[])
"""


def evidence_of_requests(connection: Connection, request_ids: Collection[UUID]) -> dict[UUID, set[UUID]]:
    """By request the evidence that is filed under an address which it suppressed. One statement."""
    found: dict[UUID, set[UUID]] = {}
    for request_id, evidence_id in connection.exec_driver_sql(_BACK, (arrays.uuids(sorted(request_ids)),)):
        found.setdefault(request_id, set()).add(evidence_id)
    return found


def digests_of_requests(connection: Connection, request_ids: Collection[UUID]) -> dict[UUID, dict[str, set[bytes]]]:
    """By request, and by brand, what it suppressed; nothing of one that suppressed nothing. One statement."""
    found: dict[UUID, dict[str, set[bytes]]] = {}
    for request_id, brand, digest in connection.exec_driver_sql(
        "SELECT request_id, brand, digest FROM suppressions WHERE request_id = ANY(%s::uuid[])",
        (arrays.uuids(sorted(request_ids)),),
    ):
        found.setdefault(request_id, {}).setdefault(brand, set()).add(bytes(digest))
    return found


def digests_of_request(connection: Connection, request_id: UUID) -> dict[str, set[bytes]]:
    """By brand what a request suppressed. One statement."""
    return digests_of_requests(connection, [request_id]).get(request_id, {})


def requests_with(connection: Connection, brand: str, addresses: Collection[Collection[bytes]]) -> set[UUID]:
    """The erasures that suppressed all of these addresses of a brand, each given by its digests under all keys of the
    index, one of which is enough. One statement, none without addresses."""
    if not addresses:
        return set()
    pairs = sorted({(digest, number) for number, digests in enumerate(addresses) for digest in digests})
    rows = connection.exec_driver_sql(
        "SELECT s.request_id FROM unnest(%s::bytea[], %s::bigint[]) AS asked (digest, address)"
        " JOIN suppressions s ON s.brand = %s AND s.digest = asked.digest"
        " WHERE s.request_id IS NOT NULL GROUP BY s.request_id HAVING count(DISTINCT asked.address) = %s",
        (
            arrays.blobs([digest for digest, _ in pairs]),
            arrays.numbers(number for _, number in pairs),
            *(brand, len(addresses)),
        ),
    )
    return set(rows.scalars())
