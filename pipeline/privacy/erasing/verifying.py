"""Everything looked for again by all digests, for all requests that it is time for: who came back goes too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.identity.evidence_cache import unpack
from pipeline.identity.screening import digests_of
from pipeline.privacy.erasing.destruction import destroy_again
from pipeline.privacy.erasing.noting import destroy_noted
from pipeline.privacy.erasing.progress import Progress
from pipeline.privacy.erasing.scanning import PAUSES, is_scanned
from pipeline.store.engine import patiently, transaction
from pipeline.store.erasures import crm, requests
from pipeline.store.erasures.requests import PrivacyRequest
from pipeline.store.identity.evidence_rows import StoredEvidence, read_evidence
from pipeline.store.suppressions import suppressions

_Digests = Mapping[str, Collection[bytes]]


def verify(request_ids: Collection[UUID], *, at: datetime) -> set[UUID]:
    """Look for everything of these requests again; gives those of which somebody came back, who is gone by now: what
    else there is of them is to be looked for. `at`: what came by then was looked through.

    Where somebody is still being resolved nothing is said, and it is tried again. Eight statements without a find.
    """
    return patiently(lambda: _verify(request_ids, at), pauses=PAUSES) if request_ids else set()


def _verify(request_ids: Collection[UUID], at: datetime) -> set[UUID]:
    with transaction() as connection:
        held = requests.hold_requests(connection, request_ids)
        subjects = requests.subjects_of_all(connection, held)
        everybody = {subject_id for of_request in subjects.values() for subject_id in of_request}
        destroy_again(connection, everybody)
        digests = suppressions.digests_of_requests(connection, held)
        back = suppressions.evidence_of_requests(connection, held)
        filed = read_evidence(connection, {piece for pieces in back.values() for piece in pieces})
        is_any_waiting = bool(crm.read_absences(connection, everybody))
        came_back: set[UUID] = set()
        states: dict[UUID, str] = {}
        for request_id, request in held.items():
            theirs = _of(filed, back.get(request_id, ()), digests.get(request_id, {}))
            if _destroy(connection, request, theirs):
                came_back.add(request_id)
            elif all(piece.person_id is not None for piece in theirs):  # others are not resolved yet
                is_waiting = is_any_waiting and bool(crm.read_absences(connection, subjects.get(request_id, ())))
                brands = digests.get(request_id, {})
                states[request_id] = _state(connection, request, brands, at, is_waiting=is_waiting)
        requests.note_verified(connection, states, at)
        return came_back


def _of(filed: Mapping[UUID, StoredEvidence], pieces: Collection[UUID], digests: _Digests) -> list[StoredEvidence]:
    """Evidence that has one of these addresses indeed: a number may be another's by chance."""
    known = [filed[piece] for piece in pieces if piece in filed]
    return [
        stored
        for stored in known
        if not digests_of(stored.brand, [unpack(stored.packed)]).isdisjoint(digests.get(stored.brand, ()))
    ]


def _destroy(connection: Connection, request: PrivacyRequest, theirs: Collection[StoredEvidence]) -> bool:
    """Whether people of this evidence went; whoever a legal hold keeps stays, and is counted."""
    people = {stored.person_id for stored in theirs if stored.person_id is not None}
    if not people:
        return False
    destroyed = destroy_noted(connection, request, people, {}, has_entry=False)
    if destroyed.people:
        anew = requests.read_request(connection, request.request_id)
        assert anew is not None  # noqa: S101 - it is held
        progress = Progress.of(anew.progress).to_scan_anew()
        requests.write_progress(connection, request.request_id, progress.stored(), state=requests.ERASING)
    return bool(destroyed.people)


def _state(
    connection: Connection, request: PrivacyRequest, brands: Collection[str], at: datetime, *, is_waiting: bool
) -> str:
    """Its state from now on. What was still written for somebody who is gone is to be answered by a CRM, though the
    certificate was given: another one follows."""
    if request.state == requests.ERASING and is_scanned(connection, Progress.of(request.progress), brands, at):
        return requests.WAITING
    if request.state == requests.DONE and is_waiting:
        return requests.WAITING
    return request.state
