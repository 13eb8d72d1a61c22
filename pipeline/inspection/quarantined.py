"""What waits for a human, and what a human does about it: look, set fields by hand, send it on its way again, close it;
and release a lead that a rule took for a test or for spam.

Whatever sends something on its way tells the workers after its transaction is over.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypedDict, Unpack
from uuid import UUID

import msgspec

from pipeline.audit.entries import Changed, record_action
from pipeline.canonical import CANONICAL_FIELDS
from pipeline.errors import NotFoundError, RefusedError, UsageError
from pipeline.hints import hint_all
from pipeline.inspection.masked.told import text_as_seen
from pipeline.inspection.names import check_destination, check_source
from pipeline.inspection.recomputed import recompute_event
from pipeline.records import FETCHING, Parked, Stage
from pipeline.stages.validation.rules import NOTHING_TO_IDENTIFY, RULES
from pipeline.store.engine import transaction
from pipeline.store.events import quarantine
from pipeline.store.events.events import read_events
from pipeline.store.events.quarantine import Quarantined
from pipeline.store.events.releases import RELEASABLE_REASONS, Release, release_event
from pipeline.store.reports import read_status
from pipeline.targets import destination_of
from pipeline.values.normalized import is_empty

if TYPE_CHECKING:
    from sqlalchemy import Connection


_LOOK_SECONDS = 0.3


class QuarantineGroup(msgspec.Struct, frozen=True):
    """How many wait of one source or destination and for one reason: leads have a source, deliveries a destination."""

    source: str | None
    reason: str
    count: int
    destination: str | None = None


class QuarantineFilter(TypedDict, total=False):
    """Which of what waits is meant; None: whatever it is."""

    reason: str | None
    source: str | None
    destination: str | None
    stage: str | None
    field: str | None


class PlacedRow(msgspec.Struct, frozen=True):
    """A quarantined thing; of a row of a file, its file and line. A file's name may name a person."""

    row: Quarantined
    file: str | None = None
    line: int | None = None

    def __repr__(self) -> str:
        return f"<PlacedRow {self.row.quarantine_id}>"


class QuarantineList(msgspec.Struct, frozen=True):
    """What was asked for. `open` is the number of all that wait and fit, `rows` are those within the limit."""

    open: int
    groups: list[QuarantineGroup]
    rows: list[PlacedRow]


class Replayed(msgspec.Struct, frozen=True):
    """How many are on their way again. `left_out`: rows that could not be read as their file meant them, by code."""

    replayed: int
    left_out: dict[str, int] = {}


def list_quarantined(
    connection: Connection,
    *,
    with_closed: bool = False,
    limit: int = 50,
    **chosen: Unpack[QuarantineFilter],
) -> QuarantineList:
    """How many wait by source or destination and reason, and the newest of them; `with_closed` also what was replayed
    or discarded.

    Raises UsageError for a source or a stage that there is not.
    """
    _check_filter(connection, chosen)
    counts = quarantine.count_quarantine(connection, **chosen)
    groups = [
        QuarantineGroup(source, code, count, destination)
        for (source, destination, code), count in sorted(counts.items(), key=lambda entry: -entry[1])
    ]
    rows = quarantine.list_quarantine(connection, **chosen, resolution=None if with_closed else "open", limit=limit)
    return QuarantineList(sum(group.count for group in groups), groups, _placed(connection, rows))


def find_quarantined(connection: Connection, any_id: UUID) -> PlacedRow:
    """One, by its id or by that of its event (then the newest). Raises NotFoundError."""
    return _placed(connection, [_find(connection, any_id)])[0]


def fix(any_id: UUID, values: Mapping[str, Any]) -> Replayed:
    """Set canonical fields of a lead by hand and replay it. What its source sent stays as it came.

    Raises NotFoundError, UsageError for a name that is no canonical field and for a value that is none of it,
    RefusedError for a delivery, for what is not open any more, and if the lead would only wait again.
    """
    for name in values:
        _check_field(name)
    with transaction() as connection:
        row = _find(connection, any_id)
        if row.event_id is None:
            raise RefusedError(
                f"{row.quarantine_id} is a delivery to {row.destination}, not a lead: correct the person's data at its"
                " source, or the destination's mapping, then `afluente quarantine replay`"
            )
        _check_values(connection, row.event_id, values)
        if not quarantine.set_patch(connection, row.quarantine_id, values):
            raise RefusedError(f"{row.quarantine_id} is not open any more: it was {row.resolution}")
        replayed = quarantine.replay_events(connection, quarantine_ids=[row.quarantine_id])
        _record(connection, "quarantine.fix", row, changed={name: (None, value) for name, value in values.items()})
    hint_all()
    return Replayed(replayed)


