"""`afluente status`: what runs and what waits."""

from __future__ import annotations

from typing import Any

import typer

from pipeline.cli.terminal.output import AsJson, as_text, example, print_facts, print_json, print_line, print_table
from pipeline.errors import NotRunningError

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
        raise NotRunningError(sentence)
    now = collect_status()
    if as_json:
        print_json(now)
    else:
        _print_status(now)
    if now["database"] != "up" or now["redis"] != "up":
        raise typer.Exit(1)


def _print_status(now: dict[str, Any]) -> None:
    parts = {**now["addresses"], "database": now["database"], "redis": now["redis"]}
    print_facts(parts, indent=0)
    if now["processes"]:
        print_table(
            ("process", "pid", "runs"),
            [
                (process["name"], process["pid"], "yes" if process.get("alive", True) else "NO")
                for process in now["processes"]
            ],
            numbers=["pid"],
        )
    backlogs = [
        ("chain", lane, backlog["count"], backlog["oldest_seconds"]) for lane, backlog in sorted(now["pending"].items())
    ] + [
        (destination, lane, backlog["count"], backlog["oldest_seconds"])
        for destination, lanes in sorted(now["due"].items())
        for lane, backlog in sorted(lanes.items())
    ]
    if backlogs:
        print_table(("waits for", "lane", "count", "oldest, s"), backlogs, numbers=["count", "oldest, s"])
    if now["queues"]:
        print_line("queues: " + ", ".join(f"{name} {count}" for name, count in now["queues"].items()))
    for name, state in {**now["sources"], **now["destinations"]}.items():
        if state.get("last_error"):
            print_line(f"{name}: {state['last_error']} ({as_text(state.get('last_error_at'))})")
    for source, outcomes in now["requests"].items():
        refused = {name: count for name, count in outcomes.items() if name not in ("taken", "handshake")}
        if refused:
            reasons = ", ".join(f"{name} {count}" for name, count in refused.items())
            print_line(f"{source}: requests refused in the last 15 minutes: {reasons}")
    if now["drift"]:
        fields = ", ".join(f"{source} {count}" for source, count in sorted(now["drift"].items()))
        print_line(f"fields nobody has decided about: {fields} (`afluente mapping drift` names them)")
    if waiting := now["reviews_waiting"]:
        pairs = "1 pair of people" if waiting == 1 else f"{waiting} pairs of people"
        print_line(f"{pairs} may be one: say it with `afluente people review list`")
    if now["problems"]:
        print_line("\nProblems:")
        for problem in now["problems"]:
            print_line(f"  {problem}")
