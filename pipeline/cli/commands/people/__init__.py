"""`afluente people …`: the golden records, a human's word on who is who, and what became of both."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.commands.people import review
from pipeline.cli.terminal.connection import RUN_AGAIN, database, installation, parse_id
from pipeline.cli.terminal.decisions import By, Why, name_of, print_result
from pipeline.cli.terminal.moments import Since, Until, parse_moment, parse_period
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_note, print_table, progress_bar
from pipeline.cli.terminal.people_bars import people_bars
from pipeline.cli.terminal.rows import AsCells, AsFormat, Cells, ForExcel, OutFile, RowFormat, write_rows
from pipeline.errors import UsageError
from pipeline.values.counting import count_people

if TYPE_CHECKING:
    from pipeline.recompute.golden_records import Renewed

commands = typer.Typer(help="People: the golden records.", no_args_is_help=True)

_ONE, _TWO = "01930000-0000-7000-8000-000000000001", "01930000-0000-7000-8000-000000000002"
_SHOWN = 50  # lines of the log as a table, unless asked for more
_MOST = 1_000_000_000

PersonId = Annotated[str, typer.Argument(metavar="PERSON", help="Id of a person.")]
Brand = Annotated[str | None, typer.Option("--brand", help="Only this brand.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]


@commands.command(
    "export",
    epilog=example(
        "afluente people export --out people.csv",
        "afluente people export --format jsonl",
        "afluente people export --merged",
    ),
)
def export(
    *,
    row_format: AsFormat = RowFormat.csv,
    brand: Brand = None,
    merged: Annotated[
        bool, typer.Option("--merged", help="The ids of people who are one with another instead, and of whom.")
    ] = False,
    since: Since = None,
    until: Until = None,
    excel: ForExcel = False,
    cells: AsCells = Cells.readable,
    out: OutFile = None,
) -> None:
    """Write one row per person.

    The golden fields, original and latest source, channel and campaign, how many touches, the consents that hold, and
    values derived from the golden fields: company domain, level and function of the job title, state code, type of the
    phone; at last when the original and the latest touch were. --since and --until are about the latest touch.
    """
    from pipeline.inspection.exports import export_forwards, export_people

    if merged and (since or until):
        raise UsageError("--since and --until are about people's touches: leave them out with --merged")
    period = parse_period(since, until)
    noun = "people are one with another" if merged else "people"
    with (
        database(timeout_seconds=0) as connection,
        export_forwards(connection, brand=brand)
        if merged
        else export_people(connection, brand=brand, **period) as people,
    ):
        count = write_rows(people.rows, people.columns, row_format, out, excel=excel, cells=cells)
    print_note(f"{count} {noun}")


@commands.command(
    "find", epilog=example("afluente people find ada.sample@example.com", "afluente people find '+34 612 345 678'")
)
def find_people(
    text: Annotated[str, typer.Argument(help="An e-mail address, a phone number, the id that a source or a CRM gave.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Find somebody by what is at hand.

    Looked up by its digest, so it takes no longer among a million. Names are sealed and cannot be looked up.
    """
    from pipeline.cli.terminal.story import print_found
    from pipeline.inspection.finding import find

    with database(timeout_seconds=0) as connection:
        found = find(connection, text)
    print_json(found) if as_json else print_found(found)


