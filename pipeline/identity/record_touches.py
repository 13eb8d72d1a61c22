"""The touches of records that have revisions: a record is one contact of a person, unless its source tells of more.

The touch is that of the first event of a contact that is a lead, by arrival: also where a revision was worked on before
it, and where a revision took its place. So the touches are the same ones, in whatever order workers come.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from connectors.kit.sources.idempotency import FOLLOWS
from pipeline.records import Lead
from pipeline.replay import recompute_leads
from pipeline.store.events import record_members
from pipeline.store.events.record_members import Contact

_CANDIDATES = 50  # events of one contact that are looked at for a lead


class RecordTouches(NamedTuple):
    """`leads`: those whose touches are to be written, with their people. `dropped`: events that lose theirs, of the
    people in `people`. `silent`: leads that a revision took the place of before they were worked on."""

    leads: list[Lead]
    dropped: list[UUID]
    people: set[UUID]
    silent: list[Lead]


def plan_touches(connection: Connection, leads: Sequence[Lead]) -> RecordTouches:
    """Whose touches are to be written of these leads' records. The leads know their people. One statement, and three
    more where stored events have to be read again."""
    own = {lead.event_id: lead for lead in leads}
    people = {lead.person_id for lead in leads if lead.person_id is not None}
    contacts = record_members.read_contacts(connection, people, {lead.record_id for lead in leads if lead.record_id})
    planned = RecordTouches([], [], set(), [])
    for group in _by_contact(contacts):
        touched = [contact for contact in group if contact.has_touch]
        before = group[: group.index(touched[0])] if touched else group
        first = _first_lead(connection, before[:_CANDIDATES], own)
        extra = touched if first is not None else touched[1:]
        planned.dropped.extend(contact.event_id for contact in extra)
        planned.people.update(contact.person_id for contact in extra)
        if first is not None:
            planned.leads.append(first)
    ended = [
        contact
        for contact in contacts
        if contact.superseded_by in own and contact.event_id not in own and not contact.is_settled
    ]
    planned.silent.extend(read_leads(connection, ended))
    return planned


def _by_contact(contacts: Iterable[Contact]) -> Iterator[list[Contact]]:
    """Those of one contact with one person: first what names it, then what follows it, in whatever order they came."""
    for _, members in groupby(contacts, key=lambda contact: (contact.record_id, contact.person_id)):
        group = list(members)
        named: dict[bytes | None, list[Contact]] = {}
        for contact in sorted(group, key=lambda contact: contact.contact == FOLLOWS):
            named.setdefault(_which(contact, group), []).append(contact)
        yield from named.values()


def _which(contact: Contact, group: Sequence[Contact]) -> bytes | None:
    """The contact that an event of a record is of. What names none is the first one; what follows is of the latest one
    named before it."""
    if contact.contact is None:
        return group[0].contact
    if contact.contact != FOLLOWS:
        return contact.contact
    before = [
        other for other in group if other.contact not in (None, FOLLOWS) and other.happened_at <= contact.happened_at
    ]
    return max(before, key=lambda other: other.happened_at).contact if before else FOLLOWS


def _first_lead(connection: Connection, candidates: Sequence[Contact], own: dict[UUID, Lead]) -> Lead | None:
    for contact in candidates:
        if contact.event_id in own:
            return own[contact.event_id]
        for lead in read_leads(connection, [contact]):
            return lead
    return None


def read_leads(connection: Connection, contacts: Collection[Contact]) -> list[Lead]:
    """What of these events is a lead, superseded or not, mapped anew and with its person."""
    people = {contact.event_id: contact.person_id for contact in contacts}
    leads = list(recompute_leads(connection, sorted(people), with_superseded=True)) if people else []
    for lead in leads:
        lead.person_id = people[lead.event_id]
    return leads
