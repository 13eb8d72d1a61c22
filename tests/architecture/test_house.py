"""The house stays one that a stranger finds things in: few files in a room, no circle, nothing too long to read."""

from __future__ import annotations

import re

import pytest

from tests.architecture import house


@pytest.mark.parametrize("measure", house.MOST)
def test_the_house_keeps_its_measures(measure):
    count, where = house.measures()[measure]
    assert count <= house.MOST[measure], where


def test_a_circle_between_two_rooms_is_found_and_an_import_down_is_none():
    down = [("pipeline.cli.commands.up", "pipeline.store.engine"), ("pipeline.store.engine", "pipeline.errors")]
    assert house.circles(down) == []
    up = ("pipeline.errors", "pipeline.cli.commands.up")
    assert house.circles([*down, up]) == [["pipeline.cli", "pipeline.errors", "pipeline.store"]]


def test_an_import_within_a_function_counts():
    importers = {importer for importer, imported in house.imports() if imported == "pipeline.intake.polls"}
    assert "pipeline.tasks" in importers


def test_every_room_says_at_its_door_what_it_is_for():
    silent = [
        str(folder.relative_to(house.ROOT))
        for folder in {path.parent for path in house.modules("pipeline", "connectors")}
        if not house._first_line(folder / "__init__.py")
    ]
    assert silent == []


def test_the_rooms_on_the_page_are_those_of_the_tree():
    page = house.PAGE.read_text(encoding="utf-8")
    assert house.shown_tree(page) == house.tree(), "run: make rooms"


def test_every_place_and_test_on_the_page_exists():
    page = house.PAGE.read_text(encoding="utf-8")
    missing = [
        name for name in re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.[a-z]+)?)(?:: \w+)?`", page) if not exists(name)
    ]
    assert missing == []
    tests = re.findall(r"`(tests/[a-z_/]+\.py): (test_\w+)`", page)
    assert len(tests) > 5
    assert [name for path, name in tests if f"def {name}(" not in (house.ROOT / path).read_text(encoding="utf-8")] == []


def exists(name: str) -> bool:
    """Places on the page are named from the root, or from `pipeline`."""
    return any((folder / name).exists() for folder in (house.ROOT, house.ROOT / "pipeline"))
