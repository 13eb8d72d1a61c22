"""Suppressed addresses as use cases see them: made of evidence, written, asked for. `identity.screening` asks for each
batch of leads; docs/decisions has why a person is kept out by keyed digests of every form of every address."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection

from pipeline.identity.screening import digests_of, suppression_digest
from pipeline.store.suppressions import suppressions

__all__ = ["digests_of", "suppress", "suppressed", "suppression_digest"]


def suppress(
    connection: Connection,
    brand: str,
    digests: Collection[bytes],
    *,
    reason: str = "erased",
    request_id: UUID | None = None,
) -> None:
    """Let nobody be known by these addresses of a brand again. `reason`: erased, objection or spam. One statement."""
    suppressions.add_suppressions(connection, brand, digests, reason, request_id)


def suppressed(connection: Connection, brand: str, digests: Collection[bytes]) -> set[bytes]:
    """Those of these digests that are suppressed in a brand. One statement."""
    return set(suppressions.read_among(connection, brand, digests))
