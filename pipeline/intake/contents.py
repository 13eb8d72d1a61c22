"""What records say as their mappings read them, and the one way in which intake stores them.

A record that came before is recognized by what it says: whatever its mapping ignores does not count. After a mapping
has begun to ignore other things, or an update, what is stored is read again from its body where such a record is met.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from connectors.kit import Connector
from connectors.kit.sources.idempotency import (
    contact_of,
    content_digest,
    former_digest,
    name_digest,
    revised_at_of,
    revisions_add,
)
from connectors.kit.sources.parts import BESIDE
from pipeline.errors import ConfigurationError, RecordError
from pipeline.records import NewEvent, RawEvent, Receipt
from pipeline.records.base import Fact
from pipeline.replay import connector_in_force
from pipeline.stages.mapping.bodies import ROW, shaped_record
from pipeline.stages.mapping.contents import EVERYTHING, Contents, read_reading
from pipeline.stages.mapping.source_mapping import SOURCE_MAPPINGS, load_source_mapping
from pipeline.stages.mapping.stored_records import read_record
from pipeline.store.events.events import insert_events, read_events
from pipeline.store.events.readings import AS_THEY_CAME, find_keys, rename_keys, use_reading
from pipeline.store.events.revisions import Said

_REFRESH_SECONDS = 1.0  # a mapping that changed is known after this long
_READINGS_SECONDS = 60.0  # what other processes read by is known after this long
_CLOCKS_DIFFER = timedelta(hours=1)  # a change dated later than that from now on is a wrong date
_REREAD_AT_ONCE = 200
_READING = 8  # the first bytes of a content, which tell by what mapping it was read
_CONTENT = 16  # the rest of it
_EVERYTHING = Contents(EVERYTHING)


class Plain(Fact, frozen=True):
    """A record about to be stored, for the keys it may have had. `named_by`: of a call with an idempotency key."""

    connector: Connector
    record: dict[str, Any]
    shaped: dict[str, Any]  # as a mapping gets it
    content: bytes
    contact: bytes | None = None
    header_value: str | None = None
    index: int = 0
    named_by: Naming | None = None
    is_row: bool = False


class Naming(Fact, frozen=True):
    """The idempotency key of a call, which belongs to whoever holds an API key of that name, and a lead's place in it.

    A lead without `external_id` is known by key and content: none hides another, in whatever list it comes again. One
    with an `external_id` is a record; under a new key it is news of it, also where it says the same.
    """

    holder: str
    key: str
    index: int

    def digest(self, content: bytes) -> bytes:
        """32 bytes of key and content."""
        named = hashlib.sha256(f"api-key\x00{self.holder}\x00{self.key}\x00".encode(errors="replace"))
        named.update(content)
        return named.digest()

    def former_digest(self, name: Any) -> bytes:
        """The key that a lead had before keys belonged to their holders."""
        place = f"#{self.index}" if name is None else f"={name}"
        return hashlib.sha256(f"api-key\x00{self.key}\x00{place}".encode(errors="replace")).digest()


class Told(Fact, frozen=True):
    """What tells a record apart from others, as a NewEvent has it."""

    digest: bytes
    content: bytes | None = None
    revised_at: datetime | None = None
    contact: bytes | None = None
    adds: bool = False
    plain: Plain | None = None


def tell_apart(
    connector: Connector,
    record: dict[str, Any],
    content_type: str,
    *,
    own_id: str | None,
    header_value: str | None = None,
    index: int = 0,
    named_by: Naming | None = None,
) -> Told:
    """The idempotency key of a record and what it says: by its own id, the name of its delivery, or its content.

    Which mapping read the content is no part of a key: one that ignores more columns, which this record has not, gives
    the same.
    """
    shaped = shaped_record(content_type, record)
    contact = contact_of(connector, record)
    is_row = content_type == ROW
    content = _content(_contents(connector.source), shaped, contact, is_row=is_row)
    plain = Plain(connector, record, shaped, content, contact, header_value, index, named_by, is_row)
    named = name_digest(own_id, header_value, index)
    if named is None:
        what = content[_READING:]
        return Told(content_digest(what) if named_by is None else named_by.digest(what), plain=plain)
    if named_by is not None:
        content = content[:_READING] + named_by.digest(content[_READING:])[:_CONTENT]
    return Told(
        named,
        content,
        revised_at(connector, record),
        contact,
        revisions_add(connector, own_id),
        plain,
    )


def revised_at(connector: Connector, record: dict[str, Any]) -> datetime | None:
    """When the source says it changed the record; a time that has not come yet is a wrong one."""
    moment = revised_at_of(connector, record)
    return None if moment is not None and moment > datetime.now(UTC) + _CLOCKS_DIFFER else moment


def store_events(connection: Connection, events: Sequence[NewEvent]) -> list[Receipt]:
    """Store events, one receipt each: `insert_events` for all that comes in. As many statements, and one more where the
    source was read in another way before."""
    _readings().recognize(connection, events)
    return insert_events(connection, events, reread=_reread)


def _content(contents: Contents, shaped: dict[str, Any], contact: bytes | None, *, is_row: bool) -> bytes:
    """The digest of what a record says, 24 bytes; which contact it is counts, whatever the mapping reads. `shaped`: the
    record as a mapping gets it."""
    content = contents.digest(shaped, is_row=is_row)
    if contact is None:
        return content
    end = _READING + len(contact)
    mixed = bytes(byte ^ other for byte, other in zip(content[_READING:end], contact, strict=True))
    return content[:_READING] + mixed + content[end:]


class _Fresh:
    """When each source's mapping was last looked at."""

    def __init__(self) -> None:
        self._looked_at: dict[str, float] = {}

    def contents(self, slug: str) -> Contents:
        now = time.monotonic()
        if now - self._looked_at.get(slug, -_REFRESH_SECONDS) >= _REFRESH_SECONDS:
            self._looked_at[slug] = now
            SOURCE_MAPPINGS.refresh([slug])  # workers say what is wrong with one
        try:
            return load_source_mapping(slug).contents
        except ConfigurationError:  # then everything counts: better one event too many than one too few
            return _EVERYTHING


