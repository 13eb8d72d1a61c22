"""`afluente import`: files of leads, and waiting for what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.terminal.connection import database, source_instance
from pipeline.cli.terminal.output import (
    AsJson,
    CommandError,
    example,
    print_facts,
    print_json,
    print_line,
    print_note,
    progress_bar,
)
from pipeline.cli.terminal.proposals import agree, propose_source, show_proposal, write_source
from pipeline.inspection.import_progress import Look, Span, read_states, wait_until_ended

if TYPE_CHECKING:
    from pipeline.intake.files.imports import ImportReport
    from pipeline.intake.files.reading import ReadAs
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
        "afluente import exports/ --source trade_fair --accept",
    ),
)
def import_files(
    *,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="CSV, TSV, Excel, HTML table or JSONL; gzip or zip too; a folder; - for standard input.",
        ),
    ],
    source: Annotated[
        str, typer.Option("--source", help="Source whose mapping reads the columns; for a new name one is proposed.")
    ],
    brand: Annotated[str | None, typer.Option("--brand", help="Brand of the leads, if there are several.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when every row has ended and every CRM was told.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing; show what each row would become.")] = False,
    rows: Annotated[int, typer.Option("--rows", min=0, help="With --dry-run: how many good rows to show.")] = 20,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Of text files, e.g. cp1252. Default: found out from the content.")
    ] = None,
    dates: Annotated[
        str | None,
        typer.Option("--dates", metavar="dmy|mdy", help="Day or month first, where a column of dates leaves it open."),
    ] = None,
    lane: Annotated[
        str | None,
        typer.Option("--lane", metavar="hot|bulk", help="Lane of the rows. Default: bulk, whatever the source."),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Write and use the mapping that is proposed for a new source.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put the rows of files into the pipeline.

    A source without a mapping gets one proposed from the columns, which is shown before anything is done.

    A row that was imported before changes nothing. A row that cannot be read is stored and quarantined with its line
    number; the others go in. Of a folder every file is imported; a file that is no table is named, and the others go
    in. With --wait the command returns when every row has ended and its person has reached every CRM that it is meant
    for, or a human must look. Exit 1 if a file could not be read, or if a row got lost on the way, which must never
    happen.
    """
    from pipeline.intake.files.reading import ReadAs

    paths = _expand(files)
    read_as = ReadAs(encoding, _checked_order(dates), _checked_lane(lane))
    proposed = propose_source(paths, source, brand, read_as)
    if dry_run:
        from pipeline.cli.commands.dry_run import show_dry_run

        if proposed and not as_json:
            show_proposal(proposed)
        instance = proposed.instance if proposed else source_instance(source, brand)
        show_dry_run(paths, instance, shown=rows, read_as=read_as, as_json=as_json, proposed=proposed)
        return
    if proposed:
        agree(proposed, accept=accept, as_json=as_json)
    with database():
        pass  # says how to start Afluente, before a long file is read in vain
    if proposed:
        write_source(proposed, is_quiet=as_json)
    instance = source_instance(source, brand)
    reports = [(file, _import_one(file, instance, read_as, is_quiet=as_json)) for file in paths]
    read = [(file, report) for file, report in reports if not isinstance(report, str)]
    unreadable = [(file, report) for file, report in reports if isinstance(report, str)]
    if len(paths) == len(unreadable) == 1:
        raise CommandError(f"{paths[0]}: {unreadable[0][1]}")
    span = _span(instance, [report for _, report in read])
    if wait:
        _wait(span, sum(report.accepted for _, report in read), is_quiet=as_json)
    result = _result(read, read_states(span), unreadable)
    if as_json:
        print_json({**result, "proposal": proposed.as_json(is_accepted=True)} if proposed else result)
    else:
        _print_result(result, instance.connector.source, is_over=wait)
    if result["difference"] or unreadable:
        raise typer.Exit(1)


def _expand(files: list[Path]) -> list[Path]:
    """Folders replaced by the files in them, by name; hidden ones left out."""
    found: list[Path] = []
    for file in files:
        if file.is_dir():
            found += sorted(one for one in file.iterdir() if one.is_file() and not one.name.startswith("."))
        elif str(file) != "-" and not file.is_file():
            raise CommandError(f"{file} is not a file; give the path of a file of rows, or of a folder", exit_code=2)
        else:
            found.append(file)
    if not found:
        raise CommandError(f"there is no file in {', '.join(map(str, files))}", exit_code=2)
    return found


