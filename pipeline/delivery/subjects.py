"""What is due of a target, read in the claim's own transaction: people, companies, touches, consents as they are now,
and the records of the same CRM that theirs are linked to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from connectors.kit import Link
from pipeline.identity.companies import companies_said, read_companies
from pipeline.lanes import HOT
from pipeline.privacy.consents_to_send import read_consents_to_send
from pipeline.privacy.gates import lacking_consent
from pipeline.privacy.people_to_send import read_named_people
from pipeline.records import Due, Outcome
from pipeline.stages.destination_mapping.declarations import COMPANY, CONSENT, PERSON, TOUCH
from pipeline.stages.destination_mapping.mapping import DestinationMapping
from pipeline.store.deliveries.consents import (
    WantedConsents,
    read_whose_withdrawals_wait,
    wake_consents,
    wake_people_of_consents,
    wake_touches_of_consents,
    want_consents,
)
from pipeline.store.deliveries.deliveries import PersonToSend
from pipeline.store.deliveries.gated import gate, read_brands
from pipeline.store.deliveries.objects import Linked, hasten, postpone, read_linked, want_companies
from pipeline.store.deliveries.waking import (
    link_now,
    link_touches_now,
    wake_people,
    wake_touches,
    wake_touches_of_companies,
)
from pipeline.store.people.companies import companies_of, leave_companies, link_people
from pipeline.store.people.touch_facts import TouchToSend, read_touches
from pipeline.targets import Target, consents_in, is_gated, needed_consent, targets_in

_UNKNOWN = Linked(None, is_untried=False)


class Subjects(NamedTuple):
    """`values` of each as a mapping reads them, whatever it stands for; who does not exist any more is left out.
    `links`: those of each that the CRM has. `waiting`: given back, as what they are to be linked to was not tried yet.
    `unlinked`: whose company was tried in vain, and who go without it.
    """

    values: dict[UUID, PersonToSend]
    links: dict[UUID, tuple[Link, ...]]
    waiting: frozenset[UUID] = frozenset()
    unlinked: frozenset[UUID] = frozenset()
    consents_alone: frozenset[UUID] = frozenset()  # people there already who lack consent: they are told that, no more


class SubjectReader:
    """Reads what one claim is about."""

    def __init__(
        self, connection: Connection, target: Target, mapping: DestinationMapping, *, claim: UUID, lane: str
    ) -> None:
        self._connection = connection
        self._target = target
        self._mapping = mapping
        self._claim = claim
        self._lane = lane
        self._others = {other.subject: other for other in targets_in(target.destination, mapping)}
        self._consents = consents_in(target.destination, mapping)
        self._people_of: dict[UUID, UUID] = {}  # of touches and consents

    def read(self, dues: Sequence[Due]) -> Subjects:
        """People: as `read_named_people`; where there are companies two to five statements more, where there are
        consents one or two, and two for each link. Companies and touches: one, consents three, and the links. Where
        consent is needed one more, another with touches, and one where somebody lacks it."""
        values = self._values([due.person_id for due in dues if due.wanted == "present"])
        gated, alone = self._lacking(dues, values)
        values = {subject_id: value for subject_id, value in values.items() if subject_id not in gated}
        behind = gated | self._behind_withdrawals(dues, values)
        values = {subject_id: value for subject_id, value in values.items() if subject_id not in behind}
        if not self._mapping.links:
            return Subjects(values, {}, behind, consents_alone=alone)
        found = self._link(values, {due.person_id for due in dues if due.links_id is not None})
        return found._replace(waiting=found.waiting | behind, consents_alone=alone)

    def _lacking(
        self, dues: Sequence[Due], values: Mapping[UUID, PersonToSend]
    ) -> tuple[frozenset[UUID], frozenset[UUID]]:
        """Of these people and touches those of whom the CRM is told nothing without consent, given back; and people
        whom it has already, and who are told of in fields: of them it hears what they agree to, and nothing else."""
        destination = self._target.destination
        if self._target.subject not in (PERSON, TOUCH) or not is_gated(destination):
            return frozenset(), frozenset()
        people = {subject_id: self._people_of.get(subject_id, subject_id) for subject_id in values}
        people = {
            subject_id: person_id for subject_id, person_id in people.items() if not values[subject_id].merged_into
        }
        brands = read_brands(self._connection, set(people.values()))
        needed = {
            person_id: question
            for person_id, brand in brands.items()
            if (question := needed_consent(destination, brand)) is not None
        }
        lacking = lacking_consent(self._connection, needed)
        missing = {subject_id: lacking[person] for subject_id, person in people.items() if person in lacking}
        alone: frozenset[UUID] = frozenset()
        if self._mapping.named.consents and self._target.subject == PERSON:
            alone = frozenset(due.person_id for due in dues if due.person_id in missing and due.external_id)
            missing = {subject_id: question for subject_id, question in missing.items() if subject_id not in alone}
        versions = {due.person_id: due.version for due in dues}
        gate(self._connection, self._target.name, self._claim, missing, versions)
        self._people_of = {key: person for key, person in self._people_of.items() if key not in missing}
        return frozenset(missing), alone

    def _behind_withdrawals(self, dues: Sequence[Due], values: Mapping[UUID, PersonToSend]) -> frozenset[UUID]:
        """Of these people and touches those of whose person a withdrawal is to be told first: they are given back. Not
        people whom the CRM has no record of, where a withdrawal needs one."""
        if self._consents is None or self._target.subject not in (PERSON, TOUCH):
            return frozenset()
        is_linked = self._consents.is_linked
        people = self._people_of
        if self._target.subject == PERSON:
            known = [due for due in dues if due.person_id in values and (due.external_id or not is_linked)]
            people = {due.person_id: due.person_id for due in known}
        waiting = read_whose_withdrawals_wait(self._connection, self._consents.name, set(people.values()))
        want_consents(
            self._connection,
            [
                WantedConsents(self._consents.name, person_id, self._lane, is_linked)
                for person_id, is_wanted in waiting.items()
                if not is_wanted
            ],
        )
        behind = frozenset(subject_id for subject_id, person_id in people.items() if person_id in waiting)
        postpone(self._connection, self._target.name, self._claim, behind, "for its withdrawal")
        self._people_of = {key: person_id for key, person_id in self._people_of.items() if key not in behind}
        return behind

    def _values(self, ids: Sequence[UUID]) -> dict[UUID, PersonToSend]:
        if self._target.subject == PERSON:
            people = read_named_people(self._connection, ids, self._mapping.named)
            if COMPANY in self._others:
                self._want_companies(people)
            return people
        if self._target.subject == COMPANY:
            companies = read_companies(self._connection, ids)
            return {company_id: PersonToSend(values, {}) for company_id, values in companies.items()}
        if self._target.subject == CONSENT:
            consents = read_consents_to_send(self._connection, ids)
            self._people_of = {consent_id: consent.owner_id for consent_id, consent in consents.items()}
            return {consent_id: PersonToSend(consent.values, {}) for consent_id, consent in consents.items()}
        touches = read_touches(self._connection, ids)
        self._people_of = {event_id: touch.person_id for event_id, touch in touches.items()}
        return {event_id: PersonToSend(facts_to_send(touch), {}) for event_id, touch in touches.items()}

    def _want_companies(self, people: Mapping[UUID, PersonToSend]) -> None:
        """Note of which companies these people are, and want those of which something else is said."""
        said = companies_said(people)
        alive = {person_id for person_id, person in people.items() if person.merged_into is None}
        leave_companies(self._connection, alive - said.keys())
        linked = link_people(self._connection, said)
        companies = set(linked.companies.values())
        target = self._others[COMPANY].name
        known = read_linked(self._connection, target, {company_id: company_id for company_id in companies})
        unmade = {company_id for company_id, found in known.items() if found.is_unmade}
        want_companies(self._connection, target, linked.changed | unmade | (companies - known.keys()), self._lane)

    def _link(self, values: dict[UUID, PersonToSend], linked_before: AbstractSet[UUID]) -> Subjects:
        links: dict[UUID, list[Link]] = defaultdict(list)
        waiting: dict[str, set[UUID]] = defaultdict(set)
        unlinked: set[UUID] = set()
        for role, subject in self._mapping.links:
            other = self._others[subject]
            name = other.object or subject
            needed = self._needed(subject, values)
            linked = read_linked(self._connection, other.name, needed)
            for subject_id in needed:
                found = linked.get(subject_id, _UNKNOWN)
                if found.crm_id is not None:
                    links[subject_id].append(Link(role, name, found.crm_id))
                elif found.is_untried or subject == PERSON:  # a contact that is nobody's says nothing
                    waiting[name].add(subject_id)
                else:
                    unlinked.add(subject_id)
            if self._target.subject == PERSON:  # who is of no company any more: what we linked, we undo
                for person_id in linked_before & values.keys() - needed.keys():
                    if values[person_id].merged_into is None:
                        links[person_id].append(Link(role, name, None))
            if self._lane == HOT and subject == COMPANY:
                hasten(self._connection, other.name, {needed[subject_id] for subject_id in waiting[name]})
        for name, subject_ids in waiting.items():
            postpone(self._connection, self._target.name, self._claim, subject_ids, f"for its {name}")
        stopped: frozenset[UUID] = frozenset().union(*waiting.values())
        present = {subject_id: value for subject_id, value in values.items() if subject_id not in stopped}
        by_subject = {subject_id: tuple(found) for subject_id, found in links.items()}
        return Subjects(present, by_subject, stopped, frozenset(unlinked - stopped))

    def _needed(self, subject: str, values: Mapping[UUID, PersonToSend]) -> dict[UUID, UUID]:
        """What each is to be linked to: id -> id of the other subject."""
        if self._target.subject == PERSON:
            alive = [person_id for person_id, person in values.items() if person.merged_into is None]
            return companies_of(self._connection, alive)
        if subject == PERSON:
            return {subject_id: self._people_of[subject_id] for subject_id in values}
        companies = companies_of(self._connection, set(self._people_of.values()))
        return {
            event_id: companies[person_id] for event_id, person_id in self._people_of.items() if person_id in companies
        }


def wake_people_of(
    connection: Connection,
    target: Target,
    mapping: DestinationMapping,
    dues: Sequence[Due],
    outcomes: Sequence[Outcome],
) -> None:
    """People, and touches that are linked to companies, who wait for the first answer about these companies are due
    now, and those whose company has another record than before; and whoever waits for these withdrawals to be told.
    Before the outcomes are written. One statement for each of the two, none for others than companies and consents."""
    if target.subject == CONSENT:
        told = {outcome.person_id for outcome in outcomes}
        wake_people_of_consents(connection, target.destination, told)
        for other in targets_in(target.destination, mapping):
            if other.subject == TOUCH:
                wake_touches_of_consents(connection, other.name, told)
    if target.subject != COMPANY:
        return
    answered = {due.person_id for due in dues if due.external_id is None} & {outcome.person_id for outcome in outcomes}
    made = _made(dues, outcomes)
    for other in targets_in(target.destination, mapping):
        if other.subject == PERSON:
            wake_people(connection, other.name, answered | made, made)
        elif other.subject == TOUCH and _leads_to_companies(mapping, other):
            wake_touches_of_companies(connection, other.name, answered | made, made)


def _leads_to_companies(mapping: DestinationMapping, target: Target) -> bool:
    roles = (role for known in mapping.objects if known.object == target.object for role in known.links)
    return any(subject == COMPANY for _, subject in roles)


def wake_touches_of(
    connection: Connection,
    target: Target,
    mapping: DestinationMapping,
    dues: Sequence[Due],
    outcomes: Sequence[Outcome],
    *,
    unlinked: Collection[UUID],
) -> None:
    """Touches and consents that wait for these people are due now, and those of whose record was made again; and
    whoever went without their company (`unlinked`), people or touches, if that was made meanwhile. After the outcomes
    are written. At most three statements, none for companies and consents."""
    made = _made(dues, outcomes)
    again = _made_again(made, dues, outcomes)
    for other in targets_in(target.destination, mapping):
        if target.subject == PERSON and other.subject == TOUCH:
            wake_touches(connection, other.name, made, again)
        elif target.subject == PERSON and other.subject == CONSENT:
            wake_consents(connection, other.name, made, again)
        elif target.subject == PERSON and other.subject == COMPANY:
            link_now(connection, target.name, other.name, unlinked)
        elif target.subject == TOUCH and other.subject == COMPANY:
            link_touches_now(connection, target.name, other.name, unlinked)


def _made(dues: Sequence[Due], outcomes: Sequence[Outcome]) -> set[UUID]:
    """Those that have a record now which they had not before."""
    known = {due.person_id: due.external_id for due in dues}
    return {
        outcome.person_id
        for outcome in outcomes
        if outcome.external_id and outcome.external_id != known.get(outcome.person_id, outcome.external_id)
    }


def _made_again(made: AbstractSet[UUID], dues: Sequence[Due], outcomes: Sequence[Outcome]) -> set[UUID]:
    """Those of the `made` whose record the CRM had lost and made anew: what led to it leads nowhere."""
    known = {due.person_id for due in dues if due.external_id}
    return known.intersection(made, (outcome.person_id for outcome in outcomes if outcome.created))


def facts_to_send(touch: TouchToSend) -> dict[str, Any]:
    """What a mapping may read of a touch, by name. Pure."""
    return {**touch.facts, "person_id": str(touch.person_id), "summary": summary_of(touch.facts)}


def summary_of(facts: Mapping[str, Any]) -> str:
    """One line that says what a touch was, for whoever reads it at the CRM. Pure.

    `facts`: those of the touch by name, as `TOUCH_SOURCES` lists them.
    """
    what = facts.get("form_name") or facts.get("event_name") or facts["source"]
    came = [str(facts["channel"])] if facts.get("channel") else []
    came += [str(facts[name]) for name in ("campaign_name", "ad_name", "partner") if facts.get(name)]
    if facts.get("campaign") and "campaign_name" not in facts:
        came.append(str(facts["campaign"]))
    return f"{what}: {', '.join(came)}" if came else str(what)
