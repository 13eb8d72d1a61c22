"""What the steps of an erasure share: the request, the ledger's entry before the first row goes, the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.audit.entries import record_action, take_out_changes
from pipeline.errors import NotFoundError
from pipeline.privacy import ledger
from pipeline.privacy.erasing.certificates import certify
from pipeline.privacy.erasing.destruction import Destroyed, destroy, hold_subjects
from pipeline.privacy.erasing.progress import Progress
from pipeline.privacy.ledger import LedgerEntry
from pipeline.privacy.retention.expiry import RETENTION, require_expired
from pipeline.privacy.subjects import Subjects, subjects_of_people
from pipeline.store.erasures import crm, requests
from pipeline.store.erasures.found import standing_people
from pipeline.store.erasures.requests import PrivacyRequest


def destroy_noted(
    connection: Connection,
    request: PrivacyRequest,
    person_ids: set[UUID],
    given: Mapping[str, Collection[bytes]],
    *,
    has_entry: bool,
    due_at: datetime | None = None,
) -> Destroyed:
    """The entry in the ledger is on the disk before the first row goes. `due_at`: what retention asked for must be due
    then, looked up once nobody else can change these people. Raises RefusedError."""
    is_for_age = request.asked_by == RETENTION and not has_entry
    found, held = hold_subjects(connection, person_ids, with_restricted=is_for_age)
    if due_at is not None and found.people:
        require_expired(connection, standing_people(connection, found.people), due_at)
    subjects = subjects_of_people(connection, found, {} if held else given)
    told = crm.endpoints_told(connection, found.people, found.ids["event"]) if found.people else []
    hashes = [] if has_entry else _write_ledger(connection, request.request_id, subjects, is_for_age=is_for_age)
    destroyed = destroy(connection, subjects, request.request_id)
    requests.add_subjects(connection, request.request_id, "person", destroyed.people)
    requests.add_subjects(connection, request.request_id, "company", destroyed.companies)
    take_out_changes(connection, sorted(destroyed.people))
    progress = Progress.of(request.progress).destroyed(
        destroyed, held=len(held), shared=subjects.shared, ledger=hashes, told=told
    )
    requests.write_progress(
        connection,
        request.request_id,
        progress.stored(),
        state=requests.ERASING,
        approved_by=request.approved_by,
    )
    return destroyed


def _write_ledger(connection: Connection, request_id: UUID, subjects: Subjects, *, is_for_age: bool) -> list[str]:
    """`is_for_age`: retention asked, and not they themselves, which whoever does it again is to know."""
    people: dict[str, list[UUID]] = {}
    for person_id, brand in sorted(subjects.found.people.items()):
        people.setdefault(brand, []).append(person_id)
    hashes = []
    for brand in sorted(people.keys() | subjects.digests.keys()):
        entry = LedgerEntry(
            ledger.ERASE,
            request_id,
            brand,
            tuple(people.get(brand, ())),
            tuple(sorted(subjects.digests.get(brand, ()))),
            details={"by": RETENTION} if is_for_age else {},
        )
        hashes.append(ledger.append(connection, entry).hash.hex())
    return hashes


def end_erasure(connection: Connection, request: PrivacyRequest, state: str) -> PrivacyRequest:
    now = datetime.now(UTC)
    certificate = certify(connection, request, state=state, ended_at=now)
    requests.end_request(connection, request.request_id, state, ended_at=now, certificate=certificate)
    audit_erasure(connection, request, "erasure.end")
    return read_erasure(connection, request.request_id)


def audit_erasure(
    connection: Connection,
    request: PrivacyRequest,
    action: str,
    reason: str | None = None,
) -> None:
    record_action(
        connection,
        action,
        brand=request.brand,
        object_kind="privacy_request",
        object_id=request.request_id,
        reason=reason or request.reason,
        request_id=request.request_id,
    )


def read_erasure(connection: Connection, request_id: UUID, *, lock: bool = False) -> PrivacyRequest:
    request = requests.read_request(connection, request_id, lock=lock)
    if request is None or request.kind != requests.ERASE:
        raise NotFoundError(f"no erasure has the id {request_id}: `afluente privacy status` lists them")
    return request
