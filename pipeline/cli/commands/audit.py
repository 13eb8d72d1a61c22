"""`afluente audit …`: who did what, and whether the log is as it was written."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal.connection import database, installation
from pipeline.cli.terminal.moments import Since, Until, parse_period
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_note
from pipeline.cli.terminal.rows import AsFormat, ForExcel, OutFile, RowFormat, write_rows
from pipeline.errors import UsageError

commands = typer.Typer(help="The audit log: who did what, when and why.", no_args_is_help=True)


@commands.command(
    epilog=example(
        "afluente audit export --since 7d",
        "afluente audit export --format jsonl --action people --brand casa",
        "afluente audit export --object 01930000-0000-7000-8000-000000000000",
    )
)
def export(
    *,
    row_format: AsFormat = RowFormat.csv,
    brand: Annotated[str | None, typer.Option("--brand", help="Only this brand.")] = None,
    action: Annotated[
        str | None, typer.Option("--action", help="Only this action, as people.merge, or all of a noun: people.")
    ] = None,
    about: Annotated[str | None, typer.Option("--object", help="Only entries about what has this id.")] = None,
    since: Since = None,
    until: Until = None,
    excel: ForExcel = False,
    out: OutFile = None,
) -> None:
    """Write entries as rows, brand by brand, oldest first.

    Who did what, when, why, and how it is known who it was. Of what was changed the names of the fields, with keyed
    digests of the values: no value of a person stands here.
    """
    from pipeline.audit.export import COLUMNS, export_entries, say_unrecorded
    from pipeline.inspection.names import check_chain

    period = parse_period(since, until)
    with database(timeout_seconds=0) as connection:
        check_chain(connection, brand)
        rows = export_entries(connection, brand=brand, action=action, object_id=about, **period)
        count = write_rows(rows, COLUMNS, row_format, out, excel=excel)
        unrecorded = say_unrecorded(connection, action, brand) if action is not None and not count else None
    print_note(f"{count} {'entry' if count == 1 else 'entries'}")
    if unrecorded is not None:
        print_note(unrecorded)


@commands.command(epilog=example("afluente audit verify", "afluente audit verify --json"))
def verify(*, as_json: AsJson = False) -> None:
    """Check that the log is as it was written.

    Each entry's hash, each chain's order and end, and the heads in the file outside the database. Exit 1, and the first
    entry of each chain that does not follow, if it is not.
    """
    from pipeline.audit.anchors import read_anchors, torn_lines
    from pipeline.audit.verification import verify_log
    from pipeline.settings.loading import settings

    with database(timeout_seconds=0) as connection:
        found = verify_log(connection, read_anchors(settings()), torn=torn_lines(settings()))
    if as_json:
        print_json(found)
    else:
        print_line(f"{found.entries} entries in {found.chains} chains, {found.anchors} heads outside the database")
        for number in found.torn:
            print_line(
                f"{settings().audit_anchor} line {number}: cut short while it was written, by a crash or a full disk:"
                " it is no head, and no sign that somebody changed the log; the next head takes its place"
            )
        for broken in found.broken:
            print_line(f"{broken.brand or 'the installation'}, entry {broken.number}: {broken.why}")
    if found.broken:
        raise typer.Exit(1)


@commands.command(
    epilog=example("afluente audit anchor", "afluente audit anchor --restored --why 'disk full, backup of 2 March'")
)
def anchor(
    *,
    restored: Annotated[
        bool, typer.Option("--restored", help="Say that the database was put back from a backup, and go on from there.")
    ] = False,
    why: Annotated[str | None, typer.Option("--why", help="The reason, kept in the log. No personal data.")] = None,
) -> None:
    """Write the ends of the chains into the file outside the database now.

    It happens once a day by itself.
    """
    from pipeline.audit.anchors import accept_restored, write_anchors
    from pipeline.settings.loading import settings

    if restored and not (why or "").strip():
        raise UsageError("--restored needs a reason: say it with --why")
    with installation():
        if restored:
            accepted = accept_restored(settings(), why or "")
            print_line(f"put back, and said so: {', '.join(brand or 'the installation' for brand in accepted)}")
        count = write_anchors(settings())
    print_line(f"{count} {'head' if count == 1 else 'heads'} written into {settings().audit_anchor}")
