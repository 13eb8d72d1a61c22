"""`afluente source status`: how reading each source goes, whatever way that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal.connection import installation
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_table

if TYPE_CHECKING:
    from pipeline.health.completeness import ReconcileState
    from pipeline.health.polls import PollState
    from pipeline.store.fetches.pauses import FetchState

STATUS = example("afluente source status", "afluente source status json_feed --json")


def show_states(
    *,
    name: Annotated[str | None, typer.Argument(help="Only this source.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how the polls of each source go, what waits to be read of those that send ids, and the last comparison.

    Where it was read to, the last and the next run, the last error, and why one is not polled, or not asked what it has
    posted.
    """
    from pipeline.inspection.polling.fetched import is_fetched, read_fetches
    from pipeline.inspection.polling.polled import read_states
    from pipeline.inspection.polling.reconciled import is_reconciled, read_reconciles

    with installation():
        fetches, reconciles = read_fetches(name), read_reconciles(name)
        is_posted = name is not None and (is_fetched(name) or is_reconciled(name))
        states = [] if is_posted else read_states(name)
    if as_json:
        print_json([*states, *fetches, *reconciles])
        return
    if fetches or (name is not None and is_posted and not reconciles):
        _print_fetches(fetches)
    if states:
        _print_polls(states)
    shown = [state for state in reconciles if name is not None or state.why_not is None]
    if shown:
        _print_reconciles(shown)


def _print_polls(states: Sequence[PollState]) -> None:
    columns = ("source", "brand", "stream", "access", "cursor", "page", "last run", "next run", "failures")
    print_table(
        (*columns, "last error or why not"),
        [
            (
                state.source,
                state.brand,
                state.stream or None,
                state.access,
                state.cursor,
                state.page,
                state.last_run_at,
                "now" if state.is_running else state.next_run_at,
                state.failures or None,
                state.why_not or state.last_error,
            )
            for state in states
        ],
        numbers=["page", "failures"],
    )
    for state in states:
        if state.note:
            print_line(f"{state.source}{f' {state.stream}' if state.stream else ''}: {state.note}")


def _print_fetches(fetches: Sequence[FetchState]) -> None:
    print_table(
        ("source", "brand", "waiting", "oldest", "failing", "next try", "last error"),
        [
            (
                state.source,
                state.brand,
                state.waiting,
                state.oldest_at,
                state.failing or None,
                state.until,
                state.error or state.last_error,
            )
            for state in fetches
        ],
        numbers=["waiting", "failing"],
    )


def _print_reconciles(states: Sequence[ReconcileState]) -> None:
    print_table(
        ("asked what it posted", "brand", "last run", "next run", "last whole day", "came %", "last error or why not"),
        [
            (
                state.source,
                state.brand,
                state.last_run_at,
                "now" if state.is_running else state.next_run_at,
                state.day,
                state.percent,
                state.why_not or state.last_error,
            )
            for state in states
        ],
        numbers=["came %"],
    )
    for state in states:
        if state.note:
            print_line(f"{state.source}: {state.note}")
