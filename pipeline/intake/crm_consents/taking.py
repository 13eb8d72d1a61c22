"""Makes statements of what a page of a CRM's records says: whose each is, what of it is news, and what is our own word
that comes back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from connectors.kit import ChangedRecord
from pipeline.intake.contents import store_events
from pipeline.intake.crm_consents.watching import answers_of, becomes_statement
from pipeline.intake.own_consents import consent_event
from pipeline.lanes import BULK
from pipeline.privacy.consent_states import UNKNOWN, WITHDRAWN, Answer
from pipeline.privacy.person_consents import consent_answers_of
from pipeline.records import WITHDRAWAL, Consent, NewEvent, new_id
from pipeline.settings.consent_settings import WatchedObject
from pipeline.settings.loading import settings
from pipeline.stages.mappings_in_force import destination_mapping_in_force
from pipeline.store.deliveries import crm_consents as stored
from pipeline.store.deliveries.crm_consents import Noted, Owner, Said
from pipeline.store.people.people import read_people

METHOD = "opted_out_in_crm"
_GRANTED_METHOD = "opted_in_in_crm"
_VIA = "crm"


class _News(NamedTuple):
    """What a field of a record says otherwise than when it was read last. `owner` None: nobody of ours that we know."""

    record: ChangedRecord
    said: Said
    state: str | None
    owner: Owner | None


def take_page(
    connection: Connection,
    destination: str,
    object_name: str,
    declared: WatchedObject,
    records: Sequence[ChangedRecord],
    *,
    is_first: bool = False,
) -> int:
    """Keep what these records say, and store the statements that it comes to; gives how many. At most seven statements
    of SQL where there is news, one where there is none. `is_first`: of a reading of all that ever was, which must not
    stand before people who wait."""
    latest = {record.crm_id: record for record in records}  # of one that comes twice the later one
    noted = stored.read_noted(connection, destination, object_name, latest)
    news = _news(connection, declared, latest, noted, brands=_brands(destination))
    if not news:
        return 0
    questions = {(told.said.purpose, told.said.channel) for told in news}
    people = sorted({told.owner.person_id for told in news if told.owner is not None})
    holds = consent_answers_of(connection, people, questions) if people else {}
    ours = _written_fields(destination)
    profiles = _profiles(connection, news)
    notes: list[Noted] = []
    events: list[NewEvent] = []
    for told in news:
        made: list[NewEvent] = []
        answer = _answer(holds, told)
        is_ours = told.owner is not None and told.said.field in ours
        if becomes_statement(told.state, noted.get(told.said), holds=answer.state, is_ours=is_ours):
            made = _events(destination, told, profiles)
            if not made:
                continue  # of nobody: it is looked at again when the record is changed
        person_id = told.owner.person_id if told.owner is not None else None
        event_id = made[0].event_id if made else None
        notes.append(Noted(told.said, told.state, told.record.changed_at, person_id, event_id))
        events += made
    if events:
        store_events(
            connection, [msgspec.structs.replace(event, lane=BULK) for event in events] if is_first else events
        )
    stored.note_said(connection, destination, object_name, notes)
    return len(events)


def _news(
    connection: Connection,
    declared: WatchedObject,
    records: Mapping[str, ChangedRecord],
    noted: Mapping[Said, str],
    *,
    brands: Collection[str],
) -> list[_News]:
    """Nothing of records that were left of people who were erased: an address that such a record got since would bring
    them back. Our id of somebody of another brand than the destination's is as none."""
    told = [
        (record, said, state)
        for record in records.values()
        for said, state in answers_of(declared, record.crm_id, record.fields).items()
        if state != noted.get(said)
    ]
    keys = {record.crm_id: key for record, _, _ in told if (key := _id(record.key)) is not None}
    owners = stored.read_owners(connection, set(keys.values()))
    known = {key: owner for key, owner in owners.known.items() if owner.brand in brands}
    return [
        _News(record, said, state, known.get(keys[record.crm_id]) if record.crm_id in keys else None)
        for record, said, state in told
        if keys.get(record.crm_id) not in owners.erased
    ]


def _answer(holds: Mapping[UUID, Mapping[tuple[str, str], Answer]], told: _News) -> Answer:
    if told.owner is None:
        return Answer(UNKNOWN)
    return holds.get(told.owner.person_id, {}).get((told.said.purpose, told.said.channel), Answer(UNKNOWN))


def _events(destination: str, told: _News, profiles: Mapping[UUID, Mapping[str, Any]]) -> list[NewEvent]:
    """The statement, in each brand whose person it may be; none where the record says nobody."""
    is_withdrawn = told.state == WITHDRAWN
    said = Consent(
        told.said.purpose,
        told.said.channel,
        not is_withdrawn,
        at=told.record.changed_at,
        source=destination,
        act=WITHDRAWAL if is_withdrawn else None,
        method=METHOD if is_withdrawn else _GRANTED_METHOD,
    )
    who: Mapping[str, Any] = _who(told.record)
    if told.owner is not None:
        who = who or profiles.get(told.owner.person_id, {})
        return [_event(said, told.owner.brand, who, told.owner.person_id)]
    return [_event(said, brand, who, None) for brand in _brands(destination)] if who else []


def _event(said: Consent, brand: str, who: Mapping[str, Any], person_id: UUID | None) -> NewEvent:
    return consent_event([said], brand=brand, statement_id=str(new_id()), via=_VIA, who=who, person_id=person_id)


def _who(record: ChangedRecord) -> dict[str, Any]:
    """The record's first e-mail and numbers, as the CRM spells them."""
    phones = [text for name, text in record.values.items() if name.startswith(("phone", "mobile")) and text]
    found: dict[str, Any] = {"email": record.values.get("email"), "phone": phones[0] if phones else None}
    return {name: value for name, value in found.items() if value}


def _profiles(connection: Connection, news: Sequence[_News]) -> dict[UUID, Mapping[str, Any]]:
    """Golden values of those whose record at the CRM has no address."""
    wanted = sorted({told.owner.person_id for told in news if told.owner is not None and not _who(told.record)})
    if not wanted:
        return {}
    people = read_people(connection, wanted, lock=False)
    return {person_id: person.profile.values() for person_id, person in people.items()}


def _written_fields(destination: str) -> set[str]:
    """The CRM's fields that we write consents to ourselves, of whichever object."""
    mapping = destination_mapping_in_force(settings().destinations[destination].mapping_name)
    return {name for known in mapping.objects for name in known.declaration.consent_fields}


def _brands(destination: str) -> list[str]:
    configured = settings().destinations[destination]
    return sorted(settings().brands) if configured.brands is None else sorted(configured.brands)


def _id(key: str | None) -> UUID | None:
    """Our id in a record, as a person's; a key of whatever else is none."""
    try:
        return UUID(key) if key else None
    except ValueError:
        return None
