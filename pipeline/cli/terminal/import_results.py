"""Tells what became of an import."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline.cli.terminal.file_notes import print_notes, without_line
from pipeline.cli.terminal.output import print_facts, print_line
from pipeline.values.counting import count_people, counted

if TYPE_CHECKING:
    from pipeline.inspection.import_progress import ImportDeliveries, ImportResult

_STATES = ("settled", "suppressed", "quarantined", "pending", "in_flight")
_LISTED_ROWS = 20  # rejected rows shown to people; JSON has those that the report has


def import_object(result: ImportResult) -> dict[str, Any]:
    """The result as `import --json` prints it. `difference`: rows of this import that are in no state."""
    return {
        **_counts(result),
        "suppressed_for": result.suppressed_for,
        "difference": result.difference,
        **({} if result.deliveries is None else {"deliveries": _delivery_objects(result.deliveries)}),
        "files": [
            {
                "file": str(file),
                "accepted": report.accepted,
                "repeated": report.repeated,
                "revised": report.revised,
                "rejected": report.rejected,
                "rejected_rows": [asdict(row) for row in report.rejected_rows],
                "notes": asdict(report.notes),
                "dates": report.dates,
                "seconds": round(report.seconds, 2),
            }
            for file, report in result.files
        ],
        "unreadable": [{"file": str(file), "reason": reason} for file, reason in result.unreadable],
    }


def print_import(result: ImportResult, mapping: str, *, source: str, region: str | None, is_over: bool) -> None:
    """The counts, the first rejected rows, what was noticed about each file. `mapping`: the slug of their mapping;
    `source` that of the instance; `region`: what was said of them by --region."""
    facts: dict[str, Any] = {name: count for name, count in _counts(result).items() if count or name == "accepted"}
    if result.rejected:  # the same rows twice would read as twice as many
        facts["rejected"] = f"{result.rejected} (of these rows: kept, and quarantined as they cannot be read)"
    if result.suppressed_for:
        reasons = ", ".join(f"{count} {reason}" for reason, count in result.suppressed_for.items())
        facts["suppressed"] = f"{result.states['suppressed']} ({reasons}): afluente leads list"
    print_facts(facts, indent=0)
    rejected = [(file, row) for file, report in result.files for row in report.rejected_rows]
    for file, row in rejected[:_LISTED_ROWS]:
        print_line(f"{file} line {row.line}: {row.code}: {without_line(row.message, row.line)}")
    if len(rejected) > _LISTED_ROWS:
        print_line(f"… and {result.rejected - _LISTED_ROWS} more: afluente quarantine list")
    for file, report in result.files:
        print_notes(file, report.notes, report.dates, mapping)
    for file, reason in result.unreadable:
        print_line(f"{file}: not imported: {reason}")
    if region and result.repeated:
        print_line(_region_of_repeated(result.repeated, region, mapping, source))
    _print_deliveries(result.deliveries or {})
    if result.states["quarantined"]:
        print_line("See what waits for you: afluente quarantine list")
    if not is_over and result.states["pending"] + result.states["in_flight"]:
        print_line("The rows are in; watch them with `afluente status`.")
    if result.difference:
        print_line(f"{result.difference} rows are in no state: run `afluente balance` and report this as a bug")


def _region_of_repeated(repeated: int, region: str, mapping: str, source: str) -> str:
    """A row that is in already is not read anew, so what is said of the file now reaches it another way."""
    return (
        f"--region changes nothing for {counted(repeated, 'row that is', 'rows that are')} in already: write"
        f" `region: {region}` into mappings/sources/{mapping}.yaml, restart the workers, then"
        f" `afluente leads replay --settled --source {source}`, and `afluente quarantine replay --source {source}` for"
        " those in quarantine"
    )


def _delivery_objects(deliveries: dict[str, ImportDeliveries]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "sent": one.sent,
            "refused": one.refused_count,
            "refused_for": one.refused,
            "waiting": one.waiting,
            "why": one.why,
        }
        for name, one in deliveries.items()
    }


def _print_deliveries(deliveries: dict[str, ImportDeliveries]) -> None:
    """What each CRM took of the import's people, what it refused, what waits."""
    for name, one in deliveries.items():
        parts = [f"{count_people(one.sent)} sent"]
        if one.refused:
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(one.refused.items()))
            parts.append(f"{one.refused_count} refused ({reasons}): afluente quarantine list --destination {name}")
        if one.waiting:
            parts.append(f"{one.waiting} wait: {one.why or 'their turn comes'}")
        print_line(f"{name}: {'; '.join(parts)}")


def _counts(result: ImportResult) -> dict[str, int]:
    return {
        "accepted": result.accepted,
        "repeated": result.repeated,
        "revised": result.revised,
        "rejected": result.rejected,
        **{state: result.states[state] for state in _STATES},
    }
