"""What became of people who were merged or parted: since when, who decided it and why, and which leads are theirs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store.identity import decisions, evidence_rows
from pipeline.store.identity.decisions import Link

_DECISIONS = (  # actions of the log that are a human's own
    "joined",
    "parted",
    "accepted",
    "rejected",
)


class Forward(msgspec.Struct, frozen=True):
    """An id that stands for another person. `evidence`: what was its own when it was merged, and is there still."""

    story: dict[str, Any]
    evidence: frozenset[UUID]


def find_forward(connection: Connection, person_id: UUID) -> Forward | None:
    """Whom an id that was merged away stands for; None: for itself, or it was never a person's.

    `story` has `person_id`, `into` (who it is now), `first_into` (whom it was merged into; that one may have been
    merged since), `at`, `by` (`rules` or who decided), `why`, and `event_ids`: the leads that are its own, and would be
    its again if it were taken out.
    """
    standing = decisions.find_standing(connection, person_id)
    if standing is None or standing.person_id == person_id:
        return None
    joining = decisions.last_joining(connection, {person_id})
    story: dict[str, Any] = {"person_id": person_id, "into": standing.person_id}
    if joining is None:
        nothing: dict[str, Any] = {"first_into": None, "at": None, "by": None, "why": None, "event_ids": []}
        return Forward({**story, **nothing}, frozenset())
    evidence = decisions.read_person_evidence(connection, {standing.person_id})
    born = {piece.evidence_id for piece in evidence if piece.birth_id == person_id}
    own = {piece.evidence_id for piece in evidence} & joining.evidence | born
    events = evidence_rows.events_of_evidence(connection, own)
    story |= {
        "first_into": joining.into,
        "at": joining.at,
        "by": joining.by,
        "why": decisions.read_reasons(connection, {joining.into}, {joining.at}).get(joining.at),
        "event_ids": sorted(event_id for event_ids in events.values() for event_id in event_ids),
    }
    return Forward(story, frozenset(own))


def tell_reasons(connection: Connection, history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of the identity log; each that followed from a human's decision has the decision's `why` in its details."""
    without = [line for line in history if line["decided_by"] != "rules" and line["action"] not in _DECISIONS]
    reasons = decisions.read_reasons(
        connection, {line["person_id"] for line in without}, {line["at"] for line in without}
    )
    return [
        {**line, "details": {**line["details"], "why": reasons[line["at"]]}}
        if line in without and line["at"] in reasons
        else line
        for line in history
    ]


def tell_decision(links: Iterable[Link]) -> dict[str, Any] | None:
    """Who decided first, when and why; None: nobody did."""
    first = min(links, key=lambda link: link.decided_at, default=None)
    return None if first is None else {"by": first.decided_by, "at": first.decided_at, "why": first.why}
