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
    the rest from the events' states: tables of their own. Exit 1 if the difference is not 0, or if a lead's person
    lacks a delivery to a CRM that was a destination when the lead settled. Those who came before it was one are
    named, with the command that sends them; nothing of them is lost.
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
        print_deliveries(balanced)
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


def print_deliveries(balanced: dict[str, Any]) -> None:
    """What of the deliveries is still to come, to be asked for, or lost."""
    if balanced["deliveries_waiting"]:
        print_line(f"{balanced['deliveries_waiting']} deliveries are still due: `afluente status` shows where")
    for destination, count in sorted(balanced["not_wanted_yet"].items()):
        print_line(
            f"{count} leads settled before {destination} was a destination and are not wanted there yet:"
            f" `afluente destination backfill {destination}`"
        )
    for what, count in sorted(balanced["retired"].items()):
        print_line(f"retention has retired so far: {count} {what.replace('_', ' ')}; what they were of stays counted")
    for destination, count in sorted(balanced["missing_at"].items()):
        print_line(
            f"{count} settled leads lack a delivery to {destination} that their person is meant for: `afluente"
            f" destination backfill {destination}` makes up for it; please report it as a bug"
        )
