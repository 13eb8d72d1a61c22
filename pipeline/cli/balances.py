"""`afluente balance`: the proof that nothing was lost."""

from __future__ import annotations

from typing import Any

import typer

from pipeline.cli.output import AsJson, example, print_json, print_line, print_table
from pipeline.cli.running import database

commands = typer.Typer()

COLUMNS = (
    "accepted",
    "settled",
    "suppressed",
    "quarantined",
    "pending",
    "in_flight",
    "repeated",
    "difference",
)


@commands.command(epilog=example("afluente balance", "afluente balance --json"))
def balance(*, as_json: AsJson = False) -> None:
    """Prove that nothing was lost.

    accepted = settled + suppressed + quarantined + pending + in flight. Accepted is counted from the idempotency keys,
    the rest from the events' states: tables of their own. Exit 1 if the difference is not 0, or if a settled lead's
    person lacks a delivery to a CRM that it is meant for.
    """
    from pipeline.settings import settings
    from pipeline.store.balance import balance as read_balance

    with database(timeout_seconds=0) as connection:
        found: dict[str, Any] = read_balance(connection, settings().destinations_for)
    missing = found["missing_deliveries"]
    is_whole = found["all"]["difference"] == 0 and not missing
    if as_json:
        print_json(found)
    else:
        rows = [[source, *(counts[name] for name in COLUMNS)] for source, counts in sorted(found["sources"].items())]
        print_table(("source", *COLUMNS), [*rows, ["all", *(found["all"][name] for name in COLUMNS)]], numbers=COLUMNS)
        if missing:
            print_line(f"{missing} settled leads lack a delivery to a CRM that their person is meant for")
        print_line("The balance holds." if is_whole else "The balance does NOT hold.")
    if not is_whole:
        raise typer.Exit(1)
