"""`afluente status`: what runs and what waits."""

from __future__ import annotations

from typing import Any

import typer

from pipeline.cli.terminal.output import (
    AsJson,
    CommandError,
    as_text,
    example,
    print_facts,
    print_json,
    print_line,
    print_table,
)

commands = typer.Typer()


@commands.command(epilog=example("afluente status", "afluente status --json"))
def status(*, as_json: AsJson = False) -> None:
    """Show what runs and what waits.

    Addresses, processes, queue depths, what each CRM still has to get, and the last error of each source and CRM. Exit
    1 if the database or Redis cannot be reached. Other problems are listed and have their own remedies.
    """
    from pipeline.cli.terminal.connection import keep_logs_quiet, nothing_runs
    from pipeline.health.status import collect_status

    keep_logs_quiet()
    if not as_json and (sentence := nothing_runs()):
        raise CommandError(sentence)
    found = collect_status()
    if as_json:
        print_json(found)
    else:
        _print_status(found)
    if found["database"] != "up" or found["redis"] != "up":
        raise typer.Exit(1)


def _print_status(found: dict[str, Any]) -> None:
    parts = {**found["addresses"], "database": found["database"], "redis": found["redis"]}
    print_facts(parts, indent=0)
    if found["processes"]:
        print_table(
            ("process", "pid", "runs"),
            [(one["name"], one["pid"], "yes" if one.get("alive", True) else "NO") for one in found["processes"]],
            numbers=["pid"],
        )
    backlogs = [
        ("chain", lane, one["count"], one["oldest_seconds"]) for lane, one in sorted(found["pending"].items())
    ] + [
        (destination, lane, one["count"], one["oldest_seconds"])
        for destination, lanes in sorted(found["due"].items())
        for lane, one in sorted(lanes.items())
    ]
    if backlogs:
        print_table(("waits for", "lane", "count", "oldest, s"), backlogs, numbers=["count", "oldest, s"])
    if found["queues"]:
        print_line("queues: " + ", ".join(f"{name} {count}" for name, count in found["queues"].items()))
    for name, one in {**found["sources"], **found["destinations"]}.items():
        if one.get("last_error"):
            print_line(f"{name}: {one['last_error']} ({as_text(one.get('last_error_at'))})")
    if found["drift"]:
        fields = ", ".join(f"{source} {count}" for source, count in sorted(found["drift"].items()))
        print_line(f"fields nobody has decided about: {fields} (`afluente mapping drift` names them)")
    if waiting := found["reviews_waiting"]:
        pairs = "1 pair of people" if waiting == 1 else f"{waiting} pairs of people"
        print_line(f"{pairs} may be one: say it with `afluente people review list`")
    if found["problems"]:
        print_line("\nProblems:")
        for problem in found["problems"]:
            print_line(f"  {problem}")
