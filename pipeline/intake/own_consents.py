"""Statements of consent that are made here: by a human, a preference link, or a confirmation. Each is an event of the
source `consents`, stored before anybody hears that it was taken, and goes the way of what is told of somebody known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
import orjson

from pipeline.errors import ConfigurationError
from pipeline.intake.arrivals import JSON, new_event
from pipeline.intake.instances import BrokenSourceError, SourceBook, UnknownSourceError
from pipeline.records import ABOUT_PERSON, CONSENTS_SOURCE, Consent, Envelope, NewEvent
from pipeline.settings.loading import settings

# What of a person is needed to say whose word it is.
_WHO = ("email", "phone", "first_name", "last_name", "full_name", "whatsapp_id")


def consent_event(
    consents: Sequence[Consent],
    *,
    brand: str,
    statement_id: str,
    via: str,
    who: Mapping[str, Any],
    person_id: UUID | None = None,
    by: str | None = None,
    reason: str | None = None,
) -> NewEvent:
    """An event about to be stored; the same `statement_id` again is a repeat.

    `who`: golden values of whoever says it, of which their addresses are kept. `person_id`: about whom it is, known by
    that. `via`: the word for the way it came. Raises ConfigurationError if the source was taken away.
    """
    try:
        instance = SourceBook(settings()).find(brand, CONSENTS_SOURCE)
    except (BrokenSourceError, UnknownSourceError) as error:
        raise ConfigurationError(f"no statement can be taken: {error}") from error
    record: dict[str, Any] = {
        "statement_id": statement_id,
        "says": "consent",
        "consents": [
            {name: value for name, value in consent.named().items() if value is not None} for consent in consents
        ],
        **{name: who[name] for name in _WHO if who.get(name)},
        **({} if person_id is None else {ABOUT_PERSON: str(person_id)}),
        **({} if by is None else {"by": by}),
        **({} if reason is None else {"reason": reason}),
    }
    return new_event(instance, record, Envelope(JSON, orjson.dumps(msgspec.to_builtins(record)), {}, {"via": via}))
