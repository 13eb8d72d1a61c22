"""A stream that is read for each record of another list: the leads of every form, each with a position of its own.

Those that were read longest ago come first, so that all have their turn however many there are; one that fails waits
alone, and the others go on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson

from connectors.kit import Parent, Poll, Stream
from connectors.kit.http import session
from connectors.kit.sources.paging.streams import ParentRecord, parents_in, poll_of_parents, poll_of_stream
from connectors.kit.sources.polling import poll_pages
from pipeline.access.sources import poll_access
from pipeline.errors import QuotaError
from pipeline.intake.instances import SourceInstance
from pipeline.intake.poll_reports import PollReport
from pipeline.settings.edges.outgoing import reach_of_source
from pipeline.settings.loading import Settings
from pipeline.settings.polled_sources import settings_digest
from pipeline.store.engine import transaction
from pipeline.store.events import cursors

_HOLD_SECONDS = 200.0  # of the whole, prolonged with each parent
_BESIDE_BYTES = 2_000  # of a parent, kept with each of its records
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_TOO_MANY = "the list of its parents has more than {}: those after them are not read"
_FAILED = "{} of {} could not be read; `afluente source status` tells why"
END = "each of its parents was read"


@dataclass(frozen=True, slots=True)
class Family:
    """One stream with its parents, in one run."""

    known: Settings
    instance: SourceInstance
    poll: Poll
    stream: Stream
    parent: Parent
    at_once: bool
    begin_at: str | None

    def read(
        self,
        report: PollReport,
        run: Callable[..., PollReport],
        read_list: Callable[..., bool],
        *,
        seconds: float,
    ) -> bool:
        """Read each parent's part by `run`. False if `seconds` were over before all had their turn.

        Raises what reading the list of parents does, and QuotaError where the source wants to be left alone.
        """
        parents, has_more = self._parents()
        if has_more:
            report.note(_TOO_MANY.format(self.parent.most))
        deadline = math.inf if self.at_once else time.monotonic() + seconds  # by hand, all have their turn
        failed, is_done = 0, True
        for parent, at_once in self._in_turn(parents):
            if time.monotonic() > deadline:
                return False
            part = self._read_parent(parent, run, read_list, at_once=at_once)
            report.add(part)
            if part.quota_wait is not None:
                raise QuotaError(part.error or "", retry_after=part.quota_wait)
            failed += part.error is not None
            is_done &= not part.ran or part.end is not None or part.error is not None
            self._hold()
        if failed:
            report.note(_FAILED.format(failed, len(parents)))
        report.end = END if is_done else None
        return is_done

    def _read_parent(
        self, parent: ParentRecord, run: Callable[..., PollReport], read_list: Callable[..., bool], *, at_once: bool
    ) -> PollReport:
        """By hand to its end, else for the time that one run has."""
        total, begin_at = PollReport(), self.begin_at
        while True:
            read = partial(self._read_one, read_list, parent, begin_at=begin_at)
            part = run(self.known, self.instance, self._key(parent), read, at_once=at_once)
            total.add(part)
            total.end, total.error, total.quota_wait, total.ran = part.end, part.error, part.quota_wait, part.ran
            begin_at = None
            if not self.at_once or not part.ran or part.end is not None or part.error is not None:
                return total

    def _parents(self) -> tuple[list[ParentRecord], bool]:
        poll = poll_of_parents(self.poll, self.parent)
        access = poll_access(self.known, self.instance.slug, self.instance.brand, self.instance.connector, poll)
        reach = reach_of_source(self.known, self.instance.slug)
        with session(poll.url, max_answer_bytes=poll.max_answer_bytes, reach=reach) as http:
            return parents_in(iter(poll_pages(poll, position=None, access=access, session=http)), self.parent)

    def _in_turn(self, parents: list[ParentRecord]) -> Iterator[tuple[ParentRecord, bool]]:
        """Longest ago first, and whether it is read though it is not due: as it is once settings have changed."""
        brand, slug = self.instance.brand, self.instance.slug
        digest = settings_digest(self.known, slug, self.instance.connector)
        with transaction(synchronous=False) as connection:
            rows = cursors.read_cursors(connection)
        known = {parent.key: rows.get((brand, slug, self._key(parent))) for parent in parents}

        def last_run(parent: ParentRecord) -> datetime:
            row = known[parent.key]
            return (row.last_run_at if row is not None else None) or _LONG_AGO

        for parent in sorted(parents, key=last_run):
            row = known[parent.key]
            yield parent, self.at_once or (row is not None and row.settings_digest != digest)

    def _read_one(
        self,
        read_list: Callable[..., bool],
        parent: ParentRecord,
        cursor: cursors.StoredCursor,
        report: PollReport,
        *,
        begin_at: str | None,
    ) -> bool:
        return read_list(
            self.known,
            self.instance,
            cursor,
            report,
            poll=poll_of_stream(self.poll, self.stream, parent.id),
            stream=self._key(parent),
            begin_at=begin_at,
            scope=self._key(parent) if self.parent.own_ids else self.stream.name,
            beside={"stream": self.stream.name, "parent": _small(parent, self.parent)},
        )

    def _key(self, parent: ParentRecord) -> str:
        return f"{self.stream.name}/{parent.key}"

    def _hold(self) -> None:
        with transaction(synchronous=False) as connection:
            cursors.move_cursor(
                connection,
                self.instance.brand,
                self.instance.slug,
                self.stream.name,
                position=None,
                hold_seconds=_HOLD_SECONDS,
            )


def _small(parent: ParentRecord, declared: Parent) -> dict[str, Any]:
    """A parent as its records are read with it: all of it where it is small, else its id."""
    record = dict(parent.record)
    return record if len(orjson.dumps(record)) <= _BESIDE_BYTES else {declared.id_at: parent.id}
