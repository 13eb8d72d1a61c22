"""One is told as one: no `1 people`, no `1 columns`."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest

from pipeline.cli.terminal.file_notes import print_notes
from pipeline.cli.terminal.story import print_found
from pipeline.inspection.finding import Found
from pipeline.intake.files.rows import TableNotes

CLI = Path(__file__).parents[3] / "pipeline/cli"
PEOPLE = re.compile(r"\} people\b")


@pytest.mark.parametrize("number", [1, 2])
def test_columns_that_are_not_read_are_counted_in_words(capsys, number):
    print_notes(Path("fair.csv"), TableNotes(columns=5, unread_columns=["a", "b"][:number]), {}, "fair")
    said = {1: "1 of 5 columns is not read", 2: "2 of 5 columns are not read"}
    assert said[number] in capsys.readouterr().out


@pytest.mark.parametrize("number", [1, 2])
def test_who_is_known_by_a_text_is_counted_in_words(capsys, number):
    found = Found("person", UUID(int=1), "default", "email", "Ada")
    print_found([found] * number)
    assert capsys.readouterr().out.startswith({1: "1 is known by this;", 2: "2 are known by this;"}[number])


def test_no_command_writes_people_behind_a_number_that_may_be_one():
    files = {path: PEOPLE.findall(path.read_text(encoding="utf-8")) for path in CLI.rglob("*.py")}
    assert [str(path.relative_to(CLI)) for path, found in files.items() if found] == []
