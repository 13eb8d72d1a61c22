"""Records of a payload or file tried without being stored: what the pipeline would make of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.terminal.connection import source_instance
from pipeline.cli.terminal.output import CommandError
from pipeline.inspection.recomputed import Recomputed, recompute_event

if TYPE_CHECKING:
    from connectors.kit import Connector
    from pipeline.intake.files.reading import OpenedFile, ReadAs
    from pipeline.intake.files.rows import FileRow
    from pipeline.intake.instances import SourceInstance
    from pipeline.records import Envelope
    from pipeline.stages.mapping.source_mapping import SourceMapping

_PAYLOADS = {
    ".json": "application/json",
    ".form": "application/x-www-form-urlencoded",
    ".txt": "text/plain",
}


def read_trials(file: Path, slug: str, brand: str | None) -> Iterator[Callable[[], RowTrial]]:
    """Every record of a payload or row of a file, one after the other, each tried only when it is called."""
    from pipeline.intake.files.reading import open_rows
    from pipeline.intake.files.unreadable import UnreadableFileError

    instance = source_instance(slug, brand)
    if file.suffix.lower() in _PAYLOADS:
        for number, record in enumerate(_payload_records(file, instance.connector), start=1):
            yield partial(_try_record, instance, number, record)
        return
    try:
        opened = open_rows(file, source=instance.slug, brand=instance.brand)
    except UnreadableFileError as error:
        raise CommandError(f"{file}: {error}") from error
    for row in opened.rows:
        yield partial(_try_row, opened, row)


@dataclass(frozen=True)
class RowTrial:
    """One record. `state` is ready, quarantined or suppressed, then with `reason`; `recomputed` is None if the row
    could not even be read. `line` is where a row begins in its file, or the record's number in a payload."""

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

    def as_json(self) -> dict[str, Any]:
        """`{"line", "mapping", "quarantined", "suppressed", "fields"}`."""
        if self.recomputed is not None:
            return {"line": self.line, **self.recomputed.as_json()}
        parked = {"reason": self.reason, "field": self.field, "message": self.message}
        return {"line": self.line, "mapping": None, "quarantined": parked, "suppressed": None, "fields": []}


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


def _try_row(opened: OpenedFile, row: FileRow) -> RowTrial:
    from pipeline.intake.files.reading import envelope_of

    if row.code is not None:
        return RowTrial(row.line, "quarantined", reason=row.code, message=row.message)
    return _trial(row.line, _try_envelope(opened.instance, row.record or {}, envelope_of(opened, row), opened.mapping))


def _try_record(instance: SourceInstance, number: int, record: dict[str, Any]) -> RowTrial:
    import orjson

    from pipeline.records import Envelope

    return _trial(number, _try_envelope(instance, record, Envelope("application/json", orjson.dumps(record))))


def _trial(line: int, tried: Recomputed) -> RowTrial:
    from pipeline.records import Lead, Parked

    decided = tried.decided
    if isinstance(decided, Lead):
        return RowTrial(line, "ready", tried)
    if isinstance(decided, Parked):
        return RowTrial(line, "quarantined", tried, decided.code, decided.field, decided.message)
    return RowTrial(line, "suppressed", tried, decided.reason)


def _payload_records(file: Path, connector: Connector) -> list[dict[str, Any]]:
    from connectors.kit.sources.records import split_records
    from pipeline.errors import RecordError

    try:
        body = file.read_bytes()
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}", exit_code=2) from error
    try:
        return split_records(connector, body, _PAYLOADS[file.suffix.lower()])
    except RecordError as error:
        raise CommandError(f"{file}: {error.message}") from error


def _try_envelope(
    instance: SourceInstance, record: dict[str, Any], envelope: Envelope, mapping: SourceMapping | None = None
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
        ),
        mapping=mapping,
    )
