"""A page of what a source says that it has posted: what came is counted, what did not comes in as if it had.

A record is made into the body that the source would have posted and named as posted ones are, so a post that comes
late, or at the same moment, is the same event. What is known is never stored again: a list words things differently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import msgspec
import orjson
from sqlalchemy import Connection

from connectors.kit import Webhook, get_path
from connectors.kit.sources.polling import Page
from connectors.kit.sources.reconciling.asking import pushed_body
from connectors.kit.sources.reconciling.declared import Reconcile, Window
from connectors.kit.times import parse_time
from pipeline.errors import AfluenteError, place_of
from pipeline.health.completeness import STREAM
from pipeline.hints import hint_dispatch, hint_fetch
from pipeline.intake.arrivals import JSON, new_event
from pipeline.intake.bodies import events_of_body
from pipeline.intake.contents import store_events
from pipeline.intake.instances import SourceInstance
from pipeline.intake.poll_reports import HOLD_SECONDS, PollReport
from pipeline.intake.posted.read_bodies import ReadBody
from pipeline.intake.posted.records import NotTakenError, PostedRecord, read_posted
from pipeline.records import Envelope, NewEvent
from pipeline.store.engine import transaction
from pipeline.store.events import cursors
from pipeline.store.events.reconciled import DayCount, find_known, find_known_contacts, note_recovered

VIA = "reconcile"  # how a record came, as stored requests hold it: kept for good
_BYTES_AT_ONCE = 4_000_000  # of bodies: sealed and sent they are in memory several times
_NO_TIME = "records of the list tell no time: they are counted on no day"


_Name = tuple[bytes, bytes | None]  # idempotency key, and which contact of the record it is


class _NoRecordError(Exception):
    """An entry of the list that no posted record can be made of. The text says why."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """A record of the list as it would have been posted."""

    body: bytes = field(repr=False)
    record: PostedRecord = field(repr=False)
    moment: datetime | None

    @property
    def name(self) -> _Name:
        return self.record.digest, self.record.contact


@dataclass
class Reading:
    """One reading of a window, over all lists and pages: what it has counted by day of UTC. `position`: how far it has
    come, to be kept with what is stored."""

    instance: SourceInstance
    reconcile: Reconcile
    window: Window
    days: dict[date, DayCount]
    report: PollReport
    position: str | None = None
    _seen: set[_Name] = field(default_factory=set)

    def take(self, page: Page, parents: Sequence[Mapping[str, Any]]) -> None:
        """Store what of a page is not here, and count the rest: one transaction with one look-up, or several where the
        bodies of a page are large, as each repeats what its record belongs to."""
        self.report.pages += 1
        rejected = [self._rejected(entry.body, entry.why) for entry in page.rejected]
        listed: dict[_Name, _Listed] = {}
        size = 0
        for record in page.records:
            try:
                made = self._listed(record, parents)
            except _NoRecordError as error:
                rejected.append(self._rejected(_written(record), str(error)))
                continue
            if made is None or not self._is_meant(made.moment) or made.name in self._seen:
                continue
            self._seen.add(made.name)
            listed[made.name] = made
            size += len(made.body)
            if size >= _BYTES_AT_ONCE:
                self._store(listed, rejected)
                listed, rejected, size = {}, [], 0
        self._store(listed, rejected)
        for note in page.notes:
            self.report.note(note)

    def _store(self, listed: Mapping[_Name, _Listed], rejected: list[NewEvent]) -> None:
        brand, slug = self.instance.brand, self.instance.slug
        with transaction() as connection:
            known = self._known(connection, list(listed))
            lost = {name: self._event(made) for name, made in listed.items() if name not in known}
            receipts = store_events(connection, [*lost.values(), *rejected])
            taken = {
                event.event_id: event
                for event, receipt in zip(lost.values(), receipts, strict=False)
                if not receipt.repeated
            }
            revised = {event_id: event.revised_at for event_id, event in taken.items()}
            note_recovered(connection, revised, is_adopted=self._has_contacts)
            cursors.move_cursor(connection, brand, slug, STREAM, position=self.position, hold_seconds=HOLD_SECONDS)
        for name, made in listed.items():
            is_recovered = known[name] if name in known else lost[name].event_id in taken
            self._count(made.moment, is_recovered=is_recovered)
        self.report.accepted += len(taken)
        self.report.repeated += len(listed) - len(taken)
        self.report.rejected += sum(not receipt.repeated for receipt in receipts[len(lost) :])
        if any(not receipt.repeated for receipt in receipts):
            hint_dispatch(self.instance.lane)
        if any(event.to_fetch for event in taken.values()):
            hint_fetch(slug, brand)

    @property
    def _has_contacts(self) -> bool:
        """Whether several contacts come under one id."""
        return bool(self.instance.connector.contact_at)

    def _known(self, connection: Connection, names: list[_Name]) -> dict[_Name, bool]:
        brand, slug = self.instance.brand, self.instance.slug
        if not self._has_contacts:
            found = find_known(connection, brand, slug, [digest for digest, _ in names])
            return {name: found[name[0]] for name in names if name[0] in found}
        told = [(digest, contact) for digest, contact in names if contact is not None]
        found_contacts = find_known_contacts(connection, brand, slug, told)
        return {name: found_contacts[name] for name in found_contacts}

    def _count(self, moment: datetime | None, *, is_recovered: bool) -> None:
        if moment is None:
            self.report.note(_NO_TIME)
            return
        count = self.days.setdefault(moment.date(), DayCount())
        count.expected += 1
        count.recovered += is_recovered
        count.received += not is_recovered

    def _is_meant(self, moment: datetime | None) -> bool:
        """What tells no time was asked for by time all the same."""
        return moment is None or self.window.begin <= moment < self.window.end

    def _listed(self, record: dict[str, Any], parents: Sequence[Mapping[str, Any]]) -> _Listed | None:
        """None for a record that the source would not have posted. Raises _NoRecordError."""
        try:
            body = pushed_body(self.reconcile, record, parents)
        except AfluenteError as error:
            raise _NoRecordError(str(error)) from error
        except Exception as error:
            raise _NoRecordError(f"the connector's pushed failed: {place_of(error)}") from error
        if body is None:
            return None
        content, intake = _written(body), self.instance.connector.intake
        if isinstance(intake, Webhook) and len(content) > intake.max_body_bytes:
            raise _NoRecordError(f"it is over {intake.max_body_bytes} bytes, which no post of this source is")
        try:
            posted = read_posted(self.instance.connector, content, JSON, header_value=None)
        except NotTakenError as error:
            raise _NoRecordError(str(error)) from error
        if len(posted) != 1 or not posted[0].is_named:
            raise _NoRecordError("it has no id by which its post would be known")
        moment = posted[0].occurred_at
        if moment is None and self.reconcile.listed_at is not None:
            moment = parse_time(get_path(record, self.reconcile.listed_at))
        return _Listed(content, posted[0], moment)

    def _event(self, made: _Listed) -> NewEvent:
        """Its key alone decides: what the source posts is the better wording, whenever it comes. Where several contacts
        come under one key, what is said tells them apart."""
        read = ReadBody(self.instance.connector, made.body, JSON, None, (), [made.record])
        (event,) = events_of_body(self.instance, read, {}, verified_by=None, via=VIA)
        return event if self._has_contacts else msgspec.structs.replace(event, content=None)

    def _rejected(self, body: bytes, why: str) -> NewEvent:
        """What is no record is stored as well: mapping it will put it into quarantine, alone."""
        origin = {"via": VIA, "rejected": why}
        digest = hashlib.sha256(b"rejected\x00" + body).digest()
        return new_event(self.instance, {}, Envelope(JSON, body, {}, origin), digest=digest)


def _written(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, as only some writers have
        return msgspec.json.encode(value)
