"""An erasure taken further by whoever has time: a command that waits, or beat. Each step may be killed and rerun."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.errors import AfluenteError, place_of
from pipeline.logs import get_logger
from pipeline.privacy.erasing.addresses import digests_in
from pipeline.privacy.erasing.destruction import destroy_again, subjects_again, who_came_back
from pipeline.privacy.erasing.noting import destroy_noted, end_erasure, read_erasure
from pipeline.privacy.erasing.progress import Progress
from pipeline.store.engine import StoreError, patiently, transaction
from pipeline.store.erasures import crm, requests, rows
from pipeline.store.erasures.events import forget_events, next_unfiled
from pipeline.store.erasures.requests import PrivacyRequest
from pipeline.store.identity.evidence_rows import read_evidence
from pipeline.store.keys import index_keys
from pipeline.store.suppressions import suppressions

PAUSES = (0.2, 0.5, 1.0, 2.0)
_PAGE = 200  # bodies opened at once
_NO_ID = UUID(int=0)
_log = get_logger(__name__)
_VERIFY_FOR, _VERIFY_EVERY = timedelta(days=8), timedelta(days=1)


def advance(request_id: UUID) -> PrivacyRequest:
    """Take an erasure as far as it can go now, and give it as it is then. Raises NotFoundError, TransientError."""
    with transaction(synchronous=False) as connection:
        request = read_erasure(connection, request_id)
    if request.state == requests.ERASING:
        _scan(request_id)
        if not _verify(request_id):
            return _reread(request_id)
        _set_waiting(request_id)
    elif request.state == requests.DONE:
        _verify(request_id)
        return _reread(request_id)
    return patiently(lambda: _collect(request_id), pauses=PAUSES)


def upkeep() -> int:
    """`advance` every erasure that something is left to do for; gives how many there were. One statement without. One
    that cannot go on now keeps none of the others waiting."""
    now = datetime.now(UTC)
    with transaction(synchronous=False) as connection:
        known = requests.open_requests(connection, verified_before=now - _VERIFY_EVERY, ended_after=now - _VERIFY_FOR)
    for request_id in known:
        try:
            advance(request_id)
        except (AfluenteError, StoreError) as error:
            _log.error("erasure_left", request=str(request_id), place=place_of(error))
    return len(known)


def _scan(request_id: UUID) -> None:
    """Bodies without evidence, page by page; where it stopped is kept with what it found."""
    with transaction(synchronous=False) as connection:
        digests = suppressions.digests_of_request(connection, request_id)
    for brand, of_brand in sorted(digests.items()):
        while _scan_page(request_id, brand, of_brand):
            pass


def _scan_page(request_id: UUID, brand: str, digests: set[bytes]) -> bool:
    with transaction() as connection:
        index_keys.refresh(connection)
        request = read_erasure(connection, request_id, lock=True)
        progress = Progress.of(request.progress)
        page = next_unfiled(connection, brand, progress.scanned.get(brand, _NO_ID), _PAGE)
        if not page:
            return False
        theirs = {
            event.event_id for event in page if any(digests_in(content, brand) & digests for content in event.contents)
        }
        for table, reach in (("quarantine", {"event_id": "event"}), ("activities", {"event_id": "event"})):
            rows.delete_rows(connection, table, reach, {"event": theirs})
        count = forget_events(connection, theirs)
        progress = progress.scanned_to(brand, page[-1].event_id, count)
        requests.write_progress(connection, request_id, progress.stored())
        return True


def _verify(request_id: UUID) -> bool:
    """Look for everything again by all digests: who came back meanwhile goes too. False: somebody is still being
    resolved."""

    def attempt() -> bool:
        with transaction() as connection:
            index_keys.refresh(connection)
            request = read_erasure(connection, request_id, lock=True)
            destroy_again(connection, requests.subjects_of(connection, request_id))
            back = suppressions.evidence_of_request(connection, request_id)
            digests = suppressions.digests_of_request(connection, request_id)
            people = who_came_back(connection, back, digests)
            subjects = None
            if people:
                subjects, _ = subjects_again(connection, people)
                destroy_noted(connection, request, set(subjects.found.people), {}, has_entry=False)
            is_clear = not back or not _is_at_work(connection, back)
            if is_clear:
                now = datetime.now(UTC)
                kept = requests.read_request(connection, request_id)
                assert kept is not None  # noqa: S101 - it is held
                requests.write_progress(connection, request_id, kept.progress, verified_at=now, state=request.state)
            return is_clear

    return patiently(attempt, pauses=PAUSES)


def _is_at_work(connection: Connection, evidence_ids: Sequence[UUID]) -> bool:
    """Whether a worker is still at some of this evidence."""

    return any(stored.person_id is None for stored in read_evidence(connection, set(evidence_ids)).values())


def _set_waiting(request_id: UUID) -> None:
    with transaction() as connection:
        request = read_erasure(connection, request_id, lock=True)
        if request.state == requests.ERASING:
            requests.write_progress(connection, request_id, request.progress, state=requests.WAITING)


def _collect(request_id: UUID) -> PrivacyRequest:
    """What CRMs answered since; the end where none is asked any more."""
    with transaction() as connection:
        request = read_erasure(connection, request_id, lock=True)
        if request.state != requests.WAITING:
            return request
        absences = crm.read_absences(connection, requests.subjects_of(connection, request_id))
        ended = [absence for absence in absences if absence.state == "sent"]
        progress = Progress.of(request.progress).collected(ended, [a for a in absences if a.state != "sent"])
        crm.collect_absences(connection, ended)
        requests.write_progress(connection, request_id, progress.stored())
        if len(ended) < len(absences):
            return read_erasure(connection, request_id)
        state = requests.BY_HAND if progress.by_hand else requests.DONE
        return end_erasure(connection, msgspec.structs.replace(request, progress=progress.stored()), state)


def _reread(request_id: UUID) -> PrivacyRequest:
    with transaction(synchronous=False) as connection:
        return read_erasure(connection, request_id)
