"""Erasure of people, from the request to the certificate. Each step may be killed and run again; `advance` goes on.

    find       all that hangs on them, by an address, a number or an id                        subjects
    approve    by a second person, where the settings ask for it
    destroy    ledger on the disk, then in one transaction: suppressed, our rows gone,
               records in CRMs wanted gone                                                     destruction
    scan       bodies that nobody filed evidence of: quarantine, and what was no lead          addresses
    verify     everything looked for again by all digests: now, after a day, after a week
    collect    what each CRM answered
    certify    what was done where, what is kept and why, signed                               certificates

From the first transaction on nothing of them is mapped, merged or delivered; what is under way meets its claim taken
away. A CRM that is away delays the end and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.audit.entries import was_done_by_me
from pipeline.errors import RefusedError, UsageError
from pipeline.identity.screening import count_addresses
from pipeline.privacy.erasing.destruction import Destroyed
from pipeline.privacy.erasing.noting import audit_erasure, destroy_noted, end_erasure, read_erasure
from pipeline.privacy.erasing.progress import Progress
from pipeline.privacy.erasing.scanning import PAUSES
from pipeline.privacy.erasing.steps import advance, upkeep
from pipeline.privacy.holds import held_people
from pipeline.privacy.inventory import DELETED, tables_of_people
from pipeline.privacy.retention.expiry import RETENTION
from pipeline.privacy.retention.plan import moment_of_ages
from pipeline.privacy.subjects import Asked, Subjects, check_asked, find_subjects
from pipeline.records import new_id
from pipeline.settings.loading import settings
from pipeline.store.engine import patiently, transaction
from pipeline.store.erasures import crm, requests, rows
from pipeline.store.erasures.requests import PrivacyRequest
from pipeline.store.suppressions import suppressions

__all__ = ["Planned", "advance", "approve", "confirm_by_hand", "erase", "erase_people", "plan", "upkeep"]

_ALL_HELD = "a legal hold keeps all that is known of them: nothing was erased; `afluente privacy hold list` says why"


class Planned(msgspec.Struct, frozen=True):
    """What an erasure would do. `rows`: by table; `systems`: by destination how many records; `held`: people whose
    part is refused because of a legal hold; `shared`: addresses that others have too, which stay theirs;
    `refused`: why nothing of it would be done, None where something would."""

    people: list[dict[str, Any]]
    rows: dict[str, int]
    systems: dict[str, int]
    held: list[UUID]
    suppressed: int
    shared: int
    refused: str | None = None


def plan(asked: Asked) -> Planned:
    """Look, and change nothing. Raises as `erase`."""
    check_asked(asked)
    with transaction(synchronous=False) as connection:
        subjects = find_subjects(connection, asked)
        found = subjects.found
        counted = {
            held.table: rows.count_rows(connection, held.table, held.reach, found.ids)
            for held in tables_of_people()
            if held.fate == DELETED and held.reach
        }
        absences = crm.read_absences(connection, {*found.people, *found.companies})
        held_now = held_people(connection, found.people) if found.people else set()
    # Where a second person approves it, holds are asked then; a request that is open is gone on with.
    is_begun_now = not settings().privacy.needs_approval and _open_request(asked, subjects) is None
    systems: dict[str, int] = {}
    for absence in absences:
        systems[absence.destination] = systems.get(absence.destination, 0) + 1
    return Planned(
        [{"person_id": person_id, "brand": brand} for person_id, brand in sorted(found.people.items())],
        {"events": len(found.ids["event"]), **{table: count for table, count in counted.items() if count}},
        systems,
        sorted(held_now),
        sum(map(count_addresses, subjects.digests.values())),
        subjects.shared,
        _ALL_HELD if held_now and held_now >= found.people.keys() and is_begun_now else None,
    )


def erase(asked: Asked, *, by: str, reason: str | None = None, now: datetime | None = None) -> PrivacyRequest:
    """Begin an erasure: ledger, suppression and our rows; `advance` does the rest. Where a second person must approve
    it, it waits for `approve`. Run again for the same person it goes on with what is left. `now`: the moment that ages
    count to, where retention asks.

    Raises UsageError, NotFoundError; RefusedError where a legal hold keeps all of it, or it is not due any more;
    ConfigurationError where the ledger cannot be written: then nothing was destroyed.
    """
    check_asked(asked)
    request = _new_request(asked, by=by, reason=reason)

    def attempt() -> PrivacyRequest:
        with transaction() as connection:
            subjects = find_subjects(connection, asked)
            if (begun := _open_request(asked, subjects)) is not None:
                return _go_on(connection, begun)
            given = _given(connection, asked, subjects)
            if settings().privacy.needs_approval:
                return _await_approval(connection, request, subjects, given)
            requests.add_request(connection, request)
            _take_over(connection, request, subjects)
            return _begin(connection, request, subjects.found.people, given, now=now)

    return patiently(attempt, pauses=PAUSES)


def approve(request_id: UUID, *, by: str) -> PrivacyRequest:
    """Let an erasure begin that another person asked for. Raises NotFoundError; RefusedError also where
    retention asked for it and it is not due any more."""

    def attempt() -> PrivacyRequest:
        with transaction() as connection:
            request = read_erasure(connection, request_id, lock=True)
            if request.state != requests.AWAITING_APPROVAL:
                raise RefusedError(f"request {request_id} does not wait for an approval: it is {request.state}")
            if request.asked_by == by or was_done_by_me(connection, "erasure.request", request_id):
                raise RefusedError("whoever asked for an erasure cannot approve it: that is for a second person")
            given = {
                brand: {bytes.fromhex(digest) for digest in digests}
                for brand, digests in request.progress.get("digests", {}).items()
            }
            people = requests.subjects_of(connection, request_id)
            begun = msgspec.structs.replace(request, approved_by=by)
            return _begin(connection, begun, people, given)

    return patiently(attempt, pauses=PAUSES)


def erase_people(
    connection: Connection,
    person_ids: Collection[UUID],
    *,
    digests: Mapping[str, Collection[bytes]],
    request_id: UUID,
    by: str = "ledger",
) -> Destroyed:
    """Erase these people again, as the ledger says, in the caller's transaction: after a restore whoever came back goes
    once more, and their addresses are suppressed again. No entry is written; `advance` goes on with the request."""
    request = requests.read_request(connection, request_id, lock=True)
    given = {brand: set(of_brand) for brand, of_brand in digests.items()}
    if request is None:
        request = _new_request(Asked(brand=next(iter(given), None)), by=by, reason=None, request_id=request_id)
        requests.add_request(connection, request)
    return destroy_noted(connection, request, set(person_ids), given, has_entry=True)


def _open_request(asked: Asked, subjects: Subjects) -> UUID | None:
    """The request for the same that has not ended, if there is one."""
    for earlier in subjects.earlier:
        is_same = earlier.request_id in subjects.same and earlier.brand == asked.brand
        if is_same and earlier.state in requests.OPEN:
            return earlier.request_id
    return None


def _new_request(asked: Asked, *, by: str, reason: str | None, request_id: UUID | None = None) -> PrivacyRequest:
    now = datetime.now(UTC)
    due = now + timedelta(days=settings().privacy.answer_days)
    return PrivacyRequest(
        request_id or new_id(), requests.ERASE, asked.brand, requests.ERASING, now, due, by, reason=reason
    )


def _given(connection: Connection, asked: Asked, subjects: Subjects) -> dict[str, set[bytes]]:
    """What is suppressed in any case: what was asked by, and what erasures of the same suppressed before. Not what the
    people have besides: others may have it as well by the time their rows are held."""
    given = {brand: set(digests) for brand, digests in subjects.given.items()}
    earlier = suppressions.digests_of_requests(connection, [request.request_id for request in subjects.earlier])
    for of_request in earlier.values():
        for brand, digests in of_request.items():
            if asked.brand in (None, brand):
                given.setdefault(brand, set()).update(digests)
    return given


def _take_over(connection: Connection, request: PrivacyRequest, subjects: Subjects) -> None:
    """Whom erasures of the same were about: what a CRM has not answered of them yet is waited for here too."""
    earlier = [known.request_id for known in subjects.earlier]
    requests.copy_subjects(connection, request.request_id, earlier, brand=request.brand)


def _await_approval(
    connection: Connection, request: PrivacyRequest, subjects: Subjects, given: Mapping[str, Collection[bytes]]
) -> PrivacyRequest:
    digests = {brand: sorted(digest.hex() for digest in known) for brand, known in given.items()}
    waiting = msgspec.structs.replace(request, state=requests.AWAITING_APPROVAL, progress={"digests": digests})
    requests.add_request(connection, waiting)
    _take_over(connection, waiting, subjects)
    requests.add_subjects(connection, request.request_id, "person", subjects.found.people)
    audit_erasure(connection, waiting, "erasure.request")
    return waiting


def _begin(
    connection: Connection,
    request: PrivacyRequest,
    person_ids: Collection[UUID],
    given: Mapping[str, Collection[bytes]],
    *,
    now: datetime | None = None,
) -> PrivacyRequest:
    due_at = now or moment_of_ages(connection) if request.asked_by == RETENTION else None
    destroyed = destroy_noted(connection, request, set(person_ids), given, has_entry=False, due_at=due_at)
    begun = read_erasure(connection, request.request_id)
    if not destroyed.people and Progress.of(begun.progress).held:
        raise RefusedError(_ALL_HELD)
    audit_erasure(connection, request, "erasure.begin")
    return begun


def _go_on(connection: Connection, request_id: UUID) -> PrivacyRequest:
    """The same was asked for before: what a CRM did not do is tried once more."""
    request = read_erasure(connection, request_id, lock=True)
    if request.state == requests.WAITING:
        crm.try_again(connection, requests.subjects_of(connection, request_id))
    return request


def confirm_by_hand(request_id: UUID, *, why: str) -> PrivacyRequest:
    """Say that the records which a CRM keeps were removed there by hand. Raises NotFoundError, RefusedError."""
    if not why.strip():
        raise UsageError("needs a text: who removed the records, and when", argument="why")
    with transaction() as connection:
        request = read_erasure(connection, request_id, lock=True)
        if request.state != requests.BY_HAND:
            raise RefusedError(f"request {request_id} waits for nobody's hand: it is {request.state}")
        progress = Progress.of(request.progress).confirmed()
        requests.write_progress(connection, request_id, progress.stored())
        audit_erasure(connection, request, "erasure.confirm", reason=why)
        return end_erasure(connection, msgspec.structs.replace(request, progress=progress.stored()), requests.DONE)
