"""A mapping proposed for a file whose source nobody has mapped yet: shown, agreed to, written, used."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.terminal.output import (
    CommandError,
    as_text,
    print_json,
    print_line,
    print_note,
    print_problem,
    print_table,
)
from pipeline.lanes import BULK

if TYPE_CHECKING:
    from pipeline.authoring.column_proposals import ProposedColumn
    from pipeline.authoring.proposed_source import DraftedSource
    from pipeline.intake.files.reading import ReadAs, TableSample
    from pipeline.intake.instances import SourceInstance

_EXAMPLE_ROWS = 50  # rows among which an example of each column is looked for
_EXAMPLE_WIDTH = 40


@dataclass(frozen=True)
class Proposed:
    """A drafted source, as it would be used, and an example of each column: normalized where it is mapped."""

    draft: DraftedSource
    instance: SourceInstance
    file: Path
    examples: dict[str, str]
    looked_at: str  # the file, or the first one and how many more

    def as_json(self, *, is_accepted: bool) -> dict[str, Any]:
        return {
            "source": self.draft.slug,
            "accepted": is_accepted,
            "proposed_from": str(self.file),
            "columns": [
                {**asdict(one), "example": self.examples.get(one.column)} for one in self.draft.proposal.columns
            ],
            "files": [str(path) for path in self.draft.files],
        }


def propose_source(files: list[Path], slug: str, brand: str | None, read_as: ReadAs) -> Proposed | None:
    """None if the source is mapped already. Proposed from all files that can be read; the first one leads.

    Raises CommandError if none can be, or if no column tells people apart.
    """
    from connectors.kit.registry import sources
    from pipeline.authoring.column_proposals import propose
    from pipeline.authoring.proposal_merging import merge_proposals
    from pipeline.authoring.proposed_source import draft_source
    from pipeline.settings.loading import settings
    from pipeline.stages.mapping.source_mapping import has_source_mapping

    if slug in settings().sources and settings().sources[slug].connector not in (None, slug):
        return None
    if has_source_mapping(slug):
        return None
    samples = _samples(files, read_as)
    file = next(iter(samples))
    proposal = merge_proposals([propose(sample.columns, sample.rows) for sample in samples.values()])
    draft = draft_source(slug, proposal, is_declared=slug in sources())
    if not draft.proposal.identifies:
        raise CommandError(
            f"there is no source {slug!r}, and no column of {_first_of(samples)} is surely an e-mail, a phone or an id:"
            f" nothing can be proposed. Write the mapping by hand: afluente source new {slug} --from-sample FILE",
            exit_code=2,
        )
    instance = _instance(slug, brand)
    examples: dict[str, str] = {}
    for one, sample in samples.items():
        found = _first_values(sample) | _mapped_values(one, sample, instance, draft, read_as)
        examples |= {column: example for column, example in found.items() if not examples.get(column)}
    return Proposed(draft, instance, file, examples, _first_of(samples))


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
        print_json(proposed.as_json(is_accepted=False))
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
            (one.column, proposed.examples.get(one.column), one.field or "(undecided)", _why(one))
            for one in proposal.columns
        ],
    )
    if proposal.undecided:
        print_line(f"{len(proposal.undecided)} columns are undecided: they are kept under `custom`.")


def write_source(proposed: Proposed, *, is_quiet: bool) -> None:
    """Put the source where the installation finds it. Workers that run read its mapping at the first lead of it."""
    import importlib

    from connectors.kit import registry
    from connectors.kit.folders import writable_folder
    from pipeline.authoring.scaffold import write_new
    from pipeline.cli.commands.source import write_expected
    from pipeline.settings.loading import settings

    root = writable_folder()
    draft = proposed.draft
    files = {root / path: text for path, text in draft.files.items()}
    write_new(files, root)
    importlib.invalidate_caches()
    registry.sources.cache_clear()
    written = list(files)
    if any(path.parent.name == draft.slug for path in files):
        written.append(write_expected(draft.slug, root))
    for path in [] if is_quiet else written:
        print_line(f"wrote {path.relative_to(root)}")
    if not settings().is_embedded_database:
        print_note("workers on other machines need these files too, before their rows arrive there")


def _first_of(files: Mapping[Path, object]) -> str:
    return f"{next(iter(files))}{f' and {len(files) - 1} more' if len(files) > 1 else ''}"


def _why(one: ProposedColumn) -> str:
    return f"{one.why}; as {one.alias_of!r}" if one.alias_of else one.why


def _samples(files: list[Path], read_as: ReadAs) -> dict[Path, TableSample]:
    """The first rows of every file that can be read."""
    from pipeline.intake.files.reading import read_sample
    from pipeline.intake.files.unreadable import UnreadableFileError

    reason = "there is no file"
    samples: dict[Path, TableSample] = {}
    for file in files:
        if str(file) == "-":
            raise CommandError(
                "a mapping cannot be proposed for standard input, which can be read once only: save it to a file",
                exit_code=2,
            )
        try:
            samples[file] = read_sample(file, encoding=read_as.encoding)
        except UnreadableFileError as error:
            reason = f"{file}: {error}"
    if not samples:
        raise CommandError(reason)
    return samples


def _instance(slug: str, brand: str | None) -> SourceInstance:
    from connectors.kit import Connector, File
    from pipeline.cli.terminal.connection import brand_of
    from pipeline.intake.instances import SourceInstance

    connector = Connector(slug, slug, "@afluente/sources", "https://www.example.com/", File(), lane=BULK)
    return SourceInstance(brand_of(slug, brand), slug, connector, BULK, enabled=True)


def _mapped_values(
    file: Path, sample: TableSample, instance: SourceInstance, draft: DraftedSource, read_as: ReadAs
) -> dict[str, str]:
    """What the first value of each mapped column becomes. For the screen only."""
    from pipeline.inspection.trials import try_rows
    from pipeline.intake.files.unreadable import UnreadableFileError

    found: dict[str, str] = {}
    fields = {one.field: one.column for one in draft.proposal.columns if one.field and one.column in sample.columns}
    try:
        trials = islice(try_rows(file, instance, read_as=read_as, mapping=draft.mapping)[1], _EXAMPLE_ROWS)
        for lead in [trial.recomputed.lead for trial in trials if trial.recomputed]:
            values = lead.fields if lead else {}
            if lead and lead.occurred_at != lead.received_at:
                values = {**values, "occurred_at": lead.occurred_at}
            for name, column in fields.items():
                if name in values:
                    found.setdefault(column, _shortened(as_text(values[name])))
    except UnreadableFileError:  # dates that can be read in two ways: said when it is imported
        pass
    return found


def _first_values(sample: TableSample) -> dict[str, str]:
    return {
        column: _shortened(as_text(next((row[place] for row in sample.rows if row[place].strip()), "")))
        for place, column in enumerate(sample.columns)
    }


def _shortened(text: str) -> str:
    return text if len(text) <= _EXAMPLE_WIDTH else f"{text[:_EXAMPLE_WIDTH]}…"
