"""`afluente leads …`: leads as they were accepted, and a suppressed one on its way again."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal.connection import database, installation, parse_id
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_note
from pipeline.cli.terminal.rows import AsFormat, OutFile, RowFormat, write_rows
from pipeline.values.counting import counted

commands = typer.Typer(help="Leads as they were accepted.", no_args_is_help=True)


@commands.command(
    "export",
    epilog=example("afluente leads export --out leads.csv", "afluente leads export --format jsonl --source web_form"),
)
def export(
    row_format: AsFormat = RowFormat.csv,
    source: Annotated[str | None, typer.Option("--source", help="Only leads of this source.")] = None,
    brand: Annotated[str | None, typer.Option("--brand", help="Only this brand.")] = None,
    out: OutFile = None,
) -> None:
    """Write one row per accepted event.

    Where it came from, where it stands, its normalized fields and what is derived from them. Fields are what the
    current mapping makes of the stored request; consents, channel and the touch's source, medium and campaign are as
    they were recorded when the lead settled. Events that were quarantined or suppressed are rows too, with the
    fields that could be read, the `reason` and, if a rule of `mappings/validation.yaml` suppresses it, the `rule`. In
    CSV, texts that a spreadsheet would take for a formula get an apostrophe in front; phone numbers stay as they are,
    and so does everything in jsonl.
    """
    from pipeline.inspection.exports import export_leads

    with database(timeout_seconds=0) as connection, export_leads(connection, source=source, brand=brand) as leads:
        count = write_rows(leads.rows, leads.columns, row_format, out)
    print_note(counted(count, "lead"))


@commands.command(
    "release",
    epilog=example(
        "afluente leads release 01930000-0000-7000-8000-000000000000 --why 'their form has a field named hp'"
    ),
)
def release(
    *,
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="Id of the suppressed lead's event.")],
    why: Annotated[str, typer.Option("--why", help="The reason, kept with it. No personal data.")],
    as_json: AsJson = False,
) -> None:
    """Say that a lead is real which was suppressed as test or spam.

    It is worked on again from the request as it was stored, and no rule of mappings/validation.yaml or of its source's
    mapping stops it a second time. Who was erased or has not consented stays suppressed.
    """
    from pipeline.inspection import quarantined

    with installation():
        was = quarantined.release(parse_id(event_id), why)
    if as_json:
        print_json({"released": event_id, "reason": was.reason})
    else:
        print_line(f"released {event_id}, which was {was.state}{f' as {was.reason}' if was.reason else ''}")
