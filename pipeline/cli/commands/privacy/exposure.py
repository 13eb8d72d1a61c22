"""`afluente privacy exposure`: whom a breach concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal.connection import database
from pipeline.cli.terminal.moments import Since, Until, parse_period
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_table

if TYPE_CHECKING:
    from pipeline.privacy.exposure import Exposure

EXPOSURE = example(
    "afluente privacy exposure --source web_form --since 2026-03-01 --until 2026-03-04T12:00",
    "afluente privacy exposure --key 5f3a09c1",
    "afluente privacy exposure --reader crm_sync --since 7d --json",
)


def exposure(
    *,
    source: Annotated[str | None, typer.Option("--source", help="Whom this source brought.")] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="ID", help="Whose data this key seals; `doctor` shows the ids.")
    ] = None,
    reader: Annotated[
        str | None, typer.Option("--reader", metavar="ID", help="Whom this user or service key has looked at.")
    ] = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Count whom a breach concerns.

    How many people by brand, which fields are known of them, what there is besides, by which keys it is sealed, and who
    looked at them: what an authority is to be told within 72 hours. No value of anybody is shown. It looks through
    all that is stored in that time.
    """
    from pipeline.privacy.exposure import exposure as count

    period = parse_period(since, until)
    with database(timeout_seconds=0) as connection:
        found = count(connection, source=source, key=key, reader=reader, **period)
    if as_json:
        print_json(found)
        return
    _print(found)


def _print(found: Exposure) -> None:
    people = ", ".join(f"{count} of {brand}" for brand, count in found.people.items()) or "none"
    print_line(f"people: {sum(found.people.values())} ({people})")
    print_line(f"leads: {found.leads}, {found.leads_of_nobody} of them of nobody known")
    for title, counts in (
        ("known of them", found.fields),
        ("there is also", found.kept),
        ("countries", found.countries),
        ("sealed by key", found.keys),
    ):
        if counts:
            print_table(
                (title, "count"), [(name or "unknown", count) for name, count in counts.items()], numbers=("count",)
            )
    if found.left_out:
        print_line(f"fields are not known: {found.left_out}")
    print_table(
        ("who", "did", "times", "first", "last"),
        [
            (
                f"{reader.actor_kind} {reader.actor}",
                reader.action,
                reader.times,
                f"{reader.first_at:%Y-%m-%d %H:%M}",
                f"{reader.last_at:%Y-%m-%d %H:%M}",
            )
            for reader in found.readers
        ],
        numbers=("times",),
    )
