"""Turns a proposal (column_proposals.py) into the files of a source: declaration, mapping, sample.

The mapping is an ordinary one, to be edited and checked. Nothing of anybody's data is in it, nor in the sample.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.kit.paths import parse_path
from pipeline.authoring.column_proposals import LISTS, SECOND_FIELDS, Proposal, ProposedColumn
from pipeline.authoring.invented_samples import invented_cell
from pipeline.authoring.scaffold import check_slug, file_declaration
from pipeline.canonical import LEAD_FIELDS, TOUCH_FIELDS
from pipeline.errors import ConfigurationError
from pipeline.stages.mapping.language import SCHEMA_LINE
from pipeline.stages.mapping.source_mapping import SourceMapping, read_source_mapping
from pipeline.values.column_titles import COUNTRIES_OF_LANGUAGE, LANGUAGES
from pipeline.values.folding import fold

_STEPS = re.compile(r"[.\[\]=]+")


@dataclass(frozen=True)
class DraftedSource:
    """A source that is not on the disk yet. `files` are texts by path below the root; `mapping` is compiled."""

    slug: str
    proposal: Proposal
    mapping: SourceMapping
    files: dict[Path, str]


def draft_source(slug: str, proposal: Proposal, *, is_declared: bool, region: str | None = None) -> DraftedSource:
    """`is_declared`: only the mapping and its sample are missing. `region` (alpha-2): of phones without a country.

    Raises ConfigurationError for a bad slug.
    """
    check_slug(slug)
    mapping = _mapping_text(slug, proposal, region)
    files = {Path("mappings", "sources", f"{slug}.yaml"): mapping}
    if not is_declared:
        files[Path("samples", slug, "typical.csv")] = _sample_text(proposal)
        files[Path("connectors", "sources", f"{slug}.py")] = file_declaration(
            slug, id_column=_id_column(proposal), contact_columns=_contact_columns(proposal)
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{slug}.yaml")
        path.write_text(mapping, encoding="utf-8")
        return DraftedSource(slug, proposal, read_source_mapping(path), files)


def _id_column(proposal: Proposal) -> str | None:
    """The column of ids, no two rows having the same: of people, or of what they sent."""
    ids = [column.column for column in proposal.columns if column.field in ("submission_id", "external_id")]
    return ids[0] if len(ids) == 1 else None


def _contact_columns(proposal: Proposal) -> list[str]:
    """What tells contacts of one person apart: when it was, else what it was about."""
    fields = {column.field: column.column for column in proposal.columns}
    return [fields[name] for name in ("occurred_at", "event_name") if name in fields]


def _columns_of_fields(proposal: Proposal) -> dict[str, list[ProposedColumn]]:
    by_field: dict[str, list[ProposedColumn]] = {}
    for column in proposal.columns:
        if column.field is not None and column.alias_of is None and _path(column):
            by_field.setdefault(column.field, []).append(column)
    return by_field


def _mapping_text(slug: str, proposal: Proposal, region: str | None) -> str:
    """YAML with a comment on each line: why a column is read as it is, or why it is not."""
    by_field = _columns_of_fields(proposal)
    lines = [
        SCHEMA_LINE,
        f"# Proposed from the columns of a file. Yours now: edit it, then `afluente mapping check`. {_DOCS}",
        f"source: {slug}",
        "version: 1",
        f"region: {region}  # where phone numbers without a country code belong"
        if region
        else f"# region: {_likely_region(proposal)}  # where phone numbers without a country code belong",
        *_headers(proposal),
    ]
    for section, fields in (("lead", LEAD_FIELDS), ("touch", TOUCH_FIELDS)):
        mapped = [_rule(name, by_field) for name in fields if name in by_field]
        lines += [f"{section}:", *mapped] if mapped else []
    if not any(name in by_field for name in TOUCH_FIELDS):
        lines += [
            "# Nothing here says where the leads came from: they count as (direct), and as the latest touch.",
            "# Say it here if you know, e.g. a fair or a bought list:",
            "# touch:",
            "#   utm_source: {constant: NAME OF THE LIST}",
        ]
    lines += _kept([column for column in proposal.undecided if _path(column)])
    return "\n".join(lines) + "\n"


_DOCS = "The language: docs/mapping.md"


def _likely_region(proposal: Proposal) -> str:
    """A country of the language that most titles are in, English only if no other has any: an example, which nothing is
    read by."""
    countries = [
        COUNTRIES_OF_LANGUAGE[language][0]
        for column in proposal.columns
        for language, name in LANGUAGES.items()
        if language != "en" and f"({name})" in column.why
    ]
    return max(countries, key=countries.count, default=COUNTRIES_OF_LANGUAGE["en"][0])


def _rule(field: str, by_field: dict[str, list[ProposedColumn]]) -> str:
    """One line. The first filled of all columns of e-mails (or phones) is the address, the others go with it."""
    columns = by_field[field]
    further = by_field.get(SECOND_FIELDS.get(field, ""), [])
    paths = [_quoted(_path(column)) for column in [*columns, *further]]
    said = f"[{', '.join(paths)}]" if len(paths) > 1 else paths[0]
    key = "all_of" if field in LISTS and len(columns) > 1 else "from"
    kind = ", as: date" if field == "occurred_at" else ""
    return f"  {field}: {{{key}: {said}{kind}}}  # {columns[0].why}"


def _headers(proposal: Proposal) -> Iterator[str]:
    """Columns whose titles cannot be written as a path (`Tel.`) get a name that can; aliases stand beside it."""
    titles: dict[str, list[str]] = {}
    aliases_of: dict[str, list[str]] = {}
    for column in proposal.columns:
        if column.alias_of is not None:
            aliases_of.setdefault(column.alias_of, []).append(column.column)
    for column in proposal.columns:
        aliases = aliases_of.get(column.column, [])
        if column.alias_of is None and _path(column) and (aliases or _path(column) != column.column):
            titles[_path(column)] = [*([column.column] if _path(column) != column.column else []), *aliases]
    if titles:
        yield "headers:"
    for name, known in titles.items():
        yield f"  {_quoted(name)}: [{', '.join(map(_quoted, known))}]"


def _kept(undecided: list[ProposedColumn]) -> Iterator[str]:
    if not undecided:
        return
    yield "# Undecided: these stay under `custom`. Map each above, or move it to `ignored`."
    yield "kept:"
    for column in undecided:
        yield f"  - {_quoted(_path(column))}  # {column.why}"
    if any("consent" in column.why for column in undecided):
        yield "# A consent is written like this, with the purpose and the channel it was given for:"
        yield "# consent:"
        yield "#   newsletter: {purpose: marketing, channel: email, from: COLUMN, at: COLUMN OF ITS DATE}"


def _path(column: ProposedColumn) -> str:
    """The column as a mapping can name it; empty if there is no letter or digit in its title to name it by."""
    try:
        parse_path(column.column)
    except ConfigurationError:
        bare = " ".join(_STEPS.sub(" ", column.column).split())
        return bare if fold(bare) and fold(bare) == fold(column.column) else ""
    return column.column


def _quoted(text: str) -> str:
    """A YAML scalar on one line, whatever is in it."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _sample_text(proposal: Proposal) -> str:
    columns = [column for column in proposal.columns if _path(column) and column.alias_of is None]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.column for column in columns])
    writer.writerow([invented_cell(column.field, column.column) for column in columns])
    return text.getvalue()
