"""`afluente keys rotate-index`: the key that people are found by."""

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

if TYPE_CHECKING:
    from pipeline.recompute.index_rotation import IndexKeyUse, Rotated

_STANDS = {
    "coming": "comes: everything is filed under it too",
    "current": "people are looked up by it",
    "leaving": "leaves: what is filed under it is being removed",
    "kept": "kept for suppressions, withdrawals and the ledger",
    "missing": "missing: who was erased or withdrew by it is forgotten",
}


ROTATE = example(
    "afluente keys rotate-index --status",
    "afluente keys rotate-index",
    "afluente keys rotate-index --go-on --per-second 500",
)


def rotate_index(
    *,
    status: Annotated[bool, typer.Option("--status", help="Say which key made how many digests.")] = False,
    go_on: Annotated[
        bool, typer.Option("--go-on", help="End what was begun and interrupted; begin nothing new.")
    ] = False,
    per_second: Annotated[
        int | None, typer.Option("--per-second", min=1, help="Rows at most; as fast as it goes without.")
    ] = None,
    drop: Annotated[
        str | None, typer.Option("--drop", metavar="KEY", help="Id of a key that nothing needs: forget it for good.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let a new key take the place of the one that people are found by, beside the running system.

    Both are in force meanwhile: nobody becomes a second person, and nobody who was erased comes back. After an
    interruption `--go-on` ends it.
    """
    from pipeline.recompute import index_rotation

    if drop is not None and (status or go_on or per_second):
        raise UsageError("--drop stands alone")
    if status and (go_on or per_second):
        raise UsageError("--status stands alone")
    with installation(advice=RUN_AGAIN), progress_bar(is_shown=not as_json) as progress:
        if drop is not None:
            index_rotation.drop_key(drop)
            print_note(f"key {drop} of the index is forgotten")
            return
        if status:
            _print_use(index_rotation.index_key_use(), as_json=as_json)
            return
        bar = progress.add_task("rows", total=None, note="")
        done = index_rotation.rotate(
            is_new=not go_on,
            per_second=per_second,
            on_progress=lambda step, rows: progress.update(bar, completed=rows, note=step),
        )
    _print_done(done, as_json=as_json)


def _print_use(keys: list[IndexKeyUse], *, as_json: bool) -> None:
    if as_json:
        print_json(keys)
        return
    print_table(
        ("key", "stands", "digests", "in"),
        [(key.key_id, _standing(key), sum(key.digests.values()), sorted(key.digests)) for key in keys],
        numbers=("digests",),
    )


def _standing(key: IndexKeyUse) -> str:
    stands = "can go: --drop" if key.is_droppable else _STANDS[key.state]
    return f"{stands}; names what is stored" if key.names else stands


def _print_done(done: Rotated, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    for step, rows in done.done.items():
        print_line(f"{step}: {rows} rows")
    print_line(f"people are looked up by key {done.key_id}; key {done.former} is kept for suppressions")
