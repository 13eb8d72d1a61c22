"""`afluente quarantine …`: what a human must look at, and how it gets on its way again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.terminal.connection import database, known_source, parse_id
from pipeline.cli.terminal.output import (
    AsJson,
    CommandError,
    example,
    print_facts,
    print_json,
    print_line,
    print_note,
    print_table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from pipeline.store.events.quarantine import Quarantined

commands = typer.Typer(help="Leads and deliveries that wait for a human.", no_args_is_help=True)

_ID_HELP = "Id of the quarantined thing, or of its event."
Reason = Annotated[str | None, typer.Option("--reason", help="Only this reason, e.g. nothing_to_identify.")]
Source = Annotated[str | None, typer.Option("--source", help="Only leads of this source.")]
Id = Annotated[str, typer.Argument(help=_ID_HELP)]


@commands.command(
    "list", epilog=example("afluente quarantine list", "afluente quarantine list --reason nothing_to_identify --json")
)
def list_quarantined(
    *,
    reason: Reason = None,
    source: Source = None,
    closed: Annotated[bool, typer.Option("--closed", help="Also what was replayed or discarded.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most this many, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show what waits.

    How many by reason, then each with its stage, field and message.
    """
    from pipeline.store.events.quarantine import count_quarantine, list_quarantine

    if source is not None:
        known_source(source)
    with database() as connection:
        counts = count_quarantine(connection)
        rows = list_quarantine(
            connection, reason=reason, source=source, resolution=None if closed else "open", limit=limit
        )
        places = _places(connection, rows)
    groups: list[dict[str, Any]] = [
        {"source": group_source, "reason": code, "count": count}
        for (group_source, code), count in sorted(counts.items(), key=lambda entry: -entry[1])
        if reason in (None, code) and source in (None, group_source)
    ]
    if as_json:
        print_json(
            {
                "open": sum(group["count"] for group in groups),
                "groups": groups,
                "rows": [_row(one) | places[one.quarantine_id] for one in rows],
            }
        )
        return
    if not rows:
        print_line("Nothing waits.")
        return
    print_table(("source", "reason", "count"), [list(group.values()) for group in groups], numbers=["count"])
    print_table(
        ("quarantine_id", "source", "what", "place", "stage", "reason", "field", "message"),
        [_listed(one, places[one.quarantine_id]) for one in rows],
    )
    total = sum(group["count"] for group in groups)
    if not closed and total > len(rows):
        print_line(f"{total - len(rows)} more; see them with --limit {total}")


@commands.command("show", epilog=example("afluente quarantine show 01930000-0000-7000-8000-000000000000"))
def show_quarantined(quarantine_id: Id, *, as_json: AsJson = False) -> None:
    """Show one, and what to do about it.

    Why it stopped, without personal data; of a row of a file, the file and the line. `afluente explain` shows the lead
    itself.
    """
    with database() as connection:
        row = _find(connection, quarantine_id)
        shown = {**_row(row), **_places(connection, [row])[row.quarantine_id]}
    if as_json:
        print_json(shown)
        return
    print_facts(shown, indent=0)
    if row.resolution != "open":
        return
    print_line()
    for what, how in _remedies(row):
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
    as_json: AsJson = False,
) -> None:
    """Set fields by hand and replay this one.

    What the source sent stays as it came; the values stand beside it, and in place of what the mapping finds.
    """
    from pipeline.store.events.quarantine import replay_events, set_patch

    fields = dict(_parse_setting(text) for text in values)
    with database() as connection:
        row = _find(connection, quarantine_id)
        if row.event_id is None:
            raise CommandError(
                f"{row.quarantine_id} is a delivery to {row.destination}, not a lead: correct the person's data at its"
                " source, or the destination's mapping, then `afluente quarantine replay`"
            )
        if not set_patch(connection, row.quarantine_id, fields):
            raise CommandError(f"{row.quarantine_id} is not open any more: it was {row.resolution}")
        replayed = replay_events(connection, quarantine_ids=[row.quarantine_id])
    _say_replayed(replayed, {}, as_json=as_json)


