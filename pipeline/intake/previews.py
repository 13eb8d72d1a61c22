"""What an import would do, without doing it: `afluente import --dry-run`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.intake.files.reading import AS_FOUND, OpenedFile, ReadAs, envelope_of, open_rows
from pipeline.intake.files.rows import FileRow, TableNotes
from pipeline.records import Parked, RawEvent, Suppressed, new_id
from pipeline.settings.loading import settings


@dataclass(frozen=True)
class PreviewRow:
    """One row as it would go on. `state` is ready, quarantined (with code, field and message) or suppressed (reason).

    `fields` are canonical and normalized; `raw` what normalization changed; `custom` what the mapping does not know.
    """

    line: int
    state: str
    fields: dict[str, Any] = field(default_factory=dict, repr=False)
    flags: dict[str, list[str]] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict, repr=False)
    custom: dict[str, Any] = field(default_factory=dict, repr=False)
    code: str | None = None
    field_name: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class Preview:
    """The first rows of a file, and what was noticed about it as a whole."""

    notes: TableNotes
    rows: list[PreviewRow]


def preview_file(path: Path, *, source: str, brand: str, limit: int = 20, read_as: ReadAs = AS_FOUND) -> Preview:
    """Map and normalize the first `limit` rows; nothing is stored. Raises as `files.import_file`."""
    file = open_rows(path, source=source, brand=brand, read_as=read_as)
    return Preview(file.notes, [_preview_row(file, row) for row in islice(file.rows, limit)])


def _preview_row(file: OpenedFile, row: FileRow) -> PreviewRow:
    if row.code is not None:
        return PreviewRow(row.line, "quarantined", code=row.code, message=row.message)
    from pipeline.replay import decide_event

    brand, source, lane = file.instance.brand, file.instance.slug, file.instance.lane
    raw = RawEvent(new_id(), brand, source, lane, datetime.now(UTC), None, envelope_of(file, row))
    decided = decide_event(raw, file.mapping, region=settings().region_for(source, brand))
    if isinstance(decided, Parked):
        return PreviewRow(row.line, "quarantined", code=decided.code, field_name=decided.field, message=decided.message)
    if isinstance(decided, Suppressed):
        return PreviewRow(row.line, "suppressed", code=decided.reason)
    return PreviewRow(row.line, "ready", decided.fields, decided.flags, decided.raw, decided.custom)
