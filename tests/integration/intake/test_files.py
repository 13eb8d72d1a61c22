"""File import into real PostgreSQL: good rows go in, bad ones are in quarantine with their line, again is harmless."""

from __future__ import annotations

import gzip
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.intake.files.contents import UnreadableFileError
from pipeline.intake.files.imports import import_file
from pipeline.intake.instances import UnknownSourceError
from pipeline.stages.mapping.bodies import decode_body
from pipeline.store.engine import transaction
from pipeline.store.events.balance import balance
from tests.support.intake_server import count_events, quarantined, stored_events

HEADER = "Account Id,First Name,Last Name,Email 1"


def write(tmp_path: Path, content: str | bytes, name: str = "leads.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def import_text(tmp_path: Path, content: str | bytes, name: str = "leads.csv", source: str = "datablist", **options):
    return import_file(write(tmp_path, content, name), source=source, brand="default", **options)


def records(source: str = "datablist") -> list[dict[str, str]]:
    return [json.loads(event.envelope.body) for event in stored_events(source)]


def table(rows: list[str]) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


def test_each_row_becomes_an_event_that_keeps_its_columns(database, tmp_path):
    report = import_text(tmp_path, table(["a1,Ada,Lovelace,ada@example.org", "a2,Alan,Turing,alan@example.org"]))
    assert (report.accepted, report.repeated, report.rejected) == (2, 0, 0)
    assert records()[0] == {
        "Account Id": "a1",
        "First Name": "Ada",
        "Last Name": "Lovelace",
        "Email 1": "ada@example.org",
    }
    event = stored_events("datablist")[0]
    assert (event.lane, event.brand, event.envelope.content_type) == ("bulk", "default", "application/x-afluente-row")
    assert event.envelope.origin["line"] == 2


def test_the_same_file_again_repeats_every_row_and_stores_nothing(database, tmp_path):
    content = table([f"a{number},F,L,f{number}@example.org" for number in range(2500)])
    assert import_text(tmp_path, content).accepted == 2500
    again = import_text(tmp_path, content)
    assert (again.accepted, again.repeated) == (0, 2500)
    assert count_events() == 2500


def test_two_equal_rows_count_as_one_accepted_and_one_repeated(database, tmp_path):
    report = import_text(tmp_path, table(["a1,F,L,f@example.org", "a1,F,L,f@example.org", ",X,Y,z@example.org"] * 2))
    assert (report.accepted, report.repeated) == (2, 4)


def test_a_row_without_an_id_of_its_own_is_known_by_its_content(database, tmp_path):
    first = import_text(tmp_path, "name,email\nAda,ada@example.org\n", source="web_form")
    reordered = import_text(tmp_path, "email,name\nada@example.org,Ada\nada@example.org,Eve\n", source="web_form")
    assert (first.accepted, reordered.accepted, reordered.repeated) == (1, 1, 1)


@pytest.mark.short(17)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_common_spelling_of_a_table_is_read_alike(database, tmp_path, encoding, delimiter, end):
    rows = [["Account Id", "Name", "City"], ["1", "José Muñoz", "Peñíscola"], ["2", 'Zoë "Z" Bär', "Köln"]]
    lines = [delimiter.join(quoted(cell) for cell in row) for row in rows]
    import_text(tmp_path, (end.join(lines) + end).encode(encoding))
    assert records() == [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if '"' in cell else cell


def test_breaks_and_delimiters_within_quotes_belong_to_the_cell(database, tmp_path):
    import_text(tmp_path, 'Account Id,Notes,City\n1,"first\nsecond, and ""third""\r\nlast",Lugo\n2,plain,Vigo\n')
    assert [one["Notes"] for one in records()] == ['first\nsecond, and "third"\r\nlast', "plain"]
    assert [event.envelope.origin["line"] for event in stored_events("datablist")] == [2, 5]


def test_excel_s_own_first_line_names_the_delimiter(database, tmp_path):
    report = import_text(tmp_path, "sep=;\r\nAccount Id;Name\r\n1;Ada, Countess\r\n")
    assert report.notes.delimiter == ";"
    assert records() == [{"Account Id": "1", "Name": "Ada, Countess"}]


def test_ragged_rows_are_quarantined_and_the_others_go_in(database, tmp_path):
    rows = [f"a{number},F,L,f{number}@example.org" for number in range(20)]
    rows[4] = "a4,F,L"
    rows[9] = "a9,F,L,f9@example.org,surplus"
    rows[12] = ""  # an empty line is none
    report = import_text(tmp_path, table(rows))
    assert (report.accepted, report.rejected) == (19, 2)
    assert quarantined("datablist") == [
        ("ragged_row", "line 11: 5 cells, header has 4"),
        ("ragged_row", "line 6: 3 cells, header has 4"),
    ]
    assert [(one.line, one.code) for one in report.rejected_rows] == [(6, "ragged_row"), (11, "ragged_row")]


def test_delimiters_at_the_end_of_lines_make_no_row_ragged(database, tmp_path):
    report = import_text(tmp_path, "Account Id,Name,,\n1,Ada,,\n2,Eve,,,\n")
    assert (report.accepted, report.rejected, report.notes.renamed_columns) == (2, 0, [])
    assert records()[0] == {"Account Id": "1", "Name": "Ada"}


def test_a_quote_that_never_ends_costs_only_its_own_row(database, tmp_path):
    rows = [f'a{number},F,"L",f{number}@example.org' for number in range(3000)]
    rows[10] = 'a10,F,"L,f10@example.org'
    rows[2000] = 'a2000,F,"L,f2000@example.org'
    rows[2999] = 'a2999,F,L,"f2999@example.org'
    report = import_text(tmp_path, table(rows))
    assert (report.accepted, report.rejected) == (3000, 3)
    assert [(one.line, one.code) for one in report.rejected_rows] == [
        (12, "unclosed_quote"),
        (2002, "unclosed_quote"),
        (3001, "unclosed_quote"),
    ]


def test_bytes_that_are_no_text_are_quarantined_with_what_stood_there(database, tmp_path):
    good = "".join(f"a{number},Zoë,L,z{number}@example.org\n" for number in range(50)).encode()
    report = import_text(
        tmp_path, HEADER.encode() + b"\n" + good + b"b1,Zo\xeb\x81,L,bad@example.org\n" + b"b2,F,L,x@y.org\n"
    )
    assert (report.notes.encoding, report.accepted, report.rejected) == ("utf-8", 52, 1)
    assert quarantined("datablist") == [("undecodable_row", "line 52: bytes that are not utf-8")]
    import base64

    (kept,) = [event.envelope for event in stored_events("datablist") if "raw_base64" in event.envelope.origin]
    assert base64.b64decode(kept.origin["raw_base64"]) == b"b1,Zo\xeb\x81,L,bad@example.org\n"
    assert json.loads(kept.body)["Email 1"] == "bad@example.org"


def test_a_bad_row_never_takes_the_place_of_a_good_one(database, tmp_path):
    """Its cells may have slipped: what stands under the id's name proves nothing."""
    report = import_text(tmp_path, table(["a1,F,L", "a1,F,L,f@example.org"]))
    assert (report.accepted, report.repeated, report.rejected) == (2, 0, 1)
    assert any(one.get("Email 1") == "f@example.org" for one in records())


def test_a_bad_row_is_not_counted_twice_either(database, tmp_path):
    content = table(["a1,F,L", "a2,F,L,f@example.org"])
    assert import_text(tmp_path, content).rejected == 1
    again = import_text(tmp_path, content)
    assert (again.accepted, again.repeated, again.rejected) == (0, 2, 0)
    assert len(quarantined("datablist")) == 1


def test_the_balance_holds_with_bad_rows_in_it(database, tmp_path):
    import_text(tmp_path, table(["a1,F,L", "a2,F,L,f@example.org"]))
    with transaction() as connection:
        found = balance(connection)["all"]
    assert (found["accepted"], found["quarantined"], found["pending"], found["difference"]) == (2, 1, 1, 0)


def test_columns_without_a_name_of_their_own_get_one_and_are_reported(database, tmp_path):
    report = import_text(tmp_path, "Account Id,Email,Email,,Email\n1,a@example.org,b@example.org,x,c@example.org\n")
    assert report.notes.renamed_columns == [(3, "Email", "Email (2)"), (4, "", "column_4"), (5, "Email", "Email (3)")]
    assert records()[0]["Email (2)"] == "b@example.org"


def test_titles_above_the_header_are_skipped_when_they_are_surely_titles(database, tmp_path):
    report = import_text(tmp_path, "Leads of May\n\nAccount Id,Name,City\n1,Ada,Lugo\n2,Eve,Vigo\n")
    assert (report.accepted, report.notes.skipped_title_rows) == (2, 2)
    assert [event.envelope.origin["line"] for event in stored_events("datablist")] == [4, 5]


def test_json_lines_are_kept_as_they_stand_and_bad_ones_parked_with_their_place(database, tmp_path):
    content = b'{"submission_id":"j1","fields":{"email":"a@example.org"}}\n\n{"submission_id": "j2",,}\n[1]\n"x"\n'
    report = import_text(tmp_path, content, "leads.jsonl", source="web_form")
    assert (report.accepted, report.rejected) == (4, 3)
    assert stored_events("web_form")[0].envelope.body == content.splitlines()[0]
    found = quarantined("web_form")
    assert [code for code, _ in found] == ["unreadable_json", "not_an_object", "not_an_object"]
    assert found[0][1].startswith("line 3, column 2")
    broken = next(one for one in stored_events("web_form") if one.envelope.origin["line"] == 3)
    assert broken.envelope.body == b'{"submission_id": "j2",,}'


def test_a_line_that_no_reader_expects_never_ends_the_import(database, tmp_path):
    deep = b'{"submission_id":"d","custom":' + b"[" * 500 + b"]" * 500 + b"}"
    huge = b'{"submission_id":"h","email":"h@example.org","number":' + b"9" * 400 + b"}"
    half = b'{"submission_id":"s","email":"s@example.org","name":"\\ud83d"}'
    after = b'{"submission_id":"a","email":"a@example.org"}'
    report = import_text(tmp_path, b"\n".join((deep, huge, half, after)), "leads.jsonl", source="web_form")
    assert (report.accepted, report.rejected) == (4, 1)
    assert quarantined("web_form") == [("unreadable_json", "line 1: nested too deeply")]
    found = next(one for one in stored_events("web_form") if one.envelope.origin["line"] == 2)
    assert decode_body(found.envelope.content_type, found.envelope.body)["number"] == "9" * 400


def test_packed_files_are_unpacked_whatever_their_name(database, tmp_path):
    import_text(tmp_path, gzip.compress(table(["a1,F,L,f@example.org"]).encode()), "leads.csv")
    import_text(tmp_path, gzip.compress(b'{"submission_id":"g1"}\n'), "leads.jsonl.gz", source="web_form")
    assert (count_events("datablist"), count_events("web_form")) == (1, 1)


def test_a_workbook_is_read_with_numbers_dates_and_its_own_line_numbers(database, tmp_path):
    import datetime

    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Account Id", "Name", "Born", "Score", "Member"])
    sheet.append([4711, "Zoë", datetime.date(1990, 5, 17), 1.5, True])
    sheet.append([None, None, None, None, None])
    sheet.append([12345678901, "Ada", None, None, False])
    book.create_sheet("More").append(["not read"])
    book.save(tmp_path / "leads.xlsx")
    report = import_file(tmp_path / "leads.xlsx", source="datablist", brand="default")
    assert (report.accepted, report.notes.other_sheets) == (2, ["More"])
    assert records()[0] == {"Account Id": "4711", "Name": "Zoë", "Born": "1990-05-17", "Score": "1.5", "Member": "true"}
    assert records()[1]["Account Id"] == "12345678901"
    assert [event.envelope.origin["line"] for event in stored_events("datablist")] == [2, 4]


def test_a_sheet_that_does_not_begin_at_its_corner_keeps_its_line_numbers(database, tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    book.active["C3"] = "Leads of May"
    for column, name in zip("CDE", ("Account Id", "Name", "City"), strict=True):
        book.active[f"{column}5"], book.active[f"{column}6"] = name, f"{name} 1"
    book.save(tmp_path / "leads.xlsx")
    report = import_file(tmp_path / "leads.xlsx", source="datablist", brand="default")
    assert (report.accepted, report.notes.skipped_title_rows) == (1, 4)
    assert stored_events("datablist")[0].envelope.origin["line"] == 6


@pytest.mark.parametrize(
    ("content", "name", "hint"),
    [
        (b"", "leads.csv", "empty"),
        (b"\n\n  \n", "leads.csv", "empty"),
        (HEADER.encode() + b"\n", "leads.csv", "no rows"),
        (b"%PDF-1.7\n...", "leads.csv", "PDF"),
        (b"PK\x03\x04 no zip", "leads.xlsx", "damaged"),
        (random.Random(5).randbytes(5000), "leads.csv", "not text"),
        (b"<!DOCTYPE html><html>", "leads.csv", "HTML"),
        (b"[1, 2]", "leads.json", "list of values"),
        (gzip.compress(b"a,b\n1,2\n" * 5000, mtime=0)[:-50], "leads.csv.gz", "cut off"),
        (b"ada@example.org,Ada\neve@example.org,Eve\n", "leads.csv", "header"),
    ],
    # Said by hand: pytest would make ids of the bytes, and packed bytes hold the time.
    ids=["empty", "blank lines", "header alone", "pdf", "no zip", "noise", "web page", "array", "cut off", "no header"],
)
def test_a_file_that_is_no_table_of_leads_is_refused_and_leaves_nothing(database, tmp_path, content, name, hint):
    with pytest.raises(UnreadableFileError, match=hint):
        import_text(tmp_path, content, name)
    assert count_events() == 0


def test_a_file_of_another_source_is_refused_and_leaves_nothing(database, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("Menge,Artikel\n3,Schrauben\n", encoding="utf-8")
    with pytest.raises(UnreadableFileError, match="reads none of the file's 2 columns"):
        import_file(path, source="datablist", brand="default")
    assert count_events() == 0


def test_an_unknown_source_or_file_is_refused(database, tmp_path):
    with pytest.raises(UnknownSourceError, match="known: "):
        import_text(tmp_path, table(["a,b,c,d"]), source="nobody")
    with pytest.raises(UnreadableFileError, match="no such file"):
        import_file(tmp_path / "none.csv", source="datablist", brand="default")


def test_progress_is_told_and_ends_at_the_last_row(database, tmp_path):
    told: list[tuple[int, int | None]] = []
    content = table([f"a{number},F,L,f{number}@example.org" for number in range(2500)])
    import_text(tmp_path, content, on_progress=lambda rows, line: told.append((rows, line)))
    assert told[-1] == (2500, 2501)
    assert len(told) > 1


def import_command(path: Path | str, then: str = "") -> list[str]:
    """An import in a process of its own; `then` may look at `report`."""
    code = (
        # ignored below a job in the background
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from pathlib import Path; from pipeline.intake.files.imports import import_file;"
        f"report = import_file(Path({str(path)!r}), source='datablist', brand='default'); {then}"
    )
    return [sys.executable, "-c", code]


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_import_is_simply_run_again(database, tmp_path, how):
    path = write(tmp_path, table([f"a{number},F,L,f{number}@example.org" for number in range(40_000)]))
    running = subprocess.Popen(import_command(path), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while count_events() < 2000:
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(how)
    assert running.wait(20) != 0
    before = count_events()
    assert 2000 <= before < 40_000
    report = import_file(path, source="datablist", brand="default")
    assert (report.accepted, report.repeated) == (40_000 - before, before)
    assert count_events() == 40_000


@pytest.mark.long
def test_memory_does_not_grow_with_the_file(database, tmp_path):
    """Four times the rows, the same memory: measured in processes of their own."""
    peaks = []
    for count in (20_000, 80_000):
        path = write(
            tmp_path, table([f"{count}-{n},First,Last,f{n}@example.org" for n in range(count)]), f"{count}.csv"
        )
        # Not getrusage: its peak begins with that of the process that started this one.
        look = "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
        done = subprocess.run(import_command(path, look), capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] < peaks[0] * 1.15, f"{peaks} KiB"
    assert peaks[1] < 250_000 < psutil.virtual_memory().total


@pytest.mark.long
def test_standard_input_is_read_like_a_file(database):
    done = subprocess.run(
        import_command("-", "print(report.accepted)"),
        input=table(["a1,F,L,f@example.org"]).encode(),
        capture_output=True,
        check=True,
    )
    assert done.stdout.split()[-1] == b"1"
