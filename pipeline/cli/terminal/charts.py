"""Reports as pictures. matplotlib takes half a second to load, so only commands that draw import this."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.figure import Figure

from pipeline.cli.terminal.output import printable
from pipeline.values.counting import count_people

if TYPE_CHECKING:
    from pipeline.stages.attribution.models import AttributionTable

# Okabe and Ito's palette: told apart by people with any kind of color vision, and by gray value in print.
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_MOST_BARS = 20  # names of one model; of several, half as many, each with a bar per model
_LABEL_LIMIT = 40  # characters of a name
_LEGEND_COLUMNS = 3
_DPI = 150


def draw_attribution(table: AttributionTable, path: Path, *, by: str, period: str) -> None:
    """Horizontal bars of credit, the largest on top, as a PNG. What does not fit is added up as one bar.

    Holds what the table holds: names of channels, campaigns and sources. Raises OSError if the file cannot be written.
    """
    most = _MOST_BARS if len(table.models) == 1 else _MOST_BARS // 2
    labels = [_label(row.name) for row in table.rows[:most]]
    values = {model: [row.credits[model] for row in table.rows[:most]] for model in table.models}
    if rest := table.rows[most:]:
        labels.append(f"{len(rest)} more")
        for model in table.models:
            values[model].append(sum(row.credits[model] for row in rest))
    with rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = _bars(labels, values)
    models = table.models[0] if len(table.models) == 1 else f"{len(table.models)} models"
    figure.axes[0].set_title(
        f"Credit by {by}: {models}, {period}, {count_people(table.people)}", loc="left", fontsize=11
    )
    _save(figure, path)


def _bars(labels: list[str], values: dict[str, list[float]]) -> Figure:
    rows_of_legend = -(-len(values) // _LEGEND_COLUMNS) if len(values) > 1 else 0
    height = 1.4 + len(labels) * (0.3 + 0.14 * (len(values) - 1)) + 0.25 * rows_of_legend
    figure = Figure(figsize=(9, height), layout="constrained")
    axes = figure.subplots()
    thickness = 0.8 / len(values)
    for number, (model, credits_of) in enumerate(values.items()):
        places = [row + (number - (len(values) - 1) / 2) * thickness for row in range(len(labels))]
        bars = axes.barh(places, credits_of, height=thickness, color=_COLORS[number % len(_COLORS)], label=model)
        if len(values) == 1:
            axes.bar_label(bars, fmt="{:,.1f}", padding=3)
    axes.set_yticks(range(len(labels)), labels, parse_math=False)  # a name may hold dollar signs
    axes.invert_yaxis()
    axes.set_xlabel("credit, in people")
    axes.margins(x=0.08)
    if len(values) > 1:  # below the axes: within them it would lie over bars wherever those are long
        figure.legend(loc="outside lower center", ncols=_LEGEND_COLUMNS, frameon=False)
    return figure


def _save(figure: Figure, path: Path) -> None:
    drawn = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a script no font here has: boxes are drawn
        figure.savefig(drawn, format="png", dpi=_DPI)
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(drawn.getvalue())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _label(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _LABEL_LIMIT else name[: _LABEL_LIMIT - 1] + "…"
