"""People as a CRM is told of them: golden values, attribution, and of touches and consent what its mapping names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.identity.screening import screen_values
from pipeline.privacy.consent_states import Answer
from pipeline.privacy.person_consents import consent_answers_of
from pipeline.stages.destination_mapping.names import ConsentName, Named
from pipeline.store.deliveries import deliveries
from pipeline.store.deliveries.deliveries import PersonToSend
from pipeline.store.people.touch_facts import read_touch_facts

_NEVER_ASKED = Answer()


def read_named_people(connection: Connection, person_ids: Sequence[UUID], named: Named) -> dict[UUID, PersonToSend]:
    """`read_people_to_send`, with what is `named` among the attribution, and who has a suppressed address. One
    statement, one more for touches and one for consents if any of these is named, and one where there are
    suppressions."""
    people = _screened(connection, deliveries.read_people_to_send(connection, person_ids))
    if not (named and people):
        return people
    touches = read_touch_facts(connection, people, named.touches)
    questions = {(name.purpose, name.channel) for name in named.consents}
    answers = consent_answers_of(connection, people, questions)
    return {
        person_id: msgspec.structs.replace(
            person,
            attribution={
                **person.attribution,
                **touches.get(person_id, {}),
                **_consents(named.consents, answers.get(person_id, {})),
            },
        )
        for person_id, person in people.items()
    }


def _screened(connection: Connection, people: dict[UUID, PersonToSend]) -> dict[UUID, PersonToSend]:
    """An objection goes with the address: also to whom its person turned out to be one with."""
    asked = {person_id: person for person_id, person in people.items() if person.is_suppressed}
    if not asked:
        return people
    stopped = screen_values(
        connection, {person_id: (person.brand, person.values) for person_id, person in asked.items()}
    )
    return people | {
        person_id: msgspec.structs.replace(person, is_suppressed=person_id in stopped)
        for person_id, person in asked.items()
    }


def _consents(names: Sequence[ConsentName], answers: dict[tuple[str, str], Answer]) -> dict[str, Any]:
    """By name; of whom was never asked the state alone."""
    found = {}
    for name in names:
        answer = answers.get((name.purpose, name.channel), _NEVER_ASKED)
        value = getattr(answer.said, name.fact, None) if name.fact else answer.state
        if value is not None:
            found[name.name] = value
    return found
