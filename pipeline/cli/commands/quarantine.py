"""`afluente quarantine …`: what a human must look at, and how it gets on its way again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.terminal.connection import database, installation, parse_id
from pipeline.cli.terminal.file_notes import without_line
from pipeline.cli.terminal.output import (
    AsJson,
    as_object,
    example,
    print_facts,
    print_json,
    print_line,
    print_note,
    print_table,
)
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.inspection.quarantined import PlacedRow, Replayed
    from pipeline.store.events.quarantine import Quarantined

commands = typer.Typer(help="Leads and deliveries that wait for a human.", no_args_is_help=True)

_FEW = 10  # rows that are shown unasked
_ID_HELP = "Id of the quarantined thing, or of its event."
Reason = Annotated[str | None, typer.Option("--reason", help="Only this reason, e.g. nothing_to_identify.")]
Source = Annotated[str | None, typer.Option("--source", help="Only leads of this source.")]
Destination = Annotated[str | None, typer.Option("--destination", help="Only deliveries to this CRM.")]
StageName = Annotated[str | None, typer.Option("--stage", help="Only what stopped at this stage, e.g. deliver.")]
Field = Annotated[str | None, typer.Option("--field", help="Only where this field is at fault.")]
Id = Annotated[str, typer.Argument(help=_ID_HELP)]


@commands.command(
    "list", epilog=example("afluente quarantine list", "afluente quarantine list --reason nothing_to_identify --json")
)
def list_quarantined(
    *,
    reason: Reason = None,
    source: Source = None,
    destination: Destination = None,
    stage: StageName = None,
    field: Field = None,
    rows: Annotated[bool, typer.Option("--rows", help="Also each one, however many there are.")] = False,
    closed: Annotated[bool, typer.Option("--closed", help="Also what was replayed or discarded.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most this many, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show what waits.

    How many by source or CRM and reason. A few are shown one by one too, with stage, field and message; many with
    --rows.
    """
    from pipeline.inspection.quarantined import list_quarantined as read_list

    with database() as connection:
        listed = read_list(
            connection,
            reason=reason,
            source=source,
            destination=destination,
            stage=stage,
            field=field,
            with_closed=closed,
            limit=limit,
        )
    if as_json:
        print_json({"open": listed.open, "groups": listed.groups, "rows": [_row_object(row) for row in listed.rows]})
        return
    if not listed.rows:
        print_line("Nothing waits.")
        return
    print_table(
        ("source", "destination", "reason", "count"),
        [(group.source, group.destination, group.reason, group.count) for group in listed.groups],
        numbers=["count"],
    )
    if not rows and not closed and listed.open > _FEW:
        print_line("See each one with --rows; narrow it down with --reason, --source, --destination, --stage, --field.")
        return
    print_table(
        ("quarantine_id", "source", "what", "place", "stage", "reason", "field", "message"),
        [_listed(row) for row in listed.rows],
    )
    if not closed and listed.open > len(listed.rows):
        print_line(f"{listed.open - len(listed.rows)} more; see them with --limit {listed.open}")


@commands.command("show", epilog=example("afluente quarantine show 01930000-0000-7000-8000-000000000000"))
def show_quarantined(quarantine_id: Id, *, as_json: AsJson = False) -> None:
    """Show one, and what to do about it.

    Why it stopped, without personal data; of a row of a file, the file and the line. `afluente explain` shows the lead
    itself.
    """
    from pipeline.inspection.quarantined import find_quarantined

    with database() as connection:
        placed = find_quarantined(connection, parse_id(quarantine_id))
    if as_json:
        print_json(_row_object(placed))
        return
    print_facts(_row_object(placed), indent=0)
    if placed.row.resolution != "open":
        return
    print_line()
    for what, how in _remedies(placed.row):
        print_line(f"{what + ':':9} {how}")


