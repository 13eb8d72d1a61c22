"""Bodies and activities that nobody knows whose they are, looked through for the addresses of erased people: once for
all requests that are at it, page by page. Where it stopped is kept with what it found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.crypto.encryption import open_evidence
from pipeline.identity.evidence_cache import unpack
from pipeline.identity.screening import digests_of
from pipeline.privacy.erasing.addresses import digests_in, finder_of
from pipeline.privacy.erasing.progress import Progress
from pipeline.privacy.inventory import DELETED, tables_of_people
from pipeline.settings.loading import settings
from pipeline.store.engine import patiently, transaction
from pipeline.store.erasures import crm, requests, rows, unfiled
from pipeline.store.erasures.events import forget_events
from pipeline.store.erasures.requests import PrivacyRequest
from pipeline.store.erasures.unfiled import UnfiledEvent
from pipeline.store.suppressions import suppressions

PAUSES = (0.2, 0.5, 1.0, 2.0)
_PAGE = 200  # bodies opened at once
_NO_ID = UUID(int=0)


class Wanted(NamedTuple):
    """What is looked for in one brand: by digest the requests that suppressed it."""

    brand: str
    requests: dict[bytes, set[UUID]]

    def of_whom(self, digests: Collection[bytes]) -> set[UUID]:
        """The requests that any of these digests is of."""
        return {request_id for digest in self.requests.keys() & digests for request_id in self.requests[digest]}

    @property
    def request_ids(self) -> set[UUID]:
        return {request_id for of_digest in self.requests.values() for request_id in of_digest}


class _Found(NamedTuple):
    """A page that was looked at: its last id, and of each event in it that is an erased person's the requests."""

    last: UUID
    theirs: dict[UUID, set[UUID]]


_Held = Mapping[UUID, PrivacyRequest]
_Look = Callable[[Connection, Wanted, _Held, UUID], _Found | None]  # at what comes after an id; None: nothing does


def scan(request_ids: Collection[UUID]) -> None:
    """Look through all that any of these requests has not looked through yet. Raises TransientError."""
    for wanted in wanted_in(request_ids):
        for kind, look in _LOOKS.items():
            while patiently(partial(_scan_page, wanted, kind, look), pauses=PAUSES):
                pass


def scan_since(request_ids: Collection[UUID], since: datetime) -> None:
    """Look through what came, or was set aside, since a moment. Killed, it is done again. Raises TransientError."""
    first = _first_id(since)
    for wanted in wanted_in(request_ids):
        for look, after in ((_look_at_events, first), (_look_at_activities, first), (_set_aside(since, first), _NO_ID)):
            last: UUID | None = after
            while last is not None:
                last = patiently(partial(_scan_new, wanted, look, last), pauses=PAUSES)


def is_scanned(connection: Connection, progress: Progress, brands: Collection[str], until: datetime) -> bool:
    """Whether nothing is left that `scan` would look through of what had come by then: more comes all the time, and is
    what `scan_since` looks at. One statement for each brand."""
    return not any(
        unfiled.is_any_left(
            connection,
            brand,
            events_after=progress.scanned.get(brand, _NO_ID),
            activities_after=progress.scanned_activities.get(brand, _NO_ID),
            until=_first_id(until),
        )
        for brand in brands
    )


