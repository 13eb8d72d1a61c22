"""Whose time is over by the rules for people: for a run page by page, and once more for those who are about to go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import RefusedError
from pipeline.privacy.person_consents import statements_of
from pipeline.privacy.retention.plan import age_rules, standings
from pipeline.privacy.retention.withdrawals import withdrawn_at
from pipeline.settings.loading import settings
from pipeline.settings.retention_settings import ACTIVITY, PEOPLE, STARTS
from pipeline.store.people.consents import read_all_answers
from pipeline.store.retention import retiring
from pipeline.store.retention import rules as stored
from pipeline.store.retention.retiring import NOBODY, Candidate
from pipeline.store.retention.statements import AgeRule

RETENTION = "retention"  # who asks for an erasure, as its request says
_CANDIDATES = 500  # whose statements are opened at once


class Page(NamedTuple):
    """(person, brand) of those whose time is over. `last`: behind which the next page begins; None: there is none."""

    people: list[tuple[UUID, str]]
    last: UUID | None


def expired_people(
    connection: Connection,
    rules: Sequence[AgeRule],
    *,
    start: str,
    after: UUID = NOBODY,
    limit: int,
    is_kept: bool = False,
    now: datetime,
) -> Page:
    """At most `limit` behind the id `after`: those that may go, or those that a hold or a restriction keeps. One
    statement, and one more where time counts from a withdrawal. `now`: by which a consent may have ended."""
    if start == ACTIVITY:
        found = retiring.read_inactive(connection, rules, after=after, limit=limit, is_kept=is_kept)
        return Page(found, found[-1][0] if len(found) == limit else None)
    size = max(limit, _CANDIDATES)
    candidates = retiring.read_maybe_withdrawn(connection, rules, after=after, limit=size, is_kept=is_kept)
    gone = _who_withdrew(connection, candidates, rules, now)
    if len(gone) > limit:
        return Page(gone[:limit], gone[limit - 1][0])
    return Page(gone, candidates[-1].person_id if len(candidates) == size else None)


def require_expired(connection: Connection, person_ids: Collection[UUID], now: datetime) -> None:
    """Raises RefusedError unless the time of all these people is over by what is approved now, and nothing keeps them:
    since retention asked somebody may have come again, agreed anew, or been restricted. `person_ids`: one of each."""
    found = standings(settings().retention, stored.read_approved(connection))
    over: set[UUID] = set()
    for start in STARTS:
        rules = age_rules(found, PEOPLE, now, start=start)
        limit = len(person_ids)
        if start == ACTIVITY:
            over |= {person for person, _ in retiring.read_inactive(connection, rules, among=person_ids, limit=limit)}
        else:
            maybe = retiring.read_maybe_withdrawn(connection, rules, among=person_ids, limit=limit)
            over |= {person for person, _ in _who_withdrew(connection, maybe, rules, now)}
    if not set(person_ids) <= over:
        raise RefusedError(
            "retention asked for this, and by its rules it is not due any more: somebody came again, agreed anew, is"
            " held or restricted, or the rule keeps for longer now. Nothing was erased"
        )


def _who_withdrew(
    connection: Connection, candidates: Sequence[Candidate], rules: Sequence[AgeRule], now: datetime
) -> list[tuple[UUID, str]]:
    answers = read_all_answers(connection, [candidate.person_id for candidate in candidates])
    gone = []
    for candidate in candidates:
        said = statements_of(answers.get(candidate.person_id, ()))
        for rule in rules:
            if rule.brand not in (None, candidate.brand):
                continue
            at = withdrawn_at(said, rule.purpose, now=now)
            if at is not None and at < rule.cutoff and (candidate.came_at is None or candidate.came_at <= at):
                gone.append((candidate.person_id, candidate.brand))
                break
    return gone
