"""`afluente webhook …`: other systems that are told what happens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from pipeline.cli.terminal.connection import installation
from pipeline.cli.terminal.moments import parse_moment
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_note, print_table
from pipeline.errors import UsageError
from pipeline.values.counting import counted

commands = typer.Typer(help="Other systems that are told what happens: webhooks out.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="An endpoint of afluente.yaml, or the id of a subscription.")]
_MOST = 1_000_000


class State(StrEnum):
    """Where a message may be (`pipeline.records.webhooks.WEBHOOK_STATES`)."""

    DUE = "due"
    IN_FLIGHT = "in_flight"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"
    HELD = "held"


@commands.command("list", epilog=example("afluente webhook list", "afluente webhook list --json"))
def list_webhooks(*, as_json: AsJson = False) -> None:
    """Show every endpoint: of afluente.yaml, and those that subscribed by the API.

    What it is told of, whether it is on, how many messages wait, are held and failed, and its last answer. Of addresses
    only the host is shown.
    """
    from pipeline.webhooks import operations

    with installation():
        rows = operations.list_endpoints()
    if as_json:
        print_json(rows)
        return
    print_table(
        ("name", "host", "events", "state", "due", "held", "failed", "last answer"),
        [
            (
                row.name,
                row.host,
                list(row.events),
                row.state,
                row.backlog.due + row.backlog.in_flight,
                row.backlog.held,
                row.backlog.failed,
                row.last_code,
            )
            for row in rows
        ],
        numbers=("due", "held", "failed"),
    )


@commands.command("test", epilog=example("afluente webhook test orders"))
def try_endpoint(*, name: Name, as_json: AsJson = False) -> None:
    """Post a signed message of the event `webhook.test` now, and show the answer. Exit 1 unless it was a 2xx."""
    from pipeline.webhooks import operations

    with installation():
        tried = operations.try_endpoint(name)
    if as_json:
        print_json(tried)
    else:
        print_line(
            f"{name}: {'taken' if tried.is_taken else 'not taken'} ({tried.code}), webhook-id {tried.message_id}"
        )
    if not tried.is_taken:
        raise typer.Exit(1)


@commands.command(
    "replay",
    epilog=example(
        "afluente webhook replay orders --from 24h --dry-run",
        "afluente webhook replay orders --from 2026-03-01 --to 2026-03-02T12:00",
    ),
)
def replay(
    *,
    name: Name,
    since: Annotated[
        str, typer.Option("--from", metavar="WHEN", help="Not before: 24h, 7d, 2026-03-01 or 2026-03-01T22:00 (UTC).")
    ],
    until: Annotated[
        str | None, typer.Option("--to", metavar="WHEN", help="Before then, written as --from. If not said: now.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many, and send none.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send the messages of a time again that were delivered, failed or dropped.

    Each goes out under the webhook-id that it had, so a receiver that has it knows the repeat; its content is what is
    stored now.
    """
    from pipeline.webhooks import operations

    now = datetime.now(UTC)
    begin = parse_moment("--from", since, now)
    end = now + timedelta(seconds=1) if until is None else parse_moment("--to", until, now)
    if end <= begin:
        raise UsageError(f"--to {until} is not after --from {since}")
    with installation():
        done = operations.replay_messages(name, since=begin, until=end, is_dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, "messages": done.counts})
        return
    verb = "would be sent again" if dry_run else "are due again"
    print_line(f"{counted(sum(done.counts.values()), 'message')} {verb}")
    for state, count in done.counts.items():
        print_line(f"  {count} {state} before")


@commands.command("enable", epilog=example("afluente webhook enable orders"))
def enable(*, name: Name) -> None:
    """Go on with an endpoint that was switched off: what was held goes out, in its order."""
    from pipeline.webhooks import operations

    with installation():
        released = operations.enable_endpoint(name)
    print_line(f"{name} is on; {counted(released, 'message')} that {'was' if released == 1 else 'were'} held go out")


@commands.command("disable", epilog=example("afluente webhook disable orders"))
def disable(*, name: Name) -> None:
    """Hold an endpoint's messages until `webhook enable`. What happens meanwhile is kept for it."""
    from pipeline.webhooks import operations

    with installation():
        operations.disable_endpoint(name)
    print_line(f"{name} is off; its messages are held until `afluente webhook enable {name}`")


@commands.command(
    "messages",
    epilog=example("afluente webhook messages orders", "afluente webhook messages orders --state failed --json"),
)
def messages(
    *,
    name: Name,
    state: Annotated[
        list[State] | None, typer.Option("--state", help=f"Only these: {', '.join(State)}. May be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=_MOST, help="Show at most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show an endpoint's messages, newest first: what each tells of, its state, its attempts, its last answer."""
    from pipeline.webhooks import operations

    with installation():
        rows = operations.list_messages(name, states=[str(one) for one in state or ()], limit=limit)
    if as_json:
        print_json(rows)
        return
    columns = ("created_at", "webhook_id", "event", "state", "attempts", "last_code", "person_id", "event_id")
    print_table(columns, [[row[column] for column in columns] for row in rows], numbers=("attempts",))
    if len(rows) == limit:
        print_note(f"the newest {limit}; more with --limit")
