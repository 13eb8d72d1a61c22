"""`afluente people renew`: golden records made anew."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal.connection import known_brand, reach
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, progress_bar

commands = typer.Typer()


@commands.command(epilog=example("afluente people renew --dry-run", "afluente people renew", "afluente status"))
def renew(
    *,
    brand: Annotated[str | None, typer.Option("--brand", help="Only this brand.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make golden records anew.

    For after mappings/survivorship.yaml or a source's mapping changed: restart the workers first, so that they go by
    the new rules too. All that people's leads say is mapped, normalized and merged again, and the CRM hears of what is
    another value now. People of whom some lead would be quarantined or suppressed today are left as they are. Safe
    beside running workers; when interrupted, run it again.
    """
    from pipeline.hints import hint_all
    from pipeline.recompute.golden_records import Renewed, renew_golden_records

    known_brand(brand)
    with progress_bar(is_shown=not as_json) as progress:
        bar = progress.add_task("people", total=None, note="")

        def show(done: Renewed, total: int) -> None:
            progress.update(bar, completed=done.people, total=total, note=f"{done.changed} changed")

        done = reach(lambda: renew_golden_records(brand=brand, is_dry_run=dry_run, on_progress=show))
    if done.changed and not dry_run:
        hint_all()
    if as_json:
        print_json({"dry_run": dry_run, "people": done.people, "changed": done.changed, "left": done.left})
        return
    print_line(f"{done.people} people looked at")
    print_line(f"{done.changed} {'would have' if dry_run else 'have'} other values than before")
    if done.left:
        print_line(f"{done.left} left as they are: some of their leads would not go through today")
