"""Pairs that may be one person: listed for a human, with every piece of evidence and its weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays

Pair = tuple[UUID, UUID]


class Weighed(Protocol):
    """What a pair was found to weigh (stages.identity.scoring.Comparison)."""

    @property
    def score(self) -> float: ...

    @property
    def pieces(self) -> Sequence[tuple[str, float]]: ...


def note_reviews(connection: Connection, found: Sequence[tuple[str, Pair, Weighed]]) -> None:
    """Remember pairs to be looked at: (brand, pair, comparison). One statement."""
    if not found:
        return
    ordered = sorted(found, key=lambda item: item[1])
    connection.exec_driver_sql(
        "INSERT INTO identity_reviews (one, other, brand, score, pieces)"
        " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::real[], %s::jsonb[])"
        " ON CONFLICT (one, other) DO UPDATE SET score = excluded.score, pieces = excluded.pieces, found_at = now()",
        (
            arrays.uuids(pair[0] for _, pair, _ in ordered),
            arrays.uuids(pair[1] for _, pair, _ in ordered),
            arrays.texts(brand for brand, _, _ in ordered),
            arrays.numbers(weighed.score for _, _, weighed in ordered),
            arrays.documents(dict(weighed.pieces) for _, _, weighed in ordered),
        ),
    )
