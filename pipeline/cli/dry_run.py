"""`import --dry-run`: every row tried, nothing stored. Shown are the first good rows and all that would not go on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.output import CommandError, as_text, print_json, print_line, print_table, progress_bar
from pipeline.cli.trials import RowTrial, try_rows

if TYPE_CHECKING:
    from pipeline.intake.instances import SourceInstance

_LISTED_ROWS = 1_000  # rows that would not go on; the counts have all of them


def show_dry_run(
    files: list[Path], instance: SourceInstance, *, shown: int, encoding: str | None, as_json: bool
) -> None:
    """Print what importing these files would do. Raises CommandError for a file that is no table."""
    from pipeline.intake.files import UnreadableFileError

    found = []
    for file in files:
        try:
            found.append(_try_file(file, instance, shown=shown, encoding=encoding, is_quiet=as_json))
        except UnreadableFileError as error:
            raise CommandError(f"{file}: {error}") from error
    totals = {
        name: sum(one["counts"][name] for one in found) for name in ("rows", "ready", "quarantined", "suppressed")
    }
    if as_json:
        print_json({**totals, "files": found})
        return
    for one in found:
        _print_file(one)
    print_line(
        f"{totals['rows']} rows: {totals['ready']} would go on, {totals['quarantined']} be quarantined,"
        f" {totals['suppressed']} be suppressed. Nothing was stored."
    )


def _try_file(
    file: Path, instance: SourceInstance, *, shown: int, encoding: str | None, is_quiet: bool
) -> dict[str, Any]:
    counts = {"rows": 0, "ready": 0, "quarantined": 0, "suppressed": 0}
    rows: list[dict[str, Any]] = []
    with progress_bar(is_shown=not is_quiet) as progress:
        task = progress.add_task(file.name, total=None, note="tried, not stored")
        notes, trials = try_rows(file, instance, encoding=encoding)
        for trial in trials:
            counts["rows"] += 1
            counts[trial.state] += 1
            limit = shown if trial.state == "ready" else _LISTED_ROWS
            if counts[trial.state] <= limit:
                rows.append(_shown(trial))
            if counts["rows"] % 500 == 0:
                progress.update(task, completed=counts["rows"])
    return {"file": str(file), "counts": counts, "notes": asdict(notes), "rows": rows}


def _shown(trial: RowTrial) -> dict[str, Any]:
    lead = trial.recomputed.lead if trial.recomputed else None
    return {
        "line": trial.line,
        "state": trial.state,
        "reason": trial.reason,
        "field": trial.field,
        "message": trial.message,
        "fields": lead.fields if lead else {},
        "flags": lead.flags if lead else {},
        "raw": lead.raw if lead else {},
        "custom": lead.custom if lead else {},
    }


def _print_file(found: dict[str, Any]) -> None:
    from pipeline.cli.imports import print_notes

    ready = [row for row in found["rows"] if row["state"] == "ready"]
    columns = list(dict.fromkeys(name for row in ready for name in row["fields"]))
    if ready:
        print_table(
            ("line", *columns, "flags"),
            [(row["line"], *(row["fields"].get(name) for name in columns), _flags(row["flags"])) for row in ready],
        )
    if found["counts"]["ready"] > len(ready):
        print_line(f"… and {found['counts']['ready'] - len(ready)} more that would go on (see more with --rows)")
    for row in found["rows"]:
        if row["state"] != "ready":
            where = f" ({row['field']})" if row["field"] else ""
            print_line(f"line {row['line']}: {row['state']}: {row['reason']}{where}: {as_text(row['message'])}")
    print_notes(found["file"], found["notes"])


def _flags(flags: dict[str, list[str]]) -> str:
    return "; ".join(f"{name}: {', '.join(found)}" for name, found in flags.items())
