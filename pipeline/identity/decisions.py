"""What a human says of who is who, and what follows: people joined or taken apart, and kept so.

A word is kept as pairs of evidence: must-links and cannot-links, which win over every weight whenever people are
resolved. So saying it is adding pairs (or taking some back) and resolving the people again, in one transaction. Must
and cannot never contradict each other, by however many steps: what would is refused here, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import product
from typing import TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.errors import AfluenteError, TransientError
from pipeline.identity.people_updates import Resolved
from pipeline.identity.resolution import resolve_people
from pipeline.lanes import BULK
from pipeline.records import new_id
from pipeline.store.engine import patiently, transaction
from pipeline.store.identity import decisions, evidence_rows, people_moves, reviews
from pipeline.store.identity.decisions import Decision, Pair, Piece, Standing, ordered

_PAUSES = (0.2, 0.4, 0.8, 1.6)  # seconds, between attempts at one word: others may be at the same people
_PAIRS_LIMIT = 100_000  # of one word: whoever resolves these people reads them all
_LANE = BULK
Done = TypeVar("Done")


class DecisionRefusedError(AfluenteError):
    """It contradicts what is known or what somebody said before. The message says what, and what to do."""


class Word(msgspec.Struct, frozen=True):
    """Whose word it is, and the reason, which must hold no personal data."""

    by: str
    why: str | None = None


class Followed(msgspec.Struct, frozen=True):
    """What followed from a word. `joined`: who forwards to whom now; `parted`: who stands for itself again or anew.

    `took_back`: what had been said before and is not in force any more.
    """

    person_id: UUID
    joined: dict[UUID, UUID] = {}
    parted: list[UUID] = []
    took_back: list[Decision] = []


def merge_people(one: UUID, other: UUID, word: Word, *, override: bool = False) -> Followed:
    """Say that two people are one, and make them one; the older id stays.

    `override` takes back what keeps them apart. Raises DecisionRefusedError.
    """
    return _decide(lambda connection: _merge(connection, (one, other), word, override=override))


def unmerge_person(person_id: UUID, word: Word, *, event_ids: Collection[UUID] = ()) -> Followed:
    """Take a person apart again, and keep the parts apart.

    The newest word that joined it is taken back; of an id that was merged away, the one that joined that id, and no
    other. If there is none, or the rest holds together without it, it is parted where it last came together, or what
    that id had then is taken out. With `event_ids` the evidence of these events is taken out. Raises
    DecisionRefusedError.
    """
    if event_ids:
        return _decide(lambda connection: _take_out(connection, person_id, set(event_ids), word))
    return _decide(lambda connection: _unmerge(connection, person_id, word))


def accept_review(review_id: int, word: Word) -> Followed:
    """Say that the two people of a review are one. Raises DecisionRefusedError."""
    return _decide(lambda connection: _accept(connection, review_id, word))


def reject_review(review_id: int, word: Word) -> Followed:
    """Say that the two people of a review are two. Raises DecisionRefusedError."""
    return _decide(lambda connection: _reject(connection, review_id, word))


def _decide(work: Callable[[Connection], Done]) -> Done:
    def attempt() -> Done:
        with transaction() as connection:
            decisions.hold_decisions(connection)
            return work(connection)

    return patiently(attempt, pauses=_PAUSES)


def _merge(
    connection: Connection,
    people: Pair,
    word: Word,
    *,
    override: bool = False,
    anchors: Pair | None = None,
    action: str = "joined",
) -> Followed:
    one, other = (_found(connection, person_id) for person_id in people)
    if one.person_id == other.person_id:
        raise DecisionRefusedError(f"{people[0]} and {people[1]} are one person already: {one.person_id}")
    one, other = (_standing(connection, person_id) for person_id in people)
    if one.brand != other.brand:
        raise DecisionRefusedError(f"they are of two brands, {one.brand} and {other.brand}: brands share no people")
    sides = [_pieces(connection, standing.person_id) for standing in (one, other)]
    everything = {piece.evidence_id for side in sides for piece in side}
    took_back = _crossing(decisions.read_decisions(connection, everything), *map(_ids, sides), same=False)
    if took_back and not override:
        raise DecisionRefusedError(
            f"{people[0]} and {people[1]} were kept apart {_said(took_back)}: take that back with"
            f" `afluente people merge {people[0]} {people[1]} --override`"
        )
    decisions.take_back(connection, [decision.pair for decision in took_back])
    firsts = anchors or (sides[0][0].evidence_id, sides[1][0].evidence_id)
    older, newer = sorted((one, other), key=lambda standing: standing.person_id)
    resolved = _join(connection, firsts, sides, older, word)
    stays = resolved.owners[firsts[0]]  # not always the older one: a third person may be one with both now
    change = people_moves.Change(older.brand, action, stays, newer.person_id, word.by)
    return _follow(connection, change, word, resolved, took_back)


def _join(
    connection: Connection, firsts: Pair, sides: Sequence[Sequence[Piece]], target: Standing, word: Word
) -> Resolved:
    """Link the two pieces. If others of the two people contradict each other so much that not all come along, a second
    try links each to its own person's as well: the word was about people, not about two pieces."""
    everything = {piece.evidence_id for side in sides for piece in side}
    own = [ordered(first, key) for first, side in zip(firsts, sides, strict=True) for key in _ids(side) - {first}]
    decision_id = new_id()
    for links in ([ordered(*firsts)], [ordered(*firsts), *own]):
        attempt = connection.begin_nested()
        decisions.add_decision(
            connection, decision_id, links, same=True, brand=target.brand, decided_by=word.by, why=word.why
        )
        resolved = resolve_people(connection, _LANE, {}, again=everything, decided_by=word.by)
        if len(_owners(resolved, everything)) == 1:
            attempt.commit()
            return resolved
        attempt.rollback()
    raise TransientError("the two people changed while they were being joined")


