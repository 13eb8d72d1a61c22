"""Everything as rows: leads, people, who was merged into whom, deliveries, the identity log. Streamed, so in constant
memory; each export is closed before its transaction ends, also where nobody reads it to the end.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from pipeline.canonical import ATTRIBUTION_NAMES, CANONICAL_FIELDS, DERIVED_FIELDS, PERSON_FIELDS
from pipeline.inspection.lead_rows import with_fields
from pipeline.inspection.masked.told import rows_as_seen
from pipeline.inspection.names import check_brand, check_destination, check_source
from pipeline.inspection.waiting import why_delivery_waits, why_destination_waits
from pipeline.privacy.exporting.masked import FREE_TEXTS
from pipeline.privacy.person_consents import consent_states_of
from pipeline.store.events.quarantine import open_codes
from pipeline.store.identity.identity_log import stream_log
from pipeline.store.reports import newest_events, stream_deliveries, stream_events, stream_forwards, stream_people
from pipeline.values.derived import derive

if TYPE_CHECKING:
    from sqlalchemy import Connection

Row = Mapping[str, Any]

_LEAD_COLUMNS = (
    "event_id",
    "external_id",
    "source",
    "brand",
    "state",
    "person_id",
    "received_at",
    "occurred_at",
    "lane",
    "channel",
)
_MOMENT_COLUMNS = ("original_at", "latest_at")
_PERSON_COLUMNS = tuple(name for name in ATTRIBUTION_NAMES if name not in _MOMENT_COLUMNS)
_DELIVERY_COLUMNS = (
    "destination",
    "person_id",
    "state",
    "wanted_version",
    "sent_version",
    "external_id",
    "attempts",
    "last_error",
    "merged_into",
    "waits",
)
_LOG_COLUMNS = ("id", "at", "brand", "action", "person_id", "other_id", "event_id", "decided_by", "why")
_FORWARD_COLUMNS = ("person_id", "merged_into", "brand")
_TOUCH_COLUMNS = ("touch_source", "touch_medium", "touch_campaign")  # last, as more were added to what was there
_WHY_COLUMNS = ("reason", "rule")

# Columns that hold nothing of a person, for who sees the shape of the others.
_CLEAR_OF_LEADS = frozenset({*_LEAD_COLUMNS, *_WHY_COLUMNS, "flags"})
_CLEAR_OF_PEOPLE = frozenset({"person_id", "version", "brand", *ATTRIBUTION_NAMES}) - FREE_TEXTS
_CLEAR_OF_LOG = frozenset(_LOG_COLUMNS) - {"why"}

_PEOPLE_AT_ONCE = 500  # whose consents are read in one statement

# A lead's `state` is where it stands, so the state it lives in needs another name.
_RENAMED = {"state": "address_state"}


@dataclass
class Export:
    """Rows that can be gone through once, each a mapping that holds `columns` and maybe more. A context manager."""

    columns: tuple[str, ...]
    rows: Iterator[Row] = field(repr=False)
    _stored: Iterator[Row] = field(repr=False)  # what of it reads from the database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.rows, self._stored):
            if isinstance(stream, Generator):
                stream.close()


def export_leads(
    connection: Connection,
    *,
    source: str | None = None,
    brand: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Export:
    """A row per accepted event: where it came from, where it stands, its fields and what is derived from them.

    `since`, `until` (excluded): when it was received. Raises UsageError for a source or a brand that there is not.
    """
    if source is not None:
        check_source(source, connection)
    check_brand(connection, brand)
    names = (_RENAMED.get(name, name) for name in CANONICAL_FIELDS)
    fields = [name for name in names if name not in _LEAD_COLUMNS]
    stored = stream_events(connection, source=source, brand=brand, since=since, until=until)
    return Export(
        (*_LEAD_COLUMNS, *fields, "consents", "custom", "flags", *DERIVED_FIELDS, *_TOUCH_COLUMNS, *_WHY_COLUMNS),
        rows_as_seen(with_fields(connection, stored, renamed=_RENAMED), _CLEAR_OF_LEADS),
        stored,
    )


def list_newest(
    connection: Connection, *, limit: int, source: str | None = None, brand: str | None = None
) -> list[Row]:
    """The newest events, as far as they are stored in clear: ids and where each stands, with the reason of those in
    quarantine. Raises UsageError for a source or a brand that there is not."""
    if source is not None:
        check_source(source, connection)
    check_brand(connection, brand)
    events = newest_events(connection, limit=limit, source=source, brand=brand)
    codes = open_codes(connection, [event["event_id"] for event in events if event["state"] == "quarantined"])
    return [{**event, "reason": event["reason"] or codes.get(event["event_id"])} for event in events]


def export_people(
    connection: Connection,
    *,
    brand: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Export:
    """A row per person: golden fields, original and latest touch, derived values, and the consents that hold now.

    `since`, `until` (excluded): when the latest touch was. Raises UsageError for a brand that there is not.
    """
    check_brand(connection, brand)
    stored = stream_people(connection, brand=brand, since=since, until=until)
    rows = ({**row["values"], **derive(row["values"]), **row} for row in stored)
    return Export(
        (
            *("person_id", "version", "brand", *PERSON_FIELDS, *_PERSON_COLUMNS),
            *("consents", *DERIVED_FIELDS, *_MOMENT_COLUMNS),
        ),
        rows_as_seen(_with_consents(connection, rows), _CLEAR_OF_PEOPLE),
        stored,
    )


def _with_consents(connection: Connection, rows: Iterator[dict[str, Any]]) -> Iterator[Row]:
    """`consents`: what holds now, as `marketing by email: granted`. Read for some people at a time."""
    while page := list(islice(rows, _PEOPLE_AT_ONCE)):
        states = consent_states_of(connection, [row["person_id"] for row in page])
        for row in page:
            held = states.get(row["person_id"], {})
            shown = [f"{purpose} by {channel}: {state}" for (purpose, channel), state in sorted(held.items())]
            yield {**row, "consents": shown}


def export_forwards(connection: Connection, *, brand: str | None = None) -> Export:
    """A row per id of a person who is one with another, and of whom. Raises UsageError for a brand that there is
    not."""
    check_brand(connection, brand)
    stored = stream_forwards(connection, brand=brand)
    return Export(_FORWARD_COLUMNS, stored, stored)


def export_deliveries(
    connection: Connection,
    *,
    destination: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Export:
    """A row per person and CRM: the version it should have, the one it has, its id there, the last error, and why it
    waits if it does. `since`, `until` (excluded): when it was last wanted. Raises UsageError for a destination that
    there never was."""
    check_destination(connection, destination)
    stored = stream_deliveries(connection, destination=destination, since=since, until=until)
    return Export(_DELIVERY_COLUMNS, _with_why(stored), stored)


def _with_why(stored: Iterator[dict[str, Any]]) -> Iterator[Row]:
    """Deliveries of which no call was made since their CRM stopped taking any have its reason as their last error."""
    of_destination: dict[str, str | None] = {}
    for row in stored:
        name = row["destination"]
        if row["state"] == "due" and name not in of_destination:
            of_destination[name] = why_destination_waits(name)
        why = of_destination.get(name) if row["state"] == "due" else None
        yield {**row, "last_error": row["last_error"] or why, "waits": why_delivery_waits(row, why)}


def export_log(
    connection: Connection,
    *,
    since: datetime | None = None,
    brand: str | None = None,
    actions: Collection[str] = (),
    limit: int | None = None,
) -> Export:
    """Lines of the identity log, newest first: what became of who is who, and by whose word.

    `since` is aware, and included. Raises UsageError for a brand that there is not.
    """
    check_brand(connection, brand)
    stored = stream_log(connection, since=since, brand=brand, actions=actions, limit=limit)
    return Export(_LOG_COLUMNS, rows_as_seen(stored, _CLEAR_OF_LOG), stored)
