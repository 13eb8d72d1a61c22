"""Records of a payload or rows of a file tried without being stored: what the pipeline would make of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import RecordError, UsageError
from pipeline.inspection.names import find_instance
from pipeline.inspection.recomputed import Recomputed, recompute_event

if TYPE_CHECKING:
    from connectors.kit import Connector
    from connectors.kit.sources.parts import Part
    from pipeline.intake.files.reading import OpenedFile, ReadAs
    from pipeline.intake.files.rows import FileRow, TableNotes
    from pipeline.intake.instances import SourceInstance
    from pipeline.records import Envelope, Lead, OpenedRequest
    from pipeline.stages.mapping.source_mapping import SourceMapping

STATES = ("ready", "quarantined", "suppressed")

_PAYLOADS = {
    ".json": "application/json",
    ".form": "application/x-www-form-urlencoded",
    ".txt": "text/plain",
}
_LISTED_ROWS = 1_000  # of a file's rows that would not go on; the counts have all of them
_ROWS_PER_LOOK = 500  # between two calls of `on_progress`


@dataclass(frozen=True)
class RowTrial:
    """One record. `state` is one of STATES; if not ready, with `reason`; `recomputed` is None if the row could not even
    be read. `line` is where a row begins in its file, or the record's number in a payload."""

    line: int
    state: str
    recomputed: Recomputed | None = None
    reason: str | None = None
    field: str | None = None
    message: str | None = None

    @property
    def verdict(self) -> str:
        """What becomes of it, in words."""
        if self.recomputed is not None:
            return self.recomputed.verdict
        return f"quarantined: {self.reason}: {self.message}"


class TriedRow(msgspec.Struct, frozen=True):
    """What one row of a file would become. `fields` are canonical and normalized, with the time if the row has one;
    `raw` is what normalization changed, `custom` what the mapping does not know."""

    line: int
    state: str
    reason: str | None
    field: str | None
    message: str | None
    fields: dict[str, Any]
    flags: dict[str, list[str]]
    raw: dict[str, Any]
    custom: dict[str, Any]

    def __repr__(self) -> str:
        return f"<TriedRow {self.line} {self.state}>"


@dataclass(frozen=True)
class FileTrial:
    """A file of which every row was tried: `counts` by state and of all `rows`, and some rows in their order.

    `unreadable`: it is no table, and this is why; then it has neither counts nor notes.
    """

    file: Path
    counts: dict[str, int]
    notes: TableNotes | None = None
    dates: dict[str, str] = field(default_factory=dict)
    rows: list[TriedRow] = field(default_factory=list)
    unreadable: str | None = None


def try_files(
    files: Sequence[Path],
    instance: SourceInstance,
    *,
    shown: int = 20,
    read_as: ReadAs | None = None,
    mapping: SourceMapping | None = None,
    on_progress: Callable[[Path, int], None] = lambda _file, _rows: None,
) -> list[FileTrial]:
    """What importing these files would do; nothing is stored. A file that is no table says so; the others are tried.

    `shown`: how many rows that would go on each file's trial holds, beside those that would not (the first 1,000).
    `mapping` is given where it is not the source's own yet. `on_progress` gets the file and how many of its rows are
    tried, now and then.
    """
    from pipeline.intake.files.unreadable import UnreadableFileError

    trials = []
    for file in files:
        try:
            trials.append(
                try_file(
                    file,
                    instance,
                    shown=shown,
                    read_as=read_as,
                    mapping=mapping,
                    on_progress=partial(on_progress, file),
                )
            )
        except UnreadableFileError as error:
            trials.append(FileTrial(file, {}, unreadable=str(error)))
    return trials


def try_file(
    file: Path,
    instance: SourceInstance,
    *,
    shown: int = 20,
    read_as: ReadAs | None = None,
    mapping: SourceMapping | None = None,
    on_progress: Callable[[int], None] = lambda _rows: None,
) -> FileTrial:
    """One file, as `try_files`. Raises UnreadableFileError."""
    opened, trials = try_rows(file, instance, read_as=read_as, mapping=mapping)
    counts = {"rows": 0, **dict.fromkeys(STATES, 0)}
    rows: list[TriedRow] = []
    for trial in trials:
        counts["rows"] += 1
        counts[trial.state] += 1
        if counts[trial.state] <= (shown if trial.state == "ready" else _LISTED_ROWS):
            rows.append(_tried(trial))
        if counts["rows"] % _ROWS_PER_LOOK == 0:
            on_progress(counts["rows"])
    return FileTrial(file, counts, opened.notes, opened.dates, rows)


