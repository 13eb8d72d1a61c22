"""Tells what was tried without being stored: records one by one, or the rows of whole files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pipeline.cli.terminal.file_notes import print_notes, without_line
from pipeline.cli.terminal.output import as_object, as_text, plain, print_line, print_table, print_text

if TYPE_CHECKING:
    from pipeline.inspection.field_rows import FieldRow
    from pipeline.inspection.recomputed import Recomputed
    from pipeline.inspection.trials import FileTrial, RowTrial

_COLUMNS = ("path", "raw", "field", "normalized", "flags")


def print_fields(rows: list[FieldRow]) -> None:
    """The table of fields before and after."""
    print_table(_COLUMNS, [(row.path, row.raw, row.field, row.normalized, row.flags) for row in rows])


def print_trials(trials: Iterable[RowTrial]) -> bool:
    """Each record with its fields. True if one would wait in quarantine."""
    has_parked = False
    for trial in trials:
        mapping = trial.recomputed.mapping if trial.recomputed else None
        version = f" ({mapping.version})" if mapping else ""
        print_line(f"record at {trial.line}{version}: {trial.verdict}")
        if trial.recomputed is not None:
            print_fields(trial.recomputed.fields())
        has_parked = has_parked or trial.state == "quarantined"
    return has_parked


def print_json_trials(trials: Iterable[RowTrial]) -> bool:
    """One JSON array, a record a line, however many there are. True if one would wait in quarantine."""
    has_parked = False
    opening = "["
    for trial in trials:
        print_text(f"{opening}\n{json.dumps(_trial_object(trial), default=plain, ensure_ascii=False)}")
        opening = ","
        has_parked = has_parked or trial.state == "quarantined"
    print_text("\n]\n")
    return has_parked


def file_trial_object(trial: FileTrial) -> dict[str, Any]:
    """A file's trial as `import --dry-run --json` prints it."""
    file = str(trial.file)
    if trial.unreadable is not None:
        return {"file": file, "unreadable": trial.unreadable, "counts": {}, "notes": None, "rows": []}
    return {"file": file, "counts": trial.counts, "notes": trial.notes, "dates": trial.dates, "rows": trial.rows}


def print_file_trial(trial: FileTrial, mapping: str) -> None:
    """The rows that would go on as a table, the others by line, then what was noticed. `mapping`: its slug."""
    if trial.notes is None:
        print_line(f"{trial.file}: {trial.unreadable}")
        return
    ready = [row for row in trial.rows if row.state == "ready"]
    columns = list(dict.fromkeys(name for row in ready for name in row.fields))
    if ready:
        print_table(
            ("line", *columns, "flags"),
            [(row.line, *(row.fields.get(name) for name in columns), _flags(row.flags)) for row in ready],
        )
    if trial.counts["ready"] > len(ready):
        print_line(f"… and {trial.counts['ready'] - len(ready)} more that would go on (see more with --rows)")
    for row in trial.rows:
        if row.state != "ready":
            where = f" ({row.field})" if row.field else ""
            message = without_line(as_text(row.message), row.line)
            print_line(f"line {row.line}: {row.state}: {row.reason}{where}: {message}")
    print_notes(trial.file, trial.notes, trial.dates, mapping)


def _flags(flags: dict[str, list[str]]) -> str:
    return "; ".join(f"{name}: {', '.join(words)}" for name, words in flags.items())


def _trial_object(trial: RowTrial) -> dict[str, Any]:
    """A record as `mapping preview --json` prints it."""
    if trial.recomputed is not None:
        return {"line": trial.line, **_recomputed_object(trial.recomputed)}
    parked = {"reason": trial.reason, "field": trial.field, "message": trial.message}
    return {"line": trial.line, "mapping": None, "quarantined": parked, "suppressed": None, "fields": []}


def _recomputed_object(recomputed: Recomputed) -> dict[str, Any]:
    """`rule` is that of mappings/validation.yaml which suppresses the record, if one does."""
    from pipeline.records import Parked, Suppressed

    decided = recomputed.decided
    parked = decided if isinstance(decided, Parked) else None
    return {
        "mapping": recomputed.mapping.version if recomputed.mapping else None,
        "quarantined": {"reason": parked.code, "field": parked.field, "message": parked.message} if parked else None,
        "suppressed": decided.reason if isinstance(decided, Suppressed) else None,
        "rule": recomputed.rule,
        "fields": [as_object(row) for row in recomputed.fields()],
    }
