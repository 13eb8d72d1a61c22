"""Requests of privacy: what was asked, how far it is, and what came of it. Ids, counts and times."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays

ERASE = "erase"
AWAITING_APPROVAL, ERASING, WAITING, BY_HAND, DONE, REFUSED = (
    "awaiting_approval",
    "erasing",
    "waiting",
    "by_hand",
    "done",
    "refused",
)
OPEN = (ERASING, WAITING, BY_HAND)


class PrivacyRequest(msgspec.Struct, frozen=True):
    """`brand` None: all. `progress`: counts and outcomes, by the keys that whoever works on it gives them."""

    request_id: UUID
    kind: str
    brand: str | None
    state: str
    received_at: datetime
    due_at: datetime
    asked_by: str
    approved_by: str | None = None
    reason: str | None = None
    verified_at: datetime | None = None
    ended_at: datetime | None = None
    progress: dict[str, Any] = {}
    certificate: dict[str, Any] | None = None


_COLUMNS = ", ".join(PrivacyRequest.__struct_fields__)
_PLACES = ", ".join("%s" for _ in PrivacyRequest.__struct_fields__)


def add_request(connection: Connection, request: PrivacyRequest) -> None:
    """Keep a new request. One statement."""
    connection.exec_driver_sql(
        f"INSERT INTO privacy_requests ({_COLUMNS}) VALUES ({_PLACES})",  # noqa: S608 - put together from constants
        tuple(
            _json(value) if name in ("progress", "certificate") else value
            for name, value in msgspec.structs.asdict(request).items()
        ),
    )


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def read_request(connection: Connection, request_id: UUID, *, lock: bool = False) -> PrivacyRequest | None:
    """One request, or None. One statement; `lock` holds it until the transaction ends."""
    row = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM privacy_requests WHERE request_id = %s" + " FOR UPDATE" * lock,  # noqa: S608 - put together from constants
        (request_id,),
    ).first()
    return None if row is None else PrivacyRequest(*row)


def list_requests(
    connection: Connection, *, states: Collection[str] | None = None, brands: Collection[str] | None = None
) -> list[PrivacyRequest]:
    """Requests, oldest first. `brands`: only those of one of these alone. One statement."""
    rows = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM privacy_requests WHERE (%(all)s OR state = ANY(%(states)s::text[]))"  # noqa: S608 - put together from constants
        " AND (%(any)s OR brand = ANY(%(brands)s::text[])) ORDER BY received_at, request_id",
        {
            "all": states is None,
            "states": arrays.texts(states or ()),
            "any": brands is None,
            "brands": arrays.texts(brands or ()),
        },
    )
    return [PrivacyRequest(*row) for row in rows]


def open_requests(connection: Connection, *, verified_before: datetime, ended_after: datetime) -> list[UUID]:
    """Erasures that something is still to be done for: those that have not ended, and those that ended after a moment
    and were last verified before another. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT request_id FROM privacy_requests WHERE kind = 'erase' AND (state = ANY(%s::text[])"
        " OR (state = 'done' AND ended_at > %s AND verified_at < %s)) ORDER BY received_at",
        (arrays.texts((ERASING, WAITING)), ended_after, verified_before),
    )
    return list(rows.scalars())


def write_progress(
    connection: Connection,
    request_id: UUID,
    progress: Mapping[str, Any],
    *,
    state: str | None = None,
    verified_at: datetime | None = None,
    approved_by: str | None = None,
) -> None:
    """How far a request is. What is not given stays. One statement."""
    connection.exec_driver_sql(
        "UPDATE privacy_requests SET progress = %s, state = coalesce(%s, state),"
        " verified_at = coalesce(%s, verified_at), approved_by = coalesce(%s, approved_by) WHERE request_id = %s",
        (_json(progress), state, verified_at, approved_by, request_id),
    )


def end_request(
    connection: Connection, request_id: UUID, state: str, *, ended_at: datetime, certificate: Mapping[str, Any] | None
) -> None:
    """End a request, with its certificate if it has one. One statement."""
    connection.exec_driver_sql(
        "UPDATE privacy_requests SET state = %s, ended_at = coalesce(ended_at, %s), certificate = coalesce(%s,"
        " certificate) WHERE request_id = %s",
        (state, ended_at, _json(certificate), request_id),
    )


_SUBJECTS = """
INSERT INTO privacy_subjects (request_id, subject_id, kind, brand)
SELECT %(request)s, * FROM unnest(%(ids)s::uuid[], %(kinds)s::text[], %(brands)s::text[]) ON CONFLICT DO NOTHING
"""


def add_subjects(connection: Connection, request_id: UUID, kind: str, brands: Mapping[UUID, str]) -> None:
    """Say whom a request is about: by id of a person, or a company, the brand. One statement, none without ids."""
    if brands:
        ids = sorted(brands)
        connection.exec_driver_sql(
            _SUBJECTS,
            {
                "request": request_id,
                "ids": arrays.uuids(ids),
                "kinds": arrays.texts([kind] * len(ids)),
                "brands": arrays.texts(brands[subject_id] for subject_id in ids),
            },
        )


def subjects_of(connection: Connection, request_id: UUID) -> dict[UUID, str]:
    """All people and companies that a request is about, with their brand. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT subject_id, brand FROM privacy_subjects WHERE request_id = %s", (request_id,)
    )
    return dict(map(tuple, rows))


def requests_about(connection: Connection, subject_id: UUID) -> list[UUID]:
    """The erasures that somebody of this id was, or is, subject to, newest first. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT r.request_id FROM privacy_subjects s JOIN privacy_requests r USING (request_id)"
        " WHERE s.subject_id = %s AND r.kind = 'erase' ORDER BY r.received_at DESC",
        (subject_id,),
    )
    return list(rows.scalars())


def is_any_in_state(connection: Connection, state: str) -> bool:
    """Whether any request is in this state. One statement."""
    return bool(
        connection.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM privacy_requests WHERE state = %s)", (state,)
        ).scalar_one()
    )
