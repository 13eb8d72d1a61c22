"""`afluente deliveries preview`: what each CRM would be sent of a person, field by field, without sending it.

It holds personal data, for the eyes of whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from pipeline.delivery.accounts import kind_of
from pipeline.delivery.subjects import facts_to_send
from pipeline.errors import NotFoundError, RecordError, UsageError
from pipeline.identity.companies import company_of, company_values, read_companies
from pipeline.inspection.finding import Found, find
from pipeline.inspection.masked.told import as_seen
from pipeline.privacy.consents_to_send import consents_to_send
from pipeline.privacy.people_to_send import read_named_people
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping.declarations import (
    COMPANY,
    CONSENT,
    CRM_WINS,
    FILL_IF_EMPTY,
    PERSON,
    DestinationRule,
)
from pipeline.stages.destination_mapping.mapping import DestinationMapping, map_merged, map_person
from pipeline.stages.mappings_in_force import destination_mapping_in_force
from pipeline.store.deliveries.consents import read_consent_records_of
from pipeline.store.deliveries.deliveries import PersonToSend, read_people_to_send
from pipeline.store.keyring import blind_index
from pipeline.store.people.companies import companies_of
from pipeline.store.people.touch_facts import read_touches, touches_of_person
from pipeline.store.reports import explain_person, read_status
from pipeline.targets import destination_of, targets_of
from pipeline.values.normalized import is_empty

if TYPE_CHECKING:
    from sqlalchemy import Connection

CONSTANT, DEFAULT = "constant", "default"
_NOT_MADE = UUID(int=0)
Deliveries = Mapping[tuple[str, UUID], Mapping[str, Any]]  # (destination or `crm/Account`, id of what it is of) -> row


class PreviewField(msgspec.Struct, frozen=True):
    """`origin`: the canonical name that the value is of, constant or default; None where there is no value. `remark`:
    what becomes of it, if not just that it is sent."""

    field: str
    value: Any
    origin: str | None
    remark: str = ""

    def __repr__(self) -> str:
        return f"<PreviewField {self.field}>"


class Preview(msgspec.Struct, frozen=True):
    """What one destination would be sent: of the person, or of their company, a touch or a consent, whose id is
    `subject_id` and whose object the destination's name ends with, `crm/Account`. `problem`: why nothing would be, in
    words. `differs`: from what the CRM confirmed last, fields written once included; None where that is not known, or
    it has nothing yet.
    """

    destination: str
    kind: str
    person_id: UUID
    state: str
    external_id: str | None
    fields: list[PreviewField]
    problem: str | None = None
    differs: bool | None = None
    subject: str = PERSON
    subject_id: UUID | None = None


def find_person(connection: Connection, text: str) -> list[Found]:
    """Whom a text means, as `explain` takes it; of a lead its person. Raises NotFoundError."""
    found = {match.id: match for match in find(connection, text)}
    people: dict[UUID, Found] = {}
    for match in found.values():
        status = read_status(connection, match.id) if match.kind == "event" else None
        person_id = status.event["person_id"] if status is not None else match.id
        if person_id is not None and (status is not None or match.kind == "person"):
            people[person_id] = Found("person", person_id, match.brand, match.by, match.name, match.email)
    if not people:
        raise NotFoundError("no person has this: give the id of a person or of a lead that settled, or an address")
    return list(people.values())


def preview_deliveries(connection: Connection, person_id: UUID, *, destination: str | None = None) -> list[Preview]:
    """Of each destination that the person is meant for, or of one. Raises NotFoundError; UsageError for a destination
    that there is not, or that is not for the person's brand; ConfigurationError for a mapping that cannot be read."""
    facts = explain_person(connection, person_id)
    if facts is None:
        raise NotFoundError(f"no person has the id {person_id}")
    meant = list(settings().destinations_for(facts["person"]["brand"]))
    if destination is not None and destination not in settings().destinations:
        known = ", ".join(sorted(settings().destinations)) or "none"
        raise UsageError(f"is {destination!r}; known: {known}", argument="destination")
    if destination is not None and destination not in meant:
        raise UsageError(f"{destination} is not for {facts['person']['brand']}", argument="destination")
    deliveries = {(row["destination"], row["subject_id"]): row for row in facts["deliveries"]}
    found = []
    for name in meant if destination is None else [destination]:
        mapping = destination_mapping_in_force(settings().destinations[name].mapping_name)
        found.append(_preview(connection, name, mapping, person_id, deliveries))
        if facts["person"]["merged_into"] is None:
            found += _previews_of_others(connection, name, mapping, person_id, deliveries)
    return [as_seen(preview) for preview in found]


def _preview(
    connection: Connection, name: str, mapping: DestinationMapping, person_id: UUID, deliveries: Deliveries
) -> Preview:
    person = read_named_people(connection, [person_id], mapping.named)[person_id]
    kind = kind_of(name, settings().destinations[name])
    delivery = deliveries.get((name, person_id), {})
    known = _blank(name, mapping, person_id, person_id, delivery)
    if person.merged_into is not None:
        fields = map_merged(mapping, person.merged_into).fields if kind.merge == "mark" else {}
        shown = [PreviewField(field, value, "merged_into") for field, value in fields.items()]
        problem = None if shown else f"the person is one with {person.merged_into} now, and there is no way to mark it"
        return msgspec.structs.replace(known, fields=shown, problem=problem)
    links = _links(connection, name, mapping, person_id, deliveries)
    return _with_fields(known, mapping, person, delivery, links)


