"""What people agree to, as somebody asks for it: shown with what holds, recorded on a human's word, exported."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from pipeline.audit.entries import record_action
from pipeline.errors import NotFoundError, UsageError
from pipeline.hints import hint_dispatch
from pipeline.inspection.exports import Export
from pipeline.inspection.names import check_brand
from pipeline.intake.contents import store_events
from pipeline.intake.own_consents import consent_event
from pipeline.privacy.consent_report import PersonConsents, report_consents
from pipeline.records import BY_HAND, EVERY_CHANNEL, OBJECTION, WITHDRAWAL, Consent, new_id
from pipeline.stages.mapping.consents import consent_channel, consent_purpose
from pipeline.store.engine import transaction
from pipeline.store.people.kept_consents import read_owner, stream_people_asked
from pipeline.store.people.people import read_people

if TYPE_CHECKING:
    from sqlalchemy import Connection

_PEOPLE_AT_ONCE = 500
_COLUMNS = (
    *(
        "person_id",
        "event_id",
        "received_at",
        "contact_points",
        "is_superseded",
        "purpose",
        "channel",
        "granted",
        "act",
    ),
    *(
        "at",
        "source",
        "policy_version",
        "legal_basis",
        "method",
        "notice_id",
        "notice_hash",
        "language",
        "jurisdiction",
    ),
    *("expires_at", "double_opt_in_sent_at", "double_opt_in_confirmed_at", "state"),
)


class RecordedConsent(msgspec.Struct, frozen=True):
    """What was taken: its event goes through the workers, within seconds where they run."""

    event_id: UUID
    person_id: UUID
    purpose: str
    channel: str
    act: str


def show_consents(connection: Connection, person_id: UUID) -> PersonConsents:
    """Statements as they are kept, and what holds now per purpose and contact point. Of somebody who is one with
    another, those of both. Raises NotFoundError."""
    owner, brand = _owner(connection, person_id)
    found = report_consents(connection, [owner]).get(owner) or PersonConsents(owner, [], [])
    record_action(connection, "consent.read", brand=brand, object_kind="person", object_id=owner)
    return found


def record_consent(
    connection: Connection,
    person_id: UUID,
    question: str,
    *,
    granted: bool,
    by: str,
    why: str,
    is_objection: bool = False,
    **facts: Any,
) -> RecordedConsent:
    """Take a human's word for what a person agrees to, `question` as PURPOSE.CHANNEL, or a withdrawal.

    A grant stands against every earlier withdrawal of the person, so it needs a name and a reason. `is_objection`: to
    the purpose, whatever the channel. `facts` are further ones of `Consent`. Raises UsageError, NotFoundError.
    """
    if not by.strip() or not why.strip():
        raise UsageError("whose word is it, and why? A consent that is recorded by hand needs both")
    purpose, channel = _question(question)
    if is_objection and granted:
        raise UsageError("an objection grants nothing")
    act = BY_HAND if granted else OBJECTION if is_objection else WITHDRAWAL
    owner, brand = _owner(connection, person_id)
    said = Consent(
        purpose,
        EVERY_CHANNEL if is_objection else channel,
        granted,
        at=datetime.now(UTC),
        act=act,
        **{"source": "by_hand", "method": "by_hand", **facts},
    )
    who = read_people(connection, [owner], lock=False)[owner].profile.values()
    event = consent_event(
        [said], brand=brand, statement_id=str(new_id()), via="by_hand", who=who, person_id=person_id, by=by, reason=why
    )
    store_events(connection, [event])
    record_action(
        connection,
        "consent.record",
        brand=brand,
        object_kind="person",
        object_id=owner,
        reason=why,
        changed={f"{said.purpose}.{said.channel}": (None, act)},
    )
    return RecordedConsent(event.event_id, owner, said.purpose, said.channel, act)


def tell_workers() -> None:
    """Statements were stored: call it after the commit."""
    hint_dispatch("hot")


def export_consents(connection: Connection, *, brand: str | None = None) -> Export:
    """A row for each statement, person by person, with what holds of its question now as `state`. Raises UsageError for
    a brand that there is not."""
    check_brand(connection, brand)
    with transaction() as own:  # its entry does not wait for the end of the rows, nor anybody for it
        record_action(own, "consent.export", brand=brand)
    rows = _rows(connection, brand)
    return Export(_COLUMNS, rows, rows)


def _rows(connection: Connection, brand: str | None) -> Iterator[dict[str, Any]]:
    for person_ids in stream_people_asked(connection, brand=brand, page=_PEOPLE_AT_ONCE):
        for person_id, report in sorted(report_consents(connection, person_ids).items()):
            states = {(held.purpose, held.channel): held.state for held in report.holds if held.contact_point is None}
            for statement in report.statements:
                said = statement.said
                yield {
                    **dict.fromkeys(_COLUMNS),
                    "person_id": person_id,
                    "event_id": statement.event_id,
                    "received_at": statement.received_at,
                    "contact_points": statement.contact_points,
                    "is_superseded": statement.is_superseded,
                    **said,
                    "state": states.get((said["purpose"], said["channel"])),
                }


def _owner(connection: Connection, person_id: UUID) -> tuple[UUID, str]:
    found = read_owner(connection, person_id)
    if found is None:
        raise NotFoundError(f"no person has the id {person_id}: ids stand in `afluente people export`")
    return found


def _question(text: str) -> tuple[str, str]:
    purpose, _, channel = text.strip().partition(".")
    if not purpose or not channel:
        raise UsageError(f"{text!r} is no question; write PURPOSE.CHANNEL, as marketing.email")
    return consent_purpose(purpose), consent_channel(channel)
