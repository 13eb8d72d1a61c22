"""What settled leads say now, as it is stored, and what stood before: for whoever writes the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.identity.people_updates import Resolved
from pipeline.identity.record_touches import read_leads
from pipeline.privacy.people_to_send import read_named_people
from pipeline.records import Lead, Person, Touch
from pipeline.stages.destination_mapping.names import Named
from pipeline.store.deliveries.deliveries import PersonToSend
from pipeline.store.engine import transaction
from pipeline.store.events import record_members, settled
from pipeline.store.events.settled import SettledEvent
from pipeline.store.people import people


@dataclass
class Standing:
    """What stood before, of the events of a batch and of all people in question."""

    events: dict[UUID, SettledEvent] = field(default_factory=dict)
    people: dict[UUID, Person] = field(default_factory=dict)
    sent: dict[UUID, PersonToSend] = field(default_factory=dict)


def is_anew(lead: Lead, standing: Standing) -> bool:
    was = standing.events.get(lead.event_id)
    return was is not None and was.mapping_version != lead.mapping_version


def facts_of(touch: Touch) -> Touch:
    """A touch without the version of the rules that its channel was found by."""
    return msgspec.structs.replace(touch, rules_version=None)


def mates_of(connection: Connection, leads: Sequence[Lead]) -> list[Lead]:
    """Of records with revisions the leads whose events have the touch of the record, superseded as they may be."""
    records = {lead.record_id for lead in leads if lead.record_id is not None}
    if not records:
        return []
    ours = {lead.event_id for lead in leads}
    owners = {lead.person_id for lead in leads if lead.person_id is not None}
    contacts = record_members.read_contacts(connection, owners, records)
    return read_leads(
        connection, [contact for contact in contacts if contact.has_touch and contact.event_id not in ours]
    )


def read_standing(leads: Sequence[Lead], resolved: Resolved, named: Named) -> Standing:
    """`named`: what any destination is told beside people's own rows."""
    with transaction(timeout_seconds=0) as outside:
        stood = settled.read_settled(outside, {lead.event_id for lead in leads})
        involved = {lead.person_id for lead in leads} | {event.person_id for event in stood.values()}
        known = {person_id for person_id in involved if person_id is not None} | resolved.changed.keys()
        return Standing(
            stood,
            people.read_people(outside, known, lock=False),
            read_named_people(outside, sorted(known), named),
        )
