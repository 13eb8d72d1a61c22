"""Requests of privacy: what was asked, how far it is, and what came of it. Ids, counts and times."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple
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


class OpenRequest(NamedTuple):
    """An erasure that something is to be done for. `is_to_verify`: it is time to look for everything again."""

    request_id: UUID
    state: str
    verified_at: datetime | None
    is_to_verify: bool


_OPEN = """
SELECT request_id, state, verified_at, coalesce(state <> %(erasing)s AND verified_at < %(before)s, false)
FROM privacy_requests
WHERE kind = 'erase' AND (state = ANY(%(open)s::text[])
    OR (state = ANY(%(ended)s::text[]) AND ended_at > %(after)s AND verified_at < %(before)s))
ORDER BY received_at, request_id
"""


def open_requests(connection: Connection, *, verified_before: datetime, ended_after: datetime) -> list[OpenRequest]:
    """Erasures that something is still to be done for: those that have not ended, and those that ended after a moment
    and were last verified before another. One statement."""
    values = {
        "erasing": ERASING,
        "open": arrays.texts((ERASING, WAITING)),
        "ended": arrays.texts((DONE, BY_HAND)),
        "before": verified_before,
        "after": ended_after,
    }
    return [OpenRequest(*row) for row in connection.exec_driver_sql(_OPEN, values)]


def waiting_requests(connection: Connection) -> list[UUID]:
    """Erasures that wait for CRMs, oldest first. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT request_id FROM privacy_requests WHERE kind = 'erase' AND state = %s"
        " AND state NOT IN ('done', 'refused') ORDER BY received_at, request_id",
        (WAITING,),
    )
    return list(rows.scalars())


def hold_requests(connection: Connection, request_ids: Collection[UUID]) -> dict[UUID, PrivacyRequest]:
    """These requests, held until the transaction ends. One statement, none without ids."""
    if not request_ids:
        return {}
    rows = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM privacy_requests WHERE request_id = ANY(%s::uuid[])"  # noqa: S608 - put together from constants
        " ORDER BY request_id FOR UPDATE",
        (arrays.uuids(sorted(request_ids)),),
    )
    return {row[0]: PrivacyRequest(*row) for row in rows}


def write_all_progress(connection: Connection, progress: Mapping[UUID, Mapping[str, Any]]) -> None:
    """How far these requests are, which are held. One statement, none without any."""
    if progress:
        ordered = sorted(progress)
        connection.exec_driver_sql(
            "UPDATE privacy_requests r SET progress = new.progress::jsonb"
            " FROM unnest(%s::uuid[], %s::text[]) AS new (request_id, progress) WHERE r.request_id = new.request_id",
            (arrays.uuids(ordered), arrays.texts(_json(progress[request_id]) for request_id in ordered)),
        )


def note_verified(connection: Connection, states: Mapping[UUID, str], at: datetime) -> None:
    """Nothing is left of these requests' people; their state from now on. One statement, none without any."""
    if states:
        ordered = sorted(states)
        connection.exec_driver_sql(
            "UPDATE privacy_requests r SET verified_at = %s, state = new.state"
            " FROM unnest(%s::uuid[], %s::text[]) AS new (request_id, state) WHERE r.request_id = new.request_id",
            (at, arrays.uuids(ordered), arrays.texts(states[request_id] for request_id in ordered)),
        )


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
    return subjects_of_all(connection, [request_id]).get(request_id, {})


def subjects_of_all(connection: Connection, request_ids: Collection[UUID]) -> dict[UUID, dict[UUID, str]]:
    """By request the people and companies that it is about, with their brand. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT request_id, subject_id, brand FROM privacy_subjects WHERE request_id = ANY(%s::uuid[])",
        (arrays.uuids(sorted(request_ids)),),
    )
    found: dict[UUID, dict[UUID, str]] = {}
    for request_id, subject_id, brand in rows:
        found.setdefault(request_id, {})[subject_id] = brand
    return found


def copy_subjects(connection: Connection, request_id: UUID, earlier: Collection[UUID], *, brand: str | None) -> None:
    """Let a request be about whom these earlier ones were about too; `brand`: those of it alone. One statement, none
    without any."""
    if earlier:
        connection.exec_driver_sql(
            "INSERT INTO privacy_subjects (request_id, subject_id, kind, brand)"
            " SELECT DISTINCT %s::uuid, subject_id, kind, brand FROM privacy_subjects"
            " WHERE request_id = ANY(%s::uuid[]) AND (%s::text IS NULL OR brand = %s) ON CONFLICT DO NOTHING",
            (request_id, arrays.uuids(sorted(earlier)), brand, brand),
        )


def requests_about(connection: Connection, subject_id: UUID, *, brand: str | None) -> set[UUID]:
    """The erasures that somebody of this id was, or is, subject to; with a brand only if they are of it. One
    statement."""
    rows = connection.exec_driver_sql(
        "SELECT request_id FROM privacy_subjects WHERE subject_id = %s AND kind = 'person'"
        " AND (%s::text IS NULL OR brand = %s)",
        (subject_id, brand, brand),
    )
    return set(rows.scalars())


def read_begun(connection: Connection, request_ids: Collection[UUID]) -> list[PrivacyRequest]:
    """Of these the erasures that have begun, newest first. One statement, none without ids."""
    if not request_ids:
        return []
    rows = connection.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM privacy_requests WHERE request_id = ANY(%s::uuid[]) AND kind = 'erase'"  # noqa: S608 - put together from constants
        " AND state = ANY(%s::text[]) ORDER BY received_at DESC, request_id DESC",
        (arrays.uuids(sorted(request_ids)), arrays.texts((*OPEN, DONE))),
    )
    return [PrivacyRequest(*row) for row in rows]


def is_any_in_state(connection: Connection, state: str) -> bool:
    """Whether any request is in this state. One statement."""
    return bool(
        connection.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM privacy_requests WHERE state = %s)", (state,)
        ).scalar_one()
    )
