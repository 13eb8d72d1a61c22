"""A person, where it came from, and what a CRM should have of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.records.base import Draft, Fact


class FieldValue(Fact, frozen=True):
    """One golden field with where it came from. Newest `at` wins; ties break by the greater event_id."""

    value: Any
    source: str
    event_id: UUID
    at: datetime


class Profile(Draft):
    """The golden record of a person: encrypted as one value into `people.profile`.

    `votes` are values that a later lead may bring back, of fields where the most frequent one is golden. `emptied`:
    what had a value until the person was taken apart and has none now, with the version since when. CRMs are told.
    """

    fields: dict[str, FieldValue] = {}
    votes: dict[str, list[FieldValue]] = {}
    emptied: dict[str, int] = {}

    def values(self) -> dict[str, Any]:
        return {name: field.value for name, field in self.fields.items()}


class Person(Draft):
    """A person as the store knows it. `version` grows with each change a CRM would see."""

    person_id: UUID
    brand: str
    version: int
    profile: Profile
    is_new: bool = False


class Touch(Fact, frozen=True):
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


class PathTouch(Fact, frozen=True, order=True):
    """A touch as attribution models see it. Sorts by time; touches of one moment by their event and place in it.

    `name` is what the report groups by: the touch's channel, campaign or source.
    """

    occurred_at: datetime
    event_id: UUID
    position: int = 0
    channel: str = ""
    name: str = ""


class Due(Fact, frozen=True):
    """One delivery claimed by a sender: bring `person_id` at `destination` to `version`.

    `once_digest` tells which values of the fields written once the CRM last confirmed; None: not known, send them.
    `sent_version` is the version the CRM last confirmed; 0: none. `sent_as` is what the CRM knows its record by, as the
    writer names it; None: not known. `content_id` tells what it has apart from other content, made by the mapping of
    `mapping_version`; None: not known. `wanted`: "present", or "absent" for a record that is to go.

    Of another object than a person's record `destination` names that too, `crm/Account`, and `person_id` is the id of
    what it stands for.
    """

    destination: str
    person_id: UUID
    version: int
    attempts: int
    external_id: str | None
    once_digest: bytes | None = None
    sent_version: int = 0
    sent_as: str | None = None
    content_id: UUID | None = None
    mapping_version: str | None = None
    wanted: str = "present"
    links_id: UUID | None = None


class Outcome(Fact, frozen=True):
    """What the CRM said of one record: `state` is sent, retry or rejected.

    `once_digest` of a sent one: the values it now has in the fields written once; empty: it turned out to lack them, so
    they are to be sent; None: nothing new is known of them. `content_id` tells what was sent apart from other content,
    `links_id` the links it was sent with.
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
    links_id: UUID | None = None
