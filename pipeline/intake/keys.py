"""What tells a record apart from others: its idempotency key, and what it says as its mapping reads it.

Here nothing is sealed or stored, so that a process that holds no secret can do it (pipeline/intake/posted/reader.py).
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

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
from pipeline.errors import ConfigurationError
from pipeline.records.base import Fact
from pipeline.stages.mapping.bodies import ROW, shaped_record
from pipeline.stages.mapping.contents import EVERYTHING, Contents
from pipeline.stages.mapping.source_mapping import SOURCE_MAPPINGS, load_source_mapping

_REFRESH_SECONDS = 1.0  # a mapping that changed is known after this long
_CLOCKS_DIFFER = timedelta(hours=1)  # a change dated later than that from now on is a wrong date
_READING = 8  # the first bytes of a content, which tell by what mapping it was read
_CONTENT = 16  # the rest of it
_EVERYTHING = Contents(EVERYTHING)


class Former(Protocol):
    """What is asked of a record about to be stored, for the keys it may have had."""

    @property
    def slug(self) -> str:
        """By which its mapping is known."""
        ...

    @property
    def content(self) -> bytes:
        """The digest of what it says, by the mapping of now."""
        ...

    def key_under(self, contents: Contents | None) -> bytes | None:
        """Its key under another reading (None: that of versions in which everything counted, as it was written).

        None where no other reading gives another key.
        """
        ...


class Plain(Fact, frozen=True):
    """A record at hand, about to be stored.

    `named_by`: of a call with an idempotency key. `is_named`: its key is a name, whatever it says.
    """

    connector: Connector
    record: dict[str, Any]
    shaped: dict[str, Any]  # as a mapping gets it
    content: bytes
    contact: bytes | None = None
    header_value: str | None = None
    index: int = 0
    named_by: Naming | None = None
    is_row: bool = False
    is_named: bool = False

    @property
    def slug(self) -> str:
        return self.connector.source

    def key_under(self, contents: Contents | None) -> bytes | None:
        """As Former has it."""
        if contents is None:
            return self._key_as_it_came()
        if self.is_named or self.named_by is not None:
            return None
        read = content_of(contents, self.shaped, self.contact, is_row=self.is_row)
        return content_digest(read[_READING:])

    def _key_as_it_came(self) -> bytes:
        if self.named_by is not None:
            return self.named_by.former_digest(self.record.get("external_id"))
        alone = _alone(self.record)
        return former_digest(self.connector, alone, header_value=self.header_value, index=self.index)


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
    content = content_of(contents_in_force(connector.source), shaped, contact, is_row=is_row)
    named = name_digest(own_id, header_value, index)
    plain = Plain(
        connector, record, shaped, content, contact, header_value, index, named_by, is_row, is_named=named is not None
    )
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


def content_of(contents: Contents, shaped: dict[str, Any], contact: bytes | None, *, is_row: bool) -> bytes:
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


contents_in_force = _Fresh().contents


def _alone(record: dict[str, Any]) -> dict[str, Any]:
    """Without what stands beside it: earlier versions did not know that."""
    return {key: value for key, value in record.items() if key != BESIDE} if BESIDE in record else record
