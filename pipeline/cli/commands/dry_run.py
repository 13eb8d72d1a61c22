"""`import --dry-run`: every row tried, nothing stored. Shown are the first good rows and all that would not go on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.terminal.output import CommandError, as_text, print_json, print_line, print_table, progress_bar
from pipeline.inspection.trials import RowTrial, try_rows

if TYPE_CHECKING:
    from pipeline.cli.terminal.proposals import Proposed
    from pipeline.intake.files.reading import ReadAs
    from pipeline.intake.instances import SourceInstance
    from pipeline.records import Lead

_LISTED_ROWS = 1_000  # rows that would not go on; the counts have all of them


def show_dry_run(
    files: list[Path],
    instance: SourceInstance,
    *,
    shown: int,
    read_as: ReadAs,
    as_json: bool,
    proposed: Proposed | None = None,
) -> None:
    """Print what importing these files would do, with a proposed mapping if there is one.

    Exit 1, after the others were tried, if a file is no table.
    """
    from pipeline.intake.files.imports import UnreadableFileError

    found: list[dict[str, Any]] = []
    for file in files:
        try:
            found.append(_try_file(file, instance, shown=shown, read_as=read_as, is_quiet=as_json, proposed=proposed))
        except UnreadableFileError as error:
            if len(files) == 1:
                raise CommandError(f"{file}: {error}") from error
            found.append({"file": str(file), "unreadable": str(error), "counts": {}, "notes": None, "rows": []})
    totals = {
        name: sum(one["counts"].get(name, 0) for one in found)
        for name in ("rows", "ready", "quarantined", "suppressed")
    }
    if as_json:
        extra = {"proposal": proposed.as_json(is_accepted=False)} if proposed else {}
        print_json({**totals, **extra, "files": found})
    else:
        for one in found:
            _print_file(one, instance.connector.source)
        print_line(
            f"{totals['rows']} rows: {totals['ready']} would go on, {totals['quarantined']} be quarantined,"
            f" {totals['suppressed']} be suppressed. Nothing was stored."
        )
    if any("unreadable" in one for one in found):
        raise typer.Exit(1)


def _try_file(
    file: Path,
    instance: SourceInstance,
    *,
    shown: int,
    read_as: ReadAs,
    is_quiet: bool,
    proposed: Proposed | None,
) -> dict[str, Any]:
    counts = {"rows": 0, "ready": 0, "quarantined": 0, "suppressed": 0}
    rows: list[dict[str, Any]] = []
    mapping = proposed.draft.mapping if proposed else None
    with progress_bar(is_shown=not is_quiet) as progress:
        task = progress.add_task(file.name, total=None, note="tried, not stored")
        opened, trials = try_rows(file, instance, read_as=read_as, mapping=mapping)
        for trial in trials:
            counts["rows"] += 1
            counts[trial.state] += 1
            limit = shown if trial.state == "ready" else _LISTED_ROWS
            if counts[trial.state] <= limit:
                rows.append(_shown(trial))
            if counts["rows"] % 500 == 0:
                progress.update(task, completed=counts["rows"])
    return {"file": str(file), "counts": counts, "notes": asdict(opened.notes), "dates": opened.dates, "rows": rows}


def _shown(trial: RowTrial) -> dict[str, Any]:
    lead = trial.recomputed.lead if trial.recomputed else None
    return {
        "line": trial.line,
        "state": trial.state,
        "reason": trial.reason,
        "field": trial.field,
        "message": trial.message,
        "fields": _fields(lead) if lead else {},
        "flags": lead.flags if lead else {},
        "raw": lead.raw if lead else {},
        "custom": lead.custom if lead else {},
    }


def _fields(lead: Lead) -> dict[str, Any]:
    """A time that is only that of the arrival is not shown: the row does not have it."""
    from pipeline.values.dates.times import instant_text

    if lead.occurred_at == lead.received_at:
        return lead.fields
    return {**lead.fields, "occurred_at": instant_text(lead.occurred_at)}


def _print_file(found: dict[str, Any], mapping: str) -> None:
    from pipeline.cli.commands.imports import print_notes, without_line

    if "unreadable" in found:
        print_line(f"{found['file']}: {found['unreadable']}")
        return
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
            message = without_line(as_text(row["message"]), row["line"])
            print_line(f"line {row['line']}: {row['state']}: {row['reason']}{where}: {message}")
    print_notes(found["file"], found["notes"], found["dates"], mapping)


def _flags(flags: dict[str, list[str]]) -> str:
    return "; ".join(f"{name}: {', '.join(found)}" for name, found in flags.items())
