"""`afluente privacy hold …`: people who must not be deleted, whoever asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.commands.privacy.whom import Brand, Email, Person, Phone, Reason, people_meant
from pipeline.cli.terminal.connection import database, parse_id
from pipeline.cli.terminal.decisions import By, name_of
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_table

if TYPE_CHECKING:
    from pipeline.privacy.holds import Hold

commands = typer.Typer(help="Legal holds: who must not be deleted, whoever asks.", no_args_is_help=True)

_ID = "01930000-0000-7000-8000-000000000001"


@commands.command(
    "add",
    epilog=example(
        f"afluente privacy hold add --person {_ID} --reason 'case 2026-17'",
        "afluente privacy hold add --email ada.sample@example.com --reason 'tax audit of 2025'",
    ),
)
def add(
    *,
    reason: Reason,
    person: Person = None,
    email: Email = None,
    phone: Phone = None,
    brand: Brand = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Put people under a legal hold.

    Nothing of them is deleted until it is released: not for their age, and not because they ask for it; that part of an
    erasure is refused with the reason. The hold stays with whoever they turn out to be one with, and with who is taken
    apart from them. It is written to the ledger first.
    """
    from pipeline.privacy import holds

    with database() as connection:
        people = people_meant(connection, person=person, email=email, phone=phone, brand=brand)
        placed = [holds.place(connection, holds.HOLD, person_id, reason=reason, by=name_of(by)) for person_id in people]
    if as_json:
        print_json(placed)
        return
    for hold in placed:
        print_line(f"{hold.person_id} is held by {hold.hold_id}")


@commands.command("list", epilog=example("afluente privacy hold list", "afluente privacy hold list --released --json"))
def list_holds(
    *,
    brand: Brand = None,
    released: Annotated[bool, typer.Option("--released", help="Those that have ended too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show legal holds, oldest first."""
    from pipeline.privacy import holds

    with database() as connection:
        found = holds.read_holds(connection, holds.HOLD, brand=brand, with_released=released)
    print_json(found) if as_json else print_holds(found)


@commands.command("release", epilog=example(f"afluente privacy hold release {_ID} --reason 'case closed'"))
def release(
    *,
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="Its id in `privacy hold list`.")],
    reason: Reason,
    by: By = None,
) -> None:
    """End a legal hold. What it said stays: holds are never deleted."""
    from pipeline.privacy import holds

    with database() as connection:
        ended = holds.release(connection, holds.HOLD, parse_id(hold), reason=reason, by=name_of(by))
    print_line(f"{ended.person_id} is not held by {ended.hold_id} any more")


def print_holds(found: list[Hold]) -> None:
    """Holds or restrictions as a table."""
    if not found:
        print_line("There is none.")
        return
    print_table(
        ("id", "person", "brand", "since", "reason", "by", "ended"),
        [
            (
                hold.hold_id,
                hold.person_id,
                hold.brand,
                f"{hold.placed_at:%Y-%m-%d}",
                hold.reason,
                hold.placed_by,
                f"{hold.released_at:%Y-%m-%d}: {hold.release_reason}" if hold.released_at else "",
            )
            for hold in found
        ],
    )
