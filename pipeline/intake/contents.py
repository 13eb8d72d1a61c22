"""What records say as their mappings read them, and the one way in which intake stores them.

A record that came before is recognized by what it says: whatever its mapping ignores does not count. After a mapping
has begun to ignore other things, or an update, what is stored is read again from its body where such a record is met.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from connectors.kit import Connector
from connectors.kit.sources.idempotency import contact_of
from pipeline.errors import RecordError
from pipeline.intake.keys import Former, content_of, contents_in_force, revised_at
from pipeline.records import NewEvent, RawEvent, Receipt
from pipeline.replay import connector_in_force
from pipeline.stages.mapping.bodies import ROW
from pipeline.stages.mapping.contents import Contents, read_reading
from pipeline.stages.mapping.stored_records import read_arrival
from pipeline.store.events.events import insert_events, read_events
from pipeline.store.events.readings import AS_THEY_CAME, find_keys, rename_keys, use_reading
from pipeline.store.events.revisions import Said

_READINGS_SECONDS = 60.0  # what other processes read by is known after this long
_REREAD_AT_ONCE = 200


def store_events(connection: Connection, events: Sequence[NewEvent]) -> list[Receipt]:
    """Store events, one receipt each: `insert_events` for all that comes in. As many statements, and one more where the
    source was read in another way before."""
    _readings().recognize(connection, events)
    return insert_events(connection, events, reread=_reread)


def known_readings(brand: str, source: str) -> list[Contents | None]:
    """In what other ways a source's records were read before, as far as this process knows by now. None: a version in
    which everything counted."""
    return _readings().known(brand, source)


class _Readings:
    """In what other ways each source's records were read before, as far as this process knows."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: dict[tuple[str, str, bytes], tuple[float, list[Contents | None]]] = {}

    def recognize(self, connection: Connection, events: Sequence[NewEvent]) -> None:
        """Let records be found that are stored under a key of an earlier reading: those keys get the name of now."""
        arrivals: list[tuple[NewEvent, Former]] = [(event, event.plain) for event in events if event.plain is not None]
        instances = {(event.brand, event.source, plain.slug) for event, plain in arrivals}
        others = {  # in one order, so that concurrent calls cannot deadlock
            (brand, source): self._others(connection, brand, source, contents_in_force(slug))
            for brand, source, slug in sorted(instances)
        }
        if not any(others.values()):  # nearly always: the mapping never ignored anything else
            return
        asked: list[tuple[str, str, bytes]] = []
        of: list[NewEvent] = []
        for event, plain in arrivals:
            for digest in _former_digests(event, plain, others[event.brand, event.source]):
                asked.append((event.brand, event.source, digest))
                of.append(event)
        found = find_keys(connection, asked)
        if not found:
            return
        said = _reread(connection, sorted({key.event_id for key in found}))
        same = [
            (key, of[key.place].digest, of[key.place].content)
            for key in found
            if key.event_id in said and said[key.event_id].content == of[key.place].plain.content
        ]
        rename_keys(connection, same)

    def known(self, brand: str, source: str) -> list[Contents | None]:
        """The other readings of a source as they were last seen, without asking the database."""
        with self._guard:
            return [other for key, (_, others) in self._known.items() if key[:2] == (brand, source) for other in others]

    def _others(self, connection: Connection, brand: str, source: str, now: Contents) -> list[Contents | None]:
        """The other readings; None: everything counted, as it is written."""
        key = (brand, source, now.prefix)
        moment = time.monotonic()
        with self._guard:
            read_at, others = self._known.get(key, (0.0, []))
            if key in self._known and moment - read_at < _READINGS_SECONDS:
                return others
        rows = use_reading(connection, brand, source, now.prefix, now.reading.text())
        others = [None if digest == AS_THEY_CAME else Contents(read_reading(text)) for digest, text in rows.items()]
        with self._guard:
            self._known[key] = (moment, others)
        return others


def _former_digests(event: NewEvent, plain: Former, others: Sequence[Contents | None]) -> list[bytes]:
    """The keys that a record had under the other readings of its source."""
    digests = filter(None, map(plain.key_under, others))
    return [digest for digest in dict.fromkeys(digests) if digest != event.digest]


@cache
def _readings() -> _Readings:
    return _Readings()


def _reread(connection: Connection, event_ids: Sequence[UUID]) -> Mapping[UUID, Said]:
    """What stored events say by the mappings of now; those whose bodies cannot be read are left out."""
    said: dict[UUID, Said] = {}
    for start in range(0, len(event_ids), _REREAD_AT_ONCE):
        for raw in read_events(connection, event_ids[start : start + _REREAD_AT_ONCE]):
            connector = connector_in_force(raw)
            record = _record_of(raw, connector)
            if connector is not None and record is not None:
                contact, is_row = contact_of(connector, record), raw.envelope.content_type == ROW
                content = content_of(contents_in_force(connector.source), record, contact, is_row=is_row)
                said[raw.event_id] = Said(content, revised_at(connector, record), contact)
    return said


def _record_of(raw: RawEvent, connector: Connector | None) -> dict[str, Any] | None:
    try:
        return read_arrival(raw, connector)
    except RecordError:
        return None
