"""Two people are one, or are not: what a human says of two people, unasked or in answer to a review."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import TransientError
from pipeline.identity.decisions import (
    Decision,
    DecisionRefusedError,
    DecisionResult,
    decide,
    describe_decisions,
    find_person,
    ids_of,
    log_result,
    owners_of,
    require_evidence,
    require_standing,
    resolve_again,
)
from pipeline.identity.people_updates import Resolved
from pipeline.records import new_id
from pipeline.store.identity import decisions, people_moves, reviews
from pipeline.store.identity.decisions import EvidencePair, Link, PersonEvidence, Standing, ordered


def merge_people(one: UUID, other: UUID, decision: Decision, *, override: bool = False) -> DecisionResult:
    """Say that two people are one, and make them one; the older id stays.

    `override` takes back what keeps them apart. Raises DecisionRefusedError.
    """
    return decide(lambda connection: _merge(connection, (one, other), decision, override=override))


def accept_review(review_id: int, decision: Decision) -> DecisionResult:
    """Say that the two people of a review are one. Raises DecisionRefusedError."""
    return decide(lambda connection: _accept(connection, review_id, decision))


def reject_review(review_id: int, decision: Decision) -> DecisionResult:
    """Say that the two people of a review are two. Raises DecisionRefusedError."""
    return decide(lambda connection: _reject(connection, review_id, decision))


def _merge(
    connection: Connection,
    people: tuple[UUID, UUID],
    decision: Decision,
    *,
    override: bool = False,
    anchors: EvidencePair | None = None,
    action: str = "joined",
) -> DecisionResult:
    """`anchors`: the two pieces of evidence to link; None: those that the two people began with."""
    one, other = (find_person(connection, person_id) for person_id in people)
    if one.person_id == other.person_id:
        raise DecisionRefusedError(f"{people[0]} and {people[1]} are one person already: {one.person_id}")
    one, other = (require_standing(connection, person_id) for person_id in people)
    if one.brand != other.brand:
        raise DecisionRefusedError(f"they are of two brands, {one.brand} and {other.brand}: brands share no people")
    sides = [require_evidence(connection, standing.person_id) for standing in (one, other)]
    links = decisions.read_links(connection, ids_of(piece for side in sides for piece in side))
    took_back = _cannot_links_between(links, *map(ids_of, sides))
    if took_back and not override:
        raise DecisionRefusedError(
            f"{people[0]} and {people[1]} were kept apart {describe_decisions(took_back)}: take that back with"
            f" `afluente people merge {people[0]} {people[1]} --override`"
        )
    decisions.take_back(connection, [link.pair for link in took_back])
    firsts = anchors or (sides[0][0].evidence_id, sides[1][0].evidence_id)
    older, newer = sorted((one, other), key=lambda standing: standing.person_id)
    resolved = _join(connection, firsts, sides, older, decision)
    stays = resolved.owners[firsts[0]]  # not always the older one: a third person may be one with both now
    change = people_moves.Change(older.brand, action, stays, newer.person_id, decision.by)
    return log_result(connection, change, decision, resolved, took_back)


def _join(
    connection: Connection,
    firsts: EvidencePair,
    sides: Sequence[Sequence[PersonEvidence]],
    target: Standing,
    decision: Decision,
) -> Resolved:
    """Link the two pieces of evidence. If others of the two people contradict each other so much that not all come
    along, a second try links each to its own person's as well: the decision was about people, not about two pieces."""
    everything = ids_of(piece for side in sides for piece in side)
    own = [ordered(first, key) for first, side in zip(firsts, sides, strict=True) for key in ids_of(side) - {first}]
    decision_id = new_id()
    for pairs in ([ordered(*firsts)], [ordered(*firsts), *own]):
        attempt = connection.begin_nested()
        decisions.add_links(
            connection,
            decision_id,
            pairs,
            same=True,
            brand=target.brand,
            decided_by=decision.by,
            why=decision.reason,
        )
        resolved = resolve_again(connection, everything, decision)
        if len(owners_of(resolved, everything)) == 1:
            attempt.commit()
            return resolved
        attempt.rollback()
    raise TransientError("the two people changed while they were being joined")


def _cannot_links_between(links: Iterable[Link], one: set[UUID], other: set[UUID]) -> list[Link]:
    return [
        link
        for link in links
        if not link.same and ((link.one in one and link.other in other) or (link.one in other and link.other in one))
    ]


def _accept(connection: Connection, review_id: int, decision: Decision) -> DecisionResult:
    review = _open_review(connection, review_id)
    result = _merge(connection, review.people, decision, anchors=review.pair, action="accepted")
    reviews.forget_settled(connection)
    return result


def _reject(connection: Connection, review_id: int, decision: Decision) -> DecisionResult:
    review = _open_review(connection, review_id)
    decisions.add_links(
        connection,
        new_id(),
        [review.pair],
        same=False,
        brand=review.brand,
        decided_by=decision.by,
        why=decision.reason,
    )
    resolved = resolve_again(connection, review.pair, decision)
    first, *others = sorted(owners_of(resolved, review.pair))
    if not others:
        raise TransientError("the two people changed while they were being kept apart")
    change = people_moves.Change(review.brand, "rejected", first, others[0], decision.by)
    result = log_result(connection, change, decision, resolved)
    reviews.forget_settled(connection)
    return result


def _open_review(connection: Connection, review_id: int) -> reviews.Review:
    review = reviews.read_review(connection, review_id)
    if review is None:
        raise DecisionRefusedError(
            f"no review has the number {review_id}: `afluente people review list` shows what waits"
        )
    if review.people[0] == review.people[1]:
        raise DecisionRefusedError(f"the two are one person by now: {review.people[0]}")
    return review
