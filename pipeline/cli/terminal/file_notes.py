"""What is said of a file as a whole, and of a row beside the number of its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.terminal.output import print_line
from pipeline.intake.files.text_encodings import OLDER_PAGES

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.intake.files.rows import TableNotes


def print_notes(file: Path, notes: TableNotes, dates: dict[str, str], mapping: str) -> None:
    """What was noticed about a file, where it may surprise. `mapping`: the slug of its mapping."""
    if notes.unread_columns:
        print_line(
            f"{file}: {len(notes.unread_columns)} of {notes.columns} columns"
            f" {'is' if len(notes.unread_columns) == 1 else 'are'} not read (kept under `custom`): "
            f"{', '.join(notes.unread_columns)}; name them in headers:, kept or ignored of"
            f" mappings/sources/{mapping}.yaml"
        )
    for position, before, after in notes.renamed_columns:
        print_line(f"{file}: column {position} is called {after!r} here (its header: {before!r})")
    if notes.skipped_title_rows:
        print_line(f"{file}: {notes.skipped_title_rows} lines above the header were skipped")
    if notes.skipped_footer_rows:
        print_line(f"{file}: {notes.skipped_footer_rows} lines below the table were skipped")
    if notes.other_sheets:
        print_line(
            f"{file}: only the sheet {notes.sheet!r} was read, not {', '.join(notes.other_sheets)};"
            " `--sheet NAME` reads another"
        )
    if notes.encoding in OLDER_PAGES:
        print_line(f"{file}: read as {notes.encoding}; if names look wrong, say another with --encoding")
    if said := phones_said(notes):
        print_line(
            f"{file}: {said}; for rows that are in, `region: …` in mappings/sources/{mapping}.yaml, then"
            " `afluente leads replay --settled`"
        )
    for column in notes.imprecise_columns:
        print_line(f"{file}: the column {column!r} holds numbers of more than 15 digits, which Excel does not keep")
    for column, order in dates.items():
        print_line(f"{file}: the dates of {column!r} were read as {order}")


def phones_said(notes: TableNotes) -> str | None:
    """How many phones name no country, and what to do; None if all do."""
    if not notes.phones_without_country:
        return None
    region = notes.likely_region or "with the code of their country"
    return f"{notes.phones_without_country} of {notes.phones_seen} phones have no country: add --region {region}"


def without_line(message: str, line: int | None) -> str:
    """A message as it is shown beside the number of its line."""
    return message.removeprefix(f"line {line}: ")
