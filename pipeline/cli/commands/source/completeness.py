"""`afluente source completeness` and `reconcile`: whether all that a source says it has posted came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal.connection import installation
from pipeline.cli.terminal.output import AsJson, example, print_facts, print_json, print_line, print_note, print_table
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.inspection.polling.reconciled import CompleteDay

COMPLETENESS = example(
    "afluente source completeness", "afluente source completeness --source typeform --days 30 --json"
)
RECONCILE = example("afluente source reconcile typeform", "afluente source reconcile typeform --from 2026-03-01")
_COLUMNS = ("source", "brand", "day", "expected", "received", "recovered", "came %", "checked")


def show_completeness(
    *,
    source: Annotated[str | None, typer.Option("--source", help="Only this one.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="How many, today included.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Show, by source and day, how many records it says it has posted, and how many came.

    Of sources that post and also list what they have posted. `received` came by themselves, `recovered` were found by
    asking. Days are those of UTC; a day that was not over when it was compared is marked.
    """
    from pipeline.inspection.polling.reconciled import read_completeness, read_reconciles

    since = datetime.now(UTC).date() - timedelta(days=days - 1)
    with installation():
        rows, states = read_completeness(source, since=since), read_reconciles(source)
    if as_json:
        print_json(rows)
    else:
        _print_days(rows)
    for state in states:
        if state.why_not is not None and source is not None:
            print_note(f"{state.source} is not asked what it has posted: {state.why_not}")
        elif state.last_error is not None:
            print_note(f"{state.source} could not be asked: {state.last_error}")
    if source is not None and not states:
        print_note(f"{source} cannot be asked what it has posted: docs/completeness.md lists those that can")


def reconcile_source(
    *,
    name: Annotated[str, typer.Argument(help="Which source that posts.")],
    brand: Annotated[str | None, typer.Option("--brand", help="Of which brand, if there are several.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="The first day to compare, as 2026-03-01; otherwise the last days.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a source now what it has posted.

    Due or not. What did not come comes in now, once; what is here is not touched. Exit 1 if its lists could not be read
    to their end.
    """
    from pipeline.inspection.polling.reconciled import reconcile_now

    first = None if begin is None else _day(begin)
    with installation():
        done = reconcile_now(name, brand=brand, begin=first)
    if as_json:
        print_json(done)
    else:
        facts = {"pages": done.pages, "recovered now": done.accepted, "to quarantine": done.rejected or None}
        print_facts({**facts, "error": done.error}, indent=0)
        if done.days:
            _print_days(done.days)
        for note in done.notes:
            print_note(note)
    if done.error is not None:
        raise typer.Exit(1)


def _print_days(days: Sequence[CompleteDay]) -> None:
    print_table(
        _COLUMNS,
        [
            (
                day.source,
                day.brand,
                day.day if day.is_whole else f"{day.day} (so far)",
                day.expected,
                day.received,
                day.recovered,
                day.percent,
                day.checked_at,
            )
            for day in days
        ],
        numbers=["expected", "received", "recovered", "came %"],
    )
    if not days:
        print_line("`afluente source status` tells which sources are asked, and why one is not.")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"is {text[:40]!r}, which is no day: write it as 2026-03-01", argument="from") from error
