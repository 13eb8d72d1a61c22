"""Which event of a record counts: the one that says the latest. The others are filed with it and say nothing.

An event speaks once its evidence is filed. Of those that speak, and of what a batch brings, the one that was changed
last wins; it takes the place of all that are older, whatever state they are in. What an event said then counts neither
for who somebody is nor for the golden record; its touch stays, and goes wherever the winner's evidence goes. So the
result is the same in whatever order workers come to them. Records whose revisions add are left alone here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.errors import TransientError
from pipeline.identity.filing import FiledLeads
from pipeline.records import SUPERSEDED, Batch, Lead, Suppressed
from pipeline.store.events import record_members
from pipeline.store.events.record_members import Member


class Turn(NamedTuple):
    """Who speaks for the records of a batch. `losers`: its own events that a later one takes the place of.

    `by`: events that are superseded now, with the winner. `followers`: all events that say nothing, with the winner.
    `evidence`: that of winners which are not of this batch.
    """

    losers: frozenset[UUID] = frozenset()
    by: Mapping[UUID, UUID] = {}
    followers: Mapping[UUID, UUID] = {}
    evidence: Mapping[UUID, UUID] = {}
    members: Mapping[UUID, Member] = {}


_NOTHING = Turn()


def set_aside(connection: Connection, batch: Batch) -> None:
    """Take those of a batch's leads out that a later revision has the place of. No statement where no record has any.

    Call it before evidence is filed; `take_turns` looks once more when it is.
    """
    _part(batch, _decide(connection, _all(batch)))


class Revisions:
    """What the second transaction of `dedupe` does about revisions: `filed` is what it resolves, then `write`."""

    def __init__(self, connection: Connection, filed: FiledLeads, batch: Batch) -> None:
        """Holds the records until the transaction ends. Leads that lost their place meanwhile leave the batch."""
        self._connection = connection
        self._ours = {lead.event_id for lead in _all(batch)}
        turn = self._turn = _decide(connection, _all(batch))
        self.filed, self._targets = filed, {}
        if not (turn.followers or turn.losers):
            return
        _part(batch, turn)
        leads = {
            evidence_id: kept
            for evidence_id, group in filed.leads.items()
            if (kept := [lead for lead in group if lead.event_id not in turn.losers])
        }
        brought = {lead.event_id: evidence_id for evidence_id, group in leads.items() for lead in group}
        self._targets = {
            event_id: target
            for event_id, winner in turn.followers.items()
            if (target := brought.get(winner) or turn.evidence.get(winner)) is not None
        }
        homeless = turn.losers - self._targets.keys()  # what took their place is gone itself
        batch.suppressed += [Suppressed(event_id, SUPERSEDED) for event_id in sorted(homeless)]
        batch.superseded = [lead for lead in batch.superseded if lead.event_id not in homeless]
        corrected = {key: target for key, target in filed.corrected.items() if key not in turn.losers}
        speaking = {key for key in turn.by if turn.members[key].evidence_id is not None}
        self.filed = msgspec.structs.replace(
            filed, leads=leads, corrected=corrected | self._targets, silenced=frozenset(speaking)
        )

    def write(self) -> None:
        """Say on the events who took their place. After people are resolved: those are locked before events."""
        by = {key: winner for key, winner in self._turn.followers.items() if key in self._targets}
        ending = by.keys() - self._ours
        if by and not record_members.supersede(self._connection, by, self._targets, ending):
            raise TransientError("an event of a record was filed while a revision took its place")


def _all(batch: Batch) -> list[Lead]:
    """Also those set aside by an attempt before this one: who counts may be another by now."""
    return list({lead.event_id: lead for lead in (*batch.superseded, *batch.leads)}.values())


def _part(batch: Batch, turn: Turn) -> None:
    if turn.losers or batch.superseded:
        leads = _all(batch)
        batch.leads = [lead for lead in leads if lead.event_id not in turn.losers]
        batch.superseded = [lead for lead in leads if lead.event_id in turn.losers]


def require_current(connection: Connection, event_ids: Collection[UUID]) -> None:
    """Raises Superseded if a revision took the place of one of these events while its lead was under way."""
    gone = record_members.superseded_among(connection, event_ids)
    if gone:
        raise Superseded(gone)


class Superseded(Exception):  # noqa: N818 - what became of the events, no error
    """These events have ended: a revision has their place."""

    def __init__(self, event_ids: Collection[UUID]) -> None:
        super().__init__(f"{len(event_ids)} events")
        self.event_ids = frozenset(event_ids)


def _decide(connection: Connection, leads: Iterable[Lead]) -> Turn:
    ours: dict[UUID, set[UUID]] = {}
    for lead in leads:
        if lead.record_id is not None and not lead.adds:
            ours.setdefault(lead.record_id, set()).add(lead.event_id)
    if not ours:
        return _NOTHING
    record_members.hold_records(connection, ours)
    members: dict[UUID, list[Member]] = {}
    for member in record_members.read_members(connection, ours):
        members.setdefault(member.record_id, []).append(member)
    losers: set[UUID] = set()
    by: dict[UUID, UUID] = {}
    followers: dict[UUID, UUID] = {}
    evidence: dict[UUID, UUID] = {}
    for record_id, group in members.items():
        order = {member.event_id: place for place, member in enumerate(in_order(group))}
        standing = [member for member in group if member.superseded_by is None]
        speaking = [member for member in standing if member.evidence_id or member.event_id in ours[record_id]]
        if not speaking:
            losers |= ours[record_id]
            continue
        winner = max(speaking, key=lambda member: order[member.event_id])
        older = [member for member in standing if order[member.event_id] < order[winner.event_id]]
        ended = {member.event_id: winner.event_id for member in older if _may_end(member)}
        by |= ended
        silent = {member.event_id for member in group if member.superseded_by is not None} | ended.keys()
        followers |= {member.event_id: winner.event_id for member in group if member.event_id in silent}
        losers |= ours[record_id] & silent
        if winner.evidence_id is not None:
            evidence[winner.event_id] = winner.evidence_id
    known = {member.event_id: member for group in members.values() for member in group}
    return Turn(frozenset(losers), by, followers, evidence, known)


def _may_end(member: Member) -> bool:
    """What was suppressed as a test or as spam says nothing anyway, and is known for what it is."""
    return member.state != "suppressed"


def in_order(members: Iterable[Member]) -> list[Member]:
    """The events of one record by when they were changed; where the source does not say, by arrival."""
    group = list(members)
    if all(member.revised_at is None for member in group):
        return sorted(group, key=lambda member: member.number)
    return sorted(group, key=lambda member: (member.revised_at or member.received_at, member.number))
