"""`afluente import`: rows of files into the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal.connection import database, installation
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_note, printable, progress_bar
from pipeline.cli.terminal.proposals import accept_proposed, agree, proposal_object, show_proposal
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.authoring.proposals import Proposed
    from pipeline.inspection.import_progress import ImportResult, Look, Span
    from pipeline.intake.files.imports import ImportReport
    from pipeline.intake.files.reading import ReadAs
    from pipeline.intake.instances import SourceInstance

commands = typer.Typer()

_COUNTED_SUFFIXES = {".csv", ".tsv", ".txt", ".jsonl", ".ndjson"}  # as text: their lines tell how much there is
_CHUNK_BYTES = 1_048_576


Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE",
        help="CSV, TSV, Excel, HTML table, JSON or vCard; gzip or zip too; a folder; - for standard input.",
    ),
]
Source = Annotated[
    str, typer.Option("--source", help="Source whose mapping reads the columns; for a new name one is proposed.")
]
Brand = Annotated[str | None, typer.Option("--brand", help="Brand of the leads, if there are several.")]
Wait = Annotated[bool, typer.Option("--wait", help="Return when every row has ended and every CRM was told.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Store nothing; show what each row would become.")]
Rows = Annotated[int, typer.Option("--rows", min=0, help="With --dry-run: how many good rows to show.")]
Encoding = Annotated[
    str | None, typer.Option("--encoding", help="Of text files, e.g. cp1252. Default: found out from the content.")
]
Dates = Annotated[
    str | None,
    typer.Option("--dates", metavar="dmy|mdy", help="Day or month first, where a column of dates leaves it open."),
]
Lane = Annotated[
    str | None,
    typer.Option("--lane", metavar="hot|bulk", help="Lane of the rows. Default: bulk, whatever the source."),
]
Region = Annotated[
    str | None,
    typer.Option("--region", metavar="COUNTRY", help="Where phones without a country code belong, e.g. ES."),
]
Sheet = Annotated[
    str | None,
    typer.Option("--sheet", metavar="NAME|NUMBER", help="Sheet of a workbook. Default: the first with leads in it."),
]
Accept = Annotated[bool, typer.Option("--accept", help="Write and use the mapping that is proposed for a new source.")]


@commands.command(
    "import",
    epilog=example(
        "afluente import leads.csv --source datablist --wait",
        "afluente import january.csv.gz february.xlsx --source datablist --json",
        "afluente import leads.csv --source datablist --dry-run",
        "afluente import exports/ --source trade_fair --region DE --accept",
    ),
)
def import_files(
    *,
    files: Files,
    source: Source,
    brand: Brand = None,
    wait: Wait = False,
    dry_run: DryRun = False,
    rows: Rows = 20,
    encoding: Encoding = None,
    dates: Dates = None,
    lane: Lane = None,
    region: Region = None,
    sheet: Sheet = None,
    accept: Accept = False,
    as_json: AsJson = False,
) -> None:
    """Put the rows of files into the pipeline.

    A source without a mapping gets one proposed from the columns, which is shown before anything is done.

    A row that was imported before changes nothing. A row that cannot be read is stored and quarantined with its line
    number; the others go in. Of a folder every file is imported; a file that is no table is named, and the others go
    in. With --wait the command returns when every row has ended and its person has reached every CRM that it is meant
    for, or a human must look, and says what each CRM took and refused; what keeps a CRM from taking anything is said
    meanwhile. Exit 1 if a file could not be read, if a CRM refused somebody, or if a row got lost on the way, which
    must never happen.
    """
    from pipeline.authoring.proposals import propose_source
    from pipeline.inspection.names import find_instance
    from pipeline.intake.files.reading import ReadAs

    paths = _expand(files)
    read_as = ReadAs(encoding, _checked_order(dates), _checked_lane(lane), _checked_region(region), sheet)
    proposed = propose_source(paths, source, brand, read_as)
    if dry_run:
        instance = proposed.instance if proposed else find_instance(source, brand)
        _dry_run(paths, instance, shown=rows, read_as=read_as, as_json=as_json, proposed=proposed)
        return
    if proposed:
        agree(proposed, accept=accept, as_json=as_json)
    with database():
        pass  # says how to start Afluente, before a long file is read in vain
    if proposed:
        accept_proposed(proposed, is_quiet=as_json)
    instance = find_instance(source, brand)
    with installation():
        result = _import(paths, instance, read_as, wait=wait, is_quiet=as_json)
    _show_result(result, instance, proposed, region=read_as.region, is_over=wait, as_json=as_json)


def _show_result(
    result: ImportResult,
    instance: SourceInstance,
    proposed: Proposed | None,
    *,
    region: str | None,
    is_over: bool,
    as_json: bool,
) -> None:
    """Exit 1 if a file could not be read, a CRM refused somebody, or a row is in no state."""
    from pipeline.cli.terminal.import_results import import_object, print_import

    if as_json:
        extra = {"proposal": proposal_object(proposed, is_accepted=True)} if proposed else {}
        print_json({**import_object(result), **extra})
    else:
        print_import(result, instance.connector.source, source=instance.slug, region=region, is_over=is_over)
    if result.difference or result.unreadable or not result.is_delivered:
        raise typer.Exit(1)


def _import(
    paths: Sequence[Path], instance: SourceInstance, read_as: ReadAs, *, wait: bool, is_quiet: bool
) -> ImportResult:
    """All files, one after the other. Raises UnreadableFileError if there is one, and it is no table."""
    from pipeline.inspection.import_progress import ImportResult, Span, read_deliveries, read_states
    from pipeline.intake.files.unreadable import UnreadableFileError

    read: list[tuple[Path, ImportReport]] = []
    unreadable: list[tuple[Path, str]] = []
    for path in paths:
        try:
            read.append((path, _import_file(path, instance, read_as, is_quiet=is_quiet)))
        except UnreadableFileError as error:
            if len(paths) == 1:
                raise UnreadableFileError(f"{path}: {error}") from error
            unreadable.append((path, str(error)))
    span = Span.of_reports(instance.slug, instance.brand, [report for _, report in read])
    if wait:
        _wait(span, sum(report.accepted for _, report in read), is_quiet=is_quiet)
    states = read_states(span)
    deliveries = read_deliveries(span) if wait else None
    return ImportResult(read, unreadable, states.counts, deliveries, states.suppressed_for)


def _dry_run(
    paths: Sequence[Path],
    instance: SourceInstance,
    *,
    shown: int,
    read_as: ReadAs,
    as_json: bool,
    proposed: Proposed | None,
) -> None:
    """Print what importing these files would do. Exit 1, after the others were tried, if one is no table."""
    from pipeline.cli.terminal.trials import file_trial_object, print_file_trial
    from pipeline.inspection.trials import STATES, try_files
    from pipeline.intake.files.unreadable import UnreadableFileError

    if proposed and not as_json:
        show_proposal(proposed)
    with progress_bar(is_shown=not as_json) as progress:
        bars = {path: progress.add_task(printable(path.name), total=None, note="tried, not stored") for path in paths}
        trials = try_files(
            paths,
            instance,
            shown=shown,
            read_as=read_as,
            mapping=proposed.draft.mapping if proposed else None,
            on_progress=lambda path, tried: progress.update(bars[path], completed=tried),
        )
    if len(trials) == 1 and trials[0].unreadable is not None:
        raise UnreadableFileError(f"{paths[0]}: {trials[0].unreadable}")
    totals = {name: sum(trial.counts.get(name, 0) for trial in trials) for name in ("rows", *STATES)}
    if as_json:
        extra = {"proposal": proposal_object(proposed, is_accepted=False)} if proposed else {}
        print_json({**totals, **extra, "files": [file_trial_object(trial) for trial in trials]})
    else:
        for trial in trials:
            print_file_trial(trial, instance.connector.source)
        print_line(
            f"{totals['rows']} rows: {totals['ready']} would go on, {totals['quarantined']} be quarantined,"
            f" {totals['suppressed']} be suppressed. Nothing was stored."
        )
    if any(trial.unreadable is not None for trial in trials):
        raise typer.Exit(1)


def _expand(files: list[Path]) -> list[Path]:
    """Folders replaced by the files in them, by name; hidden ones left out."""
    paths: list[Path] = []
    for file in files:
        if file.is_dir():
            paths += sorted(path for path in file.iterdir() if path.is_file() and not path.name.startswith("."))
        elif str(file) != "-" and not file.is_file():
            raise UsageError(f"{file} is not a file; give the path of a file of rows, or of a folder")
        else:
            paths.append(file)
    if not paths:
        raise UsageError(f"there is no file in {', '.join(map(str, files))}")
    return paths


def _checked_order(dates: str | None) -> str | None:
    from pipeline.intake.files.column_dates import ORDERS

    if dates is not None and dates not in ORDERS:
        raise UsageError(f"--dates is {dates!r}; allowed: {', '.join(ORDERS)} (day first, month first)")
    return dates


def _checked_lane(lane: str | None) -> str | None:
    from pipeline.lanes import LANES

    if lane is not None and lane not in LANES:
        raise UsageError(f"--lane is {lane!r}; allowed: {', '.join(LANES)}")
    return lane


def _checked_region(region: str | None) -> str | None:
    from pipeline.values.places.countries import country_code

    if region is None:
        return None
    code = country_code(region)
    if code is None:
        raise UsageError(f"--region is {region!r}, which is no country; say its ISO code, such as ES or DE")
    return code


def _import_file(file: Path, instance: SourceInstance, read_as: ReadAs, *, is_quiet: bool) -> ImportReport:
    from pipeline.intake.files.imports import import_file

    with progress_bar(is_shown=not is_quiet) as progress:
        task = progress.add_task(printable(file.name), total=_lines_in(file), note="")

        def show(stored: int, line: int | None) -> None:
            progress.update(task, completed=line or stored, note=f"{stored} rows stored")

        try:
            return import_file(file, source=instance.slug, brand=instance.brand, on_progress=show, read_as=read_as)
        except KeyboardInterrupt:
            print_note("stopped: what was stored stays, and the same command again stores the rest")
            raise


def _lines_in(file: Path) -> int | None:
    """How many lines a text file has, at a gigabyte a second; None where that tells nothing."""
    if file.suffix.lower() not in _COUNTED_SUFFIXES:
        return None
    with file.open("rb") as opened:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: opened.read(_CHUNK_BYTES), b"")) + 1


def _wait(span: Span, accepted: int, *, is_quiet: bool) -> None:
    from pipeline.inspection.import_progress import wait_until_ended

    with progress_bar(is_shown=not is_quiet) as progress:
        task = progress.add_task("ended", total=accepted or None, note="")

        told: set[str] = set()

        def show(look: Look) -> None:
            left = f"{look.deliveries_left} deliveries left" if look.deliveries_left else ""
            progress.update(task, completed=max(0, accepted - look.events_left), note=left)
            if look.deliveries_left:
                _say_why(span.brand, look.deliveries_left, told)

        try:
            wait_until_ended(span, show, _say_still)
        except KeyboardInterrupt:
            print_note("stopped waiting; the rows are in and their work goes on")
            raise


def _say_why(brand: str, left: int, told: set[str]) -> None:
    """What keeps a CRM's calls back, once for each reason; how long it will last changes all the time."""
    from pipeline.inspection.import_progress import why_all_wait

    for name, reason in why_all_wait(brand).items():
        kind = f"{name}: {reason.partition(';')[0]}"
        if kind not in told:
            told.add(kind)
            print_note(f"{left} deliveries wait. {name}: {reason}")


def _say_still(look: Look) -> None:
    from pipeline.inspection.import_progress import STILL_SECONDS

    print_note(
        f"nothing has moved for {STILL_SECONDS:.0f} s: {look.events_left} leads and {look.deliveries_left}"
        " deliveries wait. `afluente status` shows why; Ctrl-C ends the waiting, not the work"
    )
