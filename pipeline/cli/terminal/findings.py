"""Tells what checks found: a line for each thing that was checked, and the sentences about it below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.cli.terminal.output import print_line

if TYPE_CHECKING:
    from connectors.kit.conformance.destinations import Outcome


def print_findings(findings: Mapping[str, Sequence[str]]) -> None:
    """Sentences by what they are about; none means that it is sound."""
    for name, sentences in findings.items():
        print_line(f"{name}: {'ok' if not sentences else f'{len(sentences)} to settle'}")
        for sentence in sentences:
            print_line(f"  {sentence}")


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Checks of a kind of CRM by their names, read as sentences."""
    for outcome in outcomes:
        name = outcome.check.replace("_", " ")
        if outcome.skipped is not None:
            print_line(f"{name}: does not apply: {outcome.skipped}")
        else:
            print_findings({name: outcome.problems})
