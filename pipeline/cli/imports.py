"""`afluente import`: files of leads, and waiting for what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.output import (
    AsJson,
    CommandError,
    example,
    print_facts,
    print_json,
    print_line,
    print_note,
    progress_bar,
)
from pipeline.cli.running import database, source_instance
from pipeline.cli.waiting import Look, Span, read_states, wait_until_ended

if TYPE_CHECKING:
    from pipeline.intake.files import ImportReport
    from pipeline.intake.instances import SourceInstance

commands = typer.Typer()

_STATES = ("settled", "suppressed", "quarantined", "pending", "in_flight")
_COUNTED_SUFFIXES = {".csv", ".tsv", ".txt", ".jsonl", ".ndjson"}  # as text: their lines tell how much there is
_CHUNK_BYTES = 1_048_576
_LISTED_ROWS = 20  # rejected rows shown to people; JSON has those that the report has


@commands.command(
    "import",
    epilog=example(
        "afluente import leads.csv --source datablist --wait",
        "afluente import january.csv.gz february.xlsx --source datablist --json",
        "afluente import leads.csv --source datablist --dry-run",
    ),
)
def import_files(
    *,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="CSV, TSV, Excel or JSONL; gzip too; - for standard input.")
    ],
    source: Annotated[str, typer.Option("--source", help="Source whose mapping reads the columns.")],
    brand: Annotated[str | None, typer.Option("--brand", help="Brand of the leads, if there are several.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when every row has ended and every CRM was told.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing; show what each row would become.")] = False,
    rows: Annotated[int, typer.Option("--rows", min=0, help="With --dry-run: how many good rows to show.")] = 20,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Of text files, e.g. cp1252. Default: found out from the content.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put the rows of files into the pipeline.

    A row that was imported before changes nothing. A row that cannot be read is stored and quarantined with its line
    number; the others go in. With --wait the command returns when every row has ended and its person has reached every
    CRM that it is meant for, or a human must look. Exit 1 if a row got lost on the way, which must never happen.
    """
    _refuse_missing(files)
    instance = source_instance(source, brand)
    if dry_run:
        from pipeline.cli.dry_run import show_dry_run

        show_dry_run(files, instance, shown=rows, encoding=encoding, as_json=as_json)
        return
    with database():
        pass  # says how to start Afluente, before a long file is read in vain
    reports = [(file, _import_one(file, instance, encoding, is_quiet=as_json)) for file in files]
    span = _span(instance, [report for _, report in reports])
    if wait:
        _wait(span, sum(report.accepted for _, report in reports), is_quiet=as_json)
    result = _result(reports, read_states(span))
    if as_json:
        print_json(result)
    else:
        _print_result(result, is_over=wait)
    if result["difference"]:
        raise typer.Exit(1)


def _refuse_missing(files: list[Path]) -> None:
    for file in files:
        if str(file) != "-" and not file.is_file():
            raise CommandError(f"{file} is not a file; give the path of a file of rows", exit_code=2)


def _import_one(file: Path, instance: SourceInstance, encoding: str | None, *, is_quiet: bool) -> ImportReport:
    from pipeline.intake.files import UnreadableFileError, import_file

    with progress_bar(is_shown=not is_quiet) as progress:
        task = progress.add_task(file.name, total=_lines_in(file), note="")

        def show(stored: int, line: int | None) -> None:
            progress.update(task, completed=line or stored, note=f"{stored} rows stored")

        try:
            return import_file(file, source=instance.slug, brand=instance.brand, on_progress=show, encoding=encoding)
        except UnreadableFileError as error:
            raise CommandError(f"{file}: {error}") from error
        except KeyboardInterrupt:
            print_note("stopped: what was stored stays, and the same command again stores the rest")
            raise


def _lines_in(file: Path) -> int | None:
    """How many lines a text file has, at a gigabyte a second; None where that tells nothing."""
    if file.suffix.lower() not in _COUNTED_SUFFIXES:
        return None
    with file.open("rb") as opened:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: opened.read(_CHUNK_BYTES), b"")) + 1


def _span(instance: SourceInstance, reports: list[ImportReport]) -> Span:
    """From the first event to the last one; wider if rows had come before, as those may still be on their way."""
    firsts = [report.first_event_id for report in reports if report.first_event_id]
    lasts = [report.last_event_id for report in reports if report.last_event_id]
    return Span.of_ids(instance.slug, instance.brand, min(firsts, default=None), max(lasts, default=None))


def _wait(span: Span, accepted: int, *, is_quiet: bool) -> None:
    with progress_bar(is_shown=not is_quiet) as progress:
        task = progress.add_task("ended", total=accepted or None, note="")

        def show(found: Look) -> None:
            left = f"{found.deliveries_left} deliveries left" if found.deliveries_left else ""
            progress.update(task, completed=max(0, accepted - found.events_left), note=left)

        try:
            wait_until_ended(span, show)
        except KeyboardInterrupt:
            print_note("stopped waiting; the rows are in and their work goes on")
            raise


def _result(reports: list[tuple[Path, ImportReport]], states: dict[str, int]) -> dict[str, Any]:
    """What interface.md promises. `difference`: rows of this import that are in no state.

    States are counted in the import's range of ids. What else the source sent in that time is in them too, so a surplus
    is no difference; `afluente balance` is exact.
    """
    from dataclasses import asdict

    accepted = sum(report.accepted for _, report in reports)
    return {
        "accepted": accepted,
        "repeated": sum(report.repeated for _, report in reports),
        "rejected": sum(report.rejected for _, report in reports),
        **{state: states[state] for state in _STATES},
        "difference": max(0, accepted - sum(states.values())),
        "files": [
            {
                "file": str(file),
                "accepted": report.accepted,
                "repeated": report.repeated,
                "rejected": report.rejected,
                "rejected_rows": [asdict(row) for row in report.rejected_rows],
                "notes": asdict(report.notes),
                "seconds": round(report.seconds, 2),
            }
            for file, report in reports
        ],
    }


def _print_result(result: dict[str, Any], *, is_over: bool) -> None:
    names = ("accepted", "repeated", "rejected", *_STATES)
    print_facts({name: result[name] for name in names if result[name] or name == "accepted"}, indent=0)
    rejected = [(one["file"], row) for one in result["files"] for row in one["rejected_rows"]]
    for file, row in rejected[:_LISTED_ROWS]:
        print_line(f"{file} line {row['line']}: {row['code']}: {row['message']}")
    if len(rejected) > _LISTED_ROWS:
        print_line(f"… and {result['rejected'] - _LISTED_ROWS} more: afluente quarantine list")
    for one in result["files"]:
        print_notes(one["file"], one["notes"])
    if result["quarantined"]:
        print_line("See what waits for you: afluente quarantine list")
    if not is_over and result["pending"] + result["in_flight"]:
        print_line("The rows are in; watch them with `afluente status`.")
    if result["difference"]:
        print_line(f"{result['difference']} rows are in no state: run `afluente balance` and report this as a bug")


def print_notes(file: str, notes: dict[str, Any]) -> None:
    """What was noticed about a file as a whole, where it may surprise."""
    for position, before, after in notes["renamed_columns"]:
        print_line(f"{file}: column {position} is called {after!r} here (its header: {before!r})")
    if notes["skipped_title_rows"]:
        print_line(f"{file}: {notes['skipped_title_rows']} lines above the header were skipped")
    if notes["other_sheets"]:
        print_line(f"{file}: only the sheet {notes['sheet']!r} was read, not {', '.join(notes['other_sheets'])}")
