"""`afluente status`: what runs and what waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from pipeline.cli.terminal.output import AsJson, as_text, example, print_facts, print_json, print_line, print_table
from pipeline.errors import NotRunningError
from pipeline.values.counting import counted

commands = typer.Typer()


@commands.command(
    epilog=example("afluente status", "afluente status --json", "afluente status --check > /dev/null || page-somebody")
)
def status(
    *,
    as_json: AsJson = False,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 if there is any problem, for monitoring.")] = False,
) -> None:
    """Show what runs and what waits.

    Problems first; then addresses, processes, queue depths, what each CRM still has to get, and the last error of each
    source and CRM. Exit 1 if the database or Redis cannot be reached; other problems are listed with their remedies and
    exit 0, or 1 with `--check`.
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
    if now["database"] != "up" or now["redis"] != "up" or (check and now["problems"]):
        raise typer.Exit(1)


def _print_status(now: dict[str, Any]) -> None:
    from pipeline.delivery.standing import without_name
    from pipeline.health.request_checks import WINDOW_MINUTES, refused_of

    _print_problems(now["problems"])
    parts = {**now["addresses"], "database": now["database"], "redis": now["redis"]}
    print_facts({**parts, **_processes(now["processes"])}, indent=0)
    _print_gone(now["processes"])
    backlogs = [
        ("chain", lane, backlog["count"], backlog["oldest_seconds"]) for lane, backlog in sorted(now["pending"].items())
    ] + [
        (destination, lane, backlog["count"], backlog["oldest_seconds"])
        for destination, lanes in sorted(now["due"].items())
        for lane, backlog in sorted(lanes.items())
    ]
    if backlogs:
        print_table(("waits for", "lane", "count", "oldest, s"), backlogs, numbers=["count", "oldest, s"])
    _print_kept_back(now)
    if now["queues"]:
        print_line("queues: " + ", ".join(f"{name} {count}" for name, count in now["queues"].items()))
    for name, state in {**now["sources"], **now["destinations"]}.items():
        if state.get("last_error"):
            print_line(f"{name}: {without_name(name, state['last_error'])} ({as_text(state.get('last_error_at'))})")
    for state in now["fetches"]:
        print_line(f"{state['source']} ({state['brand']}): {state['waiting']} leads wait for their records to be read")
    for source, outcomes in now["requests"].items():
        if refused := refused_of(outcomes):
            reasons = ", ".join(f"{name} {count}" for name, count in refused.items())
            print_line(f"{source}: requests refused in the last {WINDOW_MINUTES} minutes: {reasons}")
    for name, webhook in now["webhooks"].items():
        counts = ", ".join(
            f"{webhook[state]} {state}" for state in ("due", "in_flight", "held", "failed") if webhook[state]
        )
        print_line(f"webhook {name}: {webhook['state']}" + f"; messages: {counts}" * bool(counts))
    if now["drift"]:
        fields = ", ".join(f"{source} {count}" for source, count in sorted(now["drift"].items()))
        print_line(f"fields nobody has decided about: {fields} (`afluente mapping drift` names them)")
    if waiting := now["reviews_waiting"]:
        pairs = "1 pair of people" if waiting == 1 else f"{waiting} pairs of people"
        print_line(f"{pairs} may be one: say it with `afluente people review list`")
    if told := now["activities_waiting"]:
        print_line(f"told of somebody who is not known yet: {told} (`afluente leads list` shows them as nobody_yet)")


def _print_kept_back(now: dict[str, Any]) -> None:
    from pipeline.inspection.waiting import why_gated, why_held

    for target, count in sorted(now["held"].items()):
        print_line(f"{target}: {counted(count, 'delivery', 'deliveries')} held; {why_held(target)}")
    for target, count in sorted(now["without_consent"].items()):
        print_line(f"{target}: {counted(count, 'delivery', 'deliveries')} without consent; each {why_gated(target)}")


def _print_problems(problems: Sequence[str]) -> None:
    if problems:
        print_line("Problems:")
        for problem in problems:
            print_line(f"  {problem}")
        print_line()


def _processes(processes: Sequence[dict[str, Any]]) -> dict[str, str]:
    """One line while all run."""
    if not processes or not all(process.get("alive", True) for process in processes):
        return {}
    return {"processes": f"all {len(processes)} run: {', '.join(process['name'] for process in processes)}"}


def _print_gone(processes: Sequence[dict[str, Any]]) -> None:
    """A table once one does not run."""
    if not all(process.get("alive", True) for process in processes):
        rows = [
            (process["name"], process["pid"], "yes" if process.get("alive", True) else "NO") for process in processes
        ]
        print_table(("process", "pid", "runs"), rows, numbers=["pid"])
