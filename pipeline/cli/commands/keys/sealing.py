"""`afluente keys reseal`: the keys that seal personal data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal.connection import RUN_AGAIN, installation
from pipeline.cli.terminal.output import (
    AsJson,
    example,
    print_json,
    print_line,
    print_note,
    print_table,
    progress_bar,
)
from pipeline.errors import UsageError
from pipeline.values.counting import counted

if TYPE_CHECKING:
    from pipeline.recompute.resealing import KeyUse, Resealed

commands = typer.Typer(help="Keys: what seals personal data.", no_args_is_help=True)


@commands.command(
    "reseal",
    epilog=example(
        "afluente keys reseal --status", "afluente keys reseal --dry-run", "afluente keys reseal --table people"
    ),
)
def reseal_values(
    *,
    table: Annotated[str | None, typer.Option("--table", help="Only this table.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sealed anew, and change nothing.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Say which key sealed how much, and which can go.")] = False,
    give_up: Annotated[
        str | None,
        typer.Option("--give-up", metavar="KEY", help="Id of a lost key: what it sealed stays unreadable for good."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put all that is stored under the newest sealing key, beside the running system.

    The newest is the first of AFLUENTE_SECRET_KEYS. Run it again after an interruption: it goes on where it was. Exit 1
    if something is left under an older key.
    """
    from pipeline.health.keys.sealed_messages import count_messages_by_key
    from pipeline.recompute import resealing
    from pipeline.settings.loading import settings

    def count_messages() -> dict[str, int] | None:
        return count_messages_by_key(settings())

    if give_up is not None and (table or dry_run or status):
        raise UsageError("--give-up stands alone")
    with installation(advice=RUN_AGAIN), progress_bar(is_shown=not as_json) as progress:
        if give_up is not None:
            resealing.give_up(give_up)
            print_note(f"key {give_up} is given up: what it sealed stays unreadable")
            return
        if dry_run or status:
            used = resealing.key_use(table=table, count_messages=count_messages)
            _print_use(used, dry_run=dry_run, as_json=as_json)
            return
        bar = progress.add_task("values", total=None, note="")
        done = resealing.reseal(
            table=table,
            on_progress=lambda name, values: progress.update(bar, completed=values, note=name),
            count_messages=count_messages,
        )
    _print_done(done, as_json=as_json)
    if done.left:
        raise typer.Exit(1)


def _print_use(keys: list[KeyUse], *, dry_run: bool, as_json: bool) -> None:
    shown = [key for key in keys if not (dry_run and key.is_newest)]
    if as_json:
        print_json(shown)
        return
    print_table(
        ("key", "stands", "values", "in"),
        [(key.key_id, _standing(key), sum(key.values.values()), sorted(key.values)) for key in shown],
        numbers=("values",),
    )
    if dry_run:
        waiting = sum(
            count for key in shown if key.is_set for place, count in key.values.items() if place != "messages"
        )
        print_line(f"{counted(waiting, 'value')} would be sealed anew")


def _standing(key: KeyUse) -> str:
    if not key.is_set:
        return "not set: what it sealed cannot be read"
    if key.is_newest:
        return "seals"
    return "can go a day after the last reseal" if key.is_droppable else "opens"


def _print_done(done: Resealed, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    for name, count in done.resealed.items():
        if count:
            print_line(f"{name}: {counted(count, 'value')} sealed with key {done.key_id}")
    if done.left:
        print_line(f"left under an older key: {', '.join(done.left)}; run it again")
    elif done.uncounted:
        print_line(f"not counted: {', '.join(done.uncounted)}, as Redis does not answer; no key can go before they are")
    elif done.droppable:
        print_line(
            f"no longer needed: key {', '.join(done.droppable)}; take it out a day from now, after one more run."
            " Backups of before open with it alone: keep it, apart, as long as them"
        )
    else:
        print_line(f"everything is under key {done.key_id}")
