"""Withdrawals of before an update: noted for their addresses, once. Killed, a run begins again and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from pipeline.crypto.encryption import open_evidence
from pipeline.identity.activities import Kept, open_kept
from pipeline.identity.evidence_cache import unpack
from pipeline.identity.withdrawn_points import link_withdrawn, points_of
from pipeline.lanes import BULK
from pipeline.records import ABOUT_PERSON, Consent
from pipeline.store.engine import transaction
from pipeline.store.people import former_withdrawals as store
from pipeline.store.people.former_withdrawals import FormerWithdrawal, WaitingStatement
from pipeline.store.people.withdrawn_points import WithdrawnPoint, note_withdrawn, queue_for_ledger

_AT_ONCE = 500


def note_former_withdrawals(*, at_once: int = _AT_ONCE) -> int:
    """Gives how many addresses of how many statements were noted: 0 where that is done, by one statement. Raises
    TransientError if the database stays away; what is done stays done."""
    with transaction(timeout_seconds=0) as connection:
        if store.are_noted(connection):
            return 0
    noted, question = 0, (UUID(int=0), "", "")
    while True:
        with transaction(timeout_seconds=0) as connection:
            withdrawals = store.next_withdrawals(connection, question, limit=at_once)
        if not withdrawals:
            break
        noted += _note(point for withdrawal in withdrawals for point in _points_of(withdrawal))
        question = withdrawals[-1][:3]
    after = UUID(int=0)
    while True:
        with transaction(timeout_seconds=0) as connection:
            waiting = store.next_waiting(connection, after, limit=at_once)
        if not waiting:
            break
        noted += _note(point for statement in waiting for point in _points_of_waiting(statement))
        after = waiting[-1].event_id
    with transaction(timeout_seconds=0) as connection:
        store.note_done(connection)
    return noted


def _note(found: Iterable[WithdrawnPoint]) -> int:
    points = list(found)
    with transaction(timeout_seconds=0) as connection:
        note_withdrawn(connection, points)
        queue_for_ledger(connection, points)
    with transaction(timeout_seconds=0) as connection:
        link_withdrawn(connection, {point.key for point in points}, lane=BULK)
    return len(points)


def _points_of(withdrawal: FormerWithdrawal) -> list[WithdrawnPoint]:
    if withdrawal.sealed is not None and ABOUT_PERSON in open_kept(withdrawal.sealed, withdrawal.event_id).details:
        return []
    evidence = unpack(open_evidence(withdrawal.evidence, withdrawal.sealed_by))
    said = Consent(withdrawal.purpose, withdrawal.channel, granted=False, at=withdrawal.at, act=withdrawal.act)
    return points_of(evidence, [said], brand=withdrawal.brand, event_id=withdrawal.event_id, at=withdrawal.at)


def _points_of_waiting(statement: WaitingStatement) -> list[WithdrawnPoint]:
    kept: Kept = open_kept(statement.sealed, statement.event_id)
    if ABOUT_PERSON in kept.details:
        return []
    evidence = unpack(open_evidence(statement.evidence, statement.event_id))
    return points_of(evidence, kept.consents, brand=statement.brand, event_id=statement.event_id, at=statement.at)
