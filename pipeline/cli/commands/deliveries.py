"""`afluente deliveries …`: what each CRM should have and has."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal.connection import database
from pipeline.cli.terminal.moments import Since, Until, parse_period
from pipeline.cli.terminal.output import AsJson, example, print_json, print_note
from pipeline.cli.terminal.rows import AsCells, AsFormat, Cells, ForExcel, OutFile, RowFormat, write_rows
from pipeline.values.counting import counted

commands = typer.Typer(help="What each CRM should have and has.", no_args_is_help=True)


@commands.command(
    "preview",
    epilog=example(
        "afluente deliveries preview ada.sample@example.com",
        "afluente deliveries preview ada.sample@example.com --destination crm",
    ),
)
def preview(
    *,
    person: Annotated[
        str,
        typer.Argument(
            metavar="PERSON",
            help="Id of a person or a lead, an e-mail address, a phone number, or the id that a source or a CRM gave.",
        ),
    ],
    destination: Annotated[str | None, typer.Option("--destination", help="Only this CRM.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what would be sent of a person, without sending it.

    Of each CRM: every field of its mapping with the value as it would be sent, which of our values it is, and whether
    it is cut, left out or written once; and whether that differs from what the CRM confirmed last. These are personal
    data: they go nowhere but to this terminal. Where several people are known by what you give, they are listed.
    """
    from pipeline.cli.terminal.crm_checks import print_previews
    from pipeline.cli.terminal.story import print_found
    from pipeline.inspection.crm.previews import find_person, preview_deliveries

    with database(timeout_seconds=0) as connection:
        found = find_person(connection, person)
        if len(found) > 1:
            print_json({"kind": "several", "found": found}) if as_json else print_found(found)
            return
        previews = preview_deliveries(connection, found[0].id, destination=destination)
    print_json({"person_id": found[0].id, "deliveries": previews}) if as_json else print_previews(previews)


@commands.command(
    "export",
    epilog=example("afluente deliveries export --out deliveries.csv", "afluente deliveries export --format jsonl"),
)
def export(
    *,
    row_format: AsFormat = RowFormat.csv,
    destination: Annotated[str | None, typer.Option("--destination", help="Only this CRM.")] = None,
    since: Since = None,
    until: Until = None,
    excel: ForExcel = False,
    cells: AsCells = Cells.readable,
    out: OutFile = None,
) -> None:
    """Write one row per person and CRM.

    The version it should have, the version it has, its id there, the last error, and why it waits if it does. --since
    and --until are about when it was last wanted. With `merged_into` it is the
    record of a person who is one with that other now: it is marked, or left as it was.
    """
    from pipeline.inspection.exports import export_deliveries

    period = parse_period(since, until)
    with (
        database(timeout_seconds=0) as connection,
        export_deliveries(connection, destination=destination, **period) as deliveries,
    ):
        count = write_rows(deliveries.rows, deliveries.columns, row_format, out, excel=excel, cells=cells)
    print_note(counted(count, "delivery", "deliveries"))