def try_rows(
    file: Path, instance: SourceInstance, *, read_as: ReadAs | None = None, mapping: SourceMapping | None = None
) -> tuple[OpenedFile, Iterator[RowTrial]]:
    """The file, with what was noticed about it, and each of its rows tried, one after the other.

    `mapping` is given where it is not the source's own yet. Raises UnreadableFileError.
    """
    from pipeline.intake.files.reading import AS_FOUND, open_rows_of
    from pipeline.stages.mapping.source_mapping import load_source_mapping

    mapping = mapping or load_source_mapping(instance.connector.source)
    opened = open_rows_of(file, instance, mapping, read_as=read_as or AS_FOUND)
    return opened, (_try_row(opened, row) for row in opened.rows)


def read_trials(file: Path, slug: str, brand: str | None = None) -> Iterator[Callable[[], RowTrial]]:
    """Every record of a payload or row of a file, one after the other, each tried only when it is called.

    Raises UsageError for a name that is not known or a file that cannot be opened, RecordError for a payload that
    holds no records, UnreadableFileError for a file that is no table.
    """
    from pipeline.intake.files.reading import open_rows
    from pipeline.intake.files.unreadable import UnreadableFileError

    instance = find_instance(slug, brand)
    if file.suffix.lower() in _PAYLOADS:
        body, parts = _read_payload(file, instance.connector)
        return (partial(_try_part, instance, number, part, body) for number, part in enumerate(parts, start=1))
    try:
        opened = open_rows(file, source=instance.slug, brand=instance.brand)
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{file}: {error}") from error
    return (partial(_try_row, opened, row) for row in opened.rows)


def _tried(trial: RowTrial) -> TriedRow:
    lead = trial.recomputed.lead if trial.recomputed else None
    return TriedRow(
        line=trial.line,
        state=trial.state,
        reason=trial.reason,
        field=trial.field,
        message=trial.message,
        fields=_fields(lead) if lead else {},
        flags=lead.flags if lead else {},
        raw=lead.raw if lead else {},
        custom=lead.custom if lead else {},
    )


def _fields(lead: Lead) -> dict[str, Any]:
    """A time that is only that of the arrival is not shown: the row does not have it."""
    from pipeline.values.dates.times import instant_text

    if lead.occurred_at == lead.received_at:
        return lead.fields
    return {**lead.fields, "occurred_at": instant_text(lead.occurred_at)}


def _try_row(opened: OpenedFile, row: FileRow) -> RowTrial:
    from pipeline.intake.files.reading import envelope_of

    if row.code is not None:
        return RowTrial(row.line, "quarantined", reason=row.code, message=row.message)
    return _trial(row.line, _try_envelope(opened.instance, row.record or {}, envelope_of(opened, row), opened.mapping))


def _try_part(instance: SourceInstance, number: int, part: Part, body: OpenedRequest) -> RowTrial:
    from pipeline.intake.posted.records import seen_record
    from pipeline.records import AS_IT_CAME, STORED, Envelope

    pointer = Envelope("", b"", {}, {STORED: AS_IT_CAME, "place": part.place})
    return _trial(number, _try_envelope(instance, seen_record(instance.connector, part), pointer, request=body))


def _trial(line: int, tried: Recomputed) -> RowTrial:
    from pipeline.records import Lead, Parked

    decided = tried.decided
    if isinstance(decided, Lead):
        return RowTrial(line, "ready", tried)
    if isinstance(decided, Parked):
        return RowTrial(line, "quarantined", tried, decided.code, decided.field, decided.message)
    return RowTrial(line, "suppressed", tried, decided.reason)


def _read_payload(file: Path, connector: Connector) -> tuple[OpenedRequest, list[Part]]:
    """A body as it would be stored, and its records."""
    from connectors.kit.sources.records import split_body
    from pipeline.intake.bodies import reading_of
    from pipeline.records import Envelope, OpenedRequest

    content_type = _PAYLOADS[file.suffix.lower()]
    try:
        body = file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    try:
        parts = split_body(connector, body, content_type)
    except RecordError as error:
        raise RecordError(error.code, field=error.field, message=f"{file}: {error.message}") from error
    return OpenedRequest(Envelope(content_type, body, {}, reading_of(connector))), parts


def _try_envelope(
    instance: SourceInstance,
    record: dict[str, Any],
    envelope: Envelope,
    mapping: SourceMapping | None = None,
    request: OpenedRequest | None = None,
) -> Recomputed:
    from connectors.kit.sources.idempotency import occurred_at_of
    from pipeline.records import RawEvent, new_id

    return recompute_event(
        RawEvent(
            event_id=new_id(),
            brand=instance.brand,
            source=instance.slug,
            lane=instance.lane,
            received_at=datetime.now(UTC),
            occurred_at=occurred_at_of(instance.connector, record),
            envelope=envelope,
            request=request,
        ),
        mapping=mapping,
        connector=instance.connector,
    )
