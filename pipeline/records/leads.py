"""A lead on its way through the stages, and where it may stop."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from pipeline.records.base import Draft, Fact

# What a statement of consent is beside a plain answer (decisions/0039). Kept for good: rows and messages hold it. The
# first two, refusals, stand against any later answer but the next two, grants; a grant that is pending is none yet.
WITHDRAWAL, OBJECTION = "withdrawal", "objection"
CONFIRMED, BY_HAND = "confirmed", "by_hand"
PENDING = "pending"
WITHDRAWING, RESTORING = (WITHDRAWAL, OBJECTION), (CONFIRMED, BY_HAND)
CONSENT_ACTS = (*WITHDRAWING, *RESTORING, PENDING)
CONSENT_TEXTS = ("legal_basis", "method", "notice_id", "notice_hash", "language", "jurisdiction")
CONSENT_MOMENTS = ("expires_at", "double_opt_in_sent_at", "double_opt_in_confirmed_at")
EVERY_CHANNEL = "any"  # the channel of what concerns all of them
# The source of what is said of consent to us: a detail of what it says may be the id of the person that it is about.
CONSENTS_SOURCE, ABOUT_PERSON = "consents", "person_id"


class Consent(Fact, frozen=True, array_like=True):
    """One statement of consent. `granted` None means: not answered. `at` falls back to the lead's `occurred_at`.

    `act`: one of CONSENT_ACTS; None: a plain answer. `notice_hash`: of the text that was shown, as its owner counts it.
    """

    purpose: str
    channel: str
    granted: bool | None
    at: datetime | None = None
    source: str | None = None
    policy_version: str | None = None
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

    @property
    def strictness(self) -> int:
        """How much it refuses: of two statements of one event on one question the stricter holds."""
        if self.granted is False:
            return 3 + (self.act in WITHDRAWING)
        return 2 if self.act == PENDING else int(self.granted is True)

    def named(self) -> dict[str, Any]:
        """As people read it, JSON-ready. (Messages carry facts by position.)"""
        named: dict[str, Any] = msgspec.to_builtins(msgspec.structs.asdict(self))
        return named


class EarlierTouch(Fact, frozen=True, array_like=True):
    """A contact before this one that the source remembers (a form's first visit). `fields` are touch fields only."""

    at: datetime
    fields: dict[str, Any] = {}


class Lead(Draft, array_like=True):
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
    later: str | None = None  # the kind of activity that it is too where its record was known before
    also: str | None = None  # what is told by it besides, as mappings say it: `order`
    details: dict[str, Any] = {}  # what is kept of either
    is_posted: bool = False  # its source posted it: it is of no file and of no list that was asked for

    def __repr__(self) -> str:
        return f"<Lead of event {self.event_id}>"


class Parked(Fact, frozen=True, array_like=True):
    """A lead that stops here: it goes to quarantine with a stable `code`, the `field` at fault and a remedy.

    `message` holds no value of the lead.
    """

    event_id: UUID
    stage: str
    code: str
    message: str
    field: str | None = None


SUPPRESSED_ADDRESS = "suppressed_address"  # as `rule`: nobody is to be known by an address that it has


class Suppressed(Fact, frozen=True, array_like=True):
    """A lead that must not go on, with one of SUPPRESSION_REASONS, NOT_A_LEAD or SUPERSEDED; `rule` of
    mappings/validation.yaml, if any."""

    event_id: UUID
    reason: str
    rule: str | None = None


class Activity(Suppressed, frozen=True, array_like=True, kw_only=True):
    """What a record says of somebody known, and is no lead: `reason` is one of TOLD_OF_SOMEBODY, `kind` the mapping's
    word for it (attended, canceled). `lead` holds what it says of who that is, its consents and its time.

    `wait_days`: how long it waits for its person; None: for good. `details` are what the mapping keeps of it.
    """

    kind: str = ""
    wait_days: int | None = None
    details: dict[str, Any] = {}
    lead: Lead

    @property
    def told(self) -> str:
        """What it is, as mappings say it: `consent`, `activity:attended`."""
        return self.reason if self.kind == self.reason else f"{self.reason}:{self.kind}"


class Batch(Draft, array_like=True):
    """Leads on their way through one chain, all of one claim. `claim_id` is the lease's token."""

    claim_id: UUID
    lane: str
    leads: list[Lead] = []
    parked: list[Parked] = []
    suppressed: list[Suppressed] = []
    superseded: list[Lead] = []  # of records that say something else by now: their touches and refusals count
    activities: list[Activity] = []  # what is no lead, and told of somebody

    def __repr__(self) -> str:
        return (
            f"<Batch {self.claim_id} {self.lane}: {len(self.leads)} leads, {len(self.parked)} parked,"
            f" {len(self.suppressed)} suppressed>"
        )
