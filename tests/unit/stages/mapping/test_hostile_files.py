"""Files made to harm: each is an error that says what is wrong, none costs memory or time without bound."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import openpyxl
import pytest

from pipeline.errors import ConfigurationError
from pipeline.intake.files.contents import read_contents
from pipeline.intake.files.rows import TableNotes
from pipeline.intake.files.spreadsheets import read_spreadsheet
from pipeline.intake.files.unreadable import UnreadableFileError
from pipeline.stages.mapping.source_mapping import read_source_mapping
from pipeline.values.names.names import normalize_full_name
from pipeline.values.yaml_files import read_yaml


def workbook(path: Path, far_cell: str | None) -> Path:
    book = openpyxl.Workbook()
    for row in (["Email", "Name"], ["ada@example.org", "Ada"]):
        book.active.append(row)
    made = io.BytesIO()
    book.save(made)
    with zipfile.ZipFile(made) as given, zipfile.ZipFile(path, "w") as changed:
        for entry in given.infolist():
            content = given.read(entry)
            if far_cell and entry.filename.startswith("xl/worksheets/"):
                more = f'<row r="9"><c r="{far_cell}" t="inlineStr"><is><t>x</t></is></c></row></sheetData>'
                content = content.replace(b"</sheetData>", more.encode())
            changed.writestr(entry, content)
    return path


@pytest.mark.parametrize("cell", ["XFD1048576", "ZZZZZ9999999999", "ZZZZZZZZZZZZZZ99999999999999", "CCC9999999"])
def test_a_sheet_of_few_cells_far_apart_is_refused_before_room_is_made_for_all_between(tmp_path, cell):
    contents = read_contents(workbook(tmp_path / "far.xlsx", cell))
    with pytest.raises(UnreadableFileError, match=r"spans \d+ rows and \d+ columns, far beyond its data"):
        list(read_spreadsheet(contents, TableNotes()))


@pytest.mark.parametrize("cell", [None, "Z9", "XFD20", "B1048576"])
def test_a_sheet_within_reason_is_read(tmp_path, cell):
    rows = list(read_spreadsheet(read_contents(workbook(tmp_path / "near.xlsx", cell)), TableNotes()))
    assert rows[0].record is not None
    assert rows[0].record["Email"] == "ada@example.org"


HOSTILE_YAML = [
    ("a: &a [1, 2]\nb: [*a, *a]\n", "alias"),
    ("a: &a {b: 1}\nc: {<<: *a}\n", "alias"),
    ("default: 2026-13-45\n", "no date or number"),
    ("default: 2026-02-30\n", "no date or number"),
    ("default: !!int abc\n", "no date or number"),
    ("default: !!float abc\n", "no date or number"),
    ("default: !!bool abc\n", "no date or number"),
    ("default: !!timestamp abc\n", "no date or number"),
    ("default: " + "9" * 6000 + "\n", "no date or number"),
    ("default: " + "[" * 2000 + "]" * 2000 + "\n", "too deep"),
    ("default: !!python/object:os.system {}\n", "constructor"),
    ("a: 1\na: 2\n", "twice"),
]


@pytest.mark.parametrize(("content", "words"), HOSTILE_YAML, ids=[content[:24] for content, _ in HOSTILE_YAML])
def test_a_hostile_file_of_settings_is_one_error_with_its_name(tmp_path, content, words):
    path = tmp_path / "hostile.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"hostile\.yaml.*" + words):
        read_yaml(path)


def test_an_asterisk_that_is_no_alias_is_text(tmp_path):
    path = tmp_path / "plain.yaml"
    path.write_text("a: 'x * y'\nb: 2 * 3\n")
    assert read_yaml(path) == {"a": "x * y", "b": "2 * 3"}


def test_an_error_about_a_mapping_carries_no_control_characters_and_not_the_whole_file(tmp_path):
    path = tmp_path / "loud.yaml"
    path.write_text('source: loud\nversion: 1\nlead:\n  "\\e[31mname": x\n')
    with pytest.raises(ConfigurationError) as caught:
        read_source_mapping(path)
    assert str(caught.value).isprintable()
    path.write_text("source: loud\nversion: 1\nlead: [" + "x, " * 100_000 + "]\n")
    with pytest.raises(ConfigurationError) as caught:
        read_source_mapping(path)
    assert len(str(caught.value)) < 3_000


@pytest.mark.parametrize(
    "name", ["http://x.org/?" + "a" * 300_000 + "!", "email=" * 50_000, "a" * 200_000 + "@" + "a" * 200_000]
)
def test_a_long_text_in_the_field_for_names_is_read_in_no_time(name):
    normalize_full_name(name)  # seconds to minutes if a pattern tries every way to read it


def test_a_file_name_of_any_bytes_is_shown_as_text(tmp_path):
    from pipeline.intake.files.reading import shown_name

    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff\xfename.csv"))
    assert shown_name(path).encode()
    assert shown_name(path).endswith("name.csv")
    assert shown_name(Path("-")) == "standard input"


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000],
    ids=["lists", "objects", "dashes", "keys"],
)
def test_a_hundred_thousand_levels_are_an_error_and_do_not_end_the_process(tmp_path, text):
    (tmp_path / "deep.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match="too deep"):
        read_yaml(tmp_path / "deep.yaml")
