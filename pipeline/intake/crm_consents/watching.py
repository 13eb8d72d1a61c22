"""What of a CRM's records is read for consent, and what a record says by it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from connectors.kit import Watched
from pipeline.privacy.consent_states import DENIED, GRANTED, WITHDRAWN
from pipeline.settings.consent_settings import WatchedField, WatchedObject, is_among
from pipeline.stages.mapping.consents import consent_channel, consent_purpose
from pipeline.store.deliveries.crm_consents import Said


def watched_of(object_name: str, declared: WatchedObject) -> Watched:
    """What the CRM is asked for."""
    readings = list(declared.readings())
    names = [name for name, _ in readings] + [name for _, reading in readings for name in reading.when]
    addresses = {
        name: tuple(fields) for name, fields in (("email", declared.email), ("phone", declared.phone)) if fields
    }
    return Watched(object_name, tuple(dict.fromkeys(names)), addresses, declared.keyed, declared.id, declared.changed)


def digest_of(declared: WatchedObject) -> str:
    """Of what is read: where it differs, all has to be read anew."""
    return hashlib.sha256(msgspec.json.encode(declared, order="deterministic")).hexdigest()[:32]


def answers_of(declared: WatchedObject, crm_id: str, fields: Mapping[str, Any]) -> dict[Said, str | None]:
    """What each field of a record says: withdrawn, granted, or nothing."""
    answers: dict[Said, str | None] = {}
    for name, reading in declared.readings():
        purpose, _, channel = reading.question.partition(".")
        said = Said(crm_id, name, consent_purpose(purpose), consent_channel(channel))
        state = _state(reading, name, fields)
        # Of several readings of one question the one that counts for this record.
        answers[said] = answers.get(said) or state
    return answers


def _state(reading: WatchedField, name: str, fields: Mapping[str, Any]) -> str | None:
    if not all(is_among(fields.get(other), values) for other, values in reading.when.items()):
        return None
    return reading.state_of(fields.get(name))


def becomes_statement(state: str | None, former: str | None, *, holds: str, is_ours: bool) -> bool:
    """Whether what a record says by now is somebody's word. `former`: what it said when it was read last; `holds`: what
    counts here. `is_ours`: the mapping writes this field, so what we hold and the CRM says may be our own echo.

    A box that is ticked no more withdraws nothing and grants nothing: it is as if nobody had said anything there.
    """
    if state is None or state == former:
        return False
    if not is_ours:
        return True
    return holds not in ((DENIED, WITHDRAWN) if state == WITHDRAWN else (GRANTED,))
