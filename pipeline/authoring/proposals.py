"""A mapping proposed for files whose source nobody has mapped yet, and the source written once somebody agrees."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.kit import Connector, File, registry
from connectors.kit.folders import writable_folder
from pipeline.authoring.column_proposals import propose
from pipeline.authoring.proposal_merging import merge_proposals
from pipeline.authoring.proposed_source import DraftedSource, draft_source
from pipeline.authoring.scaffold import check_slug, write_new
from pipeline.errors import UsageError
from pipeline.inspection.names import brand_of
from pipeline.inspection.trials import try_rows
from pipeline.intake.files.reading import ReadAs, read_sample, sheet_words
from pipeline.intake.files.rows import TableNotes
from pipeline.intake.files.unreadable import UnreadableFileError
from pipeline.intake.instances import SourceInstance
from pipeline.lanes import BULK
from pipeline.settings.loading import settings
from pipeline.stages.mapping.source_mapping import has_source_mapping

if TYPE_CHECKING:
    from pipeline.intake.files.reading import TableSample

_EXAMPLE_ROWS = 50  # rows among which an example of each column is looked for


@dataclass(frozen=True)
class Proposed:
    """A drafted source, as it would be used, and an example of each column: normalized where it is mapped.

    `file` is the first file that could be read; `looked_at` says in words which were. `notes`: of the first file, the
    phones of all.
    """

    draft: DraftedSource
    instance: SourceInstance
    file: Path
    examples: dict[str, Any] = field(repr=False)
    looked_at: str
    notes: TableNotes = field(default_factory=TableNotes)


def propose_source(files: list[Path], slug: str, brand: str | None, read_as: ReadAs) -> Proposed | None:
    """None if the source is mapped already. Proposed from all files that can be read; the first one leads.

    Raises UnreadableFileError if none can be read, UsageError if no column tells people apart, for standard input, and
    where several brands may be meant.
    """
    if slug in settings().sources and settings().sources[slug].connector not in (None, slug):
        return None
    if has_source_mapping(slug):
        return None
    check_slug(slug)
    samples = _samples(files, read_as)
    file = next(iter(samples))
    filled: Counter[str] = Counter()
    for sample in samples.values():
        filled.update(sample.filled)
    proposal = merge_proposals([propose(sample.columns, sample.rows, filled) for sample in samples.values()])
    if not proposal.identifies:
        raise UsageError(_nothing_to_propose(slug, samples))
    draft = draft_source(slug, proposal, is_declared=slug in registry.sources(), region=read_as.region)
    instance = _instance(slug, brand)
    examples: dict[str, Any] = {}
    notes = TableNotes(sheet=samples[file].notes.sheet, other_sheets=samples[file].notes.other_sheets)
    for sampled, sample in samples.items():
        mapped, seen = _mapped_values(sampled, sample, instance, draft, read_as)
        values = _first_values(sample) | mapped
        examples |= {column: value for column, value in values.items() if examples.get(column) in _NOTHING}
        notes.phones_seen += seen.phones_seen
        notes.phones_without_country += seen.phones_without_country
        notes.likely_region = notes.likely_region or seen.likely_region
    return Proposed(draft, instance, file, examples, _first_of(samples), notes)


def _nothing_to_propose(slug: str, samples: Mapping[Path, TableSample]) -> str:
    sample = next(iter(samples.values()))
    titles = ", ".join(repr(column[:_LONGEST_SHOWN]) for column in sample.columns[:_SHOWN_COLUMNS])
    more = f" and {len(sample.columns) - _SHOWN_COLUMNS} more" if len(sample.columns) > _SHOWN_COLUMNS else ""
    return (
        f"there is no source {slug!r}, and no column of {_first_of(samples)} is surely an e-mail, a phone or an id:"
        f" nothing can be proposed. Read were the columns{sheet_words(sample.notes)}: {titles}{more}. If this is no"
        " list of people, import the right file; else write the mapping by hand:"
        f" afluente source new {slug} --from-sample FILE"
    )


_SHOWN_COLUMNS, _LONGEST_SHOWN = 12, 40


def accept_proposal(proposed: Proposed) -> list[Path]:
    """Put the source where the installation finds it; gives the files written.

    Workers that run read its mapping at the first lead of it; those on other machines need the files too. Raises
    ConfigurationError where one exists already or cannot be written; then none is.
    """
    from pipeline.authoring.expected_leads import write_expected  # the conformance kit takes a while to load

    root = writable_folder()
    draft = proposed.draft
    files = {root / path: text for path, text in draft.files.items()}
    write_new(files, root)
    importlib.invalidate_caches()
    registry.forget()
    written = list(files)
    if any(path.parent.name == draft.slug for path in files):
        written.append(write_expected(draft.slug, root))
    return written


_NOTHING: tuple[Any, ...] = (None, "", [], {})


def _first_of(files: Mapping[Path, object]) -> str:
    return f"{next(iter(files))}{f' and {len(files) - 1} more' if len(files) > 1 else ''}"


def _samples(files: list[Path], read_as: ReadAs) -> dict[Path, TableSample]:
    """The first rows of every file that can be read."""
    reason = "there is no file"
    samples: dict[Path, TableSample] = {}
    for file in files:
        if str(file) == "-":
            raise UsageError(
                "a mapping cannot be proposed for standard input, which can be read once only: save it to a file"
            )
        try:
            samples[file] = read_sample(file, read_as=read_as)
        except UnreadableFileError as error:
            reason = f"{file}: {error}"
    if not samples:
        raise UnreadableFileError(reason)
    return samples


def _instance(slug: str, brand: str | None) -> SourceInstance:
    connector = Connector(slug, slug, "@afluente/sources", "https://www.example.com/", File(), lane=BULK)
    return SourceInstance(brand_of(slug, brand), slug, connector, BULK, enabled=True)


def _mapped_values(
    file: Path, sample: TableSample, instance: SourceInstance, draft: DraftedSource, read_as: ReadAs
) -> tuple[dict[str, Any], TableNotes]:
    """What the first value of each mapped column becomes, and what was noticed about the file."""
    values_of: dict[str, Any] = {}
    notes = TableNotes()
    columns_of = {
        column.field: column.column
        for column in draft.proposal.columns
        if column.field and column.column in sample.columns
    }
    try:
        opened, tried = try_rows(file, instance, read_as=read_as, mapping=draft.mapping)
        notes = opened.notes
        trials = islice(tried, _EXAMPLE_ROWS)
        for lead in [trial.recomputed.lead for trial in trials if trial.recomputed]:
            values = lead.fields if lead else {}
            if lead and lead.occurred_at != lead.received_at:
                values = {**values, "occurred_at": lead.occurred_at}
            for name, column in columns_of.items():
                if name in values:
                    values_of.setdefault(column, values[name])
    except UnreadableFileError:  # dates that can be read in two ways: said when it is imported
        pass
    return values_of, notes


def _first_values(sample: TableSample) -> dict[str, Any]:
    return {
        column: next((row[place] for row in sample.rows if row[place].strip()), "")
        for place, column in enumerate(sample.columns)
    }
