"""`afluente retention …`: how long anything is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal.connection import RUN_AGAIN, database, installation
from pipeline.cli.terminal.decisions import By, name_of
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_note, print_table
from pipeline.values.dates.lengths import length_in_words

if TYPE_CHECKING:
    from pipeline.privacy.retention.preview import Preview

commands = typer.Typer(help="How long anything is kept.", no_args_is_help=True)


@commands.command("preview", epilog=example("afluente retention preview", "afluente retention preview --json"))
def preview(*, as_json: AsJson = False) -> None:
    """Show the rules, what they would retire now, and what went so far. Changes nothing.

    A rule that is new, or keeps for shorter than before, retires nothing by that until it is approved: the numbers are
    those of the rules as they stand. `kept`: old enough, and kept by a legal hold or a restriction.
    """
    from pipeline.privacy.retention.preview import preview as look

    with database(timeout_seconds=0) as connection:
        found = look(connection)
    print_json(found) if as_json else _print(found)


def _print(found: Preview) -> None:
    if not found.rules:
        print_line("No rule: everything is kept. `retention` in afluente.yaml says what is retired when")
    else:
        print_table(
            ("rule", "keeps for", "in force"),
            [
                (
                    rule.rule,
                    length_in_words(rule.seconds),
                    "waits for --approve"
                    if rule.in_force_seconds is None
                    else f"{length_in_words(rule.in_force_seconds)} until --approve"
                    if rule.waits
                    else "yes",
                )
                for rule in found.rules
            ],
        )
    for title, rows in (("Would be retired now", found.going), ("Retired so far", found.retired)):
        if rows:
            print_line(f"{title}:")
            print_table(
                ("what", "brand", "source", "count", "kept"),
                [(row.what, row.brand, row.source, row.going, row.kept) for row in rows],
                numbers=("count", "kept"),
            )


@commands.command("run", epilog=example("afluente retention run", "afluente retention run --approve"))
def run(
    *,
    approve: Annotated[
        bool, typer.Option("--approve", help="Put the rules into force as they stand, also those that keep shorter.")
    ] = False,
    seconds: Annotated[
        int, typer.Option("--seconds", min=1, max=86_400, help="For about how long. The next run goes on.")
    ] = 3_600,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Retire now what is old enough. Beat does so once a day.

    What is destroyed does not come back. Exit 1 if a rule waits to be approved, or the time was too short.
    """
    from pipeline.privacy.retention.running import approve_rules, retain

    with installation(advice=RUN_AGAIN):
        if approve:
            for name in approve_rules(name_of(by)):
                print_note(f"in force from now on: {name}")
        report = retain(budget_seconds=seconds, is_now=True)
    if as_json:
        print_json(report._asdict())
    else:
        if not (report.counts or report.waiting) and report.is_over:
            print_line(
                "Nothing was retired: no rule of `retention` in afluente.yaml is about what is stored;"
                " `afluente retention preview` shows those there are"
            )
        for what, count in sorted(report.counts.items()):
            print_line(f"{what}: {count} retired")
        for name in report.waiting:
            print_line(f"waits for `afluente retention run --approve`: {name}")
        if not report.is_over:
            print_line("not over yet: run the same command again")
    if report.waiting or not report.is_over:
        raise typer.Exit(1)
