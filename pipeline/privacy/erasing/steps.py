"""Erasures taken further by whoever has time: a command that waits, or beat. Each step may be killed and rerun."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import msgspec

from pipeline.errors import AfluenteError, place_of
from pipeline.logs import get_logger
from pipeline.privacy.erasing.files.cleaning import clean_files
from pipeline.privacy.erasing.noting import end_erasure, read_erasure
from pipeline.privacy.erasing.progress import Progress
from pipeline.privacy.erasing.scanning import PAUSES, scan, scan_since
from pipeline.privacy.erasing.verifying import verify
from pipeline.store.engine import StoreError, patiently, transaction
from pipeline.store.erasures import crm, requests
from pipeline.store.erasures.requests import OpenRequest, PrivacyRequest

_log = get_logger(__name__)
_VERIFY_FOR, _VERIFY_EVERY = timedelta(days=8), timedelta(days=1)
_OVERLAP = timedelta(days=1)  # what was under way when it was looked at last has ended since
_AT_ONCE = 200  # requests
_ROUNDS = 3  # of looking where somebody came back meanwhile; what is left then is for the next time


def advance(request_id: UUID) -> PrivacyRequest:
    """Take an erasure as far as it can go now, and give it as it is then. Raises NotFoundError, TransientError."""
    with transaction(synchronous=False) as connection:
        request = read_erasure(connection, request_id)
    if request.state == requests.ERASING:
        _look([request_id])
    elif request.state == requests.DONE:
        _look_again([request_id], request.verified_at or request.received_at)
    return patiently(partial(_collect, request_id), pauses=PAUSES)


def upkeep() -> int:
    """Take every erasure further that something is left to do for; gives how many there were. Those that it is time to
    look for again are looked for together, however many there are. One statement without any. One that cannot go on
    now keeps none of the others waiting."""
    now = datetime.now(UTC)
    with transaction(synchronous=False) as connection:
        known = requests.open_requests(connection, verified_before=now - _VERIFY_EVERY, ended_after=now - _VERIFY_FOR)
    if not known:
        return 0
    for begun in _parts([request for request in known if request.state == requests.ERASING]):
        _together([request.request_id for request in begun], _look)
    for due in _parts([request for request in known if request.is_to_verify]):
        verified = [request.verified_at for request in due if request.verified_at is not None]
        _together([request.request_id for request in due], partial(_look_again, verified_at=min(verified)))
    with transaction(synchronous=False) as connection:
        waiting = requests.waiting_requests(connection)
    for request_id in waiting:
        _together([request_id], lambda request_ids: patiently(partial(_collect, request_ids[0]), pauses=PAUSES))
    return len(known)


def _together(request_ids: Sequence[UUID], work: Callable[[Sequence[UUID]], object]) -> None:
    """All at once; where that fails each by itself, so that one that cannot go on is left alone."""
    try:
        work(request_ids)
    except (AfluenteError, StoreError) as error:
        if len(request_ids) == 1:
            _log.error("erasure_left", request=str(request_ids[0]), place=place_of(error))
            return
        for request_id in request_ids:
            _together([request_id], work)


def _parts(known: Sequence[OpenRequest]) -> Iterator[Sequence[OpenRequest]]:
    for first in range(0, len(known), _AT_ONCE):
        yield known[first : first + _AT_ONCE]


def _look(request_ids: Collection[UUID]) -> None:
    """Everything, from the beginning or from where it was left, until nobody came back meanwhile. Files that one look
    has no time for are left to the next."""
    left: Collection[UUID] = request_ids
    for _ in range(_ROUNDS):
        if left:
            began = datetime.now(UTC)
            scan(left)
            if not clean_files(left):
                return
            left = verify(left, at=began)


def _look_again(request_ids: Sequence[UUID], verified_at: datetime) -> None:
    """What is new since these were last looked for."""
    began = datetime.now(UTC)
    scan_since(request_ids, verified_at - _OVERLAP)
    if not clean_files(request_ids):
        return
    _look(verify(request_ids, at=began))


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
        if progress.stored() != request.progress:
            requests.write_progress(connection, request_id, progress.stored())
        if len(ended) < len(absences):
            return msgspec.structs.replace(request, progress=progress.stored())
        state = requests.BY_HAND if progress.by_hand else requests.DONE
        return end_erasure(connection, msgspec.structs.replace(request, progress=progress.stored()), state)
