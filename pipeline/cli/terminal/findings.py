"""Tells what checks found: a line for each thing that was checked, and the sentences about it below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.cli.terminal.output import print_line


def print_findings(findings: Mapping[str, Sequence[str]]) -> None:
    """Sentences by what they are about; none means that it is sound."""
    for name, sentences in findings.items():
        print_line(f"{name}: {'ok' if not sentences else f'{len(sentences)} to settle'}")
        for sentence in sentences:
            print_line(f"  {sentence}")
