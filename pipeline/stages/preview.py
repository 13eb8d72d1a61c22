"""Looks at a mapping at work: for `afluente mapping preview` and `mapping check`, and for the conformance kit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from pipeline.errors import RecordError
from pipeline.records import Lead, Parked
from pipeline.stages.mapping import SourceMapping, load_source_mapping, map_record, undecided
from pipeline.stages.normalization import normalize_lead
from pipeline.stages.paths import compile_path
from pipeline.stages.times import FUTURE_TOLERANCE, instant_text
from pipeline.stages.values import is_empty

__all__ = ["PreviewRow", "check_mapping", "preview_record"]


class PreviewRow(msgspec.Struct, frozen=True):
    """One line of a preview. `path` None: the value was made from others; `field` None: nobody decided about it yet."""

    path: str | None
    raw: Any
    field: str | None
    value: Any
    flags: list[str] = []

    def __repr__(self) -> str:
        return f"<PreviewRow {self.field}>"


def preview_record(
    slug: str,
    record: dict[str, Any],
    default_region: str | None,
    *,
    received_at: datetime | None = None,
    mapping: SourceMapping | None = None,
) -> list[PreviewRow]:
    """What would become of one record: a row per canonical field, then what is kept under custom, then why it would
    stop, if it would (field `quarantined` or `suppressed`). Without `received_at` no time is held to be in the future.
    """
    mapping = mapping or load_source_mapping(slug)
    arrival = received_at or datetime.max.replace(tzinfo=UTC) - FUTURE_TOLERANCE
    reason = mapping.suppression(record)
    if reason is not None:
        return [PreviewRow(None, None, "suppressed", reason, [reason])]
    try:
        mapped = map_record(mapping, record)
    except RecordError as error:
        return [PreviewRow(None, None, "quarantined", error.message, [error.code])]
    lead = Lead(
        event_id=UUID(int=0),
        brand="",
        source=slug,
        lane="bulk",
        received_at=arrival,
        occurred_at=arrival,
        mapping_version=mapping.version,
        fields=mapped.fields,
        custom=mapped.custom,
        raw=mapped.raw,
        flags=mapped.flags,
        consents=mapped.consents,
    )
    normalized = normalize_lead(lead, default_region=default_region)
    rows = _stopped(normalized) if not isinstance(normalized, Lead) else []
    shown = normalized if isinstance(normalized, Lead) else lead
    values = dict(shown.fields)
    if isinstance(normalized, Lead) and "occurred_at" in lead.fields and normalized.occurred_at != arrival:
        values["occurred_at"] = instant_text(normalized.occurred_at)
    paths = _paths_of(mapping)
    for field in dict.fromkeys((*lead.fields, *lead.flags, *values)):
        path, raw = _origin(record, paths.get(field, ()))
        if raw is None:
            raw = shown.raw.get(field)
        rows.append(PreviewRow(path, raw, field, values.get(field), shown.flags.get(field, [])))
    open_paths = set(undecided(mapping, record))
    for path, value in mapped.custom.items():
        rows.append(PreviewRow(path, value, None, value, ["undecided"] if path in open_paths else ["kept"]))
    return rows


def check_mapping(slug: str, samples: Sequence[dict[str, Any]], *, mapping: SourceMapping | None = None) -> list[str]:
    """What is wrong between a mapping and its samples, as sentences: undecided fields, mapped paths no sample has,
    samples that cannot be mapped. A wrong mapping itself raises ConfigurationError.
    """
    mapping = mapping or load_source_mapping(slug)
    problems: list[str] = []
    for number, sample in enumerate(samples, start=1):
        problems += [
            f"{slug}: nobody decided about the field {path} of sample {number}: map it, keep it or ignore it"
            for path in undecided(mapping, sample)
        ]
        try:
            map_record(mapping, sample)
        except RecordError as error:
            problems.append(f"{slug}: sample {number} cannot be mapped: {error.code}: {error.message}")
    for rule in mapping.declaration.fields:
        if rule.paths and samples and not any(_has_any(sample, rule.paths) for sample in samples):
            problems.append(f"{slug}: no sample has {rule.name} at {' or '.join(rule.paths)}")
    return problems


def _stopped(result: object) -> list[PreviewRow]:
    if isinstance(result, Parked):
        return [PreviewRow(None, None, "quarantined", result.message, [result.code])]
    return [PreviewRow(None, None, "suppressed", getattr(result, "reason", None), [])]


def _paths_of(mapping: SourceMapping) -> dict[str, tuple[str, ...]]:
    paths = {rule.name: rule.paths for rule in mapping.declaration.fields}
    if mapping.declaration.canonical:
        for key, name in mapping.names.items():
            containers = ("", *(f"{container}." for container in mapping.declaration.flatten))
            paths[name] = (*paths.get(name, ()), *(f"{container}{key}" for container in containers))
    return paths


def _origin(record: dict[str, Any], paths: Iterable[str]) -> tuple[str | None, Any]:
    for path in paths:
        value = compile_path(path)(record)
        if not is_empty(value):
            return path, value
    return None, None


def _has_any(sample: dict[str, Any], paths: Iterable[str]) -> bool:
    return _origin(sample, paths)[0] is not None
