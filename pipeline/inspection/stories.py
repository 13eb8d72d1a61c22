"""The stories of one lead and of one person: everything that is known of it, in the order in which it happened.

They hold personal data: the request and the fields are opened for whoever asks, who must be allowed to see them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import msgspec

from pipeline.errors import NotFoundError
from pipeline.identity.activities import open_kept
from pipeline.inspection.field_rows import FieldRow
from pipeline.inspection.masked.told import as_seen
from pipeline.inspection.merges import find_forward, tell_reasons
from pipeline.inspection.pairs import explain_match
from pipeline.inspection.recomputed import Recomputed, recompute
from pipeline.inspection.story_parts import (
    Call,
    ConsentAnswer,
    ConsentInForce,
    Delivery,
    ForwardedId,
    GoldenField,
    KeyUse,
    LogLine,
    MappingVersions,
    Match,
    QuarantineEntry,
    Request,
    Revision,
    StoredLead,
    Told,
    ToldOfSomebody,
    body_text,
    part_text,
)
from pipeline.inspection.waiting import why_delivery_waits, why_destination_waits, why_not_wanted, why_record_waits
from pipeline.privacy.person_consents import consent_state_of
from pipeline.records import FETCHING
from pipeline.settings.loading import settings
from pipeline.store.events.quarantine import show_quarantine
from pipeline.store.people import activities
from pipeline.store.reports import explain_event, explain_person, find_kind
from pipeline.store.retention.retiring import BODIES, QUARANTINE
from pipeline.store.retention.rules import is_retiring
from pipeline.values.derived import derive

if TYPE_CHECKING:
    from sqlalchemy import Connection

Part = TypeVar("Part", bound=Told)
_MOST_ACTIVITIES = 200  # of one person, the latest
TouchRow = dict[str, Any]  # every column of the table `touches`, whatever it has


class EventStory(Told, frozen=True, kw_only=True):
    """A lead from its request to the CRMs' answers. `request` is None if its body is gone.

    `fetched` is what was read from the source by the id in the request, if it brought no more than that.
    `fields` are what the current mapping makes of both, `now` what would become of it today, in words. `match`
    says why it belongs to its person, `notices` are lines of the identity log about it, `not_wanted` says of CRMs that
    its person is meant for why it has no delivery there.
    """

    kind: str = "event"
    event_id: UUID
    source: str
    brand: str
    lane: str
    state: str
    reason: str | None
    stage: str | None
    external_id: str | None
    received_at: datetime
    occurred_at: datetime | None
    settled_at: datetime | None
    attempts: int
    losses: int
    channel: str | None
    person_id: UUID | None
    request: Request | None
    fetched: Request | None = None
    verification: str | None
    idempotency: list[KeyUse]
    mapping: MappingVersions
    now: str
    fields: list[FieldRow]
    match: Match | None
    notices: list[LogLine]
    touches: list[TouchRow]
    consents: list[ConsentAnswer]
    quarantine: list[QuarantineEntry]
    deliveries: list[Delivery]
    revises: UUID | None
    superseded_by: UUID | None
    revisions: list[Revision]
    not_wanted: dict[str, str] = msgspec.field(default_factory=dict)
    activity: ToldOfSomebody | None = None


class PersonStory(Told, frozen=True, kw_only=True):
    """A golden record with the origin of each value, the leads, contacts and consents behind it, and what CRMs have.

    `touches` counts the contacts of `touch_list`. `forward` is there if the id stands for another person now.
    """

    kind: str = "person"
    person_id: UUID
    brand: str
    version: int
    original_source: str | None
    original_channel: str | None
    original_campaign: str | None
    original_at: datetime | None
    original_event: UUID | None
    latest_source: str | None
    latest_channel: str | None
    latest_campaign: str | None
    latest_at: datetime | None
    latest_event: UUID | None
    owner: str | None
    touches: int
    created_at: datetime
    updated_at: datetime
    original_position: int
    latest_position: int
    merged_into: UUID | None
    rerouted_at: datetime | None
    fields: list[GoldenField]
    derived: dict[str, Any]
    events: list[StoredLead]
    touch_list: list[TouchRow]
    consents: list[ConsentAnswer]
    quarantine: list[QuarantineEntry]
    deliveries: list[Delivery]
    history: list[LogLine]
    forward: ForwardedId | None
    consent_state: list[ConsentInForce]
    not_wanted: dict[str, str] = msgspec.field(default_factory=dict)
    activities: list[ToldOfSomebody] = msgspec.field(default_factory=list)


def tell_story(connection: Connection, any_id: UUID) -> EventStory | PersonStory:
    """The story of an event or a person, or of the one that a quarantined thing is about, as whoever asks may see it.
    Raises NotFoundError."""
    kind = find_kind(connection, any_id)
    if kind == "quarantine":
        row = show_quarantine(connection, any_id)
        if row is not None:
            kind, any_id = ("event", row.event_id) if row.event_id else ("person", row.person_id or any_id)
    story = tell_event(connection, any_id) if kind == "event" else tell_person(connection, any_id)
    if story is None:
        raise NotFoundError(
            f"no event, person or quarantined thing has the id {any_id}: ids stand in `afluente leads export` and"
            " `afluente people export`"
        )
    return as_seen(story)


def tell_event(connection: Connection, event_id: UUID) -> EventStory | None:
    """The story of a lead; None if no event has this id."""
    facts = explain_event(connection, event_id)
    if facts is None:
        return None
    event, person = facts["event"], facts["person"]
    recomputed = recompute(connection, [event_id]).get(event_id)
    is_read = recomputed is not None and event["state"] != FETCHING
    return EventStory(
        **_columns_of(event, EventStory),
        request=_request(recomputed) if recomputed else None,
        fetched=_fetched(recomputed) if recomputed else None,
        verification=_verification(recomputed) if recomputed else None,
        idempotency=_parts(KeyUse, facts["keys"]),
        mapping=MappingVersions(
            stored=event["mapping_version"],
            current=recomputed.mapping.version if recomputed and recomputed.mapping else None,
        ),
        now=_now(connection, event, recomputed, is_read=is_read),
        fields=recomputed.fields() if recomputed and is_read else [],
        match=_match(connection, event_id, person) if person else None,
        notices=_parts(LogLine, [line for line in person["history"] if line["event_id"] == event_id] if person else []),
        touches=facts["touches"],
        consents=_parts(ConsentAnswer, facts["consents"]),
        quarantine=_parts(QuarantineEntry, facts["quarantine"]),
        deliveries=_deliveries(person) if person else [],
        revisions=_parts(Revision, facts["revisions"]),
        not_wanted=_not_wanted(person) if person else {},
        activity=_activities([told])[0] if (told := activities.read_of_event(connection, event_id)) else None,
    )


def tell_person(connection: Connection, person_id: UUID) -> PersonStory | None:
    """The story of a person; None if no person has this id."""
    facts = explain_person(connection, person_id)
    if facts is None:
        return None
    person, profile = facts["person"], facts["profile"]
    return PersonStory(
        **_columns_of(person, PersonStory),
        fields=[
            GoldenField(field=name, value=golden.value, source=golden.source, event_id=golden.event_id, at=golden.at)
            for name, golden in profile.fields.items()
        ],
        derived=derive(profile.values()),
        events=_parts(StoredLead, facts["events"]),
        touch_list=facts["touches"],
        consents=_parts(ConsentAnswer, facts["consents"]),
        quarantine=_parts(QuarantineEntry, facts["quarantine"]),
        deliveries=_deliveries(facts),
        not_wanted=_not_wanted(facts),
        activities=_activities(activities.read_of_person(connection, person_id, limit=_MOST_ACTIVITIES)),
        history=_parts(LogLine, tell_reasons(connection, facts["history"])),
        forward=_forward(connection, person_id),
        consent_state=[
            ConsentInForce(purpose=purpose, channel=channel, state=state)
            for (purpose, channel), state in consent_state_of(connection, person_id).items()
        ],
    )


def _columns_of(row: Mapping[str, Any], part: type[Told]) -> dict[str, Any]:
    """Of a stored row the columns that are fields of the part by the same name."""
    return {name: row[name] for name in part.__struct_fields__ if name in row}


def _parts(part: type[Part], rows: Sequence[Mapping[str, Any]]) -> list[Part]:
    return [part(**_columns_of(row, part)) for row in rows]


def _activities(rows: Sequence[activities.ToldActivity]) -> list[ToldOfSomebody]:
    return [
        ToldOfSomebody(
            details=open_kept(row.sealed, row.event_id).details,
            **{name: value for name, value in row._asdict().items() if name != "sealed"},
        )
        for row in rows
    ]


def _request(recomputed: Recomputed) -> Request:
    raw = recomputed.raw
    came = raw.request.envelope if raw.request else raw.envelope
    return Request(
        content_type=came.content_type,
        bytes=len(came.body),
        headers=came.headers,
        origin={name: value for name, value in raw.envelope.origin.items() if name != "verified_by"},
        body=part_text(raw, recomputed.connector) if raw.request else body_text(came.body),
    )


def _fetched(recomputed: Recomputed) -> Request | None:
    fetched = recomputed.raw.fetched
    if fetched is None:
        return None
    return Request(
        content_type=fetched.content_type,
        bytes=len(fetched.body),
        headers={},
        origin=fetched.origin,
        body=body_text(fetched.body),
    )


def _now(connection: Connection, event: Mapping[str, Any], recomputed: Recomputed | None, *, is_read: bool) -> str:
    if recomputed is None:
        is_old = any(is_retiring(connection, what, event["brand"], event["source"]) for what in (BODIES, QUARANTINE))
        return "its body is gone: retention drops those of this source" if is_old else "its body is gone"
    return recomputed.verdict if is_read else why_record_waits(connection, event["event_id"])


def _verification(recomputed: Recomputed) -> str:
    """How it was known to come from the source. What failed the check was answered with 401 and never stored."""
    origin = recomputed.raw.envelope.origin
    if origin.get("verified_by"):
        return f"signature held ({origin['verified_by']})"
    if origin.get("via") == "api":
        return f"API key {origin.get('key')}"
    if origin.get("via") == "webhook":
        return "none: this source does not sign its requests"
    return "none needed: read by Afluente itself or given by an operator"


def _match(connection: Connection, event_id: UUID, person: Mapping[str, Any]) -> Match | None:
    reasons = explain_match(connection, event_id, [lead["event_id"] for lead in person["events"]])
    return None if reasons is None else Match(**reasons)


def _forward(connection: Connection, person_id: UUID) -> ForwardedId | None:
    """Whom an id that was merged away stands for, with the leads that are its own."""
    forward = find_forward(connection, person_id)
    if forward is None:
        return None
    facts = dict(forward.story)
    own, now = set(facts.pop("event_ids")), explain_person(connection, facts["into"])
    leads = [lead for lead in now["events"] if lead["event_id"] in own] if now else []
    return ForwardedId(**facts, leads=_parts(StoredLead, leads))


def _deliveries(person: Mapping[str, Any]) -> list[Delivery]:
    """Each record of a CRM with the calls that carried it, and why it waits if it does."""
    return [
        Delivery(
            **_columns_of(delivery, Delivery),
            calls=_parts(
                Call,
                [
                    call
                    for call in person["delivery_log"]
                    if (call["destination"], call["subject_id"]) == (delivery["destination"], delivery["subject_id"])
                ],
            ),
            waits=_waits(delivery),
        )
        for delivery in person["deliveries"]
    ]


def _waits(delivery: Mapping[str, Any]) -> str | None:
    if delivery["state"] != "due":
        return why_delivery_waits(delivery, None)
    return why_delivery_waits(delivery, why_destination_waits(delivery["destination"]))


def _not_wanted(person: Mapping[str, Any]) -> dict[str, str]:
    """By destination that this person is meant for and has no delivery to: why. Of leads that have not settled yet, and
    of ids that forward to somebody, nothing."""
    row = person["person"]
    if row["merged_into"] is not None or not any(event["state"] == "settled" for event in person["events"]):
        return {}
    known = {delivery["destination"] for delivery in person["deliveries"]}
    return {name: why_not_wanted(name) for name in settings().destinations_for(row["brand"]) if name not in known}
