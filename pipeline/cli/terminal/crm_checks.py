"""How a CRM's checks, previews and set-up look on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.cli.terminal.output import print_line, print_table

if TYPE_CHECKING:
    from pipeline.health.checks import Check
    from pipeline.inspection.crm.previews import Preview
    from pipeline.inspection.crm.setup import SetUp

_WIDTH = len("address and credentials")


def print_check(check: Check) -> None:
    """A line, and its remedy below."""
    print_line(f"{'ok    ' if check.ok else 'failed'}  {check.name.ljust(_WIDTH)}  {check.detail}")
    if check.remedy:
        print_line(f"{'':{_WIDTH + 10}}do: {check.remedy}")


def print_previews(previews: Sequence[Preview]) -> None:
    """A table for each destination."""
    if not previews:
        print_line("The person is meant for no destination.")
    for number, preview in enumerate(previews):
        if number:
            print_line()
        there = f", there as {preview.external_id}" if preview.external_id else ""
        print_line(f"{preview.destination} ({preview.kind}): {preview.state}{there}")
        if preview.problem:
            print_line(f"  {preview.problem}")
        if preview.differs is not None:
            print_line(f"  {'differs from' if preview.differs else 'is'} what the CRM confirmed last")
        if preview.fields:
            print_table(
                ("field", "value", "from", "remark"),
                [(field.field, field.value, field.origin, field.remark) for field in preview.fields],
            )


def print_setup(done: SetUp, name: str, *, is_dry_run: bool) -> None:
    """What was made, and what is left to a human."""
    for made in done.made:
        print_line(f"{'would make' if is_dry_run else 'made'} {made}")
    for sentence in done.doubtful:
        print_line(f"Before you let it be made: {sentence}")
    if done.refused:
        print_line(f"nothing could be made: {done.refused}")
    if done.by_hand:
        print_line("By hand:")
        for sentence in done.by_hand:
            print_line(f"  {sentence}")
    if not (done.made or done.by_hand or done.refused):
        print_line(f"{name} has all that its mapping needs.")
