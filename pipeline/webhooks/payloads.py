"""A message's payload, made of what is stored at the moment of sending; or why there is none.

`{"type": …, "timestamp": …, "data": {…}}`, as Standard Webhooks recommends. Of a person it holds ids, and the fields
that the settings name: nothing else, whatever is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import orjson
from sqlalchemy import Connection

from pipeline.errors import ConfigurationError, place_of
from pipeline.logs import get_logger
from pipeline.privacy.asking.consent_links import CONFIRM, address_of, confirmation_token
from pipeline.privacy.consent_states import Answer
from pipeline.privacy.person_consents import consent_answers_of, consent_states_of
from pipeline.records.webhooks import WebhookMessage
from pipeline.settings.declarations import WebhookPolicy
from pipeline.stages.mapping.consents import consent_channel, consent_purpose
from pipeline.store.confirmations.confirmations import Confirmation, read_of_events
from pipeline.store.webhooks.contents import Contents, PersonNow, read_contents
from pipeline.values.derived import derive

GONE = {"lead": "lead_gone", "person": "person_gone", "delivery": "delivery_gone", "consent": "consent_gone"}
NO_CONSENT, RESTRICTED = "no_consent", "restricted"
CONSENT_GRANTED, CONSENT_REFUSED = "consent.granted", "consent.refused"
CONFIRMATION_REQUESTED = "consent.confirmation_requested"
_CONSENT_DATA = ("purpose", "channel", "at", "source", "policy_version")
_LEAD_DATA = ("event_id", "source", "state", "lane", "channel", "received_at", "occurred_at", "settled_at", "person_id")

_UNREADABLE, _BUG = "unreadable", "bug"
_log = get_logger(__name__)


class Unmade(msgspec.Struct, frozen=True):
    """A payload that cannot be made now: a key is missing, or there is a bug in its way. `code` says which."""

    code: str


Made = bytes | str | Unmade
Answers = Mapping[UUID, Mapping[tuple[str, str], Answer]]


def make_payloads(connection: Connection, messages: list[WebhookMessage], policy: WebhookPolicy) -> dict[UUID, Made]:
    """By message its body, or as a text why it is to be dropped. At most six statements. What cannot be made stops no
    other message."""
    contents = read_contents(connection, messages)
    answers = _answers_now(connection, contents)
    refusing = _not_told_of(connection, contents.people, policy.consent)
    asked = read_of_events(
        connection,
        {
            message.event_id
            for message in messages
            if message.event == CONFIRMATION_REQUESTED and message.event_id is not None
        },
    )
    made: dict[UUID, Made] = {}
    for message in messages:
        try:
            if message.event == CONFIRMATION_REQUESTED:
                made[message.message_id] = _make_request(message, contents, asked, policy)
                continue
            made[message.message_id] = _make_payload(message, contents, answers, policy, refusing)
        except Exception as error:  # noqa: BLE001 - costs this message an attempt
            code = _UNREADABLE if isinstance(error, ConfigurationError) else _BUG
            _log.error("webhook_not_made", message=str(message.message_id), code=code, place=place_of(error))
            made[message.message_id] = Unmade(code)
    return made


def body_of(event: str, timestamp: str, data: Mapping[str, Any]) -> bytes:
    """The body as it is signed and sent."""
    return orjson.dumps({"type": event, "timestamp": timestamp, "data": data}, default=str)


def _not_told_of(
    connection: Connection, people: Mapping[UUID, PersonNow], question: str | None
) -> dict[UUID | None, str]:
    """Of whom nothing is told, and why not."""
    refusing: dict[UUID | None, str] = dict.fromkeys(_without_consent(connection, people, question), NO_CONSENT)
    return refusing | {person_id: RESTRICTED for person_id, person in people.items() if person.is_restricted}


def _without_consent(connection: Connection, people: Mapping[UUID, PersonNow], question: str | None) -> set[UUID]:
    """Those who have not granted what must be granted, or have taken it back."""
    if question is None or not people:
        return set()
    purpose, _, channel = question.partition(".")
    asked = (consent_purpose(purpose), consent_channel(channel))
    states = consent_states_of(connection, sorted(people))
    return {person_id for person_id in people if states.get(person_id, {}).get(asked) != "granted"}


def _answers_now(connection: Connection, contents: Contents) -> Answers:
    """What holds now of what these events said of consent, by person and question."""
    said = [answer for answers in contents.answers.values() for answer in answers]
    people = {answer["person_id"] for answer in said}
    return consent_answers_of(connection, people, {(answer["purpose"], answer["channel"]) for answer in said})


def _consent_data(said: Sequence[Mapping[str, Any]], answers: Answers) -> dict[str, Any]:
    """All that one event said, each with what holds of it now."""
    return {
        "person_id": said[0]["person_id"],
        "event_id": said[0]["event_id"],
        "consents": [
            {
                **{name: answer[name] for name in _CONSENT_DATA},
                "state": answers[answer["person_id"]][answer["purpose"], answer["channel"]].state,
            }
            for answer in said
        ],
    }


def _make_payload(
    message: WebhookMessage,
    contents: Contents,
    answers: Answers,
    policy: WebhookPolicy,
    refusing: Mapping[UUID | None, str],
) -> bytes | str:
    kind = message.kind
    person_id = message.person_id
    data: dict[str, Any] = {"brand": message.brand}
    if kind == "lead":
        lead = contents.leads.get(message.event_id) if message.event_id else None
        if lead is None:
            return GONE["lead"]
        data |= {name: lead[name] for name in _LEAD_DATA}
        person_id = lead["person_id"]
    if kind == "consent":
        said = [
            answer
            for answer in contents.answers.get(message.event_id, ())  # type: ignore[arg-type]
            if answer["granted"] is (message.event == CONSENT_GRANTED)
        ]
        if not said:
            return GONE["consent"]
        data |= _consent_data(said, answers)
        person_id = said[0]["person_id"]
    person = contents.people.get(person_id) if person_id is not None else None
    if person_id is not None and person is None:
        return GONE["person"]
    if person_id in refusing and message.event != CONSENT_REFUSED:  # whoever keeps a list has to hear of that
        return refusing[person_id]
    if person is not None and kind == "person":
        data |= {"person_id": person_id, "version": person.version, "merged_into": message.other_id}
        if message.event == "person.updated":
            data["merged_into"] = person.merged_into
    if kind == "delivery":
        delivery = (
            contents.deliveries.get((message.person_id, message.destination or "")) if message.person_id else None
        )
        if delivery is None:
            return GONE["delivery"]
        data |= _delivery_data(delivery)
    if policy.fields and person is not None and person.merged_into is None and person_id not in refusing:
        data["fields"] = fields_of(person.open_values(), person.attribution, policy.fields)
    return body_of(message.event, message.created_at.isoformat(), data)


def _make_request(
    message: WebhookMessage, contents: Contents, asked: Mapping[UUID, Sequence[Confirmation]], policy: WebhookPolicy
) -> bytes | str:
    """Links by which a person confirms what they ticked, as long as they hold. Whoever is asked has agreed to nothing
    yet: what the endpoint needs else is no matter here."""
    now = datetime.now(UTC)
    mine = asked.get(message.event_id, ()) if message.event_id is not None else ()
    still_open = [
        confirmation for confirmation in mine if confirmation.confirmed_at is None and confirmation.expires_at > now
    ]
    if not still_open:
        return GONE["consent"]
    person = contents.people.get(message.person_id) if message.person_id is not None else None
    if person is None:
        return GONE["person"]
    if person.is_restricted:
        return RESTRICTED
    data: dict[str, Any] = {
        "brand": message.brand,
        "person_id": message.person_id,
        "event_id": message.event_id,
        "confirmations": [
            {
                "purpose": confirmation.purpose,
                "channel": confirmation.channel,
                "expires_at": confirmation.expires_at,
                "link": address_of(CONFIRM, confirmation_token(confirmation.confirmation_id)),
            }
            for confirmation in still_open
        ],
    }
    if policy.fields and person.merged_into is None:
        data["fields"] = fields_of(person.open_values(), person.attribution, policy.fields)
    return body_of(message.event, message.created_at.isoformat(), data)


def _delivery_data(delivery: Mapping[str, Any]) -> dict[str, Any]:
    """Without the message of an error: its code says enough, and is ours."""
    error = delivery["last_error"]
    return {
        "person_id": delivery["person_id"],
        "destination": delivery["destination"],
        "state": delivery["state"],
        "version": delivery["sent_version"],
        "crm_id": delivery["external_id"],
        "code": error.partition(":")[0] if error else None,
    }


def fields_of(values: Mapping[str, Any], attribution: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """What of a person is told: exactly these names; null where there is no value."""
    known = {**derive(values), **values, **attribution}
    return {name: known.get(name) for name in names}
