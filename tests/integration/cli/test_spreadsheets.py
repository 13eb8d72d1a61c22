"""Exports for people with a spreadsheet: a typed workbook, and CSV that opens with a double click."""

from __future__ import annotations

import csv
from datetime import datetime

import openpyxl
import pytest

from pipeline.cli.terminal.rows import RowFormat, write_rows
from tests.support.command_line import answer, capture, deliver, lines, problem, run, work
from tests.support.memory import most_memory

LEAD = {
    "external_id": "a-1",
    "occurred_at": "2026-01-02T10:00:00Z",
    "email": "jose@example.com",
    "phone": "+34 612 345 678",
    "full_name": "José García",
    "company": '=HYPERLINK("http://evil.example")',
    "employee_count": 40,
    "consents": [{"purpose": "marketing", "channel": "email", "granted": True}],
}


@pytest.fixture
def person(database, redis_url):
    capture(LEAD)
    work()
    deliver()


def sheet(*arguments: str, out) -> list[dict]:
    done = run(*arguments, "--format", "xlsx", "--out", str(out))
    assert done.returncode == 0, done.stderr
    titles, *rows = openpyxl.load_workbook(out).active.iter_rows(values_only=True)
    return [dict(zip(titles, row, strict=True)) for row in rows]


@pytest.mark.usefixtures("person")
def test_a_workbook_has_numbers_times_and_texts_that_nothing_runs(tmp_path):
    (row,) = sheet("people", "export", out=tmp_path / "people.xlsx")
    assert (row["phone"], row["full_name"], row["employee_count"]) == ("+34612345678", "José García", 40)
    assert row["company"] == LEAD["company"]
    assert openpyxl.load_workbook(tmp_path / "people.xlsx").active.cell(2, 1).data_type == "s"
    assert row["original_at"] == datetime.fromisoformat("2026-01-02 10:00:00")
    assert row["consents"] == "marketing by email: granted"
    assert sheet("leads", "export", out=tmp_path / "leads.xlsx")[0]["consents"].startswith("[{")
    assert sheet("deliveries", "export", out=tmp_path / "deliveries.xlsx")[0]["state"] == "sent"
    assert sheet("report", "attribution", out=tmp_path / "report.xlsx")


@pytest.mark.usefixtures("person")
def test_no_cell_of_a_workbook_is_a_formula(tmp_path):
    sheet("people", "export", out=tmp_path / "people.xlsx")
    cells = [cell for row in openpyxl.load_workbook(tmp_path / "people.xlsx").active.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d", "b", "inlineStr"}


@pytest.mark.usefixtures("person")
def test_a_workbook_needs_a_file_and_excel_is_about_csv(tmp_path):
    assert "--out" in problem("people", "export", "--format", "xlsx", code=2)
    assert "--excel" in problem("people", "export", "--format", "jsonl", "--excel", code=2)
    assert "Value error" not in run("people", "export", "--format", "xml").stderr


@pytest.mark.usefixtures("person")
def test_csv_for_excel_opens_with_a_double_click(tmp_path):
    out = tmp_path / "people.csv"
    run("people", "export", "--excel", "--out", str(out))
    text = out.read_text("utf-8")
    assert text.startswith("\ufeff")
    (row,) = csv.DictReader(text.removeprefix("\ufeff").splitlines(), delimiter=";")
    assert (row["phone"], row["full_name"]) == ('="+34612345678"', "José García")
    assert row["original_at"] == "2026-01-02 10:00:00"
    assert row["company"].startswith("'=")


@pytest.mark.usefixtures("person")
def test_exports_can_be_limited_to_a_period():
    assert len(lines("people", "export", "--since", "2026-01-02", "--until", "2026-01-02")) == 1
    assert lines("people", "export", "--since", "2026-01-03") == []
    assert lines("people", "export", "--until", "2026-01-01") == []
    assert lines("leads", "export", "--until", "2000-01-01") == []
    assert len(lines("leads", "export", "--since", "24h")) == 1
    assert lines("deliveries", "export", "--until", "2000-01-01") == []
    assert "is before" in problem("leads", "export", "--since", "2026-02-01", "--until", "2026-01-01", code=2)


@pytest.mark.long
@pytest.mark.parametrize("row_format", list(RowFormat))
def test_memory_does_not_grow_with_the_rows(tmp_path, row_format):
    def peak(count: int) -> int:
        rows = ({"id": f"{number}", "text": "x" * 200, "number": number} for number in range(count))
        return most_memory(lambda: write_rows(rows, ("id", "text", "number"), row_format, tmp_path / "rows"))

    peak(100)
    assert peak(8_000) < 2 * peak(1_000) + 500_000


def test_an_export_tells_why_a_delivery_waits(database, redis_url):
    from pipeline.delivery.breaker import Breaker
    from pipeline.delivery.shared_state import shared_redis
    from pipeline.settings.loading import settings

    capture(LEAD)
    work()
    Breaker(shared_redis(settings().broker_url)).halt("sandbox", 60.0, "answered 500")
    (row,) = lines("deliveries", "export")
    assert "calls are halted (answered 500)" in row["last_error"]
    story = answer("explain", row["person_id"])
    assert "one is tried in" in story["deliveries"][0]["waits"]
    assert "answered 500" in run("explain", row["person_id"]).stdout
