"""The drawings of the docs can be read: nothing runs through a text, and everybody in them is invented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.textpath import TextPath

from tests.support.paths import ROOT

DRAWINGS = sorted((ROOT / "docs" / "images").glob("*.svg"))
RESERVED = re.compile(r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net)|[\w-]+\.example)\b")
_WIDEST = 1.06  # a browser may have another font than the one that is measured with
Box = tuple[float, float, float, float]
Point = tuple[float, float]


def elements(drawing: Path, name: str) -> Iterator[ElementTree.Element]:
    for one in ElementTree.parse(drawing).getroot().iter():
        if one.tag.endswith("}" + name):
            yield one


def box_of(text: ElementTree.Element, drawing: Path) -> Box:
    """Left, top, right, bottom of a text, without what hangs below its line."""
    classes = (text.get("class") or "").split()
    style = next(one.text or "" for one in elements(drawing, "style"))
    size = 12.0 if "small" in classes else 14.0
    width = TextPath((0, 0), text.text or "", size=size).get_extents().width * _WIDEST
    everywhere = re.search(r"text \{[^}]*text-anchor: middle", style)
    is_centered = everywhere or any(re.search(rf"\.{name} \{{[^}}]*text-anchor: middle", style) for name in classes)
    x, y = float(text.get("x", 0)), float(text.get("y", 0))
    left = x - width / 2 if is_centered else x
    return left, y - size * 0.75, left + width, y + 1


def points_of(path: str) -> Iterator[list[Point]]:
    """Each stroke as a row of points; a curve as a few straight pieces."""
    place, stroke = (0.0, 0.0), list[Point]()
    for command, numbers in re.findall(r"([MHVChv])([^MHVChv]*)", path):
        said = [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", numbers)]
        if command == "M":
            if stroke:
                yield stroke
            place, stroke = (said[0], said[1]), [(said[0], said[1])]
            continue
        x, y = place
        if command in "Hh":
            place = (said[0] + (x if command == "h" else 0.0), y)
        elif command in "Vv":
            place = (x, said[0] + (y if command == "v" else 0.0))
        else:
            stroke += list(_curve(place, said))
            place = (said[-2], said[-1])
        stroke.append(place)
    if stroke:
        yield stroke


def _curve(begin: Point, said: list[float]) -> Iterator[Point]:
    corners = [begin, (said[0], said[1]), (said[2], said[3]), (said[4], said[5])]
    for step in range(1, 16):
        share = step / 16
        weights = [(1 - share) ** 3, 3 * share * (1 - share) ** 2, 3 * share**2 * (1 - share), share**3]
        yield (
            sum(weight * x for weight, (x, _) in zip(weights, corners, strict=True)),
            sum(weight * y for weight, (_, y) in zip(weights, corners, strict=True)),
        )


def strokes(drawing: Path) -> Iterator[Box]:
    for path in elements(drawing, "path"):
        if not {"line", "apart"} & set((path.get("class") or "").split()):
            continue
        for points in points_of(path.get("d") or ""):
            for (x, y), (to_x, to_y) in pairwise(points):
                yield min(x, to_x), min(y, to_y), max(x, to_x), max(y, to_y)


def touch(one: Box, other: Box, gap: float = 2.0) -> bool:
    return one[0] < other[2] + gap and other[0] < one[2] + gap and one[1] < other[3] + gap and other[1] < one[3] + gap


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.stem)
def test_nothing_runs_through_a_text_of_a_drawing(drawing):
    texts = [(text.text, box_of(text, drawing)) for text in elements(drawing, "text")]
    assert texts
    crossed = [text for text, box in texts for line in strokes(drawing) if touch(box, line, gap=0)]
    crossed += [
        f"{text} / {other}"
        for number, (text, box) in enumerate(texts)
        for other, there in texts[:number]
        if touch(box, there)
    ]
    assert crossed == []


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.stem)
def test_addresses_in_drawings_are_of_domains_kept_for_examples(drawing):
    words = drawing.read_text(encoding="utf-8").split()
    assert [word for word in words if "@" in word and not RESERVED.search(word)] == []


def test_the_way_of_a_lead_shows_that_what_the_crm_refuses_waits_too():
    drawing = ROOT / "docs" / "images" / "flow.svg"
    boxes = {}
    for group in elements(drawing, "rect"):
        x, y, width, height = (float(group.get(name, 0)) for name in ("x", "y", "width", "height"))
        for text in elements(drawing, "text"):
            if x < float(text.get("x", 0)) < x + width and y < float(text.get("y", 0)) < y + height:
                boxes[text.text] = (x, y, x + width, y + height)
    ends = [(points[0], points[-1]) for path in elements(drawing, "path") for points in points_of(path.get("d") or "")]
    assert any(
        touch((*begin, *begin), boxes["deliveries"], gap=5) and touch((*end, *end), boxes["quarantine"], gap=5)
        for begin, end in ends
    )