def _unmerge(connection: Connection, person_id: UUID, word: Word) -> Followed:
    if (now := _found(connection, person_id).person_id) != person_id:
        return _restore(connection, person_id, now, word)
    standing, pieces = _several_pieces(connection, person_id)
    said = decisions.read_decisions(connection, _ids(pieces))
    links = [decision for decision in said if decision.same]
    took_back = [link for link in links if link.decision_id == links[-1].decision_id]
    if took_back:
        decisions.take_back(connection, [link.pair for link in took_back])
        resolved = resolve_people(connection, _LANE, {}, again=_ids(pieces), decided_by=word.by)
        if len(_owners(resolved, _ids(pieces))) > 1:
            return _follow(connection, _parting(standing, word), word, resolved, took_back)
    out, rest = _last_joined(connection, standing.person_id, pieces)
    resolved = _keep_apart(connection, standing, pieces, (out, rest), word)
    return _follow(connection, _parting(standing, word), word, resolved, took_back)


def _restore(connection: Connection, merged_id: UUID, person_id: UUID, word: Word) -> Followed:
    """Let somebody who was merged away stand for itself: take back the word that did it, and no other. If evidence did,
    or holds them together without that word, keep apart what it had then and what the others had."""
    standing, pieces = _several_pieces(connection, person_id)
    joining = decisions.last_joining(connection, {merged_id})
    births = {piece.birth_id: piece.evidence_id for piece in pieces}
    if joining is None or merged_id not in births:
        raise DecisionRefusedError(
            f"what {merged_id} began with is gone: say which leads are not {person_id}'s with `afluente people unmerge"
            f" {person_id} --event EVENT`"
        )
    said = decisions.read_decisions(connection, _ids(pieces))
    took_back = [link for link in said if link.same and link.decided_at == joining.at]
    sides = _sides(joining, pieces, births)
    change = msgspec.structs.replace(_parting(standing, word), other_id=merged_id)
    if took_back:
        decisions.take_back(connection, [link.pair for link in took_back])
        resolved = resolve_people(connection, _LANE, {}, again=_ids(pieces), decided_by=word.by)
        if not _owners(resolved, sides[0]) & _owners(resolved, sides[1]):
            return _follow(connection, change, word, resolved, took_back)
    resolved = _keep_apart(connection, standing, pieces, sides, word)
    return _follow(connection, change, word, resolved, took_back)


