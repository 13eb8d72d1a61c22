"""Whom a CRM has already, read page by page within its account's quota: nobody is made there twice.

Each page is kept with the cursor of the next one, so who was stopped goes on where that was. A page that was kept in
part is read again, which changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from uuid import UUID

import msgspec

from connectors.kit import Lists, PeoplePage
from pipeline.delivery.accounts import kind_of
from pipeline.delivery.permits import CallPermits
from pipeline.delivery.writers import OpenWriter, open_writer
from pipeline.errors import ConfigurationError, QuotaError, RefusedError, TerminalError, TransientError
from pipeline.identity.crm_people import Page, note_people, try_people
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping.declarations import PERSON
from pipeline.store.deliveries import crm_records
from pipeline.store.deliveries.crm_records import RecordCounts
from pipeline.store.engine import patiently, transaction
from pipeline.store.session_lock import alone_or_refused
from pipeline.targets import Target, targets_of

_PEOPLE_AT_ONCE = 100
_PAUSES = (0.4, 0.8, 1.6, 3.2)  # seconds, between attempts at one part: others may be at the same people
_FAILURES = 5  # calls in a row that came to nothing: whatever it is, it is not over in a moment
_PATIENCE_SECONDS = 300.0  # for a quota or a CRM that is halted
_NAP_SECONDS = 5.0
_LOCK = 12  # of this installation's, one adoption at a time


class Adopted(msgspec.Struct, frozen=True):
    """What a CRM has. `counts`: as `RecordCounts` says; in a dry run `pairs` are those of people whose leads we have.
    `changed`: people of ours who came together or apart by it. `resumed`: pages that an earlier run had read."""

    counts: RecordCounts
    changed: list[UUID]
    pages: int
    resumed: int = 0


class Progress(msgspec.Struct):
    """People read so far, and the pages they came in."""

    people: int = 0
    pages: int = 0


def adopt_people(
    destination: str,
    brands: Sequence[str],
    *,
    is_dry_run: bool = False,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Adopted:
    """Read all people of a destination of the settings; a dry run keeps nothing.

    Raises RefusedError for a kind of CRM that lists nobody and while another adoption runs, ConfigurationError and
    TerminalError for what a human has to mend, TransientError and QuotaError where it takes too long: what is kept
    stays, and the next run goes on.
    """
    target = next(target for target in targets_of(destination) if target.subject == PERSON)
    if not isinstance(open_writer(target).writer, Lists):
        title = kind_of(destination, settings().destinations[destination]).title
        raise RefusedError(f"{destination}: {title} does not tell whom it has, so nobody can be recognized there")
    if is_dry_run:
        return _try(target, brands, on_progress)
    with _alone(destination):
        return _adopt(target, brands, on_progress)


def _adopt(target: Target, brands: Sequence[str], on_progress: Callable[[Progress], None]) -> Adopted:
    name = target.destination
    with transaction() as connection:
        began = crm_records.begin_adoption(connection, name)
    progress, changed = Progress(pages=began.pages), set[UUID]()
    for page in _pages(target, began.cursor):
        for part in _parts(page, name, brands, began.run):
            changed |= patiently(partial(note_people, part), pauses=_PAUSES).changed
        progress.people += len(page.people)
        progress.pages += 1
        on_progress(progress)
    with transaction(timeout_seconds=0) as connection:
        counts = crm_records.count_records(connection, name)
    return Adopted(counts, sorted(changed), progress.pages, began.pages)


def _try(target: Target, brands: Sequence[str], on_progress: Callable[[Progress], None]) -> Adopted:
    progress, changed = Progress(), set[UUID]()
    keyed: set[str] = set()
    owned: dict[UUID, set[str]] = {}  # of each person of ours, the records
    for page in _pages(target, None):
        for part in _parts(page, target.destination, brands, 0):
            noted = patiently(partial(try_people, part), pauses=_PAUSES)
            changed |= noted.changed
            keyed |= noted.keyed
            for record, owner in noted.owners.items():
                owned.setdefault(owner, set()).add(record)
        progress.people += len(page.people)
        progress.pages += 1
        on_progress(progress)
    known = set[str]().union(*owned.values())
    pairs = sum(len(several) > 1 for several in owned.values())
    counts = RecordCounts(progress.people, len(keyed), len(known - keyed), progress.people - len(known), pairs)
    return Adopted(counts, sorted(changed), progress.pages)


def _parts(page: PeoplePage, name: str, brands: Sequence[str], run: int) -> Iterator[Page]:
    """Some people at a time, at least one part; the last one ends the page."""
    for start in range(0, max(1, len(page.people)), _PEOPLE_AT_ONCE):
        is_last = start + _PEOPLE_AT_ONCE >= len(page.people)
        yield Page(name, brands, page.people[start : start + _PEOPLE_AT_ONCE], run, is_last, page.cursor)


def _pages(target: Target, cursor: str | None) -> Iterator[PeoplePage]:
    permits = CallPermits(
        target, is_hot=False, probe_seconds=settings().destinations[target.destination].timeout_seconds
    )
    while True:
        page = _read(target.destination, permits, cursor)
        yield page
        if page.cursor is None:
            return
        if page.cursor == cursor:
            raise TerminalError(f"{target.destination}: the page after this one is this one: it would never end")
        cursor = page.cursor


def _read(name: str, permits: CallPermits, cursor: str | None) -> PeoplePage:
    """One page, tried again a few times."""
    until = time.monotonic() + _PATIENCE_SECONDS
    failures = 0
    while True:
        writer = _granted(name, permits, until)
        try:
            assert isinstance(writer.writer, Lists)  # noqa: S101 - looked at before the first page
            page = writer.writer.list_people(cursor)
        except (TransientError, QuotaError) as error:
            wait, failures = permits.report(error, writer.usage), failures + 1
            if failures == _FAILURES or time.monotonic() + wait > until:
                raise
            time.sleep(wait)
        except (TerminalError, ConfigurationError):
            permits.report(None, writer.usage)  # who may not list may write all the same
            raise
        else:
            permits.report(None, writer.usage)
            return page


def _granted(name: str, permits: CallPermits, until: float) -> OpenWriter:
    while True:
        writer, wait = permits.acquire()
        if writer is not None:
            return writer
        if time.monotonic() + wait > until:
            raise TransientError(
                f"{name} cannot be asked now: {permits.waits_for}. Run it again later: it goes on where it stopped"
            )
        time.sleep(min(wait, _NAP_SECONDS))


@contextmanager
def _alone(name: str) -> Iterator[None]:
    with alone_or_refused(_LOCK, f"another adoption is running: wait for its end, then run {name}'s again"):
        yield