def _first_id(moment: datetime) -> UUID:
    """Ids of what comes from then on are greater."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def wanted_in(request_ids: Collection[UUID]) -> list[Wanted]:
    """What these requests suppressed, by brand. One statement."""
    by_brand: dict[str, dict[bytes, set[UUID]]] = {}
    with transaction(synchronous=False) as connection:
        known = suppressions.digests_of_requests(connection, request_ids)
    for request_id, brands in known.items():
        for brand, digests in brands.items():
            for digest in digests:
                by_brand.setdefault(brand, {}).setdefault(digest, set()).add(request_id)
    return [Wanted(brand, found) for brand, found in sorted(by_brand.items())]


def _scan_page(wanted: Wanted, kind: str, look: _Look) -> bool:
    """The next page, noted with all requests. False: there is none."""
    with transaction() as connection:
        held = requests.hold_requests(connection, wanted.request_ids)
        known = {request_id: Progress.of(request.progress) for request_id, request in held.items()}
        places = [getattr(progress, kind).get(wanted.brand, _NO_ID) for progress in known.values()]
        found = look(connection, wanted, held, min(places, default=_NO_ID))
        if found is None:
            return False
        known |= _take(connection, wanted, known, found.theirs)
        scanned = {
            request_id: progress.scanned_to(kind, wanted.brand, found.last).stored()
            for request_id, progress in known.items()
        }
        requests.write_all_progress(connection, scanned)
        return True


def _scan_new(wanted: Wanted, look: _Look, after: UUID) -> UUID | None:
    """The next page of what is new; gives where it ends, or None if there is none."""
    with transaction() as connection:
        held = requests.hold_requests(connection, wanted.request_ids)
        found = look(connection, wanted, held, after)
        if found is None:
            return None
        known = {request_id: Progress.of(request.progress) for request_id, request in held.items()}
        taken = _take(connection, wanted, known, found.theirs)
        requests.write_all_progress(
            connection, {request_id: progress.stored() for request_id, progress in taken.items()}
        )
        return found.last


def _take(
    connection: Connection,
    wanted: Wanted,
    known: Mapping[UUID, Progress],
    theirs: Mapping[UUID, Collection[UUID]],
) -> dict[UUID, Progress]:
    """Keep nothing of these events; gives the progress of the requests that they are of. No statement without any."""
    by_request: dict[UUID, set[UUID]] = {}
    for event_id, request_ids in theirs.items():
        for request_id in request_ids:
            by_request.setdefault(request_id, set()).add(event_id)
    taken = {
        request_id: known[request_id].taken(len(events), told=crm.endpoints_told(connection, (), events))
        for request_id, events in sorted(by_request.items())
    }
    if theirs:
        for held in tables_of_people():
            reach = {column: word for column, word in held.reach.items() if word == "event"}
            if held.fate == DELETED and reach and held.table not in ("event_bodies", "fetches"):
                rows.delete_rows(connection, held.table, reach, {"event": theirs.keys()})
        met = {digest for digest, requests_of in wanted.requests.items() if not requests_of.isdisjoint(by_request)}
        forget_events(connection, theirs.keys(), is_theirs=finder_of({wanted.brand: met}))
    return taken


def _look_at_events(connection: Connection, wanted: Wanted, held: _Held, after: UUID) -> _Found | None:
    return _found(wanted, held, unfiled.next_unfiled(connection, wanted.brand, after, _PAGE))


def _set_aside(since: datetime, last: UUID) -> _Look:
    """At what had come before and was set aside since: a worker was at it then."""

    def look(connection: Connection, wanted: Wanted, held: _Held, after: UUID) -> _Found | None:
        page = unfiled.next_quarantined(connection, wanted.brand, after, _PAGE, last=last, since=since)
        return _found(wanted, held, page)

    return look


def _found(wanted: Wanted, held: _Held, page: Sequence[UnfiledEvent]) -> _Found | None:
    if not page:
        return None
    theirs = {}
    for event in page:
        met = {digest for content in event.contents for digest in digests_in(content, wanted.brand)}
        of_whom = {request_id for request_id in wanted.of_whom(met) if not _came_anew(event, held[request_id])}
        if of_whom:
            theirs[event.event_id] = of_whom
    return _Found(page[-1].event_id, theirs)


def _came_anew(event: UnfiledEvent, request: PrivacyRequest) -> bool:
    """Whether somebody may have posted this themselves after they were erased: it is for who reads the quarantine."""
    return event.source in settings().privacy.own_forms and event.received_at > request.received_at


def _look_at_activities(connection: Connection, wanted: Wanted, _: _Held, after: UUID) -> _Found | None:
    page = unfiled.next_unattached(connection, wanted.brand, after, _PAGE)
    if not page:
        return None
    theirs = {}
    for activity in page:
        evidence = unpack(open_evidence(activity.sealed_evidence, activity.event_id))
        if of_whom := wanted.of_whom(digests_of(activity.brand, [evidence])):
            theirs[activity.event_id] = of_whom
    return _Found(page[-1].event_id, theirs)


_LOOKS: dict[str, _Look] = {"scanned": _look_at_events, "scanned_activities": _look_at_activities}
