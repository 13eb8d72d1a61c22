"""Pairs that may be one person: listed for a human, with each weight that counts for or against it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays
from pipeline.store.identity.decisions import EvidencePair


class Weighed(Protocol):
    """What a pair was found to weigh (identity.matching.scoring.Comparison)."""

    @property
    def score(self) -> float: ...

    @property
    def weights(self) -> Sequence[tuple[str, float]]: ...


def note_reviews(connection: Connection, pairs: Sequence[tuple[str, EvidencePair, Weighed]]) -> None:
    """Remember pairs to be looked at: (brand, pair, comparison). One statement."""
    if not pairs:
        return
    ordered = sorted(pairs, key=lambda item: item[1])
    connection.exec_driver_sql(
        "INSERT INTO identity_reviews (one, other, brand, score, pieces)"
        " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::real[], %s::jsonb[])"
        " ON CONFLICT (one, other) DO UPDATE SET score = excluded.score, pieces = excluded.pieces, found_at = now()",
        (
            arrays.uuids(pair[0] for _, pair, _ in ordered),
            arrays.uuids(pair[1] for _, pair, _ in ordered),
            arrays.texts(brand for brand, _, _ in ordered),
            arrays.numbers(weighed.score for _, _, weighed in ordered),
            arrays.documents(dict(weighed.weights) for _, _, weighed in ordered),
        ),
    )


class Review(msgspec.Struct, frozen=True):
    """A pair for a human. `weights`: in bits by kind. `people`: those the two pieces of evidence are of now, in the
    order of `pair`."""

    review_id: int
    pair: EvidencePair
    brand: str
    score: float
    weights: dict[str, float]
    people: tuple[UUID, UUID]
    created_at: datetime

    def __repr__(self) -> str:
        return f"<Review {self.review_id}>"


_READ = """
SELECT r.review_id, r.one, r.other, r.brand, r.score, r.pieces, a.person_id AS one_person, b.person_id AS other_person,
    r.created_at
FROM identity_reviews r
JOIN evidence a ON a.evidence_id = r.one
JOIN evidence b ON b.evidence_id = r.other
WHERE a.person_id IS NOT NULL AND b.person_id IS NOT NULL
"""
# Two people may share several weak pairs: a human is asked once, with the strongest.
_LIST = f"""
SELECT *, count(*) OVER () FROM (
    SELECT DISTINCT ON (least(one_person, other_person), greatest(one_person, other_person)) * FROM ({_READ}) AS found
    WHERE one_person <> other_person
    ORDER BY least(one_person, other_person), greatest(one_person, other_person), score DESC, one, other
) AS asked ORDER BY score DESC, one, other LIMIT %s
"""  # noqa: S608 - put together from constants


def list_reviews(connection: Connection, *, limit: int) -> tuple[list[Review], int]:
    """What a human should look at, surest first, one per pair of people; and how many there are. One statement."""
    rows = connection.exec_driver_sql(_LIST, (limit,)).all()
    return [_review(row) for row in rows], rows[0][-1] if rows else 0


# As the list has it once `forget_settled` ran: without the people whom a human keeps apart. Both sides are hashed once.
_COUNT = f"""
SELECT count(*) FROM (
    SELECT least(one_person, other_person), greatest(one_person, other_person) FROM ({_READ}) AS found
    WHERE one_person <> other_person
    EXCEPT
    SELECT least(a.person_id, b.person_id), greatest(a.person_id, b.person_id) FROM identity_decisions d
    JOIN evidence a ON a.evidence_id = d.one
    JOIN evidence b ON b.evidence_id = d.other
    WHERE NOT d.same
) AS asked
"""  # noqa: S608 - put together from constants


def count_reviews(connection: Connection) -> int:
    """How many pairs of people wait for a human. Changes nothing. One statement."""
    count: int = connection.exec_driver_sql(_COUNT).scalar_one()
    return count


def read_review(connection: Connection, review_id: int) -> Review | None:
    """This one, also if its people are one by now. One statement."""
    row = connection.exec_driver_sql(f"{_READ} AND r.review_id = %s", (review_id,)).first()
    return _review(row) if row else None


def _review(row: Sequence[Any]) -> Review:
    number, one, other, brand, score, weights, one_person, other_person, created_at = row[:9]
    return Review(number, (one, other), brand, score, weights, (one_person, other_person), created_at)


_IS_KEPT_APART = """EXISTS (
    SELECT 1 FROM evidence x JOIN identity_decisions d ON d.one = x.evidence_id AND NOT d.same
    JOIN evidence y ON y.evidence_id = d.other
    WHERE x.person_id = {}.person_id AND y.person_id = {}.person_id)"""
_FORGET_SETTLED = f"""
DELETE FROM identity_reviews r USING evidence a, evidence b
WHERE a.evidence_id = r.one AND b.evidence_id = r.other
    AND (a.person_id = b.person_id OR {_IS_KEPT_APART.format("a", "b")} OR {_IS_KEPT_APART.format("b", "a")})
"""  # noqa: S608 - put together from constants


def forget_settled(connection: Connection) -> None:
    """Forget the pairs that are one person by now, and those whose people a human keeps apart. One statement."""
    connection.exec_driver_sql(_FORGET_SETTLED)


def forget_outdated(connection: Connection, evidence_ids: Collection[UUID]) -> None:
    """Forget the pairs of this evidence that were not found again in this transaction. One statement."""
    ids = arrays.uuids(sorted(evidence_ids))
    connection.exec_driver_sql(
        "DELETE FROM identity_reviews WHERE (one = ANY(%s::uuid[]) OR other = ANY(%s::uuid[])) AND found_at < now()",
        (ids, ids),
    )