def replay(any_id: UUID, *, as_is: bool = False) -> Replayed:
    """Send one on its way again: a lead through the current mapping, a delivery to its CRM.

    `as_is`: also a row that was not read as its file meant it. Raises NotFoundError, and RefusedError for such a row.
    """
    with transaction() as connection:
        row = _find(connection, any_id)
        if row.stage == Stage.INTAKE and row.resolution == "open" and not as_is:
            raise RefusedError(
                f"{row.quarantine_id} is a row that could not be read ({row.code}): its cells may stand in the"
                " wrong columns. Correct the file and import it again; or look at it with `afluente explain`, then"
                " `afluente quarantine fix` with the right values, or replay it with --as-is"
            )
        replayed = quarantine.replay_events(connection, quarantine_ids=[row.quarantine_id])
        _record(connection, "quarantine.replay", row)
    hint_all()
    return Replayed(replayed)


def replay_all(*, is_dry_run: bool = False, **chosen: Unpack[QuarantineFilter]) -> Replayed:
    """Send all that waits on its way again, or what is chosen of it, but for rows that intake could not read.

    A dry run counts them. Raises UsageError for a source or a stage that there is not.
    """
    with transaction() as connection:
        _check_filter(connection, chosen)
        left_out = quarantine.count_misread(connection, **chosen)
        if is_dry_run:
            return Replayed(quarantine.count_replayable(connection, **chosen), left_out)
        replayed = quarantine.replay_events(connection, misread=False, **chosen)
        record_action(connection, "quarantine.replay", reason=_said(chosen), outcome=f"replayed {replayed}")
    hint_all()
    return Replayed(replayed, left_out)


def discard(any_id: UUID, why: str) -> UUID:
    """Close one for good; gives its own id. Its lead stays counted as quarantined.

    Raises NotFoundError, UsageError without a reason, RefusedError for what is not open any more.
    """
    _check_reason(why)
    with transaction() as connection:
        row = _find(connection, any_id)
        if not quarantine.discard(connection, row.quarantine_id, why):
            raise RefusedError(f"{row.quarantine_id} is not open any more: it was {row.resolution}")
        _record(connection, "quarantine.discard", row, reason=why)
    return row.quarantine_id


def release(event_id: UUID, why: str) -> Release:
    """Send a lead on its way again that was suppressed as test or spam, and remember that no rule may stop it.

    Gives its state and reason as they were. Raises NotFoundError, UsageError without a reason, RefusedError for what is
    not suppressed, or was for another reason.
    """
    _check_reason(why)
    rules = [rule for rule in RULES if rule != NOTHING_TO_IDENTIFY]  # what nobody can be found by stays so
    with transaction() as connection:
        released = release_event(connection, event_id, why, rules=rules)
        if released is not None and released.is_done:
            record_action(connection, "leads.release", object_kind="event", object_id=event_id, reason=why)
    if released is None:
        raise NotFoundError(f"no event has the id {event_id}: `afluente leads export` shows what has")
    if not released.is_done:
        raise RefusedError(_why_not_released(event_id, released))
    hint_all()
    return released


def _why_not_released(event_id: UUID, release: Release) -> str:
    if release.state == "quarantined":
        return f"{event_id} is quarantined: `afluente quarantine show {event_id}` says what helps"
    if release.state == "suppressed":
        allowed = ", ".join(RELEASABLE_REASONS)
        return f"{event_id} is suppressed as {release.reason}: only these can be released: {allowed}"
    return f"{event_id} is {release.state}, not suppressed: there is nothing to release"


def _record(
    connection: Connection, action: str, row: Quarantined, *, reason: str | None = None, changed: Changed | None = None
) -> None:
    kind, object_id = ("event", row.event_id) if row.event_id else ("person", row.person_id)
    record_action(connection, action, object_kind=kind, object_id=object_id, reason=reason, changed=changed)


