"""Consents as a CRM is told of them where each is a record of its own: what holds now, and whom it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.privacy.consent_states import DENIED, WITHDRAWN, Answer
from pipeline.privacy.person_consents import consent_answers_of
from pipeline.store.deliveries.consents import ConsentRecord, read_consent_records
from pipeline.store.deliveries.deliveries import PersonToSend, read_people_to_send

_NEVER_ASKED = Answer()
# Where a channel goes to; of any other one what is known first of an address and a number.
_CONTACT_POINTS = {
    "email": ("email",),
    "phone": ("phone",),
    "sms": ("phone",),
    "whatsapp": ("whatsapp_id", "phone"),
}
_ANY = ("email", "phone")


class ConsentToSend(NamedTuple):
    """`values` by the names of `canonical.CONSENT_SOURCES`; `owner_id`: the person whose record it leads to."""

    values: dict[str, Any]
    owner_id: UUID

    @property
    def is_refused(self) -> bool:
        return self.values["state"] in (DENIED, WITHDRAWN)

    def __repr__(self) -> str:
        return "<ConsentToSend>"


def read_consents_to_send(connection: Connection, consent_ids: Sequence[UUID]) -> dict[UUID, ConsentToSend]:
    """By id, those that there are. Three statements."""
    return consents_to_send(connection, read_consent_records(connection, consent_ids))


def consents_to_send(connection: Connection, records: Sequence[ConsentRecord]) -> dict[UUID, ConsentToSend]:
    """By id. Two statements.

    Of somebody who is one with another by now the answer is that of both, the strictest; the address stays that of the
    record, which may still be written to.
    """
    owners = {record.owner_id for record in records}
    questions = {(record.purpose, record.channel) for record in records}
    answers = consent_answers_of(connection, owners, questions)
    people = read_people_to_send(connection, sorted(owners | {record.person_id for record in records}))
    return {
        record.consent_id: ConsentToSend(
            _values(
                record,
                answers.get(record.owner_id, {}).get((record.purpose, record.channel), _NEVER_ASKED),
                _facts_of(people, record),
            ),
            record.owner_id,
        )
        for record in records
    }


def _facts_of(people: Mapping[UUID, PersonToSend], record: ConsentRecord) -> dict[str, Any]:
    own, owner = people.get(record.person_id), people.get(record.owner_id)
    return (own.values if own is not None else {}) or (owner.values if owner is not None else {})


def _values(record: ConsentRecord, answer: Answer, person: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not known."""
    said = answer.said
    points = _CONTACT_POINTS.get(record.channel, _ANY)
    values = {
        "purpose": record.purpose,
        "channel": record.channel,
        "question": f"{record.purpose}.{record.channel}",
        "state": answer.state,
        "at": said.at if said else None,
        "source": said.source if said else None,
        "policy_version": said.policy_version if said else None,
        "contact_point": next((person[name] for name in points if person.get(name)), None),
        "email": person.get("email"),
        "phone": person.get("phone"),
        "person_id": str(record.person_id),
        "merged_into": str(record.owner_id) if record.owner_id != record.person_id else None,
    }
    return {name: value for name, value in values.items() if value is not None}
