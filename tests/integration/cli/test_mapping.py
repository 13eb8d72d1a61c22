"""`mapping preview`: every record with what becomes of each value, and nothing that the record does not say."""

from __future__ import annotations

import pytest

from tests.support.command_line import answer, problem, run

HEADER = (
    "Account Id,First Name,Last Name,Company,Phone 1,Phone 2,Email 1,Email 2,Website,Source,Deal Stage,Lead Owner,Notes"
)


@pytest.fixture(autouse=True)
def no_installation(tmp_path, monkeypatch):
    """A preview needs no database and no data folder."""
    monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path / "data"))


def table(folder, *rows: str):
    file = folder / "leads.csv"
    file.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return str(file)


def row(number: int, email: str | None = None) -> str:
    return f"A{number},Ada,Brandt,Brandt,,,{email or f'ada{number}@example.org'},,,,New,Olu,"


def test_as_json_every_row_is_there_with_its_line(tmp_path):
    found = answer("mapping", "preview", "datablist", table(tmp_path, *(row(number) for number in range(1_200))))
    assert [one["line"] for one in found] == list(range(2, 1_202))
    for number, one in enumerate(found):
        shown = {field["field"]: field for field in one["fields"]}
        assert shown["email"]["path"] == "Email 1"
        assert shown["email"]["normalized"] == f"ada{number}@example.org"
        assert one["quarantined"] is None


def test_rows_limit_json_too(tmp_path):
    file = table(tmp_path, *(row(number) for number in range(9)))
    assert [one["line"] for one in answer("mapping", "preview", "datablist", file, "--rows", "4")] == [2, 3, 4, 5]


def test_as_a_table_a_few_are_shown_and_the_rest_counted(tmp_path):
    file = table(tmp_path, *(row(number) for number in range(9)))
    text = run("mapping", "preview", "datablist", file).stdout
    assert text.count("record at ") == 3
    assert text.splitlines()[-1] == "6 more: `--rows N` shows as many, `--json` all of them"
    assert "more:" not in run("mapping", "preview", "datablist", file, "--rows", "9").stdout


def test_a_row_that_would_wait_shows_why_and_is_a_problem(tmp_path):
    file = table(tmp_path, row(1), ",Nobody,,,,,,,,,,,", "A3,too,few", row(4))
    done = run("mapping", "preview", "datablist", file, "--rows", "9")
    assert done.returncode == 1
    assert "quarantined: nothing_to_identify" in done.stdout
    found = answer("mapping", "preview", "datablist", file, code=1)
    reasons = [one["quarantined"] and one["quarantined"]["reason"] for one in found]
    assert reasons[0] is None
    assert reasons[1] == "nothing_to_identify"
    assert reasons[2] is not None, "a row that cannot be read is there too"
    assert reasons[3] is None


def test_no_time_is_shown_that_the_record_does_not_have(tmp_path):
    (one,) = answer("mapping", "preview", "datablist", table(tmp_path, row(1)))
    assert not [field for field in one["fields"] if field["field"] == "occurred_at"]
    payload = tmp_path / "payload.json"
    payload.write_text('{"email": "ada@example.org", "occurred_at": "2026-03-02T09:00:00Z"}')
    (one,) = answer("mapping", "preview", "api", str(payload))
    assert [field["normalized"] for field in one["fields"] if field["field"] == "occurred_at"] == [
        "2026-03-02T09:00:00+00:00"
    ]


def test_earlier_touches_are_shown_field_by_field():
    (one,) = answer("mapping", "preview", "web_form", "samples/web_form/typical.json")
    shown = {field["path"]: (field["field"], field["normalized"]) for field in one["fields"]}
    assert shown["first_touch.utm_source"] == ("earlier touch 1: utm_source", "linkedin")
    assert shown["first_touch.at"][0] == "earlier touch 1: at"


def test_an_empty_file_is_no_preview(tmp_path):
    file = tmp_path / "leads.csv"
    file.write_text(HEADER + "\n", encoding="utf-8")
    assert "no row" in problem("mapping", "preview", "datablist", str(file), code=1)


def test_a_kind_of_schema_that_there_is_not_is_named():
    assert "allowed: source, destination" in problem("mapping", "schema", "sources", code=2)
