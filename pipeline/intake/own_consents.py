"""Statements of consent that are made here: by a human, a preference link, or a confirmation. Each is an event of the
source `consents`, stored before anybody hears that it was taken, and goes the way of what is told of somebody known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import orjson

from pipeline.crypto.encryption import open_evidence
from pipeline.errors import ConfigurationError
from pipeline.identity.evidence_cache import unpack
from pipeline.identity.matching.contact_points import NUMBER_CHANNELS, points_about
from pipeline.identity.matching.evidence import EMAIL, PHONE
from pipeline.intake.arrivals import JSON, new_event
from pipeline.intake.contents import store_events
from pipeline.intake.instances import BrokenSourceError, SourceBook, UnknownSourceError
from pipeline.privacy.person_consents import consent_state_of
from pipeline.records import ABOUT_PERSON, CONFIRMED, CONSENTS_SOURCE, WITHDRAWAL, Consent, Envelope, NewEvent, new_id
from pipeline.settings.loading import settings
from pipeline.store.confirmations import confirmations
from pipeline.store.engine import transaction
from pipeline.store.people.kept_consents import read_owner
from pipeline.store.people.people import read_people

# What of a person is needed to say whose word it is.
_WHO = ("email", "phone", "other_phones", "first_name", "last_name", "full_name", "whatsapp_id")


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


class Asked(msgspec.Struct, frozen=True):
    """What a confirmation's link leads to: `state` is open, already, confirmed (just now), expired or unknown."""

    state: str
    question: tuple[str, str] = ("", "")


def look_at(digest: bytes) -> Asked:
    """What the link with this digest is about; changes nothing. Raises TransientError."""
    with transaction() as connection:
        found = confirmations.find(connection, digest)
    return Asked("unknown") if found is None else _asked(found)


def confirm(digest: bytes) -> Asked:
    """Confirm what the link with this digest is about: once, however often it is asked for. Raises TransientError."""
    with transaction() as connection:
        found = confirmations.find(connection, digest, hold=True)
        if found is None:
            return Asked("unknown")
        asked = _asked(found)
        tick = confirmations.read_tick(connection, found) if asked.state == "open" else None
        if asked.state != "open":
            return asked
        if tick is None:  # its person was erased
            return Asked("unknown")
        said = Consent(
            found.purpose,
            found.channel,
            granted=True,
            at=found.created_at,  # what was withdrawn since stands
            act=None if _proves_another_address(found) else CONFIRMED,
            method="double_opt_in",
            double_opt_in_sent_at=found.asked_at or found.created_at,
            double_opt_in_confirmed_at=datetime.now(UTC),
            **tick.facts,  # type: ignore[arg-type]  # columns of the same names
        )
        event = consent_event(
            [said],
            brand=found.brand,
            statement_id=f"confirmation {found.confirmation_id}",
            via="confirmation",
            who=_addresses(tick, found.channel),
            person_id=tick.person_id,
        )
        store_events(connection, [event])
        confirmations.note_confirmed(connection, found.confirmation_id)
    return Asked("confirmed", asked.question)


def _asked(found: confirmations.Confirmation) -> Asked:
    question = (found.purpose, found.channel)
    if found.confirmed_at is not None:
        return Asked("already", question)
    return Asked("expired" if found.expires_at <= datetime.now(UTC) else "open", question)


def _proves_another_address(found: confirmations.Confirmation) -> bool:
    """A mail says nothing about the number that stood in the form: it makes the tick a grant, and takes no STOP of that
    number back."""
    return found.by == "mail" and found.channel in NUMBER_CHANNELS


def _addresses(tick: confirmations.Tick, channel: str) -> dict[str, object]:
    """Whose word the tick is, so that the confirmation is a word of the same address, and of no other."""
    if tick.evidence_id is None or tick.sealed is None:
        return {}
    points = points_about(unpack(open_evidence(tick.sealed, tick.evidence_id)), channel)
    email = next((value for kind, value in points if kind == EMAIL), None)
    numbers = [value for kind, value in points if kind == PHONE]
    found = {"email": email, "phone": next(iter(numbers), None), "other_phones": numbers[1:]}
    return {name: value for name, value in found.items() if value}


class Preference(msgspec.Struct, frozen=True):
    """A question that a person may answer, and their answer now; None: they have not."""

    question: tuple[str, str]
    granted: bool | None


def preferences_of(person_id: UUID, titles: Mapping[str, object]) -> list[Preference] | None:
    """The questions that the settings name (`titles`, PURPOSE.CHANNEL), and those that the person answered; None: there
    is no such person any more. Raises TransientError."""
    with transaction() as connection:
        owner = read_owner(connection, person_id)
        if owner is None:
            return None
        states = consent_state_of(connection, owner[0])
    named = [tuple(name.split(".", 1)) for name in titles]
    questions = dict.fromkeys([*named, *sorted(states)])
    granted = {"granted": True, "refused": False}
    return [Preference(question, granted.get(states.get(question, ""))) for question in questions]  # type: ignore[arg-type]


def choose(person_id: UUID, chosen: Mapping[tuple[str, str], bool], *, method: str) -> None:
    """Take what a person chose by their own link: a yes is as strong as a confirmed tick, since the link came to their
    address; a no is a withdrawal. Raises TransientError."""
    if not chosen:
        return
    now = datetime.now(UTC)
    said = [
        Consent(
            *question,
            granted,
            at=now,
            source="preference_page",
            act=CONFIRMED if granted else WITHDRAWAL,
            method=method,
        )
        for question, granted in sorted(chosen.items())
    ]
    with transaction() as connection:
        owner = read_owner(connection, person_id)
        if owner is None:
            return
        who = read_people(connection, [owner[0]], lock=False)[owner[0]].profile.values()
        event = consent_event(
            said, brand=owner[1], statement_id=str(new_id()), via="preferences", who=who, person_id=person_id
        )
        store_events(connection, [event])