def _checked_order(dates: str | None) -> str | None:
    from pipeline.intake.files.column_dates import ORDERS

    if dates is not None and dates not in ORDERS:
        raise CommandError(f"--dates is {dates!r}; allowed: {', '.join(ORDERS)} (day first, month first)", exit_code=2)
    return dates


def _checked_lane(lane: str | None) -> str | None:
    from pipeline.lanes import LANES

    if lane is not None and lane not in LANES:
        raise CommandError(f"--lane is {lane!r}; allowed: {', '.join(LANES)}", exit_code=2)
    return lane


def _import_one(file: Path, instance: SourceInstance, read_as: ReadAs, *, is_quiet: bool) -> ImportReport | str:
    """What became of a file, or why it cannot be read."""
    from pipeline.intake.files.imports import UnreadableFileError, import_file

    with progress_bar(is_shown=not is_quiet) as progress:
        task = progress.add_task(file.name, total=_lines_in(file), note="")

        def show(stored: int, line: int | None) -> None:
            progress.update(task, completed=line or stored, note=f"{stored} rows stored")

        try:
            return import_file(file, source=instance.slug, brand=instance.brand, on_progress=show, read_as=read_as)
        except UnreadableFileError as error:
            return str(error)
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


def _result(
    reports: list[tuple[Path, ImportReport]], states: dict[str, int], unreadable: list[tuple[Path, str]]
) -> dict[str, Any]:
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
                "dates": report.dates,
                "seconds": round(report.seconds, 2),
            }
            for file, report in reports
        ],
        "unreadable": [{"file": str(file), "reason": reason} for file, reason in unreadable],
    }


def without_line(message: str, line: int | None) -> str:
    """A message as it is shown beside the number of its line."""
    return message.removeprefix(f"line {line}: ")


def _print_result(result: dict[str, Any], mapping: str, *, is_over: bool) -> None:
    names = ("accepted", "repeated", "rejected", *_STATES)
    print_facts({name: result[name] for name in names if result[name] or name == "accepted"}, indent=0)
    rejected = [(one["file"], row) for one in result["files"] for row in one["rejected_rows"]]
    for file, row in rejected[:_LISTED_ROWS]:
        message = without_line(row["message"], row["line"])
        print_line(f"{file} line {row['line']}: {row['code']}: {message}")
    if len(rejected) > _LISTED_ROWS:
        print_line(f"… and {result['rejected'] - _LISTED_ROWS} more: afluente quarantine list")
    for one in result["files"]:
        print_notes(one["file"], one["notes"], one["dates"], mapping)
    for one in result["unreadable"]:
        print_line(f"{one['file']}: not imported: {one['reason']}")
    if result["quarantined"]:
        print_line("See what waits for you: afluente quarantine list")
    if not is_over and result["pending"] + result["in_flight"]:
        print_line("The rows are in; watch them with `afluente status`.")
    if result["difference"]:
        print_line(f"{result['difference']} rows are in no state: run `afluente balance` and report this as a bug")


def print_notes(file: str, notes: dict[str, Any], dates: dict[str, str], mapping: str) -> None:
    """What was noticed about a file as a whole, where it may surprise. `mapping`: the slug of its mapping."""
    if unread := notes["unread_columns"]:
        print_line(
            f"{file}: {len(unread)} of {notes['columns']} columns are not read (kept under `custom`): "
            f"{', '.join(unread)}; name them in headers:, kept or ignored of mappings/sources/{mapping}.yaml"
        )
    for position, before, after in notes["renamed_columns"]:
        print_line(f"{file}: column {position} is called {after!r} here (its header: {before!r})")
    if notes["skipped_title_rows"]:
        print_line(f"{file}: {notes['skipped_title_rows']} lines above the header were skipped")
    if notes["other_sheets"]:
        print_line(f"{file}: only the sheet {notes['sheet']!r} was read, not {', '.join(notes['other_sheets'])}")
    for column in notes["imprecise_columns"]:
        print_line(f"{file}: the column {column!r} holds numbers of more than 15 digits, which Excel does not keep")
    for column, order in dates.items():
        print_line(f"{file}: the dates of {column!r} were read as {order}")