_contents = _Fresh().contents


class _Readings:
    """In what other ways each source's records were read before, as far as this process knows."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: dict[tuple[str, str, bytes], tuple[float, list[Contents | None]]] = {}

    def recognize(self, connection: Connection, events: Sequence[NewEvent]) -> None:
        """Let records be found that are stored under a key of an earlier reading: those keys get the name of now."""
        arrivals = [(event, event.plain) for event in events if isinstance(event.plain, Plain)]
        instances = {(event.brand, event.source, plain.connector.source) for event, plain in arrivals}
        others = {  # in one order, so that concurrent calls cannot deadlock
            (brand, source): self._others(connection, brand, source, _contents(slug))
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


def _former_digests(event: NewEvent, plain: Plain, others: Sequence[Contents | None]) -> list[bytes]:
    """The keys that a record had under the other readings of its source."""
    digests: list[bytes] = []
    for contents in others:
        if contents is None:
            digests.append(_key_as_it_came(plain))
        elif event.content is None and plain.named_by is None:
            read = _content(contents, plain.shaped, plain.contact, is_row=plain.is_row)
            digests.append(content_digest(read[_READING:]))
    return [digest for digest in dict.fromkeys(digests) if digest != event.digest]


def _key_as_it_came(plain: Plain) -> bytes:
    """The key that older versions gave a record."""
    if plain.named_by is not None:
        return plain.named_by.former_digest(plain.record.get("external_id"))
    return former_digest(plain.connector, _alone(plain.record), header_value=plain.header_value, index=plain.index)


def _alone(record: dict[str, Any]) -> dict[str, Any]:
    """Without what stands beside it: earlier versions did not know that."""
    return {key: value for key, value in record.items() if key != BESIDE} if BESIDE in record else record


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
                content = _content(_contents(connector.source), record, contact, is_row=is_row)
                said[raw.event_id] = Said(content, revised_at(connector, record), contact)
    return said


def _record_of(raw: RawEvent, connector: Connector | None) -> dict[str, Any] | None:
    try:
        return read_record(raw, connector)
    except RecordError:
        return None
