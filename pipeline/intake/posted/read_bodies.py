"""A body that was read, wherever that was: what is known of its records, and the records again where that is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.kit import Connector
from pipeline.intake.keys import Former, Plain
from pipeline.intake.posted.records import PostedRecord, plains_of
from pipeline.stages.mapping.contents import Contents


@dataclass(slots=True)
class ReadBody:
    """A webhook's body and its records, as read_posted gives them for `header_value` and `readings`."""

    connector: Connector
    body: bytes = field(repr=False)
    content_type: str
    header_value: str | None = field(repr=False)
    readings: Sequence[Contents | None]
    records: list[PostedRecord] = field(repr=False)
    _plains: list[Plain | None] | None = field(default=None, repr=False)

    def former(self, index: int) -> Former | None:
        """For the keys that the record at `index` may have had; None: an entry that is no record has one key."""
        content = self.records[index].content
        return None if content is None else _FormerOfBody(self, index, content)

    def plain(self, index: int) -> Plain | None:
        """The record itself, read once more: a reading came up meanwhile of which nobody knew."""
        if self._plains is None:
            self._plains = plains_of(self.connector, self.body, self.content_type, header_value=self.header_value)
        return self._plains[index]


@dataclass(frozen=True, slots=True)
class _FormerOfBody:
    _read: ReadBody = field(repr=False)
    _index: int
    content: bytes

    @property
    def slug(self) -> str:
        return self._read.connector.source

    def key_under(self, contents: Contents | None) -> bytes | None:
        """As Former has it."""
        prefix = contents.prefix if contents is not None else None
        former = self._read.records[self._index].former
        for reading, key in zip(self._read.readings, former, strict=True):
            if (reading.prefix if reading is not None else None) == prefix:
                return key
        plain = self._read.plain(self._index)
        return plain.key_under(contents) if plain is not None else None
