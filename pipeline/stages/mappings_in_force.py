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


def read_mappings(sources: Iterable[str], destinations: Iterable[str]) -> None:
    """Read all that may be needed, once: a process that has each file's last right version goes on with it, also for a
    source whose first lead comes after somebody spoiled the file. Wrong ones are logged; whoever needs them waits."""
    refresh_source_mappings(sources)
    _tell(DESTINATION_MAPPINGS.refresh(destinations), "destinations")


def destination_mapping_in_force(name: str) -> DestinationMapping:
    """A kind of CRM's mapping as its file is now, or as it was when last right. Raises ConfigurationError if never."""
    _tell(DESTINATION_MAPPINGS.refresh([name]), "destinations")
    return DESTINATION_MAPPINGS.get(name)


def _tell(wrong: dict[str, str], folder: str) -> None:
    for name, reason in wrong.items():
        _log.error("mapping_unreadable", file=f"mappings/{folder}/{name}.yaml", reason=reason)
