"""`afluente report …`: what all leads together say. Streamed from the database, a person at a time."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal.connection import database
from pipeline.cli.terminal.moments import parse_days
from pipeline.cli.terminal.output import AsJson, example, print_note
from pipeline.cli.terminal.rows import AsCells, Cells, ForExcel, OutFile, RowFormat, write_document, write_rows
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.inspection.attribution_report import ReportQuestion
    from pipeline.stages.attribution.models import AttributionTable

commands = typer.Typer(help="What all leads together say.", no_args_is_help=True)


class ReportFormat(StrEnum):
    """How a report is written."""

    table = "table"
    csv = "csv"
    json = "json"
    xlsx = "xlsx"


class Grouping(StrEnum):
    """What credit goes to."""

    channel = "channel"
    campaign = "campaign"
    source = "source"


@commands.callback()
def _group() -> None:
    """Without this, a group of one command would have no name of its own for it."""


Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="How credit is divided: first, last, last_non_direct, linear, position_based, time_decay; or all, side by"
        " side.",
    ),
]
By = Annotated[Grouping, typer.Option("--by", help="What gets the credit.")]
Since = Annotated[str | None, typer.Option("--since", metavar="DAY", help="First day, YYYY-MM-DD (UTC).")]
Until = Annotated[str | None, typer.Option("--until", metavar="DAY", help="Last day, inclusive.")]
Brand = Annotated[str | None, typer.Option("--brand", help="Only this brand.")]
HalfLife = Annotated[
    float, typer.Option("--half-life", metavar="DAYS", help="For time_decay: this much older counts half.")
]
IgnoreDirect = Annotated[
    bool, typer.Option("--ignore-direct", help="No credit for Direct where a person has another touch.")
]
AsReport = Annotated[ReportFormat, typer.Option("--format", help="How to write it.")]
Chart = Annotated[Path | None, typer.Option("--chart", metavar="FILE.png", help="Draw it as well.")]


@commands.command(
    "attribution",
    epilog=example(
        "afluente report attribution --model linear --by channel",
        "afluente report attribution --model all --by source --since 2025-03-01 --until 2025-03-31 --format csv",
        "afluente report attribution --model position_based --by campaign --chart campaigns.png",
    ),
)
def attribution(
    *,
    model: Model = "last_non_direct",
    by: By = Grouping.channel,
    since: Since = None,
    until: Until = None,
    brand: Brand = None,
    half_life: HalfLife = 7.0,
    ignore_direct: IgnoreDirect = False,
    report_format: AsReport = ReportFormat.table,
    as_json: AsJson = False,
    excel: ForExcel = False,
    cells: AsCells = Cells.readable,
    out: OutFile = None,
    chart: Chart = None,
) -> None:
    """Divide the credit for each person among the touches that led there.

    A person counts if a touch lies in the period. The last one in it is the conversion; the touches before it share the
    credit, also those from before the period. So the credits add up to the people.
    """
    from pipeline.inspection.attribution_report import ReportQuestion, find_models, report_attribution

    models = find_models(model)
    written = ReportFormat.json if as_json else report_format
    if out is not None and written is ReportFormat.table:
        raise UsageError("--out writes csv, json or xlsx: add --format csv")
    if chart is not None and chart.suffix.lower() != ".png":
        raise UsageError(f"--chart {chart}: charts are written as PNG; name the file *.png")
    question = ReportQuestion(by.value, *parse_days(since, until), brand, half_life, ignore_direct)
    question.check()
    with database(timeout_seconds=0) as connection:
        credit = report_attribution(connection, models, question)
    _write(credit, question, written, out, excel=excel, cells=cells)
    if chart is not None:
        _draw(credit, question, chart)


def _write(
    credit: AttributionTable,
    question: ReportQuestion,
    written: ReportFormat,
    out: Path | None,
    *,
    excel: bool,
    cells: Cells,
) -> None:
    from pipeline.cli.terminal.credit import credit_object, credit_rows, print_credit

    if written is ReportFormat.json:
        write_document(credit_object(credit, question), out)
    elif written is not ReportFormat.table:
        columns, rows = credit_rows(credit, question.by)
        row_format = RowFormat(written.value)
        named = (dict(zip(columns, row, strict=True)) for row in rows)
        write_rows(named, columns, row_format, out, excel=excel, cells=cells)
    else:
        print_credit(credit, question.by, _period(question.since, question.until))


def _draw(credit: AttributionTable, question: ReportQuestion, chart: Path) -> None:
    from pipeline.cli.terminal.charts import draw_attribution

    if not credit.rows:
        print_note(f"nothing to draw: {chart} was not written")
        return
    try:
        draw_attribution(credit, chart, by=question.by, period=_period(question.since, question.until))
    except OSError as error:
        raise UsageError(f"cannot write {chart}: {error.strerror}") from error
    print_note(f"wrote {chart}")


def _period(first_day: date | None, last_day: date | None) -> str:
    if first_day and last_day:
        return f"{first_day} to {last_day}"
    if first_day:
        return f"since {first_day}"
    return f"until {last_day}" if last_day else "all time"
