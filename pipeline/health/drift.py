"""Drift as it matters now: what the mappings in force have not decided about. Rows of older versions stay out."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from pipeline.errors import ConfigurationError
from pipeline.settings.loading import settings
from pipeline.settings.set_up_sources import mapping_name
from pipeline.stages.mapping.source_mapping import load_source_mapping
from pipeline.stages.mappings_in_force import refresh_source_mappings
from pipeline.store.events.drift import Drift, count_paths, read_drift


def current_drift(connection: Connection, sources: Iterable[str] | None = None) -> list[Drift]:
    """Undecided paths of some sources or of all, most leads first."""
    return [row for row in read_drift(connection, sources) if row.mapping_version == _version_in_force(row.source)]


def drifting_fields(connection: Connection) -> dict[str, int]:
    """How many undecided paths each source has, sources without any left out."""
    counts = count_paths(connection)
    return {source: count for source, version, count in counts if version == _version_in_force(source)}


def _version_in_force(source: str) -> str | None:
    """None where the mapping is gone or cannot be read, which `doctor` tells."""
    slug = mapping_name(settings(), source)
    refresh_source_mappings([slug])
    try:
        return load_source_mapping(slug).version
    except ConfigurationError:
        return None
