"""What a human decides of who is who, and what follows from it: what merges and unmerges share.

A decision is stored as links between pairs of evidence, must-links and cannot-links, which win over every weight
whenever people are resolved. So deciding is adding links (or taking some back) and resolving the people again, in one
transaction. Must-links and cannot-links never contradict each other, by however many steps: what would is refused, with
the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.audit.entries import record_action
from pipeline.errors import AfluenteError, TransientError
from pipeline.identity.people_updates import Resolved
from pipeline.identity.resolution import NO_LEADS, resolve_people
from pipeline.lanes import BULK
from pipeline.store.engine import patiently, transaction
from pipeline.store.identity import decisions, evidence_rows, people_moves
from pipeline.store.identity.decisions import Link, PersonEvidence, Standing
from pipeline.store.keys import index_keys

_PAUSES = (0.2, 0.4, 0.8, 1.6)  # seconds, between attempts at one decision: others may be at the same people
_ACTIONS = {
    "joined": "people.merge",
    "parted": "people.unmerge",
    "accepted": "review.accept",
    "rejected": "review.reject",
}
Done = TypeVar("Done")


class DecisionRefusedError(AfluenteError):
    """It contradicts what is known or what was decided before. The message says what, and what to do."""


class Decision(msgspec.Struct, frozen=True):
    """Who decided (`by`), and the reason, which must hold no personal data."""

    by: str
    reason: str | None = None


class DecisionResult(msgspec.Struct, frozen=True):
    """What followed from a decision. `joined`: who forwards to whom now; `parted`: who stands for itself again or anew.

    `took_back`: the links of earlier decisions that are not in force any more.
    """

    person_id: UUID
    joined: dict[UUID, UUID] = {}
    parted: list[UUID] = []
    took_back: list[Link] = []


def decide(work: Callable[[Connection], Done]) -> Done:
    """`work` in one transaction, one decision at a time; tried again where others are at the same people."""

    def attempt() -> Done:
        with transaction() as connection:
            index_keys.hold(connection)
            decisions.hold_decisions(connection)
            return work(connection)

    return patiently(attempt, pauses=_PAUSES)


def resolve_again(connection: Connection, evidence_ids: Iterable[UUID], decision: Decision) -> Resolved:
    """Find anew whose this evidence is, after links were added or taken back."""
    return resolve_people(connection, BULK, NO_LEADS, again=set(evidence_ids), decided_by=decision.by)


def log_result(
    connection: Connection,
    change: people_moves.Change,
    decision: Decision,
    resolved: Resolved,
    took_back: Sequence[Link] = (),
) -> DecisionResult:
    """Log the decision beside what the log already has of its consequences, and who it was in the audit log: `by` is
    whose word it is said to be, the actor there is whoever was authenticated."""
    details: dict[str, object] = {"why": decision.reason} if decision.reason else {}
    if took_back:
        details["took_back"] = [
            {"by": link.decided_by, "at": link.decided_at.isoformat(), "why": link.why, "same": link.same}
            for link in one_link_each(took_back)
        ]
    people_moves.log_changes(connection, [msgspec.structs.replace(change, details=details)])
    record_action(
        connection,
        _ACTIONS[change.action],
        brand=change.brand,
        object_kind="person",
        object_id=change.person_id,
        reason=decision.reason,
    )
    return DecisionResult(change.person_id, resolved.joined, sorted(resolved.parted), list(took_back))


def one_link_each(links: Iterable[Link]) -> list[Link]:
    """One link of each decision, however many pairs it was about."""
    return list({link.decision_id: link for link in links}.values())


def describe_decisions(links: Iterable[Link]) -> str:
    """Who decided, when and why; each decision once."""
    return " and ".join(
        f"by {link.decided_by} on {link.decided_at:%Y-%m-%d}{f' because {link.why}' if link.why else ''}"
        for link in one_link_each(links)
    )


def find_person(connection: Connection, person_id: UUID) -> Standing:
    """Who this id stands for now. Raises DecisionRefusedError if it is no person's."""
    standing = decisions.find_standing(connection, person_id)
    if standing is None and (evidence := decisions.evidence_of_events(connection, {person_id})):
        owners = evidence_rows.read_owners(connection, evidence.values()).values()
        whose = f", a lead of person {next(iter(owners))}" if owners else ""
        raise DecisionRefusedError(f"{person_id} is an event{whose}: name people here, and leads with --event")
    if standing is None:
        raise DecisionRefusedError(f"no person has the id {person_id}: ids stand in `afluente people export`")
    return standing


def require_standing(connection: Connection, person_id: UUID) -> Standing:
    """The person of this id. Raises DecisionRefusedError if it was merged into another."""
    standing = find_person(connection, person_id)
    if standing.person_id != person_id:
        raise DecisionRefusedError(
            f"{person_id} was merged into {standing.person_id}: name that one, or take it out first with `afluente"
            f" people unmerge {person_id}`"
        )
    return standing


def require_evidence(connection: Connection, person_id: UUID) -> list[PersonEvidence]:
    """The evidence of this person, oldest first. Raises DecisionRefusedError if there is none."""
    evidence = decisions.read_person_evidence(connection, {person_id})
    if not evidence:
        raise DecisionRefusedError(f"there is no evidence of who {person_id} is: nothing to go by")
    return evidence


def ids_of(evidence: Iterable[PersonEvidence]) -> set[UUID]:
    return {piece.evidence_id for piece in evidence}


def owners_of(resolved: Resolved, evidence_ids: Iterable[UUID]) -> set[UUID]:
    """Whose this evidence is now. Raises TransientError if some was removed meanwhile."""
    try:
        return {resolved.owners[evidence_id] for evidence_id in evidence_ids}
    except KeyError:
        raise TransientError("evidence went away before it was resolved") from None
