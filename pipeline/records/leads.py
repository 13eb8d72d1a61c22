"""A lead on its way through the stages, and where it may stop."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from pipeline.records.base import Draft, Fact


class Consent(Fact, frozen=True, array_like=True):
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
