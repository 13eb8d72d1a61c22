"""A mapping proposed for a file whose source nobody has mapped yet: shown, and agreed to."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.terminal.file_notes import phones_said
from pipeline.cli.terminal.output import (
    as_object,
    as_text,
    print_json,
    print_line,
    print_note,
    print_problem,
    print_table,
)
from pipeline.values.counting import counted

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.authoring.column_proposals import ProposedColumn
    from pipeline.authoring.proposals import Proposed

_EXAMPLE_WIDTH = 40


def proposal_object(proposed: Proposed, *, is_accepted: bool) -> dict[str, Any]:
    """The proposal as `import --json` prints it."""
    return {
        "source": proposed.draft.slug,
        "accepted": is_accepted,
        "proposed_from": str(proposed.file),
        "columns": [
            {**as_object(column), "example": _example(proposed, column)} for column in proposed.draft.proposal.columns
        ],
        "files": [str(path) for path in proposed.draft.files],
        "phones": {
            "seen": proposed.notes.phones_seen,
            "without_country": proposed.notes.phones_without_country,
            "likely_region": proposed.notes.likely_region,
        },
    }


def agree(proposed: Proposed, *, accept: bool, as_json: bool) -> None:
    """Show the proposal and get a yes: `--accept`, or a person at a terminal. Else exit 2 with the command to say."""
    if not as_json:
        show_proposal(proposed)
    if accept:
        return
    if not as_json and sys.stdin.isatty() and sys.stdout.isatty():
        if typer.confirm("Write this mapping and import?"):
            return
        raise typer.Exit(2)
    if as_json:
        print_json(proposal_object(proposed, is_accepted=False))
    from connectors.kit.registry import sources

    print_problem(
        f"there is no source {proposed.draft.slug!r}; known: {', '.join(sorted(sources()))}. If it is a new one, take"
        f" this mapping for it: {shlex.join(['afluente', *sys.argv[1:], '--accept'])}"
    )
    raise typer.Exit(2)


def show_proposal(proposed: Proposed) -> None:
    """The table, to be read before anything is done."""
    proposal = proposed.draft.proposal
    print_line(f"{proposed.draft.slug} has no mapping. Proposed from the columns of {proposed.looked_at}:")
    print_table(
        ("column", "example", "field", "why"),
        [
            (column.column, _example(proposed, column), column.field or "(undecided)", _why(column))
            for column in proposal.columns
        ],
    )
    if proposal.undecided:
        count = len(proposal.undecided)
        kept = "is undecided: it is" if count == 1 else "are undecided: they are"
        print_line(f"{counted(count, 'column')} {kept} kept under `custom`.")
    if proposed.notes.other_sheets:
        others = ", ".join(proposed.notes.other_sheets)
        print_line(f"Read was the sheet {proposed.notes.sheet!r}, not {others}; `--sheet NAME` reads another.")
    if said := phones_said(proposed.notes):
        print_line(f"{said}.")


def accept_proposed(proposed: Proposed, *, is_quiet: bool) -> None:
    """Write the source, and say which files it is made of."""
    from connectors.kit.folders import writable_folder
    from pipeline.authoring.proposals import accept_proposal
    from pipeline.settings.loading import settings

    written: list[Path] = accept_proposal(proposed)
    root = writable_folder()
    for path in [] if is_quiet else written:
        print_line(f"wrote {path.relative_to(root)}")
    if not settings().is_embedded_database:
        print_note("workers on other machines need these files too, before their rows arrive there")


def _example(proposed: Proposed, column: ProposedColumn) -> str | None:
    if column.column not in proposed.examples:
        return None
    text = as_text(proposed.examples[column.column])
    return text if len(text) <= _EXAMPLE_WIDTH else f"{text[:_EXAMPLE_WIDTH]}…"


def _why(column: ProposedColumn) -> str:
    return f"{column.why}; as {column.alias_of!r}" if column.alias_of else column.why
