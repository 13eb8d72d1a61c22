"""The daily run: class by class, in batches with pauses, for a bounded time; cut short, it goes on where it was.

One at a time over all hosts. Half of the time is left to others. Who is held or restricted is looked up by every
statement that destroys; a run that began before somebody was held keeps them too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import NotFoundError, RefusedError
from pipeline.logs import get_logger
from pipeline.privacy.erasure import erase
from pipeline.privacy.retention.expiry import RETENTION, expired_people
from pipeline.privacy.retention.plan import Standing, age_rules, moment_of_ages, standings
from pipeline.privacy.subjects import Asked
from pipeline.settings.loading import Settings, settings
from pipeline.settings.retention_settings import (
    BODIES,
    CLASSES,
    DELIVERY_LOG,
    PEOPLE,
    QUARANTINE,
    STARTS,
    TOUCHES,
)
from pipeline.store.engine import transaction
from pipeline.store.retention import retiring
from pipeline.store.retention import rules as stored
from pipeline.store.retention.retiring import HeldMeanwhileError
from pipeline.store.retention.statements import AgeRule
from pipeline.store.session_lock import held_alone

_LOCK = 9  # of this program's session locks
_AT_ONCE, _PEOPLE_AT_ONCE = 500, 20
_EVERY = timedelta(hours=20)  # a run a day, whatever the hour at which it could begin
_LONGEST_PAUSE_SECONDS = 1.0
_BY_TABLE = (BODIES, QUARANTINE, TOUCHES, DELIVERY_LOG)
_log = get_logger(__name__)


class RetentionReport(NamedTuple):
    """What one call has retired, by class, and whether the run is over."""

    counts: dict[str, int]
    is_over: bool
    waiting: list[str]  # names of rules that wait to be approved


def read_standings(known: Settings | None = None) -> list[Standing]:
    """The rules of the settings, each with what was approved. One statement."""
    rules = (known or settings()).retention
    if not rules:
        return []
    with transaction(synchronous=False) as connection:
        return standings(rules, stored.read_approved(connection))


def approve_rules(by: str) -> list[str]:
    """Put all rules of the settings into force as they stand; gives the names of those that waited."""
    found = read_standings()
    waiting = {standing.rule.name: standing.wanted_seconds for standing in found if standing.waits}
    with transaction() as connection:
        stored.approve(connection, waiting, by)
    return sorted(waiting)


def retain(*, budget_seconds: float, is_now: bool = False, now: datetime | None = None) -> RetentionReport:
    """Retire what is due for about so long. A class whose run of today is over is left alone, unless `is_now`. `now`:
    the moment that ages count to."""
    _forget_taken_away()
    found = read_standings()
    waiting = [standing.rule.name for standing in found if standing.waits]
    if not any(standing.seconds is not None for standing in found):
        return RetentionReport({}, is_over=True, waiting=waiting)
    _keep_longer(found)
    with held_alone(_LOCK) as is_held:
        if not is_held:
            return RetentionReport({}, is_over=False, waiting=waiting)
        return _Run(found, time.monotonic() + budget_seconds, now or _moment(), is_now=is_now).work(waiting)


def _moment() -> datetime:
    with transaction(synchronous=False) as connection:
        return moment_of_ages(connection)


def _forget_taken_away() -> None:
    """A rule that was taken out of the settings is a new one when it comes back: what is old by then is something
    else than what was looked at when it was approved."""
    with transaction() as connection:
        stored.forget_others(connection, [rule.name for rule in settings().retention])


def _keep_longer(found: Sequence[Standing]) -> None:
    """A rule that keeps for longer than was approved holds at once; back to the shorter one waits for somebody."""
    longer = {
        standing.rule.name: standing.wanted_seconds
        for standing in found
        if standing.approved_seconds is not None and standing.wanted_seconds > standing.approved_seconds
    }
    if longer:
        with transaction() as connection:
            stored.approve(connection, longer, "settings")


class _Run:
    def __init__(self, found: Sequence[Standing], ends_at: float, now: datetime, *, is_now: bool) -> None:
        self._found = found
        self._ends_at = ends_at
        self._is_now = is_now
        self._now = now
        self._counts: dict[str, int] = {}

    def work(self, waiting: list[str]) -> RetentionReport:
        is_over = True
        for what in CLASSES:
            if any(standing.rule.what == what and standing.seconds is not None for standing in self._found):
                is_over = self._class(what) and is_over
        return RetentionReport(self._counts, is_over, waiting)

    def _class(self, what: str) -> bool:
        """Whether its run is over."""
        with transaction() as connection:
            run = stored.read_runs(connection).get(what)
            is_new = run is None or (run.ended_at is not None and self._is_due(run.began_at))
            if is_new:
                stored.begin_run(connection, what, self._now)
            elif run is not None and run.ended_at is not None:
                return True
            after = None if is_new or run is None else run.after
        return self._retire(what, after)

    def _is_due(self, began_at: datetime) -> bool:
        """A run of the future is one of a clock that was ahead: it does not hold others up."""
        return self._is_now or self._now - began_at > _EVERY or began_at > self._now

    def _retire(self, what: str, after: str | None) -> bool:
        if what in _BY_TABLE:
            rules = age_rules(self._found, what, self._now)
            if what == BODIES:
                self._months()
            return self._batches(what, after, lambda last: self._table_batch(what, rules, last))
        return self._batches(what, after, self._people_batch)

    def _table_batch(self, what: str, rules: Sequence[AgeRule], after: str | None) -> str | None:
        """Whoever was held while its statement ran is found at its end: then nothing of it is kept, and the next call
        begins anew."""
        with transaction(timeout_seconds=0) as connection:
            held = retiring.open_holds(connection)
            done = retiring.retire(connection, what, rules, after=after, limit=_AT_ONCE)
            retiring.require_no_new_holds(connection, held)
            self._note(connection, what, done.counts, after=done.last, is_over=done.last is None)
        return done.last

    def _batches(self, what: str, after: str | None, batch: Callable[[str | None], str | None]) -> bool:
        while time.monotonic() < self._ends_at:
            began = time.monotonic()
            try:
                after = batch(after)
            except HeldMeanwhileError:
                continue
            if after is None:
                _log.info("retention_ended", what=what, retired=self._counts.get(what, 0))
                return True
            time.sleep(min(time.monotonic() - began, _LONGEST_PAUSE_SECONDS))
        return False

    def _months(self) -> None:
        """Whole months first: their bytes go at once, and no row needs to be touched."""
        rules = [rule for what in (BODIES, QUARANTINE) for rule in age_rules(self._found, what, self._now)]
        with transaction(timeout_seconds=0) as connection:
            months = retiring.old_months(connection, rules)
        for name in months:
            with transaction(timeout_seconds=0) as connection:
                counts = retiring.drop_month(connection, name, rules)
                if counts is not None:
                    self._note(connection, BODIES, counts, after=None, is_over=False)
                    _log.info("month_dropped", partition=name, bodies=counts.total())
            if time.monotonic() >= self._ends_at:
                return

    def _people_batch(self, after: str | None) -> str | None:
        """Erase people as if they had asked for it, CRMs included. `after`: what the time counts from, and a person."""
        start, last = after.split() if after else (STARTS[0], str(retiring.NOBODY))
        rules = age_rules(self._found, PEOPLE, self._now, start=start)
        with transaction(timeout_seconds=0) as connection:
            page = expired_people(
                connection, rules, start=start, after=UUID(last), limit=_PEOPLE_AT_ONCE, now=self._now
            )
        counts: Counter[tuple[str, str]] = Counter()
        for person_id, brand in page.people:
            try:
                erase(Asked(person_id=person_id), by=RETENTION, reason=f"retention by {start}", now=self._now)
            except (NotFoundError, RefusedError):  # gone, held, or not due any more
                continue
            counts[brand, ""] += 1
        if page.last is not None:
            after = f"{start} {page.last}"
        elif start != STARTS[-1]:
            after = f"{STARTS[STARTS.index(start) + 1]} {retiring.NOBODY}"
        else:
            after = None
        with transaction() as connection:
            self._note(connection, PEOPLE, counts, after=after, is_over=after is None)
        return after

    def _note(
        self, connection: Connection, what: str, counts: Counter[tuple[str, str]], *, after: str | None, is_over: bool
    ) -> None:
        stored.count_retired(connection, what, counts)
        stored.note_progress(connection, what, after=after, retired=counts.total(), is_over=is_over)
        self._counts[what] = self._counts.get(what, 0) + counts.total()