def _take_out(connection: Connection, person_id: UUID, event_ids: set[UUID], word: Word) -> Followed:
    standing, pieces = _several_pieces(connection, person_id)
    of_event = decisions.evidence_of_events(connection, event_ids)
    mine = _ids(pieces)
    for event_id in sorted(event_ids):
        if of_event.get(event_id) not in mine:
            raise DecisionRefusedError(f"event {event_id} is none of {person_id}: `afluente explain {event_id}`")
    out = set(of_event.values())
    if out == mine:
        raise DecisionRefusedError(f"these events bring all that is known of {person_id}: nothing would be left")
    resolved = _keep_apart(connection, standing, pieces, (out, mine - out), word)
    return _follow(connection, _parting(standing, word), word, resolved, [])


def _last_joined(connection: Connection, person_id: UUID, pieces: Sequence[Piece]) -> tuple[set[UUID], set[UUID]]:
    """The two sides of a person as they were before it last came together: the newest person merged into it and what
    it was itself then; if nobody was, its newest evidence and the rest."""
    mine = _ids(pieces)
    births = {piece.birth_id: piece.evidence_id for piece in pieces if piece.birth_id != person_id}
    joining = decisions.last_joining(connection, births, into=person_id)
    if joining is None:
        out = {pieces[-1].evidence_id}
        return out, mine - out
    return _sides(joining, pieces, births)


def _sides(
    joining: decisions.Joining, pieces: Sequence[Piece], births: Mapping[UUID, UUID]
) -> tuple[set[UUID], set[UUID]]:
    """What was the merged person's then, and what the others' was; what joined them goes where it is pulled."""
    mine = _ids(pieces)
    out = set(joining.evidence & mine) or {births[joining.merged_id]}
    rest = {piece.evidence_id for piece in pieces if piece.created_at <= joining.at} - out - joining.new
    return out, rest or mine - out


def _keep_apart(
    connection: Connection, standing: Standing, pieces: Sequence[Piece], sides: tuple[set[UUID], set[UUID]], word: Word
) -> Resolved:
    """Say of every pair across the two sides that it is not one person, and resolve all again."""
    out, rest = sides
    joined = [one for one in decisions.read_decisions(connection, _ids(pieces)) if one.same]
    if chain := find_chain(joined, out, rest):
        births = {piece.birth_id for piece in pieces}
        merged = decisions.joined_by(connection, chain[:1], births - {standing.person_id}) or [standing.person_id]
        raise DecisionRefusedError(
            f"they were joined {_said(chain[:1])}: take that back first with `afluente people unmerge {merged[0]}`"
        )
    if len(out) * len(rest) > _PAIRS_LIMIT:
        raise DecisionRefusedError(
            f"{len(out)} pieces of evidence against {len(rest)} are too many to keep apart pair by pair: take some out"
            " with --event"
        )
    decisions.add_decision(
        connection,
        new_id(),
        product(sorted(out), sorted(rest)),
        same=False,
        brand=standing.brand,
        decided_by=word.by,
        why=word.why,
    )
    resolved = resolve_people(connection, _LANE, {}, again=_ids(pieces), decided_by=word.by)
    if _owners(resolved, out) & _owners(resolved, rest):
        raise TransientError("the person changed while it was being taken apart")
    return resolved


def find_chain(links: Iterable[Decision], start: Collection[UUID], goal: Collection[UUID]) -> list[Decision]:
    """The must-links by which some evidence of `start` is one with some of `goal`, in order; empty: there are none."""
    neighbors: dict[UUID, list[tuple[UUID, Decision]]] = {}
    for link in links:
        neighbors.setdefault(link.one, []).append((link.other, link))
        neighbors.setdefault(link.other, []).append((link.one, link))
    ways: dict[UUID, list[Decision]] = {key: [] for key in sorted(start)}
    waiting = list(ways)
    for key in waiting:
        for neighbor, link in neighbors.get(key, ()):
            if neighbor in goal:
                return [*ways[key], link]
            if neighbor not in ways:
                ways[neighbor] = [*ways[key], link]
                waiting.append(neighbor)
    return []


def _accept(connection: Connection, review_id: int, word: Word) -> Followed:
    review = _open_review(connection, review_id)
    done = _merge(connection, review.people, word, anchors=review.pair, action="accepted")
    reviews.forget_settled(connection)
    return done


