"""The types that travel between stages: what a thing is called here, it is called everywhere.

RawEvent -> Lead -> Touch -> Outcome. A Batch carries leads from one Celery task to the next.
What a batch is made of is packed by position (`array_like`): new fields go at the end, with a default.
No `repr` here shows personal data: only ids and counts, because Celery copies reprs into logs and Flower.
"""

from __future__ import annotations

import os
import time
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

EVENT_STATES = ("pending", "in_flight", "settled", "quarantined", "suppressed")
SUPPRESSION_REASONS = ("test", "erased", "no_consent", "spam")
SUPERSEDED = "superseded"  # why an event is suppressed that a revision of its record took the place of


class Stage(StrEnum):
    """Where a lead or a delivery may stop. Kept for good: rows, logs, metrics and task names (`leads.load`) hold it.

    UNKNOWN: its worker was lost, nobody knows where. RELEASE: it stopped nowhere; an operator said that it is real.
    """

    INTAKE = "intake"
    MAP_FIELDS = "map_fields"
    NORMALIZE = "normalize"
    DEDUPE = "dedupe"
    ATTRIBUTE = "attribute"
    LOAD = "load"
    DELIVER = "deliver"
    RELEASE = "release"
    UNKNOWN = "unknown"


def new_id() -> UUID:
    """A UUID version 7 (RFC 9562, 5.7 and 6.2 method 3): time to a quarter of a microsecond, then 62 random bits.

    Sorts by time, so inserts stay local; and ids made one after another in one process sort in that order, so the rows
    of a file keep theirs.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    high = (milliseconds << 16) | 0x7000 | (rest * 4096 // 1_000_000)
    low = (0x2 << 62) | (int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1))
    return UUID(int=(high << 64) | low)


class _Fact(msgspec.Struct, frozen=True, gc=False):  # no cycles in a lead: nothing for the collector to find
    """Base of what never changes. Its repr names the type only; subclasses may add ids, never values."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class _Draft(msgspec.Struct, gc=False):
    """Base of what stages fill in. Its repr names the type only."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Envelope(_Fact, frozen=True):
    """What a sender sent, untouched: encrypted as one value into `event_bodies`.

    `body` is the record's raw bytes; `headers` are those worth keeping (lower-case names, no credentials);
    `origin` says where in a larger whole it stood (`{"file": …, "line": 17}`, `{"place": "entry[0]"}`, `{"page": 2}`).
    """

    content_type: str
    body: bytes
    headers: dict[str, str] = {}
    origin: dict[str, Any] = {}


# In an origin: the body is the sender's own, prepared at mapping. Earlier ones were prepared when they came.
STORED, AS_IT_CAME = "stored", "as it came"


class NewRequest(_Fact, frozen=True):
    """The body of several records about to be stored, once for all of them. `sealed` is an encrypted Envelope."""

    request_id: UUID
    sealed: bytes


class OpenedRequest(_Draft):
    """A stored body of several records, opened once for all events that are read together. `parts`: them by place."""

    envelope: Envelope
    parts: dict[str, Any] | None = None


class NewEvent(_Fact, frozen=True):
    """An event about to be stored. `digest` is the 32-byte idempotency key; `sealed` an encrypted Envelope.

    `request` is there for a record of a larger body: `sealed` then holds its place in that and no body.
    `content` is the digest of what the record says (24 bytes, those of the reading first) where the key names the
    record: other content under the key is a revision. None: the key alone decides. `revised_at`, `contact` and `adds`
    say what a revision does (connectors.kit, Connector). `plain` is what keys of earlier readings are made of; it is
    never stored.
    """

    brand: str
    source: str
    lane: str
    digest: bytes
    event_id: UUID
    sealed: bytes
    external_id: str | None = None
    occurred_at: datetime | None = None
    request: NewRequest | None = None
    content: bytes | None = None
    revised_at: datetime | None = None
    contact: bytes | None = None
    adds: bool = False
    plain: Any = None
    unproven: bool = False  # of a source that signs nothing: it has a share of its lane


class Receipt(_Fact, frozen=True):
    """Answer to a NewEvent: `event_id` of the stored event (the first one's, if `repeated`).

    `revises`: the event that said something else of the same record before; None where this is the first.
    """

    event_id: UUID
    repeated: bool
    revises: UUID | None = None

    @property
    def revised(self) -> bool:
        return self.revises is not None and not self.repeated


class RawEvent(_Fact, frozen=True):
    """A stored event with its body opened again, ready to be mapped.

    `request` is the body that it is a record of, where it has none of its own.
    """

    event_id: UUID
    brand: str
    source: str
    lane: str
    received_at: datetime
    occurred_at: datetime | None
    envelope: Envelope
    is_released: bool = False
    request: OpenedRequest | None = None
    record_id: UUID | None = None
    adds: bool = False


class Consent(_Fact, frozen=True, array_like=True):
    """One statement of consent. `granted` None means: not answered. `at` falls back to the lead's `occurred_at`."""

    purpose: str
    channel: str
    granted: bool | None
    at: datetime | None = None
    source: str | None = None
    policy_version: str | None = None

    def named(self) -> dict[str, Any]:
        """As people read it, JSON-ready. (Messages carry facts by position.)"""
        named: dict[str, Any] = msgspec.to_builtins(msgspec.structs.asdict(self))
        return named


class EarlierTouch(_Fact, frozen=True, array_like=True):
    """A contact before this one that the source remembers (a form's first visit). `fields` are touch fields only."""

    at: datetime
    fields: dict[str, Any] = {}


class Lead(_Draft, array_like=True):
    """One canonical lead (interface.md, "Canonical lead"). `fields` holds canonical names only.

    `raw` keeps, per field, the text as it came where normalization changed or rejected it; `flags` says what was
    noticed per field; `custom` what the mapping does not know (reported, never dropped); `undecided` are the paths of
    that, without personal data, to be counted as drift.
    """

    event_id: UUID
    brand: str
    source: str
    lane: str
    received_at: datetime
    occurred_at: datetime
    mapping_version: str
    fields: dict[str, Any] = {}
    custom: dict[str, Any] = {}
    raw: dict[str, Any] = {}
    flags: dict[str, list[str]] = {}
    consents: list[Consent] = []
    person_id: UUID | None = None
    channel: str | None = None
    earlier_touches: list[EarlierTouch] = []
    undecided: list[str] = []
    is_released: bool = False  # an operator has said that it is real: nothing suppresses it again
    record_id: UUID | None = None  # the first event of its record; only where the record has revisions
    adds: bool = False  # its record's revisions stand beside each other

    def __repr__(self) -> str:
        return f"<Lead of event {self.event_id}>"


class Parked(_Fact, frozen=True, array_like=True):
    """A lead that stops here: it goes to quarantine with a stable `code`, the `field` at fault and a remedy.

    `message` holds no value of the lead.
    """

    event_id: UUID
    stage: str
    code: str
    message: str
    field: str | None = None


class Suppressed(_Fact, frozen=True, array_like=True):
    """A lead that must not go on, with one of SUPPRESSION_REASONS or SUPERSEDED; `rule` of mappings/validation.yaml,
    if any."""

    event_id: UUID
    reason: str
    rule: str | None = None


class Batch(_Draft, array_like=True):
    """Leads on their way through one chain, all of one claim. `claim_id` is the lease's token."""

    claim_id: UUID
    lane: str
    leads: list[Lead] = []
    parked: list[Parked] = []
    suppressed: list[Suppressed] = []
    superseded: list[Lead] = []  # of records that say something else by now: their touches and refusals count

    def __repr__(self) -> str:
        return (
            f"<Batch {self.claim_id} {self.lane}: {len(self.leads)} leads, {len(self.parked)} parked,"
            f" {len(self.suppressed)} suppressed>"
        )


class FieldValue(_Fact, frozen=True):
    """One golden field with where it came from. Newest `at` wins; ties break by the greater event_id."""

    value: Any
    source: str
    event_id: UUID
    at: datetime


class Profile(_Draft):
    """The golden record of a person: encrypted as one value into `people.profile`.

    `votes` are values that a later lead may bring back, of fields where the most frequent one is golden. `emptied`:
    what had a value until the person was taken apart and has none now, with the version since when. CRMs are told.
    """

    fields: dict[str, FieldValue] = {}
    votes: dict[str, list[FieldValue]] = {}
    emptied: dict[str, int] = {}

    def values(self) -> dict[str, Any]:
        return {name: field.value for name, field in self.fields.items()}


class Person(_Draft):
    """A person as the store knows it. `version` grows with each change a CRM would see."""

    person_id: UUID
    brand: str
    version: int
    profile: Profile
    is_new: bool = False


class Touch(_Fact, frozen=True):
    """One marketing contact, without personal data: safe in clear.

    `source` and `medium` are in small letters, ready to group by; `utm_*` and `campaign` stay as they came. `position`
    is 0 for the lead's own touch, 1, 2, … for those its source remembers from before.
    """

    event_id: UUID
    person_id: UUID
    brand: str
    occurred_at: datetime
    source: str
    channel: str
    campaign: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None
    utm_id: str | None = None
    click_ids: dict[str, str] = {}
    referrer_host: str | None = None
    landing_path: str | None = None
    details: dict[str, str] = {}
    position: int = 0
    medium: str | None = None
    rules_version: str | None = None


class PathTouch(_Fact, frozen=True, order=True):
    """A touch as attribution models see it. Sorts by time; touches of one moment by their event and place in it.

    `name` is what the report groups by: the touch's channel, campaign or source.
    """

    occurred_at: datetime
    event_id: UUID
    position: int = 0
    channel: str = ""
    name: str = ""


class Claim(_Fact, frozen=True):
    """Events leased to one chain until `lease_until`."""

    claim_id: UUID
    lane: str
    event_ids: list[UUID]


class Due(_Fact, frozen=True):
    """One delivery claimed by a sender: bring `person_id` at `destination` to `version`.

    `once_digest` tells which values of the fields written once the CRM last confirmed; None: not known, send them.
    `sent_version` is the version the CRM last confirmed; 0: none. `sent_as` is what the CRM knows its record by, as the
    writer names it; None: not known.
    """

    destination: str
    person_id: UUID
    version: int
    attempts: int
    external_id: str | None
    once_digest: bytes | None = None
    sent_version: int = 0
    sent_as: str | None = None


class Outcome(_Fact, frozen=True):
    """What the CRM said of one record: `state` is sent, retry or rejected.

    `once_digest` of a sent one: the values it now has in the fields written once; empty: it turned out to lack them, so
    they are to be sent; None: nothing new is known of them. `content_id` tells what was sent apart from other content.
    """

    person_id: UUID
    state: str
    external_id: str | None = None
    created: bool | None = None
    code: str | None = None
    field: str | None = None
    message: str | None = None
    retry_after: float | None = None
    once_digest: bytes | None = None
    content_id: UUID | None = None
