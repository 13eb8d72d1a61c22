"""A new source as somebody asks for it: its first files written, and whether one is sound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from connectors.kit.conformance import run_checks
from connectors.kit.folders import writable_folder
from connectors.kit.registry import broken_sources
from pipeline.authoring.conformance_cases import discover_cases
from pipeline.authoring.expected_leads import write_expected
from pipeline.authoring.scaffold import Scaffold, write_source
from pipeline.inspection.names import check_source


def new_source(slug: str, *, sample: Path | None = None, kind: str | None = None) -> Scaffold:
    """Write declaration, mapping and sample of a new source, and the lead expected of it; values are invented ones.

    `sample` is a payload or file as the source sends it, of which the shape is kept; `kind` one of KINDS, by the sample
    if None. Raises ConfigurationError for a
    name that is taken or none, for a sample that cannot be read, and where nothing can be written.
    """
    root = writable_folder()
    made = write_source(slug, root, sample=sample, kind=kind)
    return replace(made, files=[*made.files, write_expected(slug, root)])


def check_sources(slug: str | None = None) -> dict[str, list[str]]:
    """What falls short of every source, or of one, as sentences by source. Raises UsageError for an unknown one."""
    broken = {name: [reason] for name, reason in broken_sources().items() if slug in (None, name)}
    if slug in broken:
        return broken
    if slug is not None:
        check_source(slug)
    return {case.source: run_checks(case) for case in discover_cases(slug)} | broken
