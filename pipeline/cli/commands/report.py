"""`afluente report …`: what all leads together say. Streamed from the database, a person at a time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.terminal.connection import database, known_brand
from pipeline.cli.terminal.output import AsJson, CommandError, example, print_line, print_note, print_table
from pipeline.cli.terminal.rows import OutFile, RowFormat, write_document, write_rows

if TYPE_CHECKING:
    from pipeline.stages.attribution.models import AttributionTable

commands = typer.Typer(help="What all leads together say.", no_args_is_help=True)

ALL = "all"
_MODEL_HELP = (
    "How credit is divided: first, last, last_non_direct, linear, position_based, time_decay; or all, side by side."
)


class ReportFormat(StrEnum):
    """How a report is written."""

    table = "table"
    csv = "csv"
    json = "json"


class Grouping(StrEnum):
    """What credit goes to."""

    channel = "channel"
    campaign = "campaign"
    source = "source"


@commands.callback()
def _group() -> None:
    """Without this, a group of one command would have no name of its own for it."""


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
    model: Annotated[str, typer.Option("--model", help=_MODEL_HELP)] = "last_non_direct",
    by: Annotated[Grouping, typer.Option("--by", help="What gets the credit.")] = Grouping.channel,
    since: Annotated[str | None, typer.Option("--since", metavar="DAY", help="First day, YYYY-MM-DD (UTC).")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DAY", help="Last day, inclusive.")] = None,
    brand: Annotated[str | None, typer.Option("--brand", help="Only this brand.")] = None,
    half_life: Annotated[
        float, typer.Option("--half-life", metavar="DAYS", help="For time_decay: this much older counts half.")
    ] = 7.0,
    ignore_direct: Annotated[
        bool, typer.Option("--ignore-direct", help="No credit for Direct where a person has another touch.")
    ] = False,
    report_format: Annotated[ReportFormat, typer.Option("--format", help="How to write it.")] = ReportFormat.table,
    as_json: AsJson = False,
    out: OutFile = None,
    chart: Annotated[Path | None, typer.Option("--chart", metavar="FILE.png", help="Draw it as well.")] = None,
) -> None:
    """Divide the credit for each person among the touches that led there.

    A person counts if a touch lies in the period. The last one in it is the conversion; the touches before it share the
    credit, also those from before the period. So the credits add up to the people.
    """
    from pipeline.stages.attribution.models import tabulate
    from pipeline.store.people.attribution_report import stream_paths

    models = _models(model)
    written = ReportFormat.json if as_json else report_format
    if out is not None and written is ReportFormat.table:
        raise CommandError("--out writes csv or json: add --format csv", exit_code=2)
    first_day, last_day = _day("--since", since), _day("--until", until)
    if first_day and last_day and last_day < first_day:
        raise CommandError(f"--until {last_day} is before --since {first_day}", exit_code=2)
    if last_day == date.max:
        last_day = None  # the day after it cannot be written; nothing is that late
    if not 0 < half_life < float("inf"):
        raise CommandError(f"--half-life {half_life}: a half-life is more than 0 days", exit_code=2)
    if chart is not None and chart.suffix.lower() != ".png":
        raise CommandError(f"--chart {chart}: charts are written as PNG; name the file *.png", exit_code=2)
    known_brand(brand)
    with database(timeout_seconds=0) as connection:
        paths = stream_paths(
            connection,
            by=by.value,
            since=_midnight(first_day),
            until=_midnight(last_day + timedelta(days=1)) if last_day else None,
            brand=brand,
        )
        found = tabulate(paths, models, half_life_days=half_life, ignore_direct=ignore_direct)
    period = _period(first_day, last_day)
    if written is ReportFormat.json:
        asked = {
            "by": by.value,
            "since": first_day,
            "until": last_day,
            "brand": brand,
            "half_life_days": half_life,
            "ignore_direct": ignore_direct,
        }
        write_document({**asked, **_document(found)}, out)
    elif written is ReportFormat.csv:
        columns, rows = _rows(found, by.value)
        write_rows((dict(zip(columns, row, strict=True)) for row in rows), columns, RowFormat.csv, out)
    else:
        _print(found, by.value, period)
    if chart is not None:
        _draw(found, chart, by=by.value, period=period)


def _models(text: str) -> tuple[str, ...]:
    from pipeline.stages.attribution.models import MODELS

    name = text.strip().lower().replace("-", "_")
    if name == ALL:
        return MODELS
    if name not in MODELS:
        raise CommandError(f"--model {text!r} is not known; allowed: {', '.join(MODELS)}, {ALL}", exit_code=2)
    return (name,)


def _day(option: str, text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise CommandError(f"{option} {text!r} is not a day; write it as 2025-03-31", exit_code=2) from None


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


def _period(first_day: date | None, last_day: date | None) -> str:
    if first_day and last_day:
        return f"{first_day} to {last_day}"
    if first_day:
        return f"since {first_day}"
    return f"until {last_day}" if last_day else "all time"


def _share(credit: float, people: int) -> float:
    return credit / people if people else 0.0


def _document(found: AttributionTable) -> dict[str, Any]:
    """`credits` in people and `shares` of 1, each by model."""
    return {
        "models": list(found.models),
        "people": found.people,
        "touches": found.touches,
        "rows": [
            {
                "name": row.name,
                "credits": {model: round(credit, 6) for model, credit in row.credits.items()},
                "shares": {model: round(_share(credit, found.people), 6) for model, credit in row.credits.items()},
                "people": row.people,
                "touches": row.touches,
            }
            for row in found.rows
        ],
    }


def _rows(found: AttributionTable, by: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Columns and rows. One model: its `credit` and `share`. Several: a column of credits for each."""
    is_one = len(found.models) == 1
    rows: list[tuple[Any, ...]] = []
    for row in found.rows:
        numbers = [round(row.credits[model], 6) for model in found.models]
        if is_one:
            numbers.append(round(_share(numbers[0], found.people), 6))
        rows.append((row.name, *numbers, row.people, row.touches))
    return (by, *(("credit", "share") if is_one else found.models), "people", "touches"), rows


def _print(found: AttributionTable, by: str, period: str) -> None:
    if not found.rows:
        print_line(f"No touches: {period}.")
        return
    columns, rows = _rows(found, by)
    shares = {place for place, column in enumerate(columns) if column == "share"}
    credits_end = len(columns) - 2  # the last two are counts
    models = found.models[0] if len(found.models) == 1 else "all models"
    print_line(f"{models}, {period}: {found.people} people, {found.touches} touches. Credit is counted in people.")
    print_line()
    print_table(
        columns,
        [
            [
                f"{cell:.1%}" if place in shares else f"{cell:.1f}" if 0 < place < credits_end else cell
                for place, cell in enumerate(row)
            ]
            for row in rows
        ],
        numbers=columns[1:],
    )


def _draw(found: AttributionTable, chart: Path, *, by: str, period: str) -> None:
    from pipeline.cli.terminal.charts import draw_attribution

    if not found.rows:
        print_note(f"nothing to draw: {chart} was not written")
        return
    try:
        draw_attribution(found, chart, by=by, period=period)
    except OSError as error:
        raise CommandError(f"cannot write {chart}: {error.strerror}", exit_code=2) from error
