"""`afluente attribution recompute`: the channels of all history by the rules of now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal.connection import RUN_AGAIN, installation
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_table, progress_bar
from pipeline.values.counting import count_people

if TYPE_CHECKING:
    from pipeline.recompute.channels import Changes

commands = typer.Typer(help="Where leads came from.", no_args_is_help=True)


@commands.callback()
def attribution() -> None:
    """Where leads came from."""  # a group, though it has one command so far


@commands.command(
    epilog=example("afluente attribution recompute --dry-run", "afluente attribution recompute", "afluente status")
)
def recompute(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find the channel of every stored touch once more.

    For after the rules or `mappings/vocabularies/ga4_source_categories.csv` changed: restart the workers first, so that
    they go by the new ones too. Touches, events and people get their new channels, and changed people are delivered to
    the CRM again. Safe beside running workers; when interrupted, run it again.
    """
    from pipeline.recompute.channels import recompute_channels
    from pipeline.stages.attribution.channels import rules_version

    with installation(advice=RUN_AGAIN), progress_bar(is_shown=not as_json) as progress:
        task = progress.add_task("people", total=None, note="")

        def show(done: Changes, people: int) -> None:
            moved = sum(done.moves.values())
            progress.update(task, completed=done.people_read, total=people, note=f"{moved} touches to other channels")

        changes = recompute_channels(is_dry_run=dry_run, on_progress=show)
    if as_json:
        print_json({"rules_version": rules_version(), "dry_run": dry_run, **_as_json(changes)})
    else:
        _print_changes(changes, rules=rules_version(), is_dry_run=dry_run)


def _as_json(changes: Changes) -> dict[str, object]:
    return {
        "people": changes.people_read,
        "touches": changes.touches_read,
        "changed": {
            "touches": sum(changes.moves.values()),
            "events": changes.events,
            "people": changes.people,
            "deliveries": changes.deliveries,
        },
        "changes": [{"from": old, "to": new, "touches": count} for (old, new), count in _ordered(changes)],
    }


def _print_changes(changes: Changes, *, rules: str, is_dry_run: bool) -> None:
    print_line(f"{changes.touches_read} touches of {count_people(changes.people_read)}, by the rules {rules}")
    if changes.moves:
        print_table(
            ("from", "to", "touches"),
            [(old, new, count) for (old, new), count in _ordered(changes)],
            numbers=("touches",),
        )
    verb = "would change" if is_dry_run else "changed"
    print_line(f"{sum(changes.moves.values())} touches, {changes.events} events, {count_people(changes.people)} {verb}")
    if not is_dry_run:
        print_line(f"{changes.deliveries} deliveries became due")


def _ordered(changes: Changes) -> list[tuple[tuple[str, str], int]]:
    return sorted(changes.moves.items(), key=lambda item: (-item[1], item[0]))