def _reject(connection: Connection, review_id: int, word: Word) -> Followed:
    review = _open_review(connection, review_id)
    decisions.add_decision(
        connection, new_id(), [review.pair], same=False, brand=review.brand, decided_by=word.by, why=word.why
    )
    resolved = resolve_people(connection, _LANE, {}, again=review.pair, decided_by=word.by)
    one, *others = sorted(_owners(resolved, review.pair))
    if not others:
        raise TransientError("the two people changed while they were being kept apart")
    done = _follow(
        connection, people_moves.Change(review.brand, "rejected", one, others[0], word.by), word, resolved, []
    )
    reviews.forget_settled(connection)
    return done


def _open_review(connection: Connection, review_id: int) -> reviews.Review:
    review = reviews.read_review(connection, review_id)
    if review is None:
        raise DecisionRefusedError(
            f"no review has the number {review_id}: `afluente people review list` shows what waits"
        )
    if review.people[0] == review.people[1]:
        raise DecisionRefusedError(f"the two are one person by now: {review.people[0]}")
    return review


def _found(connection: Connection, person_id: UUID) -> Standing:
    """Who this id stands for now."""
    standing = decisions.find_standing(connection, person_id)
    if standing is None and (evidence := decisions.evidence_of_events(connection, {person_id})):
        owners = evidence_rows.read_owners(connection, evidence.values()).values()
        whose = f", a lead of person {next(iter(owners))}" if owners else ""
        raise DecisionRefusedError(f"{person_id} is an event{whose}: name people here, and leads with --event")
    if standing is None:
        raise DecisionRefusedError(f"no person has the id {person_id}: ids stand in `afluente people export`")
    return standing


def _standing(connection: Connection, person_id: UUID) -> Standing:
    standing = _found(connection, person_id)
    if standing.person_id != person_id:
        raise DecisionRefusedError(
            f"{person_id} was merged into {standing.person_id}: name that one, or take it out first with `afluente"
            f" people unmerge {person_id}`"
        )
    return standing


def _pieces(connection: Connection, person_id: UUID) -> list[Piece]:
    pieces = decisions.read_pieces(connection, {person_id})
    if not pieces:
        raise DecisionRefusedError(f"there is no evidence of who {person_id} is: nothing to go by")
    return pieces


def _several_pieces(connection: Connection, person_id: UUID) -> tuple[Standing, list[Piece]]:
    standing = _standing(connection, person_id)
    pieces = _pieces(connection, person_id)
    if len(pieces) == 1:
        raise DecisionRefusedError(
            f"all leads of {person_id} say the same of who it is: there is nothing to take apart"
        )
    return standing, pieces


def _ids(pieces: Iterable[Piece]) -> set[UUID]:
    return {piece.evidence_id for piece in pieces}


def _owners(resolved: Resolved, keys: Iterable[UUID]) -> set[UUID]:
    """Whose these pieces are now. Raises TransientError if one went away meanwhile."""
    try:
        return {resolved.owners[key] for key in keys}
    except KeyError:
        raise TransientError("evidence went away before it was resolved") from None


def _crossing(said: Iterable[Decision], one: set[UUID], other: set[UUID], *, same: bool) -> list[Decision]:
    return [
        decision
        for decision in said
        if decision.same == same
        and ((decision.one in one and decision.other in other) or (decision.one in other and decision.other in one))
    ]


def _said(said: Sequence[Decision]) -> str:
    """Who said it, when and why; of several words each once."""
    words = {decision.decision_id: decision for decision in said}.values()
    return " and ".join(
        f"by {one.decided_by} on {one.decided_at:%Y-%m-%d}{f' because {one.why}' if one.why else ''}" for one in words
    )


def _parting(standing: Standing, word: Word) -> people_moves.Change:
    return people_moves.Change(standing.brand, "parted", standing.person_id, None, word.by)


def _follow(
    connection: Connection, change: people_moves.Change, word: Word, resolved: Resolved, took_back: list[Decision]
) -> Followed:
    """Log the word beside what the log already has of its consequences."""
    details: dict[str, object] = {"why": word.why} if word.why else {}
    if took_back:
        details["took_back"] = [
            {"by": one.decided_by, "at": one.decided_at.isoformat(), "why": one.why, "same": one.same}
            for one in {decision.decision_id: decision for decision in took_back}.values()
        ]
    people_moves.log_changes(connection, [msgspec.structs.replace(change, details=details)])
    return Followed(change.person_id, resolved.joined, sorted(resolved.parted), took_back)
