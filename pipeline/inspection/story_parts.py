"""What the stories of leads and people are made of. All of it may hold personal data, so no `repr` here shows any."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from pipeline.errors import RecordError

if TYPE_CHECKING:
    from connectors.kit import Connector
    from pipeline.records import RawEvent


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all parts. Its repr names the type only."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Request(Told, frozen=True, kw_only=True):
    """What the source sent, as it was stored; `bytes` is the length of the body before it was read as text.

    Of a body with several records `body` is this one alone, as JSON, with what stands beside it under `^`.
    """

    content_type: str
    bytes: int
    headers: dict[str, str]
    origin: dict[str, Any]
    body: str


class KeyUse(Told, frozen=True, kw_only=True):
    """An idempotency key of an event: how often the same came again. `digest` is hexadecimal."""

    repeats: int
    last_seen_at: datetime | None
    digest: str
    revisions: int = 0


class Revision(Told, frozen=True, kw_only=True):
    """One event of a record that came with several contents. `superseded_by`: the one that took its place."""

    event_id: UUID
    received_at: datetime
    state: str
    revises: UUID | None
    superseded_by: UUID | None
    adds: bool


class MappingVersions(Told, frozen=True, kw_only=True):
    """The mapping that an event went through, and the one that it would go through now."""

    stored: str | None
    current: str | None


class Match(Told, frozen=True, kw_only=True):
    """Why an event belongs to its person (`pairs.explain_match` says what each means)."""

    person_id: UUID | None
    reason: str
    word: dict[str, Any] | None
    same_as: UUID | None
    evidence: dict[str, Any]
    strongest: dict[str, Any] | None


class LogLine(Told, frozen=True, kw_only=True):
    """A line of the identity log."""

    id: int
    at: datetime
    action: str
    person_id: UUID
    other_id: UUID | None
    event_id: UUID | None
    decided_by: str
    details: dict[str, Any]


class ConsentAnswer(Told, frozen=True, kw_only=True):
    """A statement of consent that was stored. `granted` None: asked, not answered."""

    event_id: UUID
    purpose: str
    channel: str
    person_id: UUID
    brand: str
    granted: bool | None
    at: datetime
    source: str | None
    policy_version: str | None
    created_at: datetime
    act: str | None = None
    legal_basis: str | None = None
    method: str | None = None
    notice_id: str | None = None
    notice_hash: str | None = None
    language: str | None = None
    jurisdiction: str | None = None
    expires_at: datetime | None = None
    double_opt_in_sent_at: datetime | None = None
    double_opt_in_confirmed_at: datetime | None = None


class ToldOfSomebody(Told, frozen=True, kw_only=True):
    """What a record says of somebody known: an activity, a consent, an order. `state`: known (whose it is), waiting
    until `waits_until` (None: for good), ended (nobody came), also (a lead is this besides), or later (a lead of a
    record that was known before)."""

    event_id: UUID
    source: str
    says: str
    kind: str
    at: datetime
    state: str
    waits_until: datetime | None
    details: dict[str, Any]


class ConsentInForce(Told, frozen=True, kw_only=True):
    """What counts of all that a person said for one purpose on one channel."""

    purpose: str
    channel: str
    state: str


class QuarantineEntry(Told, frozen=True, kw_only=True):
    """A time that an event, or a delivery of a person, waited for a human."""

    quarantine_id: UUID
    event_id: UUID | None
    destination: str | None
    person_id: UUID | None
    stage: str
    code: str
    field: str | None
    message: str
    created_at: datetime
    resolution: str
    resolved_at: datetime | None
    why: str | None
    has_patch: bool


class Call(Told, frozen=True, kw_only=True):
    """A call to a CRM that carried the person, and its answer."""

    at: datetime
    version: int
    outcome: str
    code: str | None
    message: str | None
    call_id: UUID


class Delivery(Told, frozen=True, kw_only=True):
    """What one CRM should have and has of a person, or of their company or touch: then `destination` names the object
    too, `crm/Account`, and `subject_id` is the company's or the event's. `wanted`: present, or absent for what is to
    go. `waits`: why it is not made yet."""

    destination: str
    subject_id: UUID
    wanted: str
    state: str
    wanted_version: int
    sent_version: int
    external_id: str | None
    attempts: int
    next_attempt_at: datetime
    last_error: str | None
    loaded_at: datetime | None
    calls: list[Call]
    waits: str | None = None


class GoldenField(Told, frozen=True, kw_only=True):
    """A value of the golden record, and the lead that it comes from."""

    field: str
    value: Any
    source: str
    event_id: UUID
    at: datetime


class StoredLead(Told, frozen=True, kw_only=True):
    """A lead of a person, without what it said."""

    event_id: UUID
    external_id: str | None
    source: str
    brand: str
    state: str
    person_id: UUID | None
    received_at: datetime
    occurred_at: datetime | None
    lane: str
    channel: str | None
    reason: str | None
    mapping_version: str | None


class ForwardedId(Told, frozen=True, kw_only=True):
    """An id that stands for another person now. `leads` are those that are its own.

    `into` is who it is, `first_into` whom it was merged into (who may have been merged since), `by` is `rules` or who
    said so.
    """

    person_id: UUID
    into: UUID
    first_into: UUID | None
    at: datetime | None
    by: str | None
    why: str | None
    leads: list[StoredLead]


def body_text(body: bytes) -> str:
    """A body as text, in whatever encoding reads it: UTF-8, else what old pages write."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def part_text(raw: RawEvent, connector: Connector | None) -> str:
    """What came as this record, with what stands beside it under `^`, as JSON; empty if it is gone.

    The other records of the body are other people's.
    """
    from connectors.kit.sources.parts import with_beside
    from pipeline.stages.mapping.stored_records import read_part

    try:
        part = read_part(raw, connector)
    except RecordError:
        return ""
    shown = with_beside(part.value, part.beside) if isinstance(part.value, dict) else part.value
    try:
        return json.dumps(shown, ensure_ascii=False)
    except RecursionError:
        return ""
