"""Everything as rows: leads, people, who was merged into whom, deliveries, the identity log. Streamed, so in constant
memory; each export is closed before its transaction ends, also where nobody reads it to the end.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from pipeline.canonical import ATTRIBUTION_NAMES, CANONICAL_FIELDS, DERIVED_FIELDS, PERSON_FIELDS
from pipeline.inspection.lead_rows import with_fields
from pipeline.inspection.names import check_brand, check_source
from pipeline.store.identity.identity_log import stream_log
from pipeline.store.reports import stream_deliveries, stream_events, stream_forwards, stream_people
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
)
_LOG_COLUMNS = ("id", "at", "brand", "action", "person_id", "other_id", "event_id", "decided_by", "why")
_FORWARD_COLUMNS = ("person_id", "merged_into", "brand")
_TOUCH_COLUMNS = ("touch_source", "touch_medium", "touch_campaign")  # last, as more were added to what was there
_WHY_COLUMNS = ("reason", "rule")

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


def export_leads(connection: Connection, *, source: str | None = None, brand: str | None = None) -> Export:
    """A row per accepted event: where it came from, where it stands, its fields and what is derived from them.

    Raises UsageError for a source or a brand that there is not.
    """
    if source is not None:
        check_source(source)
    check_brand(connection, brand)
    names = (_RENAMED.get(name, name) for name in CANONICAL_FIELDS)
    fields = [name for name in names if name not in _LEAD_COLUMNS]
    stored = stream_events(connection, source=source, brand=brand)
    return Export(
        (*_LEAD_COLUMNS, *fields, "consents", "custom", "flags", *DERIVED_FIELDS, *_TOUCH_COLUMNS, *_WHY_COLUMNS),
        with_fields(connection, stored, renamed=_RENAMED),
        stored,
    )


def export_people(connection: Connection, *, brand: str | None = None) -> Export:
    """A row per person: golden fields, original and latest touch, derived values. Raises UsageError for a brand that
    there is not."""
    check_brand(connection, brand)
    stored = stream_people(connection, brand=brand)
    return Export(
        ("person_id", "version", "brand", *PERSON_FIELDS, *_PERSON_COLUMNS, *DERIVED_FIELDS, *_MOMENT_COLUMNS),
        ({**row["values"], **derive(row["values"]), **row} for row in stored),
        stored,
    )


def export_forwards(connection: Connection, *, brand: str | None = None) -> Export:
    """A row per id of a person who is one with another, and of whom. Raises UsageError for a brand that there is
    not."""
    check_brand(connection, brand)
    stored = stream_forwards(connection, brand=brand)
    return Export(_FORWARD_COLUMNS, stored, stored)


def export_deliveries(connection: Connection, *, destination: str | None = None) -> Export:
    """A row per person and CRM: the version it should have, the one it has, its id there, the last error."""
    stored = stream_deliveries(connection, destination=destination)
    return Export(_DELIVERY_COLUMNS, stored, stored)


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
    return Export(_LOG_COLUMNS, stored, stored)