@commands.command(epilog=example(f"afluente people merge {_ONE} {_TWO} --why 'married, told us by phone'"))
def merge(
    *,
    one: PersonId,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Id of another one.")],
    why: Why = None,
    by: By = None,
    override: Annotated[bool, typer.Option("--override", help="Take back what keeps them apart.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say that two people are one.

    The older id stays, the other forwards to it for ever. All they left goes together: leads, touches, consents,
    values. It stays so whatever comes in later, until `people unmerge`. Refused if somebody said that they are two.
    """
    from pipeline.inspection import people_decisions

    ids = parse_id(one), parse_id(other)
    with installation(advice=RUN_AGAIN):
        result = people_decisions.merge(*ids, by=name_of(by), why=why, override=override)
    print_result(result, as_json=as_json)


@commands.command(
    epilog=example(
        f"afluente people unmerge {_TWO} --why 'father and son'", f"afluente people unmerge {_ONE} --event {_TWO}"
    )
)
def unmerge(
    *,
    person: PersonId,
    event: Annotated[
        list[str] | None, typer.Option("--event", help="Take this lead out of the person. May be repeated.")
    ] = None,
    why: Why = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Take a person apart again.

    The newest `people merge` of it is taken back. If there is none, it is parted where it last came together, or where
    --event says, and kept so. Name an id that was merged away, and that one stands for itself again, whatever was
    merged since. Each part gets back its id, leads, touches, consents and values. Leads that say exactly the same of
    who they are stay together.
    """
    from pipeline.inspection import people_decisions

    person_id, event_ids = parse_id(person), [parse_id(text) for text in event or ()]
    with installation(advice=RUN_AGAIN):
        result = people_decisions.unmerge(person_id, by=name_of(by), why=why, event_ids=event_ids)
    print_result(result, as_json=as_json)


@commands.command(epilog=example("afluente people recompute --dry-run", "afluente people recompute", "afluente status"))
def recompute(
    *,
    brand: Brand = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Find out anew who is who.

    For after mappings/identity.yaml changed: restart the workers first, so that they go by the new rules too. Every
    lead's evidence is weighed again, shared addresses and numbers are counted again, people come together or apart, and
    the CRM hears of it. What humans said stays. Safe beside running workers; when interrupted, run it again.
    """
    from pipeline.inspection.renewals import recompute_people

    with installation(advice=RUN_AGAIN), progress_bar(is_shown=not as_json) as progress:
        done = recompute_people(brand=brand, is_dry_run=dry_run, **people_bars(progress))
    if as_json:
        print_json(
            {"dry_run": dry_run, "evidence": done.pieces, "people": {"joined": done.joined, "came_apart": done.parted}}
        )
        return
    verb = "would " if dry_run else ""
    print_line(f"{done.pieces} pieces of evidence weighed")
    print_line(f"{count_people(done.joined)} {verb}{'become' if dry_run else 'became'} part of others")
    print_line(f"{count_people(done.parted)} {verb}{'come' if dry_run else 'came'} apart from others")


_LOG = {  # columns of the table, and the values in them
    "at": "at",
    "action": "action",
    "person": "person_id",
    "other": "other_id",
    "event": "event_id",
    "decided_by": "decided_by",
    "why": "why",
}


class Action(StrEnum):
    """What a line of the log is about: the kinds of a `pipeline.store.identity.notices.Notice`."""

    MERGED = "merged"
    SPLIT = "split"
    JOINED = "joined"
    PARTED = "parted"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    REROUTED = "rerouted"


@commands.command(
    "log",
    epilog=example(
        "afluente people log --since 24h",
        "afluente people log --since 2026-03-01 --action merged --action split",
        "afluente people log --since 7d --brand default --json",
    ),
)
def log(
    *,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="WHEN", help="Not before: 90m, 24h, 7d, 2w, or 2026-03-01, 2026-03-01T22:00 (UTC)."
        ),
    ] = None,
    brand: Brand = None,
    action: Annotated[
        list[Action] | None, typer.Option("--action", help=f"Only these: {', '.join(Action)}. May be repeated.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, max=_MOST, help="Show at most this many. If not said: 50; with --json all."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line for programs instead of text for people.")
    ] = False,
) -> None:
    """Show what happened to people, newest first.

    Who became one with whom (merged) or came apart (split), what humans said (joined, parted, accepted, rejected) and
    why, and which known people came again (duplicate, rerouted). `explain` tells the whole story of one of them.
    """
    from pipeline.inspection.exports import export_log

    begin = parse_moment("--since", since, datetime.now(UTC)) if since is not None else None
    wanted = limit if as_json else (limit or _SHOWN) + 1
    actions = [kind.value for kind in action or ()]
    with (
        database(timeout_seconds=0) as connection,
        export_log(connection, since=begin, brand=brand, actions=actions, limit=wanted) as lines,
    ):
        if as_json:
            write_rows(lines.rows, lines.columns, RowFormat.jsonl, None)
            return
        rows = [[line[name] for name in _LOG.values()] for line in lines.rows]
    if not rows:
        print_line("Nothing happened.")
        return
    shown = limit or _SHOWN
    print_table(tuple(_LOG), rows[:shown])
    if len(rows) > shown:
        print_line(f"There is more: see it with --limit {2 * shown}, or all of it with --json")


@commands.command(epilog=example("afluente people renew --dry-run", "afluente people renew", "afluente status"))
def renew(
    *,
    brand: Brand = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make golden records anew.

    For after mappings/survivorship.yaml or a source's mapping changed: restart the workers first, so that they go by
    the new rules too. All that people's leads say is mapped, normalized and merged again, and the CRM hears of what is
    another value now. People of whom some lead would be quarantined or suppressed today are left as they are. Safe
    beside running workers; when interrupted, run it again.
    """
    from pipeline.inspection.renewals import renew_people

    with installation(advice=RUN_AGAIN), progress_bar(is_shown=not as_json) as progress:
        bar = progress.add_task("people", total=None, note="")

        def show(done: Renewed, total: int) -> None:
            progress.update(bar, completed=done.people, total=total, note=f"{done.changed} changed")

        done = renew_people(brand=brand, is_dry_run=dry_run, on_progress=show)
    if as_json:
        print_json({"dry_run": dry_run, "people": done.people, "changed": done.changed, "left": done.left})
        return
    print_line(f"{count_people(done.people)} looked at")
    print_line(f"{done.changed} {'would have' if dry_run else 'have'} other values than before")
    if done.left:
        print_line(f"{done.left} left as they are: some of their leads would not go through today")


commands.add_typer(review.commands, name="review")
