"""What a person sees of a table: on a wide terminal, on a narrow one, in a pipe."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.console import Console

from pipeline.cli.commands.balance import print_balance
from pipeline.cli.terminal import output
from pipeline.cli.terminal.output import as_text, print_table

COLUMNS = ("event", "source", "empty", "count")
ROWS = [("0" * 36, "web_form", None, 7), ("1" * 36, "datablist", None, 12)]


@pytest.fixture(params=[200, 60, 40])
def terminal(request, monkeypatch) -> int:
    width = int(request.param)
    monkeypatch.setattr(output, "console", lambda: Console(highlight=False, width=width))
    return width


def test_no_line_is_folded_or_wider_than_the_terminal(terminal, capsys):
    print_table(COLUMNS, ROWS, numbers=["count"])
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, printed)) <= max(terminal, 46)  # an id has 36 letters, and is never broken
    assert ("empty" in printed[0]) == (terminal == 200)  # a column without values gives way first
    if terminal == 40:  # then each row is a block
        assert printed == [
            f"  event   {'0' * 36}",
            "  source  web_form",
            "  count   7",
            "",
            f"  event   {'1' * 36}",
            "  source  datablist",
            "  count   12",
        ]
    else:
        assert len(printed) == 4


def test_a_table_without_rows_is_drawn_all_the_same(terminal, capsys):
    print_table([*COLUMNS, *COLUMNS], [])
    assert capsys.readouterr().out.count("─") > 30


def test_only_a_long_text_is_folded(monkeypatch, capsys):
    monkeypatch.setattr(output, "console", lambda: Console(highlight=False, width=80))
    print_table(("event", "message"), [("0" * 36, "many words " * 9)])
    printed = capsys.readouterr().out.splitlines()
    assert printed[2].startswith("0" * 36 + "   many words")
    assert max(map(len, printed)) <= 80
    assert len(printed) == 5


def test_where_columns_can_be_spared_each_row_stays_one_line_of_a_narrow_terminal(terminal, capsys):
    rows = [("message", "many words " * 12, "web_form", "2026-01-02T10:00:00Z", "0" * 36), ("city", "Bonn", "", "", "")]
    print_table(("field", "value", "source", "at", "event"), rows, expendable=("event", "at", "source"))
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert len(printed) == 4
    assert max(map(len, printed)) <= terminal
    assert "message" in printed[2]


def test_long_texts_are_cut_in_a_pipe_whose_lines_would_be_hundreds_of_characters_long(capsys):
    print_table(("event", "message"), [("0" * 36, "word " * 100)])
    printed = capsys.readouterr().out.splitlines()
    assert max(map(len, printed)) < 110
    assert "0" * 36 in printed[2]
    print_table(("event", "message"), [("0" * 36, "word " * 20)])
    assert "…" not in capsys.readouterr().out


def test_a_pipe_gets_one_line_for_each_row(capsys):
    print_table(COLUMNS, [("word " * 60, "web_form", None, 7)])
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_the_balance_shows_only_states_that_occur(capsys):
    names = ("accepted", "settled", "suppressed", "quarantined", "pending", "in_flight", "repeated", "revised")
    counts = dict(zip(names, (1_000_000, 999_999, 0, 1, 0, 0, 0, 0), strict=True)) | {"difference": 0}
    print_balance({"all": counts, "sources": {"standard_webhooks": counts}})
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["source", "accepted", "settled", "quarantined", "difference"]
    assert max(map(len, printed)) <= 80


def test_values_for_people():
    assert as_text(datetime(2026, 1, 2, 3, 4, 5, 678, UTC)) == "2026-01-02T03:04:05Z"
    assert as_text({"via": "api", "index": 0}) == "via api, index 0"
    assert as_text({"deep": {"er": 1}}) == '{"deep": {"er": 1}}'
    assert as_text(["a", 1]) == "a, 1"


def test_no_name_of_a_file_or_column_steers_the_terminal(capsys):
    steering = "\x1b]0;mine\x07\x1b[2J\x9b2J\u202etxt\x7f"
    output.print_line(f"{steering}: it cannot be read")
    output.print_note(steering)
    output.print_problem(steering)
    output.print_json({steering: steering})
    output.print_text(f'"{steering[9:]}"'.replace("\x1b", ""))
    print_table((steering, "Name"), [(steering, "Zoë\u00a0B\u200a")])
    printed = "".join(capsys.readouterr())
    assert not {character for character in printed if ord(character) < 32 or 0x7F <= ord(character) < 0xA0} - {"\n"}
    assert "Zoë\u00a0B" in printed


def test_what_to_do_is_never_cut_neither_in_a_pipe_nor_on_a_narrow_terminal(monkeypatch, capsys):
    remedy = "run `afluente source connect acme` " * 12
    rows = [("acme", "x" * 90, remedy.strip())]
    print_table(("source", "detail", "remedy"), rows, whole=["remedy"])
    printed = capsys.readouterr().out
    assert remedy.strip() in printed
    assert "x" * 90 not in printed
    monkeypatch.setattr(output, "console", lambda: Console(highlight=False, width=80))
    print_table(("source", "detail", "remedy"), rows, whole=["remedy"])
    folded = capsys.readouterr().out
    assert "…" not in folded
    assert folded.count("connect") >= 12