def _blank(
    name: str, mapping: DestinationMapping, person_id: UUID, subject_id: UUID, delivery: Mapping[str, Any]
) -> Preview:
    destination = destination_of(name)
    return Preview(
        destination=name,
        kind=kind_of(destination, settings().destinations[destination]).kind,
        person_id=person_id,
        state=str(delivery.get("state", "not wanted yet")),
        external_id=delivery.get("external_id"),
        fields=[],
        subject=mapping.subject,
        subject_id=subject_id,
    )


def _previews_of_others(
    connection: Connection, name: str, mapping: DestinationMapping, person_id: UUID, deliveries: Deliveries
) -> list[Preview]:
    """Of the person's company, touches and consents, where the mapping makes something of them."""
    found = []
    for other in mapping.others:
        target = f"{name}/{other.object}"
        for subject_id, values in _subjects(connection, other, person_id).items():
            delivery = deliveries.get((target, subject_id), {})
            links = _links(connection, name, other, person_id, deliveries)
            known = _blank(target, other, person_id, subject_id, delivery)
            found.append(_with_fields(known, other, PersonToSend(values, {}), delivery, links))
    return found


def _subjects(connection: Connection, other: DestinationMapping, person_id: UUID) -> dict[UUID, dict[str, Any]]:
    """What stands for them, as it would be sent. A company that nobody was sent with yet has no id of its own."""
    if other.subject == COMPANY:
        company_id = companies_of(connection, [person_id]).get(person_id)
        if company_id is not None:
            return {company_id: read_companies(connection, [company_id]).get(company_id, {})}
        person = read_people_to_send(connection, [person_id])[person_id]
        known = company_of(person.brand, person.values)
        return {} if known is None else {_NOT_MADE: company_values([person.values])}
    if other.subject == CONSENT:
        records = read_consent_records_of(connection, person_id)
        consents = consents_to_send(connection, records)
        return {consent_id: consent.values for consent_id, consent in consents.items()}
    touches = read_touches(connection, touches_of_person(connection, person_id))
    return {event_id: facts_to_send(touch) for event_id, touch in touches.items()}


def _links(
    connection: Connection, name: str, mapping: DestinationMapping, person_id: UUID, deliveries: Deliveries
) -> list[PreviewField]:
    """The records it would be linked to, by their ids at the CRM."""
    found = []
    companies = companies_of(connection, [person_id])
    for role, subject in mapping.links:
        target = next(target for target in targets_of(name) if target.subject == subject)
        subject_id = person_id if subject == PERSON else companies.get(person_id)
        delivery = deliveries.get((target.name, subject_id), {}) if subject_id else {}
        crm_id = delivery.get("external_id")
        remark = f"link to the {subject}" if crm_id else f"link to the {subject}, which is not there yet"
        found.append(PreviewField(role, crm_id, subject, remark))
    return found


def _with_fields(
    known: Preview,
    mapping: DestinationMapping,
    person: PersonToSend,
    delivery: Mapping[str, Any],
    links: list[PreviewField],
) -> Preview:
    subject_id = known.subject_id or known.person_id
    sent_version = int(delivery.get("sent_version") or 0)
    emptied = [name for name, version in person.emptied.items() if version > sent_version]
    digest = delivery.get("once_digest")
    once, problem, differs = False, None, None
    try:
        mapped = map_person(
            mapping,
            subject_id,
            person.values,
            person.attribution,
            confirmed=bytes(digest) if digest else None,
            emptied=emptied,
        )
    except RecordError as error:
        problem = f"would wait in quarantine as {error.code}: {error.message}"
    else:
        once = mapped.leaves_out_once
        if delivery.get("content_id") is not None:
            differs = delivery["content_id"] != blind_index().content_id(mapped.content)
    fields = [
        _field(
            rule,
            mapping,
            subject_id,
            person,
            emptied=emptied,
            is_confirmed=once and rule.is_once,
            is_there=known.external_id is not None,
        )
        for rule in mapping.declaration.fields
    ]
    return msgspec.structs.replace(known, fields=[*fields, *links], problem=problem, differs=differs)


def _field(
    rule: DestinationRule,
    mapping: DestinationMapping,
    person_id: UUID,
    person: PersonToSend,
    *,
    emptied: list[str],
    is_confirmed: bool,
    is_there: bool,
) -> PreviewField:
    """One rule, mapped alone."""

    def mapped(only: DestinationRule, gone: list[str]) -> Any:
        alone = DestinationMapping(replace(mapping.declaration, fields=(only,), others=()))
        return map_person(alone, person_id, person.values, person.attribution, emptied=gone)

    origin = CONSTANT if rule.constant is not None else None
    for source in () if origin else rule.sources:
        single = replace(rule, sources=(source,), default=None, required=False, truncates=True, max_length=1)
        try:
            has_value = not is_empty(mapped(replace(single, clears=False), []).fields.get(rule.name))
        except RecordError:  # there is a value, and it does not fit
            has_value = True
        if has_value:
            origin = source
            break
    try:
        found = mapped(rule, emptied)
    except RecordError as error:
        return PreviewField(rule.name, None, origin, f"refused ({error.code}): {error.message}")
    if rule.name not in found.fields:
        return PreviewField(rule.name, None, origin, "left out" if origin else "left out: the person has none")
    value = found.fields[rule.name]
    if value is None:
        return PreviewField(rule.name, None, None, "emptied there")
    remarks = [f"cut to {rule.max_length} characters"] if rule.name in found.truncated else []
    if is_confirmed:
        remarks.append("left out: written once, and the CRM has it")
    elif rule.is_once:
        remarks.append("written once")
    elif rule.write == FILL_IF_EMPTY:
        remarks.append("sent only where the CRM has none")
    elif rule.write == CRM_WINS:
        remarks.append("left out: the CRM keeps its own" if is_there else "sent when the record is made")
    return PreviewField(rule.name, value, origin or DEFAULT, "; ".join(remarks))
