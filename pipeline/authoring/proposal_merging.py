"""One proposal for several tables of one source: their columns by one name each, where that is certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from pipeline.authoring.column_proposals import LISTS, SECOND_FIELDS, Proposal, ProposedColumn
from pipeline.values.folding import fold


def merge_proposals(proposals: Sequence[Proposal]) -> Proposal:
    """What the columns of all these tables hold. The first table that has a title leads.

    A title of a later table that means a field found already becomes an alias of its column (`alias_of`), unless both
    stand side by side in one table; other titles are columns of their own. A title that means one thing here and
    another there is undecided: no mapping can read both.
    """
    tables = [{column.column for column in proposal.columns} for proposal in proposals]
    meant = _meanings(proposals)
    merged: dict[str, ProposedColumn] = {}
    by_field: dict[str, ProposedColumn] = {}
    aliases: dict[str, set[str]] = {}  # column -> its own name and the titles that stand for it
    for column in chain.from_iterable(proposal.columns for proposal in proposals):
        if column.column in merged:
            continue
        if len(meant[column.column]) > 1:
            either = " and ".join(sorted(meant[column.column]))
            merged[column.column] = replace(column, field=None, why=f"means {either} in different files: two sources")
            continue
        placed = _placed(column, next(iter(meant[column.column]), None), by_field, aliases, tables)
        merged[column.column] = placed
        aliases.setdefault(placed.alias_of or placed.column, {placed.alias_of or placed.column}).add(placed.column)
        if placed.field is not None and placed.alias_of is None and fold(placed.column):
            by_field.setdefault(placed.field, placed)
    return Proposal(tuple(merged.values()))


def _placed(
    column: ProposedColumn,
    field: str | None,
    by_field: dict[str, ProposedColumn],
    aliases: dict[str, set[str]],
    tables: Sequence[set[str]],
) -> ProposedColumn:
    """A column with its field, as an alias of the one that is read already, or undecided beside that one."""
    for candidate in (field, SECOND_FIELDS.get(field or "")):
        if candidate is None:
            continue
        known = by_field.get(candidate)
        if known is None:
            return (
                column if candidate == column.field else replace(column, field=candidate, why="title, in another file")
            )
        names = aliases[known.column]
        if fold(column.column) and not any(column.column in table and names & table for table in tables):
            return replace(column, field=candidate, alias_of=known.column)
        if candidate in LISTS:
            return replace(column, field=candidate)
    if field is None:
        return column
    return replace(column, field=None, why=f"{field} is read from {by_field[field].column!r} already")


def _meanings(proposals: Sequence[Proposal]) -> dict[str, set[str]]:
    """Title -> the fields that tables take it for. A second e-mail or phone column is one all the same."""
    first = {second: field for field, second in SECOND_FIELDS.items()}
    meanings: dict[str, set[str]] = {}
    for column in chain.from_iterable(proposal.columns for proposal in proposals):
        fields = meanings.setdefault(column.column, set())
        if column.field is not None and fields.isdisjoint((SECOND_FIELDS.get(column.field), first.get(column.field))):
            fields.add(column.field)
    return meanings