def _said(chosen: QuarantineFilter) -> str | None:
    return ", ".join(f"{name} {value}" for name, value in sorted(chosen.items()) if value) or None


def _check_filter(connection: Connection, chosen: QuarantineFilter) -> None:
    """A source or destination that is set up no more may have rows: its name is not held against the settings alone."""
    source, stage, destination = chosen.get("source"), chosen.get("stage"), chosen.get("destination")
    if source is not None:
        check_source(source, connection)
    if destination is not None:
        check_destination(connection, destination_of(destination))
    if stage is not None and stage not in set(Stage):
        raise UsageError(f"is {stage!r}; one of {', '.join(Stage)}", argument="stage")


def _check_reason(why: str) -> None:
    if not why.strip():
        raise UsageError("needs a text: whoever looks at this later has nothing else", argument="why")


def _check_field(name: str) -> None:
    if name not in CANONICAL_FIELDS:
        close = get_close_matches(name, CANONICAL_FIELDS, 1)
        hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(CANONICAL_FIELDS)}"
        raise UsageError(f"{name!r} is not a canonical field; {hint}", argument="set")


def _check_values(connection: Connection, event_id: UUID, values: Mapping[str, Any]) -> None:
    """What would become of the lead with these values, before any is kept."""
    patches = quarantine.read_patches(connection, [event_id]).get(event_id, {})
    for raw in read_events(connection, [event_id]):
        tried = recompute_event(raw, {**patches, **values})
        read = tried.lead.fields if tried.lead else {}
        for name, value in values.items():
            if tried.lead is not None and str(value).strip() and is_empty(read.get(name)):
                flags = ", ".join(tried.lead.flags.get(name, ())) or "not understood"
                raise UsageError(
                    f"{name}: the value given is none of this field ({flags}): nothing was kept", argument="set"
                )
        if isinstance(tried.decided, Parked) and tried.mapping is not None:
            raise RefusedError(
                f"with these values it would wait again: {tried.decided.code}: {tried.decided.message}."
                " Nothing was kept"
            )


class Became(msgspec.Struct, frozen=True):
    """What became of a lead: its state, the reason if it does not go on, its person."""

    event_id: UUID
    state: str
    reason: str | None
    person_id: UUID | None


def wait_for(event_id: UUID, *, seconds: float = 30.0) -> Became:
    """What a lead that is on its way again comes to, or where it stands after `seconds`. Raises NotFoundError."""
    deadline = time.monotonic() + seconds
    while True:
        with transaction(synchronous=False) as connection:
            status = read_status(connection, event_id)
        if status is None:
            raise NotFoundError(f"no event has the id {event_id}")
        event, waiting = status.event, status.quarantine
        if event["state"] not in ("pending", "in_flight", FETCHING) or time.monotonic() > deadline:
            reason = event["reason"] or (waiting["code"] if waiting else None)
            return Became(event_id, event["state"], reason, event["person_id"])
        time.sleep(_LOOK_SECONDS)


def wait_for_fixed(any_id: UUID) -> Became:
    """What becomes of the lead of a quarantined thing, as `wait_for` tells it."""
    with transaction(synchronous=False) as connection:
        row = _find(connection, any_id)
    return wait_for(row.event_id or any_id)


def _find(connection: Connection, any_id: UUID) -> Quarantined:
    row = quarantine.show_quarantine(connection, any_id)
    if row is None:
        raise NotFoundError(f"nothing in quarantine has the id {any_id}: `afluente quarantine list` shows what has")
    return row


def _placed(connection: Connection, rows: Sequence[Quarantined]) -> list[PlacedRow]:
    """Rows with their places. The places are sealed with the events."""
    ids = [row.event_id for row in rows if row.event_id]
    origins = {raw.event_id: raw.envelope.origin for raw in read_events(connection, ids, with_requests=False)}
    places = [origins.get(row.event_id, {}) if row.event_id else {} for row in rows]
    return [
        PlacedRow(
            msgspec.structs.replace(row, why=text_as_seen(row.why)),
            text_as_seen(place.get("file")),
            place.get("line"),
        )
        for row, place in zip(rows, places, strict=True)
    ]
