"""Golden records made anew from all that people's leads say: after `mappings/survivorship.yaml` or a mapping changed.

People are taken in the order of their ids, some at a time, each with its row held, so workers go on meanwhile. What is
as it should be is not written: a run that was killed is simply run again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.lanes import BULK
from pipeline.records import Person, Profile
from pipeline.replay import recompute_leads
from pipeline.routing import want_people
from pipeline.stages.survivorship.survivorship import merge_profile, taken_back
from pipeline.store.engine import transaction
from pipeline.store.events.record_members import superseded_among
from pipeline.store.identity import evidence_rows
from pipeline.store.people import people

_PEOPLE_AT_ONCE = 100


@dataclass
class Renewed:
    """How many people were looked at, have other values than before, and were left as they were: some of their leads
    would be quarantined or suppressed today, and their values would be lost."""

    people: int = 0
    changed: int = 0
    left: int = 0


def renew_golden_records(
    *,
    brand: str | None = None,
    is_dry_run: bool = False,
    people_at_once: int = _PEOPLE_AT_ONCE,
    on_progress: Callable[[Renewed, int], None] = lambda _done, _people: None,
) -> Renewed:
    """Make every golden record anew by the mappings and the survivorship of now; wants deliveries of all who change.

    A dry run writes nothing. `on_progress` hears what has been done so far, and how many people there are.
    """
    with transaction(timeout_seconds=0) as connection:
        total = people.count_people(connection, brand)
    done, after = Renewed(), UUID(int=0)
    while True:
        with transaction(timeout_seconds=0) as connection:
            person_ids = people.next_people(connection, after, people_at_once, brand)
            if not person_ids:
                return done
            _renew(connection, person_ids, done, is_dry_run=is_dry_run)
        after = person_ids[-1]
        on_progress(done, total)


def _renew(connection: Connection, person_ids: Collection[UUID], done: Renewed, *, is_dry_run: bool) -> None:
    rows = people.read_people(connection, person_ids, lock=not is_dry_run)
    changed: list[Person] = []
    written: list[Person] = []
    for person_id, profile in _made_anew(connection, rows).items():
        before = rows[person_id]
        done.people += 1
        if profile is None:
            done.left += 1
        elif profile.values() != before.profile.values():
            version = before.version + 1
            profile.emptied = taken_back(before.profile, profile, version)
            changed.append(msgspec.structs.replace(before, version=version, profile=profile))
        elif (profile.fields, profile.votes) != (before.profile.fields, before.profile.votes):
            profile.emptied = before.profile.emptied
            written.append(msgspec.structs.replace(before, profile=profile))
    done.changed += len(changed)
    if not is_dry_run:
        people.write_people(connection, [*changed, *written])
        want_people(connection, [(person.person_id, person.brand) for person in changed], BULK)


def _made_anew(connection: Connection, person_ids: Collection[UUID]) -> dict[UUID, Profile | None]:
    """None: not all of the leads go through today."""
    made = make_anew(connection, person_ids)
    return {
        person_id: profile if made.events[person_id] and person_id not in made.unread else None
        for person_id, profile in made.profiles.items()
    }


class MadeAnew(NamedTuple):
    """Golden records of all that people's leads say today. `events`: how many events each is made of, with those that
    were not read; `unread`: the events of each that give no lead any more."""

    profiles: dict[UUID, Profile]
    events: Counter[UUID]
    unread: dict[UUID, set[UUID]]


def make_anew(connection: Connection, person_ids: Collection[UUID]) -> MadeAnew:
    """Read all that these people's leads say. Three statements, and two more for each 200 events."""
    known = evidence_rows.read_evidence_of_people(connection, person_ids)
    owners = {
        event_id: owner
        for evidence_id, event_ids in evidence_rows.events_of_evidence(connection, known).items()
        if (owner := known[evidence_id].person_id) is not None
        for event_id in event_ids
    }
    made = {person_id: Profile() for person_id in person_ids}
    silent = set(owners)
    for lead in recompute_leads(connection, sorted(owners)):
        silent.discard(lead.event_id)
        owner = owners[lead.event_id]
        made[owner], _ = merge_profile(made[owner], lead)
    superseded = superseded_among(connection, silent)
    unread: dict[UUID, set[UUID]] = {}
    for event_id in silent - superseded:
        unread.setdefault(owners[event_id], set()).add(event_id)
    return MadeAnew(made, Counter(owner for event_id, owner in owners.items() if event_id not in superseded), unread)
