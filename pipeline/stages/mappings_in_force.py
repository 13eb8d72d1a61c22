"""Mappings as workers use them: read again between batches when their files changed. A wrong file changes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.logs import get_logger
from pipeline.stages.destination_mapping.mapping import DESTINATION_MAPPINGS, DestinationMapping
from pipeline.stages.mapping.source_mapping import SOURCE_MAPPINGS

_log = get_logger(__name__)


def refresh_source_mappings(slugs: Iterable[str]) -> None:
    """From here on `load_source_mapping` gives these sources' files as they are now, or as they were last right."""
    _tell(SOURCE_MAPPINGS.refresh(slugs), "sources")


def destination_mapping_in_force(name: str) -> DestinationMapping:
    """A kind of CRM's mapping as its file is now, or as it was when last right. Raises ConfigurationError if never."""
    _tell(DESTINATION_MAPPINGS.refresh([name]), "destinations")
    return DESTINATION_MAPPINGS.get(name)


def _tell(wrong: dict[str, str], folder: str) -> None:
    for name, reason in wrong.items():
        _log.error("mapping_unreadable", file=f"mappings/{folder}/{name}.yaml", reason=reason)
