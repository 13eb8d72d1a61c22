"""`afluente leads …`: leads as they were accepted, and a suppressed one on its way again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal.connection import RUN_AGAIN, database, installation, parse_id
from pipeline.cli.terminal.moments import Since, Until, parse_period
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_note, print_table, progress_bar
from pipeline.cli.terminal.rows import AsCells, AsFormat, Cells, ForExcel, OutFile, RowFormat, write_rows
from pipeline.errors import UsageError
from pipeline.values.counting import counted

if TYPE_CHECKING:
    from pipeline.recompute.replay_report import Replayed

commands = typer.Typer(help="Leads as they were accepted.", no_args_is_help=True)


@commands.command(
    "export",
    epilog=example("afluente leads export --out leads.csv", "afluente leads export --format jsonl --source web_form"),
)
def export(
    *,
    row_format: AsFormat = RowFormat.csv,
    source: Annotated[str | None, typer.Option("--source", help="Only leads of this source.")] = None,
    brand: Annotated[str | None, typer.Option("--brand", help="Only this brand.")] = None,
    since: Since = None,
    until: Until = None,
    excel: ForExcel = False,
    cells: AsCells = Cells.readable,
    out: OutFile = None,
) -> None:
    """Write one row per accepted event.

    Where it came from, where it stands, its normalized fields and what is derived from them. Fields are what the
    current mapping makes of the stored request; consents, channel and the touch's source, medium and campaign are as
    they were recorded when the lead settled. Events that were quarantined or suppressed are rows too, with the
    fields that could be read, the `reason` and, if a rule of `mappings/validation.yaml` suppresses it, the `rule`. In
    CSV, texts that a spreadsheet would take for a formula get an apostrophe in front; phone numbers stay as they are
    (`--cells`), and so does everything in jsonl.
    """
    from pipeline.inspection.exports import export_leads

    period = parse_period(since, until)
    with (
        database(timeout_seconds=0) as connection,
        export_leads(connection, source=source, brand=brand, **period) as leads,
    ):
        count = write_rows(leads.rows, leads.columns, row_format, out, excel=excel, cells=cells)
    print_note(counted(count, "lead"))


@commands.command("list", epilog=example("afluente leads list", "afluente leads list --limit 50 --source web_form"))
def list_leads(
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most this many, newest first.")] = 10,
    source: Annotated[str | None, typer.Option("--source", help="Only leads of this source.")] = None,
    brand: Annotated[str | None, typer.Option("--brand", help="Only this brand.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the newest leads.

    Their ids, for `afluente explain`, and where each stands. No personal data.
    """
    from pipeline.inspection.exports import list_newest

    with database() as connection:
        leads = list_newest(connection, limit=limit, source=source, brand=brand)
    if as_json:
        print_json(leads)
        return
    print_table(
        ("event_id", "received", "source", "brand", "state", "reason", "person_id"),
        [
            [lead[name] for name in ("event_id", "received_at", "source", "brand", "state", "reason", "person_id")]
            for lead in leads
        ],
    )


@commands.command(
    "replay",
    epilog=example(
        "afluente leads replay --settled --source web_form --dry-run",
        "afluente leads replay --settled --source web_form",
    ),
)
def replay(
    *,
    source: Annotated[str, typer.Option("--source", help="Leads of this source.")],
    settled: Annotated[bool, typer.Option("--settled", help="Leads that have settled: the only ones so far.")] = False,
    brand: Annotated[str | None, typer.Option("--brand", help="Only this brand.")] = None,
    since: Since = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Map leads that have settled anew, after their source's mapping was corrected.

    People, golden records, touches, original source and consents become what the mapping of now reads, and CRMs are
    sent what differs. A lead that would be quarantined or suppressed today keeps what it was and is listed. Safe beside
    running workers; when interrupted, run it again. What waits in quarantine is replayed by `afluente quarantine
    replay`.
    """
    from pipeline.cli.terminal.replays import print_replayed, replayed_as_json
    from pipeline.inspection.renewals import replay_settled

    if not settled:
        raise UsageError(
            "say --settled to map leads anew that have settled; what waits in quarantine goes on by `afluente"
            " quarantine replay`"
        )
    moment = parse_period(since, None)["since"]
    with installation(advice=RUN_AGAIN), progress_bar(is_shown=not as_json) as progress:
        task = progress.add_task("leads", total=None, note="")

        def show(done: Replayed, leads: int) -> None:
            progress.update(task, completed=done.read, total=leads, note=f"{done.changed} other ones")

        done = replay_settled(source=source, brand=brand, since=moment, is_dry_run=dry_run, on_progress=show)
    if as_json:
        print_json({"dry_run": dry_run, "source": source, **replayed_as_json(done)})
    else:
        print_replayed(done, source=source, is_dry_run=dry_run)


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
    """Say that a lead is real which was suppressed as test or spam, or look again for the person of an activity.

    It is worked on again from the request as it was stored, and no rule of mappings/validation.yaml or of its source's
    mapping stops it a second time. What a mapping suppressed as `no_consent` or `not_a_lead` stays suppressed.
    """
    from pipeline.inspection import quarantined

    with installation():
        was = quarantined.release(parse_id(event_id), why)
    if as_json:
        print_json({"released": event_id, "reason": was.reason})
    else:
        print_line(f"released {event_id}, which was {was.state}{f' as {was.reason}' if was.reason else ''}")
