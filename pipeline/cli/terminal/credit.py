"""Tells how credit was divided: as a table for people, as rows for CSV, as an object for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.cli.terminal.output import as_object, print_line, print_table
from pipeline.values.counting import count_people

if TYPE_CHECKING:
    from pipeline.inspection.attribution_report import ReportQuestion
    from pipeline.stages.attribution.models import AttributionTable


def credit_object(table: AttributionTable, question: ReportQuestion) -> dict[str, Any]:
    """What was asked and what was found; `credits` in people and `shares` of 1, each by model."""
    return {
        **as_object(question),
        "models": list(table.models),
        "people": table.people,
        "touches": table.touches,
        "rows": [
            {
                "name": row.name,
                "credits": {model: round(credit, 6) for model, credit in row.credits.items()},
                "shares": {model: round(_share(credit, table.people), 6) for model, credit in row.credits.items()},
                "people": row.people,
                "touches": row.touches,
            }
            for row in table.rows
        ],
    }


def credit_rows(table: AttributionTable, by: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Columns and rows. One model: its `credit` and `share`. Several: a column of credits for each."""
    is_one = len(table.models) == 1
    rows: list[tuple[Any, ...]] = []
    for row in table.rows:
        numbers = [round(row.credits[model], 6) for model in table.models]
        if is_one:
            numbers.append(round(_share(numbers[0], table.people), 6))
        rows.append((row.name, *numbers, row.people, row.touches))
    return (by, *(("credit", "share") if is_one else table.models), "people", "touches"), rows


def print_credit(table: AttributionTable, by: str, period: str) -> None:
    """The rows, the one with most credit on top. `period` in words."""
    if not table.rows:
        print_line(f"No touches: {period}.")
        return
    columns, rows = credit_rows(table, by)
    shares = {place for place, column in enumerate(columns) if column == "share"}
    credits_end = len(columns) - 2  # the last two are counts
    models = table.models[0] if len(table.models) == 1 else "all models"
    print_line(
        f"{models}, {period}: {count_people(table.people)}, {table.touches} touches. Credit is counted in people."
    )
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


def _share(credit: float, people: int) -> float:
    return credit / people if people else 0.0
