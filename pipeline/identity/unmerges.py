"""One person is two: what a human says of a person that should not be one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product
from uuid import UUID

import msgspec
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
from pipeline.store.identity import decisions, people_moves
from pipeline.store.identity.decisions import Joining, Link, PersonEvidence, Standing

_PAIRS_LIMIT = 100_000  # of one decision: whoever resolves these people reads them all
_Sides = tuple[set[UUID], set[UUID]]  # evidence to be taken out, and evidence that it is to be kept apart from


def unmerge_person(person_id: UUID, decision: Decision, *, event_ids: Collection[UUID] = ()) -> DecisionResult:
    """Take a person apart again, and keep the parts apart.

    The newest decision that joined it is taken back; of an id that was merged away, the one that joined that id, and no
    other. If there is none, or the rest holds together without it, it is parted where it last came together, or what
    that id had then is taken out. With `event_ids` the evidence of these events is taken out. Raises
    DecisionRefusedError.
    """
    if event_ids:
        return decide(lambda connection: _take_out(connection, person_id, set(event_ids), decision))
    return decide(lambda connection: _unmerge(connection, person_id, decision))


def _unmerge(connection: Connection, person_id: UUID, decision: Decision) -> DecisionResult:
    now = find_person(connection, person_id).person_id
    if now != person_id:
        return _restore(connection, person_id, now, decision)
    standing, evidence = _require_several(connection, person_id)
    must_links = [link for link in decisions.read_links(connection, ids_of(evidence)) if link.same]
    took_back = [link for link in must_links if link.decision_id == must_links[-1].decision_id]
    if took_back:
        decisions.take_back(connection, [link.pair for link in took_back])
        resolved = resolve_again(connection, ids_of(evidence), decision)
        if len(owners_of(resolved, ids_of(evidence))) > 1:
            return log_result(connection, _parting(standing, decision), decision, resolved, took_back)
    sides = _last_joined(connection, standing.person_id, evidence)
    resolved = _keep_apart(connection, standing, evidence, sides, decision)
    return log_result(connection, _parting(standing, decision), decision, resolved, took_back)


def _restore(connection: Connection, merged_id: UUID, person_id: UUID, decision: Decision) -> DecisionResult:
    """Let somebody who was merged away stand for itself: take back the decision that did it, and no other. If evidence
    did, or holds them together without that decision, keep apart what it had then and what the others had."""
    standing, evidence = _require_several(connection, person_id)
    joining = decisions.last_joining(connection, {merged_id})
    births = {piece.birth_id: piece.evidence_id for piece in evidence}
    if joining is None or merged_id not in births:
        raise DecisionRefusedError(
            f"what {merged_id} began with is gone: say which leads are not {person_id}'s with `afluente people unmerge"
            f" {person_id} --event EVENT`"
        )
    links = decisions.read_links(connection, ids_of(evidence))
    took_back = [link for link in links if link.same and link.decided_at == joining.at]
    sides = _sides(joining, evidence, births)
    change = msgspec.structs.replace(_parting(standing, decision), other_id=merged_id)
    if took_back:
        decisions.take_back(connection, [link.pair for link in took_back])
        resolved = resolve_again(connection, ids_of(evidence), decision)
        if not owners_of(resolved, sides[0]) & owners_of(resolved, sides[1]):
            return log_result(connection, change, decision, resolved, took_back)
    resolved = _keep_apart(connection, standing, evidence, sides, decision)
    return log_result(connection, change, decision, resolved, took_back)


def _take_out(connection: Connection, person_id: UUID, event_ids: set[UUID], decision: Decision) -> DecisionResult:
    standing, evidence = _require_several(connection, person_id)
    of_event = decisions.evidence_of_events(connection, event_ids)
    own = ids_of(evidence)
    for event_id in sorted(event_ids):
        if of_event.get(event_id) not in own:
            raise DecisionRefusedError(f"event {event_id} is none of {person_id}: `afluente explain {event_id}`")
    out = set(of_event.values())
    if out == own:
        raise DecisionRefusedError(f"these events bring all that is known of {person_id}: nothing would be left")
    resolved = _keep_apart(connection, standing, evidence, (out, own - out), decision)
    return log_result(connection, _parting(standing, decision), decision, resolved)


def _last_joined(connection: Connection, person_id: UUID, evidence: Sequence[PersonEvidence]) -> _Sides:
    """The two sides of a person as they were before it last came together: the newest person merged into it and what
    it was itself then; if nobody was, its newest evidence and the rest."""
    births = {piece.birth_id: piece.evidence_id for piece in evidence if piece.birth_id != person_id}
    joining = decisions.last_joining(connection, births, into=person_id)
    if joining is None:
        out = {evidence[-1].evidence_id}
        return out, ids_of(evidence) - out
    return _sides(joining, evidence, births)


def _sides(joining: Joining, evidence: Sequence[PersonEvidence], births: Mapping[UUID, UUID]) -> _Sides:
    """What was the merged person's then, and what the others' was. What joined them is on neither side: it goes with
    the one that its weights join it to."""
    own = ids_of(evidence)
    out = set(joining.evidence & own) or {births[joining.merged_id]}
    rest = {piece.evidence_id for piece in evidence if piece.created_at <= joining.at} - out - joining.new
    return out, rest or own - out


def _keep_apart(
    connection: Connection,
    standing: Standing,
    evidence: Sequence[PersonEvidence],
    sides: _Sides,
    decision: Decision,
) -> Resolved:
    """Cannot-link every pair across the two sides, and resolve all again."""
    out, rest = sides
    must_links = [link for link in decisions.read_links(connection, ids_of(evidence)) if link.same]
    if chain := find_chain(must_links, out, rest):
        births = {piece.birth_id for piece in evidence}
        merged = decisions.joined_by(connection, chain[:1], births - {standing.person_id}) or [standing.person_id]
        raise DecisionRefusedError(
            f"they were joined {describe_decisions(chain[:1])}: take that back first with `afluente people unmerge"
            f" {merged[0]}`"
        )
    if len(out) * len(rest) > _PAIRS_LIMIT:
        raise DecisionRefusedError(
            f"{len(out)} pieces of evidence against {len(rest)} are too many to keep apart pair by pair: take some out"
            " with --event"
        )
    decisions.add_links(
        connection,
        new_id(),
        product(sorted(out), sorted(rest)),
        same=False,
        brand=standing.brand,
        decided_by=decision.by,
        why=decision.reason,
    )
    resolved = resolve_again(connection, ids_of(evidence), decision)
    if owners_of(resolved, out) & owners_of(resolved, rest):
        raise TransientError("the person changed while it was being taken apart")
    return resolved


def find_chain(links: Iterable[Link], start: Collection[UUID], goal: Collection[UUID]) -> list[Link]:
    """The must-links by which some evidence of `start` is one with some of `goal`, in order; empty: there are none."""
    neighbors: dict[UUID, list[tuple[UUID, Link]]] = {}
    for link in links:
        neighbors.setdefault(link.one, []).append((link.other, link))
        neighbors.setdefault(link.other, []).append((link.one, link))
    ways: dict[UUID, list[Link]] = {evidence_id: [] for evidence_id in sorted(start)}
    waiting = list(ways)
    for evidence_id in waiting:
        for neighbor, link in neighbors.get(evidence_id, ()):
            if neighbor in goal:
                return [*ways[evidence_id], link]
            if neighbor not in ways:
                ways[neighbor] = [*ways[evidence_id], link]
                waiting.append(neighbor)
    return []


def _require_several(connection: Connection, person_id: UUID) -> tuple[Standing, list[PersonEvidence]]:
    standing = require_standing(connection, person_id)
    evidence = require_evidence(connection, person_id)
    if len(evidence) == 1:
        raise DecisionRefusedError(
            f"all leads of {person_id} say the same of who it is: there is nothing to take apart"
        )
    return standing, evidence


def _parting(standing: Standing, decision: Decision) -> people_moves.Change:
    return people_moves.Change(standing.brand, "parted", standing.person_id, None, decision.by)
