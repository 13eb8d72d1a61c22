"""What must come out of a source's sample: written from what comes out now, to be read over and kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from connectors.kit.conformance.mapping_checks import typical_lead_is_as_expected
from connectors.kit.folders import writable_folder
from pipeline.authoring.conformance_cases import discover_cases
from pipeline.errors import RefusedError
from pipeline.inspection.names import check_source


@dataclass(frozen=True)
class AcceptedLeads:
    """The file that was rewritten, and how the leads in it differ from those that were there before, in words."""

    path: Path
    differences: list[str]


def write_expected(slug: str, root: Path) -> Path:
    """The lead that mapping and normalization make of the new sample, written below `root`; gives the file's path."""
    (case,) = discover_cases(slug)
    typical = case.sample("typical")
    leads = [trial.lead for trial in case.trials(typical) if trial.lead] if typical else []
    path = root / "samples" / slug / "typical.expected.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    expected = leads[0] if len(leads) == 1 else leads
    path.write_text(json.dumps(expected, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path


def accept_expected(slug: str) -> AcceptedLeads:
    """Keep the leads as they are made now. Raises RefusedError, and writes nothing, while one of them does not go on;
    UsageError for a source that there is not."""
    root = writable_folder()
    check_source(slug)
    (case,) = discover_cases(slug)
    typical = case.sample("typical")
    stopped = [trial.message for trial in case.trials(typical) if not trial.lead] if typical else ["there is no sample"]
    if stopped:
        raise RefusedError(f"nothing was rewritten: the typical sample makes no lead: {stopped[0]}")
    differences = typical_lead_is_as_expected(case)[:-1]  # the last one says how to accept them
    return AcceptedLeads(write_expected(slug, root), differences)
