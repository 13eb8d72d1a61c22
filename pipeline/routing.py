"""Where people go: which destinations a person is meant for (today every enabled one of the brand, afluente.yaml), and
whose new lead asks for them to be routed again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import ConfigurationError
from pipeline.lanes import BULK, HOT
from pipeline.logs import get_logger
from pipeline.records import Lead
from pipeline.settings.loading import settings
from pipeline.stages.mappings_in_force import destination_mapping_in_force
from pipeline.store.deliveries import gated, held
from pipeline.store.deliveries.backfill import ensure_in_force
from pipeline.store.deliveries.consents import WantedConsents, want_consents
from pipeline.store.deliveries.deliveries import want_deliveries
from pipeline.store.deliveries.objects import want_touches
from pipeline.store.identity.notices import read_known_lanes, write_returns
from pipeline.targets import (
    ConsentTarget,
    consents_at,
    consents_in,
    destination_of,
    is_gated,
    is_named_now,
    needed_consent,
    touch_targets,
)

_log = get_logger(__name__)
_LANES_BY_INTENT = (BULK, HOT)  # the higher intent last: who asks by the hot lane waits for an answer
_MORE_THAN_LEAST = _LANES_BY_INTENT[1:]  # what the least intent is known by, everybody is


class Returns(NamedTuple):
    """`returned`: (person_id, lead) of people known before, in the order of the events. `asking`: person -> the lead
    because of which they are to be routed again."""

    returned: list[tuple[UUID, Lead]]
    asking: dict[UUID, Lead]


def want_people(connection: Connection, people: Iterable[tuple[UUID, str]], lane: str) -> dict[tuple[str, str], int]:
    """Want the present version of people, (person_id, brand), at the destinations of their brand, and their touches
    and consents where these become something. One statement, another with touches, two more with consents.

    Gives how many deliveries are due now because of this call, by (destination, lane).
    """
    destinations_for = settings().destinations_for
    wanted = {(destination, person_id) for person_id, brand in people for destination in destinations_for(brand)}
    due = want_deliveries(connection, [(destination, person_id, lane) for destination, person_id in sorted(wanted)])
    told = {destination: _touch_targets(destination) for destination in {destination for destination, _ in wanted}}
    contacts = [(target, person_id, lane) for destination, person_id in wanted for target in told[destination]]
    for (target, touched_lane), count in want_touches(connection, contacts).items():
        key = (destination_of(target), touched_lane)
        due[key] = due.get(key, 0) + count
    for (name, asked_lane), count in want_consents(connection, _consents_of(wanted, lane)).items():
        key = (destination_of(name), asked_lane)
        due[key] = due.get(key, 0) + count
    return due


def hold_unnamed(connection: Connection) -> None:
    """Hold what is due at objects that no mapping names any more, and make due what was held at those that one names
    again. One statement, one more for either where there is anything to do; whoever is under way is left for next
    time."""
    objects = held.read_objects_open(connection)
    is_named = {target: is_named_now(target) for target, _ in objects}
    unnamed = [target for target, state in objects if state == "due" and not is_named[target]]
    if count := held.hold(connection, unnamed):
        _log.warning("deliveries_held", targets=unnamed, count=count)
    held.release(connection, [target for target, state in objects if state == "held" and is_named[target]])


def lift_gates(connection: Connection) -> None:
    """Make due again what waits for a consent that its destination does not need any more. One statement, one more
    where there is any."""
    needless = []
    for target, error in gated.read_gates(connection):
        destination = destination_of(target)
        needed = {needed_consent(destination, brand) for brand in settings().brands} - {None}
        if error not in {gated.error_of(".".join(question)) for question in needed if question is not None}:
            needless.append((target, error))
    if count := gated.lift(connection, needless):
        _log.info("deliveries_ungated", count=count)


def _consents_of(wanted: Collection[tuple[str, UUID]], lane: str) -> list[WantedConsents]:
    """What is to be wanted of the consents of these, (destination, person_id)."""
    targets = {destination: _consent_target(destination) for destination in {destination for destination, _ in wanted}}
    return [
        WantedConsents(target.name, person_id, lane, target.is_linked)
        for destination, person_id in wanted
        if (target := targets[destination]) is not None
    ]


def _consent_target(destination: str) -> ConsentTarget | None:
    try:
        return consents_at(destination)
    except ConfigurationError:  # as of touches
        return None


def _touch_targets(destination: str) -> tuple[str, ...]:
    try:
        return touch_targets(destination)
    except ConfigurationError:  # its mapping never was readable: who sends says so, and a backfill wants them then
        return ()


def meant_pairs() -> list[tuple[str, str]]:
    """(brand, destination) as the settings of now have it."""
    return [(brand, name) for brand in sorted(settings().brands) for name in settings().destinations_for(brand)]


def told_of_consent(brands: Iterable[str]) -> set[str]:
    """Those of these brands with a destination that needs consent, or whose mapping names an answer about it, or makes
    records of them, or cannot be read."""
    return {brand for brand in set(brands) if any(map(_names_consent, settings().destinations_for(brand)))}


def _names_consent(destination: str) -> bool:
    configured = settings().destinations[destination]
    if is_gated(destination):
        return True
    try:
        mapping = destination_mapping_in_force(configured.mapping_name)
        return bool(mapping.named.consents) or consents_in(destination, mapping) is not None
    except ConfigurationError:
        return True


def note_destinations(brands: Iterable[str]) -> None:
    """Keep since when a brand's people are wanted at which destinations: who settled before may lack a delivery there.

    Call it before leads of these brands settle. A transaction of its own for each brand that is new to this process.
    """
    for brand in sorted(set(brands)):
        ensure_in_force(brand, tuple(settings().destinations_for(brand)))


def note_returns(connection: Connection, leads: Sequence[Lead], new: Collection[UUID]) -> None:
    """Note which of these leads are of people known before, and who is to be routed again because of them.

    Call it when their touches are written and their people held; `new`: the events whose touches were not there yet, so
    a second run notes nothing. One statement, or up to three where somebody came again.
    """
    came = [(lead.person_id, lead) for lead in leads if lead.event_id in new and lead.person_id is not None]
    if not came:
        return
    people = {person_id for person_id, _ in came}
    new_events = {lead.event_id for _, lead in came}
    known = read_known_lanes(connection, people, new=new_events, lanes=_MORE_THAN_LEAST)
    write_returns(connection, *find_returns(came, known))


def find_returns(came: Iterable[tuple[UUID, Lead]], known: Mapping[UUID, Collection[str]]) -> Returns:
    """Who came again, and who is to be routed again: a known person's first lead of more intent than all before. Pure.

    `came`: (person_id, lead), of leads that are new. `known`: the lanes in which earlier leads of a person came; a
    person without earlier leads is not in it.
    """
    found = Returns([], {})
    met = set(known)
    for person_id, lead in sorted(came, key=lambda item: item[1].event_id):
        if person_id in met:
            found.returned.append((person_id, lead))
        if person_id in known and _intent([lead.lane]) > _intent(known[person_id]):
            found.asking.setdefault(person_id, lead)
        met.add(person_id)
    return found


def _intent(lanes: Iterable[str]) -> int:
    """The highest intent of these lanes; the least if there are none."""
    return max((_LANES_BY_INTENT.index(lane) for lane in lanes), default=0)
