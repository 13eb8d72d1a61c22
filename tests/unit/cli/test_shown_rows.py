"""Exports to stdout steer no terminal, whatever a stranger wrote; JSON and files say exactly what came."""

from __future__ import annotations

import json
import os

import pytest

from pipeline.cli.terminal.rows import RowFormat, write_document, write_rows

STEERS = [
    "\x1b]0;title\x07",
    "\x1b[2J",
    "\x9b2J",
    "\x7f",
    "back\b\b",
    "over\rwritten",
    "\u202eturned",
    "\x00",
    "\u2066x",
]


def has_control(text: str) -> bool:
    return any(not (char.isprintable() or char in "\n\t") for char in text)


@pytest.mark.parametrize("text", STEERS, ids=ascii)
def test_nothing_that_steers_a_terminal_reaches_it(capsys, text):
    for row_format in set(RowFormat) - {RowFormat.xlsx}:  # which is never shown
        write_rows(
            [{"id": f"a{text}b", "more": [text], "deep": {"key": text}}], ["id", "more", "deep"], row_format, None
        )
    write_document({"id": text, text: 1}, None)
    assert not has_control(capsys.readouterr().out)


@pytest.mark.parametrize("text", STEERS, ids=ascii)
def test_json_and_files_keep_it(capsys, tmp_path, text):
    write_rows([{"id": text}], ["id"], RowFormat.jsonl, None)
    assert json.loads(capsys.readouterr().out) == {"id": text}
    write_rows([{"id": text}], ["id"], RowFormat.jsonl, tmp_path / "rows.jsonl")
    assert json.loads((tmp_path / "rows.jsonl").read_text()) == {"id": text}
    write_rows([{"id": f"a{text}"}], ["id"], RowFormat.csv, tmp_path / "rows.csv")
    assert text in (tmp_path / "rows.csv").read_bytes().decode()


def test_other_writing_is_left_alone(capsys):
    row = {"name": "José 💡 名前\u00a0x", "text": "two\nlines\tand a tab"}
    write_rows([row], list(row), RowFormat.csv, None)
    out = capsys.readouterr().out
    assert row["name"] in out
    assert row["text"] in out
    assert os.linesep in out
