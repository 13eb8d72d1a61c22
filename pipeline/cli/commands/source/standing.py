"""`afluente source status`: how sources are read, and whether each is heard as usual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_note, print_table

if TYPE_CHECKING:
    from pipeline.health.completeness import ReconcileState
    from pipeline.health.polls import PollState
    from pipeline.health.silence.notices import SourceSilence
    from pipeline.health.subscriptions.notices import SubscriptionState
    from pipeline.store.fetches.pauses import FetchState

CHECK_HOOK = example("afluente source check-hook", "afluente source check-hook typeform --json")
STATUS = example("afluente source status", "afluente source status json_feed --json")


def show_status(
    *,
    name: Annotated[str | None, typer.Argument(help="Only this source.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how each source stands.

    Of polled ones where they were read to, the last and the next run, the last error, and why one is not polled; what
    waits to be read of those that send ids; how it goes with those that are asked what they have posted; of all how
    often they are heard, and whether one is silent for longer than that; and what those said that can be asked whether
    they know our address.
    """
    from pipeline.cli.terminal.connection import installation
    from pipeline.inspection.polling.standing import read_standing

    with installation():
        standing = read_standing(name)
    if as_json:
        print_json(standing.rows())
        return
    reconciles = [state for state in standing.reconciles if name is not None or state.why_not is None]
    if not any((standing.polls, standing.fetches, reconciles, standing.silences, standing.subscriptions)):
        print_line("nothing came so far, and nothing is polled")
    if standing.fetches:
        _print_fetches(standing.fetches)
    if standing.polls:
        _print_polls(standing.polls)
    if reconciles:
        _print_reconciles(reconciles)
    if standing.silences:
        _print_silences(standing.silences)
    if standing.subscriptions:
        _print_subscriptions(standing.subscriptions)


def check_hook(
    *,
    name: Annotated[str | None, typer.Argument(help="Only this source.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask sources whether they still know our address.

    With a token of yours each is asked whether the token is valid, the webhook there and switched on, and its address
    ours; Afluente does so once a day by itself. Exit 1 if something is wrong, or a named source could not be asked.
    """
    from pipeline.cli.terminal.connection import installation
    from pipeline.inspection.polling.standing import check_hook as ask

    with installation():
        states = ask(name)
    if as_json:
        print_json(states)
    else:
        _print_subscriptions(states)
    if any(state.notice or (name is not None and state.why_not) for state in states):
        raise typer.Exit(1)


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
        whole=["last error or why not"],
    )
    for state in states:
        if state.note:
            print_line(f"{state.source}{f' {state.stream}' if state.stream else ''}: {state.note}")


def _print_fetches(states: Sequence[FetchState]) -> None:
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
            for state in states
        ],
        numbers=["waiting", "failing"],
        whole=["last error"],
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
        whole=["last error or why not"],
    )
    for state in states:
        if state.note:
            print_line(f"{state.source}: {state.note}")


def _print_silences(silences: Sequence[SourceSilence]) -> None:
    print_table(
        ("source", "brand", "heard", "last lead", "usually a lead"),
        [(silence.source, silence.brand, silence.state, silence.last_lead_at, silence.pace) for silence in silences],
    )
    for silence in silences:
        if silence.notice:
            print_note(silence.notice)


def _print_subscriptions(states: Sequence[SubscriptionState]) -> None:
    print_table(
        ("source", "brand", "token", "webhook", "checked", "last handshake", "lacks"),
        [
            (
                state.source,
                state.brand,
                state.token,
                state.hook or ("not checked" if state.why_not else None),
                state.checked_at,
                state.last_handshake_at,
                ", ".join(state.missing_scopes) or None,
            )
            for state in states
        ],
    )
    for state in states:
        if text := state.notice or (f"not checked: {state.why_not}" if state.why_not else None):
            print_note(f"{state.source}: {text}")
