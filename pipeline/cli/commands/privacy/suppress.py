"""`afluente privacy suppress`: an address that nobody is to be known by, as its owner objected or sends spam."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pipeline.cli.commands.privacy.erase import asked_by
from pipeline.cli.commands.privacy.whom import Brand, Email, Phone
from pipeline.cli.terminal.connection import installation
from pipeline.cli.terminal.output import example, print_line

SUPPRESS = example(
    "afluente privacy suppress --email ada.sample@example.com --reason objection",
    "afluente privacy suppress --phone '+34 612 345 678' --reason spam",
    "afluente privacy suppress --email ada.sample@example.com --reason objection --lift",
)


class WhySuppressed(StrEnum):
    """Why an address is suppressed by hand."""

    OBJECTION = "objection"
    SPAM = "spam"


def suppress(
    *,
    reason: Annotated[WhySuppressed, typer.Option("--reason", help="Its owner objected to being contacted, or spams.")],
    email: Email = None,
    phone: Phone = None,
    brand: Brand = None,
    lift: Annotated[bool, typer.Option("--lift", help="Take it back.")] = False,
) -> None:
    """Let nobody be known by an address any more.

    Leads with it, in whatever spelling, end as suppressed (`no_consent` or `spam`), and whoever has it is not told to
    any CRM, also once they are one with somebody else. Only a keyed digest of it is kept.
    """
    from pipeline.privacy.suppression import suppress_address

    asked = asked_by(email=email, phone=phone, person=None, brand=brand)
    with installation():
        count = suppress_address(asked, reason=reason.value, lift=lift)
    print_line(f"{count} {'released' if lift else 'suppressed'}")
