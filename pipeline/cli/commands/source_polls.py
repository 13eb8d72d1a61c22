"""`afluente source poll` and `afluente source status`: polled sources by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal.output import AsJson, example, print_facts, print_json, print_line, print_note, print_table

commands = typer.Typer()


@commands.command(
    "poll",
    epilog=example(
        "afluente source poll json_feed",
        "afluente source poll json_feed --from beginning",
        "afluente source poll json_feed --from 2026-03-01T00:00:00Z",
    ),
)
def poll_source(
    *,
    name: Annotated[str, typer.Argument(help="Which polled source.")],
    brand: Annotated[str | None, typer.Option("--brand", help="Of which brand, if there are several.")] = None,
    begin_at: Annotated[
        str | None,
        typer.Option(
            "--from", help="Read from here instead: `beginning`, or a cursor's value as the source writes it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Poll a source now.

    Due or not, from where it was read to. What came in before is recognized and comes in once, so reading from the
    beginning does no harm. Exit 1 if the source could not be read to its end.
    """
    from pipeline.cli.terminal.connection import installation
    from pipeline.inspection.polled import poll_now

    with installation():
        polled = poll_now(name, brand=brand, begin_at=begin_at)
    if as_json:
        print_json(polled)
    else:
        print_facts(
            {
                "pages": polled.pages,
                "accepted": polled.accepted,
                "repeated": polled.repeated,
                "revised": polled.revised or None,
                "no records, to quarantine": polled.rejected or None,
                "ended by": polled.end,
                "cursor": polled.cursor,
                "error": polled.error,
            },
            indent=0,
        )
        for note in polled.notes:
            print_note(note)
    if polled.error is not None:
        raise typer.Exit(1)


@commands.command("status", epilog=example("afluente source status", "afluente source status json_feed --json"))
def show_polls(
    *,
    name: Annotated[str | None, typer.Argument(help="Only this source.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how the polls of each source go.

    Where it was read to, the last and the next run, the last error, and why one is not polled.
    """
    from pipeline.cli.terminal.connection import installation
    from pipeline.inspection.polled import read_states

    with installation():
        states = read_states(name)
    if as_json:
        print_json(states)
        return
    print_table(
        ("source", "brand", "cursor", "page", "last run", "next run", "failures", "last error or why not"),
        [
            (
                state.source,
                state.brand,
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
            print_line(f"{state.source}: {state.note}")