@commands.command(
    "fix",
    epilog=example("afluente quarantine fix 01930000-0000-7000-8000-000000000000 --set email=ada.sample@example.com"),
)
def fix(
    *,
    quarantine_id: Id,
    values: Annotated[
        list[str],
        typer.Option("--set", metavar="FIELD=VALUE", help="A canonical field and its value. May be repeated."),
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Say what became of it; exit 1 if it did not settle.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set fields by hand and replay this one.

    What the source sent stays as it came; the values stand beside it, and in place of what the mapping finds. A value
    that is none of its field is refused, and so are values with which the lead would only wait again.
    """
    from pipeline.inspection import quarantined

    fields = dict(_parse_setting(text) for text in values)
    with installation():
        replayed = quarantined.fix(parse_id(quarantine_id), fields)
        became = quarantined.wait_for_fixed(parse_id(quarantine_id)) if wait else None
    if became is None:
        _say_replayed(replayed, as_json=as_json)
        return
    if as_json:
        print_json(as_object(replayed) | {"became": became})
    else:
        print_line(f"event {became.event_id} is {became.state}{f' ({became.reason})' if became.reason else ''}")
    if became.state != "settled":
        raise typer.Exit(1)


@commands.command(
    "replay",
    epilog=example(
        "afluente quarantine replay --reason missing_required",
        "afluente quarantine replay --source web_form",
        "afluente quarantine replay --destination crm --dry-run",
        "afluente quarantine replay --all",
    ),
)
def replay(
    *,
    quarantine_id: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    reason: Reason = None,
    source: Source = None,
    destination: Destination = None,
    stage: StageName = None,
    field: Field = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that waits.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many would go, and send none.")] = False,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="With an ID: also a row that was not read as its file meant it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send what waits on its way again.

    Leads go through the current mapping, from the request as it was stored. Deliveries are made again. Rows that intake
    could not read (ragged_row, unclosed_quote, …) are left out: their cells may stand in the wrong columns.
    """
    from pipeline.inspection import quarantined

    chosen = {"reason": reason, "source": source, "destination": destination, "stage": stage, "field": field}
    is_filtered = any(chosen.values())
    if not (quarantine_id or is_filtered or everything):
        raise UsageError("say what to replay: an ID, --reason, --source, --destination, --stage, --field, or --all")
    if everything and (quarantine_id or is_filtered):
        raise UsageError("--all means everything: leave out the ID, --reason, --source and the other filters")
    if quarantine_id and dry_run:
        raise UsageError(
            "--dry-run counts what filters choose: leave out the ID, or look with `afluente quarantine show`"
        )
    if as_is and not quarantine_id:
        raise UsageError("--as-is is for one ID: look at each row with `afluente explain` first")
    with installation():
        if quarantine_id:
            replayed = quarantined.replay(parse_id(quarantine_id), as_is=as_is)
        else:
            replayed = quarantined.replay_all(is_dry_run=dry_run, **chosen)
    _say_replayed(replayed, as_json=as_json, is_dry_run=dry_run)


@commands.command(
    "discard",
    epilog=example("afluente quarantine discard 01930000-0000-7000-8000-000000000000 --why 'a test by the agency'"),
)
def discard(
    *,
    quarantine_id: Id,
    why: Annotated[str, typer.Option("--why", help="The reason, kept with it. No personal data.")],
    as_json: AsJson = False,
) -> None:
    """Close one for good.

    The balance goes on counting its lead as quarantined.
    """
    from pipeline.inspection import quarantined

    with installation():
        discarded = quarantined.discard(parse_id(quarantine_id), why)
    if as_json:
        print_json({"discarded": str(discarded)})
    else:
        print_line(f"discarded {discarded}")


def _parse_setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"--set {name.strip()!r}: write it as field=value")
    return name.strip(), value


def _say_replayed(done: Replayed, *, as_json: bool, is_dry_run: bool = False) -> None:
    if as_json:
        print_json(as_object(done) | ({"dry_run": True} if is_dry_run else {}))
    else:
        print_line(f"{'would replay' if is_dry_run else 'replayed'} {done.replayed}")
    if done.left_out:
        codes = ", ".join(f"{count} {code}" for code, count in done.left_out.items())
        print_note(
            f"left out {sum(done.left_out.values())} rows that could not be read ({codes}): their cells may stand in"
            " the wrong columns. Correct the file and import it again, or take them one by one:"
            " `afluente quarantine fix ID --set …`, `afluente quarantine replay ID --as-is`"
        )
    elif not done.replayed:
        print_note("nothing open matched: `afluente quarantine list` shows what waits")


def _row_object(placed: PlacedRow) -> dict[str, Any]:
    place = {"file": placed.file, "line": placed.line}
    reason = {"reason": placed.row.code}  # as the text and --reason call it; `code` stays for who reads it already
    return as_object(placed.row) | reason | {name: value for name, value in place.items() if value is not None}


def _listed(placed: PlacedRow) -> tuple[Any, ...]:
    row = placed.row
    where = ":".join(str(part) for part in (placed.file, placed.line) if part is not None)
    message = without_line(row.message, placed.line)
    return (row.quarantine_id, row.source, _what(row), where or None, row.stage, row.code, row.field, message)


_WITHOUT_VALUES = {"unreadable_json", "mapping_unreadable", "bug", "worker_lost", "repeated_header", "totals_row"}


def _remedies(row: Quarantined) -> list[tuple[str, str]]:
    """What can be done about one, as docs/replay-what-failed.md tells it: (word, command or sentence)."""
    from pipeline.records import Stage

    steps = [("See it", f"afluente explain {row.event_id or row.person_id}")]
    again = f"afluente quarantine replay {row.quarantine_id}"
    if row.event_id is None:
        steps.append(("Mend", "the person's data at its source, or the destination's mapping"))
    elif row.stage == Stage.INTAKE:
        steps.append(("Mend", "the file, then import it again: good rows are recognized as repeated"))
        again += " --as-is"
    elif row.code == "mapping_unreadable":
        steps.append(("Mend", "the mapping, as the message says"))
    if row.event_id is not None and row.code not in _WITHOUT_VALUES:
        field = row.field or ("email" if row.code == "nothing_to_identify" else "FIELD")
        steps.append(("Set", f"afluente quarantine fix {row.quarantine_id} --set {field}=VALUE"))
    if row.stage != Stage.INTAKE or row.code not in _WITHOUT_VALUES:
        steps.append(("Again", again))
    return [*steps, ("Give up", f"afluente quarantine discard {row.quarantine_id} --why TEXT")]


def _what(row: Quarantined) -> str:
    return f"event {row.event_id}" if row.event_id else f"{row.destination}: person {row.person_id}"
