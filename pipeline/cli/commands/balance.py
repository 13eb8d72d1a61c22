"""`afluente balance`: the proof that nothing was lost."""

from __future__ import annotations

from typing import Any

import typer

from pipeline.cli.terminal.connection import database
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_table

commands = typer.Typer()

_COLUMNS = (
    "accepted",
    "settled",
    "suppressed",
    "quarantined",
    "pending",
    "in_flight",
    "repeated",
    "revised",
    "difference",
)
_SHOWN_ALWAYS = {"accepted", "settled", "difference"}


@commands.command(epilog=example("afluente balance", "afluente balance --json"))
def balance(*, as_json: AsJson = False) -> None:
    """Prove that nothing was lost.

    accepted = settled + suppressed + quarantined + pending + in flight. Accepted is counted from the idempotency keys,
    the rest from the events' states: tables of their own. Exit 1 if the difference is not 0, or if a settled lead's
    person lacks a delivery to a CRM that it is meant for.
    """
    from pipeline.settings.loading import settings
    from pipeline.store.events.balance import balance as read_balance

    with database(timeout_seconds=0) as connection:
        balanced: dict[str, Any] = read_balance(connection, settings().destinations_for)
    missing = balanced["missing_deliveries"]
    is_whole = balanced["all"]["difference"] == 0 and not missing
    if as_json:
        print_json(balanced)
    else:
        print_balance(balanced)
        if missing:
            print_line(f"{missing} settled leads lack a delivery to a CRM that their person is meant for")
        print_line("The balance holds." if is_whole else "The balance does NOT hold.")
    if not is_whole:
        raise typer.Exit(1)


def print_balance(balanced: dict[str, Any]) -> None:
    """The balance as a table. A state that no lead is in has no column, so that the table fits into 80 columns."""
    lines = [*sorted(balanced["sources"].items()), ("all", balanced["all"])]
    shown = [name for name in _COLUMNS if name in _SHOWN_ALWAYS or any(counts[name] for _, counts in lines)]
    columns = [name.replace("_", " ") for name in shown]
    print_table(
        ("source", *columns), [(source, *(counts[name] for name in shown)) for source, counts in lines], numbers=columns
    )
