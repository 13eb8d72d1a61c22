"""Records of a payload or file tried without being stored: what the pipeline would make of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.output import CommandError
from pipeline.cli.recomputed import Recomputed, recompute_event
from pipeline.cli.running import source_instance

if TYPE_CHECKING:
    from connectors.kit import Connector
    from pipeline.intake.file_reading import OpenedFile
    from pipeline.intake.file_rows import FileRow, TableNotes
    from pipeline.intake.instances import SourceInstance
    from pipeline.records import Envelope

_PAYLOADS = {
    ".json": "application/json",
    ".form": "application/x-www-form-urlencoded",
    ".txt": "text/plain",
}


def read_trials(file: Path, slug: str, brand: str | None) -> Iterator[Recomputed]:
    """Every record of a payload or of a file of rows, tried one after the other."""
    import orjson

    from pipeline.records import Envelope

    instance = source_instance(slug, brand)
    if file.suffix.lower() in _PAYLOADS:
        for record in _payload_records(file, instance.connector):
            yield _try_envelope(instance, record, Envelope("application/json", orjson.dumps(record)))
        return
    yield from (trial.recomputed for trial in try_rows(file, instance)[1] if trial.recomputed is not None)


@dataclass(frozen=True)
class RowTrial:
    """One row of a file. `state` is ready, quarantined or suppressed, then with `reason`; `recomputed` is None if the
    row could not even be read."""

    line: int
    state: str
    recomputed: Recomputed | None = None
    reason: str | None = None
    field: str | None = None
    message: str | None = None


def try_rows(
    file: Path, instance: SourceInstance, *, encoding: str | None = None
) -> tuple[TableNotes, Iterator[RowTrial]]:
    """What was noticed about a file, and each of its rows tried, one after the other. Raises UnreadableFileError."""
    from pipeline.intake.file_reading import open_rows

    opened = open_rows(file, source=instance.slug, brand=instance.brand, encoding=encoding)
    return opened.notes, (_try_row(opened, row) for row in opened.rows)


def _try_row(opened: OpenedFile, row: FileRow) -> RowTrial:
    from pipeline.intake.file_reading import envelope_of
    from pipeline.records import Lead, Parked

    if row.code is not None:
        return RowTrial(row.line, "quarantined", reason=row.code, message=row.message)
    tried = _try_envelope(opened.instance, row.record or {}, envelope_of(opened, row))
    decided = tried.decided
    if isinstance(decided, Lead):
        return RowTrial(row.line, "ready", tried)
    if isinstance(decided, Parked):
        return RowTrial(row.line, "quarantined", tried, decided.code, decided.field, decided.message)
    return RowTrial(row.line, "suppressed", tried, decided.reason)


def _payload_records(file: Path, connector: Connector) -> list[dict[str, Any]]:
    from connectors.kit.records import split_records
    from pipeline.errors import RecordError

    try:
        body = file.read_bytes()
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}", exit_code=2) from error
    try:
        return split_records(connector, body, _PAYLOADS[file.suffix.lower()])
    except RecordError as error:
        raise CommandError(f"{file}: {error.message}") from error


def _try_envelope(instance: SourceInstance, record: dict[str, Any], envelope: Envelope) -> Recomputed:
    from connectors.kit.idempotency import occurred_at_of
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
        )
    )