@commands.command(
    "replay",
    epilog=example(
        "afluente quarantine replay --reason missing_required",
        "afluente quarantine replay --source web_form",
        "afluente quarantine replay --all",
    ),
)
def replay(
    *,
    quarantine_id: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    reason: Reason = None,
    source: Source = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that waits.")] = False,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="With an ID: also a row that was not read as its file meant it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send what waits on its way again.

    Leads go through the current mapping, from the request as it was stored. Deliveries are made again. Rows that intake
    could not read (ragged_row, unclosed_quote, …) are left out: their cells may stand in the wrong columns.
    """
    from pipeline.records import Stage
    from pipeline.store.events.quarantine import count_misread, replay_events

    if not (quarantine_id or reason or source or everything):
        raise CommandError("say what to replay: an ID, --reason, --source, or --all for everything", exit_code=2)
    if everything and (quarantine_id or reason or source):
        raise CommandError("--all means everything: leave out the ID, --reason and --source", exit_code=2)
    if as_is and not quarantine_id:
        raise CommandError("--as-is is for one ID: look at each row with `afluente explain` first", exit_code=2)
    if source is not None:
        known_source(source)
    with database() as connection:
        left_out: dict[str, int] = {}
        if quarantine_id:
            row = _find(connection, quarantine_id)
            if row.stage == Stage.INTAKE and row.resolution == "open" and not as_is:
                raise CommandError(
                    f"{row.quarantine_id} is a row that could not be read ({row.code}): its cells may stand in the"
                    " wrong columns. Correct the file and import it again; or look at it with `afluente explain`, then"
                    " `afluente quarantine fix` with the right values, or replay it with --as-is"
                )
            replayed = replay_events(connection, quarantine_ids=[row.quarantine_id])
        else:
            left_out = count_misread(connection, reason=reason, source=source)
            replayed = replay_events(connection, reason=reason, source=source, misread=False)
    _say_replayed(replayed, left_out, as_json=as_json)


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
    from pipeline.store.events import quarantine as store

    if not why.strip():
        raise CommandError("--why needs a text: whoever looks at this later has nothing else", exit_code=2)
    with database() as connection:
        row = _find(connection, quarantine_id)
        if not store.discard(connection, row.quarantine_id, why):
            raise CommandError(f"{row.quarantine_id} is not open any more: it was {row.resolution}")
    if as_json:
        print_json({"discarded": str(row.quarantine_id)})
    else:
        print_line(f"discarded {row.quarantine_id}")


def _find(connection: Connection, text: str) -> Quarantined:
    from pipeline.store.events.quarantine import show_quarantine

    found = show_quarantine(connection, parse_id(text))
    if found is None:
        raise CommandError(f"nothing in quarantine has the id {text}: `afluente quarantine list` shows what has")
    return found


def _parse_setting(text: str) -> tuple[str, str]:
    from difflib import get_close_matches

    from pipeline.canonical import CANONICAL_FIELDS

    name, sign, value = text.partition("=")
    name = name.strip()
    if not sign:
        raise CommandError(f"--set {name!r}: write it as field=value", exit_code=2)
    if name not in CANONICAL_FIELDS:
        close = get_close_matches(name, CANONICAL_FIELDS, 1)
        hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(CANONICAL_FIELDS)}"
        raise CommandError(f"--set: {name!r} is not a canonical field; {hint}", exit_code=2)
    return name, value


def _say_replayed(replayed: int, left_out: dict[str, int], *, as_json: bool) -> None:
    from pipeline.hints import hint_all

    hint_all()
    if as_json:
        print_json({"replayed": replayed, "left_out": left_out})
    else:
        print_line(f"replayed {replayed}")
    if left_out:
        codes = ", ".join(f"{count} {code}" for code, count in left_out.items())
        print_note(
            f"left out {sum(left_out.values())} rows that could not be read ({codes}): their cells may stand in the"
            " wrong columns. Correct the file and import it again, or take them one by one:"
            " `afluente quarantine fix ID --set …`, `afluente quarantine replay ID --as-is`"
        )
    elif not replayed:
        print_note("nothing open matched: `afluente quarantine list` shows what waits")


def _row(row: Quarantined) -> dict[str, Any]:
    from msgspec.structs import asdict

    return asdict(row)


def _places(connection: Connection, rows: Sequence[Quarantined]) -> dict[UUID, dict[str, Any]]:
    """File and line of imported rows. They are sealed with them: a file's name may name a person."""
    from pipeline.store.events.events import read_events

    ids = [row.event_id for row in rows if row.event_id]
    origins = {raw.event_id: raw.envelope.origin for raw in (read_events(connection, ids) if ids else ())}
    found = {row.quarantine_id: origins.get(row.event_id, {}) if row.event_id else {} for row in rows}
    return {key: {name: said[name] for name in ("file", "line") if name in said} for key, said in found.items()}


def _listed(row: Quarantined, place: dict[str, Any]) -> tuple[Any, ...]:
    from pipeline.cli.commands.imports import without_line

    where = ":".join(str(place[name]) for name in ("file", "line") if name in place)
    message = without_line(row.message, place.get("line"))
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
