"""Who is who, resolved again for everybody: after `mappings/identity.yaml` changed.

Evidence is taken in the order of its ids, a few hundred pieces per transaction; each is resolved with its neighborhood,
under the same locks as in `dedupe`, so workers go on meanwhile. Ids of evidence never change: none is passed
over, whatever joins or parts beside this. What already is as the rules want it is not written, so a run that was killed
is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from pipeline.identity.matching.evidence import KEYS_VERSION
from pipeline.identity.people_updates import Resolved
from pipeline.identity.resolution import NO_LEADS, resolve, resolve_people
from pipeline.lanes import BULK
from pipeline.recompute.former_keys import file_missing_keys, refile_keys
from pipeline.recompute.former_leads import EVENTS_AT_ONCE, file_former_leads
from pipeline.recompute.former_withdrawals import note_former_withdrawals
from pipeline.store.engine import in_parts, transaction
from pipeline.store.identity import decisions, evidence_rows, reviews, upgrades

_PIECES_AT_ONCE = 200
_PAUSES = (0.4, 0.8, 1.6, 3.2)  # seconds, between attempts at one batch: others may be at the same people
_DECIDED_BY = "recompute"
_Row = tuple[UUID, UUID, UUID]  # evidence, the person it began, the person it is of


@dataclass
class RecomputedPeople:
    """What a run found. `joined`: people who are others' now; `parted`: people who stand for themselves again or anew;
    `moved`: in a dry run, pieces of evidence that would be another person's."""

    pieces: int = 0
    joined: int = 0
    parted: int = 0
    moved: int = 0

    def add(self, other: RecomputedPeople) -> None:
        self.pieces += other.pieces
        self.joined += other.joined
        self.parted += other.parted
        self.moved += other.moved


class _RolledBackError(Exception):
    """Ends a dry run: nothing of it is written."""


def recompute_people(
    *,
    brand: str | None = None,
    is_dry_run: bool = False,
    pieces_at_once: int = _PIECES_AT_ONCE,
    events_at_once: int = EVENTS_AT_ONCE,
    on_refiling: Callable[[int, int], None] = lambda _done, _pieces: None,
    on_filing: Callable[[int, int], None] = lambda _done, _events: None,
    on_progress: Callable[[RecomputedPeople, int], None] = lambda _done, _pieces: None,
) -> RecomputedPeople:
    """Resolve every piece of evidence by the rules of now, count the names on its addresses and numbers anew, and find
    the reviews anew. Wants deliveries of all who change. First of all, file anew what is filed by keys of another
    version, and evidence of settled leads that have none.

    A dry run writes nothing. `on_refiling`, `on_filing` and `on_progress` hear what has been done so far, and how many
    pieces, events without evidence, and pieces there are. Raises TransientError if the database stays away,
    ConfigurationError if a mapping cannot be read; what is done stays done.
    """
    if not is_dry_run:
        refile_keys(on_progress=on_refiling)
        file_former_leads(events_at_once=events_at_once, on_progress=on_filing)
    return _recompute(brand, is_dry_run=is_dry_run, pieces_at_once=pieces_at_once, on_progress=on_progress)


def finish_upgrade(
    *,
    on_refiling: Callable[[int, int], None] = lambda _done, _pieces: None,
    on_filing: Callable[[int, int], None] = lambda _done, _events: None,
    on_progress: Callable[[RecomputedPeople, int], None] = lambda _done, _pieces: None,
) -> None:
    """What an update left to do, if it did: find out who is who among people from before evidence was kept, or whose
    evidence is filed by keys of another version.

    Again, where workers of the version before settled leads meanwhile. First of all, note what was withdrawn before
    addresses were noted as withdrawn.
    """
    note_former_withdrawals()
    with transaction(timeout_seconds=0) as connection:
        if upgrades.is_finished(connection, KEYS_VERSION):
            return
        upgrades.forget_unborn(connection)
    is_complete = False
    while not is_complete:
        recompute_people(on_refiling=on_refiling, on_filing=on_filing, on_progress=on_progress)
        with transaction(timeout_seconds=0) as connection:
            upgrades.hold_filing(connection)
            is_complete = not upgrades.count_unfiled(connection)
            if is_complete:
                upgrades.finish(connection)


def _recompute(
    brand: str | None, *, is_dry_run: bool, pieces_at_once: int, on_progress: Callable[[RecomputedPeople, int], None]
) -> RecomputedPeople:
    with transaction(timeout_seconds=0) as connection:
        total = decisions.count_evidence(connection, brand)
    done = RecomputedPeople()
    after = UUID(int=0)
    work = _count_changes if is_dry_run else _resolve
    while True:
        with transaction() as connection:
            rows = decisions.next_evidence(connection, after, pieces_at_once, brand)
        if not rows:
            return done
        for part in in_parts(work, rows, pauses=_PAUSES):
            done.add(part)
        after = rows[-1][0]
        on_progress(done, total)


def _resolve(rows: Sequence[_Row]) -> RecomputedPeople:
    file_missing_keys([row[0] for row in rows])
    with transaction(timeout_seconds=0) as connection:
        settled = _settle(connection, rows, partial(resolve_people, connection, BULK, NO_LEADS, decided_by=_DECIDED_BY))
        reviews.forget_outdated(connection, settled.looked_at)
    return RecomputedPeople(len(rows), len(settled.joined), len(settled.parted))


def _count_changes(rows: Sequence[_Row]) -> RecomputedPeople:
    """What `_resolve` would change, rolled back. Each person began with one piece of evidence and is counted with it:
    so it is counted once."""
    done = RecomputedPeople(len(rows))
    try:
        with transaction(timeout_seconds=0) as connection:
            _settle(connection, rows, partial(resolve, connection, NO_LEADS, lambda _connection, _events: ()))
            owners = evidence_rows.read_owners(connection, [row[0] for row in rows])
            raise _RolledBackError
    except _RolledBackError:
        pass
    for evidence_id, birth_id, person_id in rows:
        owner = owners.get(evidence_id, person_id)
        done.moved += owner != person_id
        done.joined += person_id == birth_id != owner
        done.parted += owner == birth_id != person_id
    return done


@dataclass
class _Settled:
    looked_at: set[UUID] = field(default_factory=set)
    joined: set[UUID] = field(default_factory=set)
    parted: set[UUID] = field(default_factory=set)


def _settle(connection: Connection, rows: Sequence[_Row], resolve_again: Callable[..., Resolved]) -> _Settled:
    """Resolve this evidence, then all that hangs together with people who change by that, until nobody does.

    So nobody is joined now and parted by a later batch, and a dry run of one batch tells what the run would make of it.
    """
    settled = _Settled()
    again = {row[0] for row in rows}
    while again:
        resolved = resolve_again(again=again)
        settled.looked_at |= again
        settled.joined, settled.parted = (
            (settled.joined | resolved.joined.keys()) - resolved.parted - settled.parted,
            (settled.parted | resolved.parted) - resolved.joined.keys() - settled.joined,
        )
        again = decisions.evidence_about(connection, resolved.changed) - settled.looked_at
    return settled
