"""Channels of all history, found once more: after the rules or the lists of sources changed.

People are taken in the order of their ids, a few hundred per transaction, and locked as `attribute` locks them: workers
go on meanwhile. What already is as the rules want it is not written; so a run that was killed is simply run again, and
a second run finds nothing to do. Source, medium and campaign of a touch are facts and stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from pipeline.lanes import BULK
from pipeline.routing import want_people
from pipeline.stages.attribution.channels import channel_of, rules_version
from pipeline.stages.attribution.touches import NOT_SET
from pipeline.store.engine import patiently, transaction
from pipeline.store.people import channel_history
from pipeline.store.people.channel_history import AttributedPerson, StoredTouch

_PEOPLE_AT_ONCE = 500
_PAUSES = (1, 2, 3, 4)  # seconds, between attempts at one batch: the database may be away for a moment


@dataclass
class Changes:
    """What a run found and wrote. `moves` counts touches by (channel before, channel now)."""

    people_read: int = 0
    touches_read: int = 0
    people: int = 0
    events: int = 0
    deliveries: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, other: Changes) -> None:
        self.people_read += other.people_read
        self.touches_read += other.touches_read
        self.people += other.people
        self.events += other.events
        self.deliveries += other.deliveries
        self.moves += other.moves


@dataclass
class _Rewrite:
    """What has to be written of some people."""

    touches: list[tuple[UUID, int, str]]
    events: list[tuple[UUID, str]]
    people: list[tuple[UUID, str | None, str | None]]
    moves: Counter[tuple[str, str]]

    @property
    def is_empty(self) -> bool:
        return not (self.touches or self.events or self.people)


def recompute_channels(
    *,
    is_dry_run: bool = False,
    people_at_once: int = _PEOPLE_AT_ONCE,
    on_progress: Callable[[Changes, int], None] = lambda _changes, _people: None,
) -> Changes:
    """Bring the channels of all touches, events and people to the rules of now; wants deliveries of changed people.

    `on_progress` hears what has been done so far, and how many people there are, after each batch. In a dry run nothing
    is written. Raises TransientError if the database stays away; what is done stays done.
    """
    with transaction(timeout_seconds=0) as connection:
        total = channel_history.count_people(connection)
    changes = Changes()
    after = UUID(int=0)
    while True:
        with transaction() as connection:
            person_ids = channel_history.next_people(connection, after, people_at_once)
        if not person_ids:
            return changes
        changes.add(patiently(partial(_recompute, person_ids, is_dry_run=is_dry_run), pauses=_PAUSES))
        after = person_ids[-1]
        on_progress(changes, total)


def _recompute(person_ids: list[UUID], *, is_dry_run: bool) -> Changes:
    with transaction() as connection:
        people, touches, rewrite = _read(connection, person_ids, lock=False)
        done = Changes(people_read=len(people), touches_read=len(touches))
        if not rewrite.is_empty and not is_dry_run:
            # Somebody may have written since: what is decided now is decided under the locks.
            people, touches, rewrite = _read(connection, person_ids, lock=True)
            channel_history.write_touch_channels(connection, rewrite.touches, rules_version=rules_version())
            channel_history.write_event_channels(connection, rewrite.events)
            channel_history.write_person_channels(connection, rewrite.people)
            changed = {person_id for person_id, _, _ in rewrite.people}
            routed = [(person.person_id, person.brand) for person in people if person.person_id in changed]
            done.deliveries = sum(want_people(connection, routed, BULK).values())
        done.people, done.events, done.moves = len(rewrite.people), len(rewrite.events), rewrite.moves
        return done


def _read(
    connection: Connection, person_ids: list[UUID], *, lock: bool
) -> tuple[list[AttributedPerson], list[StoredTouch], _Rewrite]:
    people = channel_history.read_attributed(connection, person_ids, lock=lock)
    touches = channel_history.read_touches(connection, person_ids)
    return people, touches, _rewrite(people, touches)


def _rewrite(people: Iterable[AttributedPerson], touches: Iterable[StoredTouch]) -> _Rewrite:
    found = _Rewrite([], [], [], Counter())
    channels: dict[tuple[UUID | None, int], str] = {}
    version = rules_version()
    for touch in touches:
        channel = channel_of(touch.source, touch.medium or NOT_SET, touch.campaign)
        channels[touch.event_id, touch.position] = channel
        if channel != touch.channel:
            found.moves[touch.channel, channel] += 1
        if channel != touch.channel or touch.rules_version != version:
            found.touches.append((touch.event_id, touch.position, channel))
        if touch.event_channel is not None and touch.event_channel != channel:
            found.events.append((touch.event_id, channel))
    for person in people:
        original = channels.get(person.original, person.original_channel)
        latest = channels.get(person.latest, person.latest_channel)
        if (original, latest) != (person.original_channel, person.latest_channel):
            found.people.append((person.person_id, original, latest))
    return found
