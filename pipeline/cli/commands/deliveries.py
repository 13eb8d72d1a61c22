"""`afluente deliveries …`: what each CRM should have and has."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal.connection import database
from pipeline.cli.terminal.moments import Since, Until, parse_period
from pipeline.cli.terminal.output import example, print_note
from pipeline.cli.terminal.rows import AsFormat, ForExcel, OutFile, RowFormat, write_rows
from pipeline.values.counting import counted

commands = typer.Typer(help="What each CRM should have and has.", no_args_is_help=True)


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
        count = write_rows(deliveries.rows, deliveries.columns, row_format, out, excel=excel)
    print_note(counted(count, "delivery", "deliveries"))
