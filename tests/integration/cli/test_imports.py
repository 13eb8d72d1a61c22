"""`afluente import` through the real command line: counts, bad rows, waiting, rehearsal."""

from __future__ import annotations

import json
import subprocess
import time
from uuid import UUID

import pytest

from pipeline.delivery.breaker import Breaker
from pipeline.delivery.shared_state import shared_redis
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from pipeline.store.events.progress import count_states
from tests.support.command_line import answer, deliver, lines, problem, run, start, work
from tests.support.intake_server import count_events

HEADER = "Index,Account Id,First Name,Last Name,Company,Phone 1,Email 1\n"
ROWS = "".join(f"{n},acc{n},Ada{n},Sample,Works,202-555-01{n:02},ada{n}@example.com\n" for n in range(1, 6))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "leads.csv"
    path.write_text(HEADER + ROWS, encoding="utf-8")
    return path


def wait_for_rows(count: int) -> None:
    """Until so many events are stored, however long a busy machine takes to start a program."""
    deadline = time.monotonic() + 60
    while count_events() < count:
        assert time.monotonic() < deadline, "the rows did not come in"
        time.sleep(0.05)


def wait_for(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether the process ends within `seconds`."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


@pytest.mark.usefixtures("database")
def test_an_import_says_how_many_rows_it_accepted(file):
    found = answer("import", str(file), "--source", "datablist")
    assert list(found) == [
        *(
            "accepted",
            "repeated",
            "revised",
            "rejected",
            "settled",
            "suppressed",
            "quarantined",
            "pending",
            "in_flight",
        ),
        *("suppressed_for", "difference", "files", "unreadable"),
    ]
    assert (found["accepted"], found["repeated"], found["rejected"]) == (5, 0, 0)
    assert (found["pending"], found["difference"]) == (5, 0)
    assert [one["file"] for one in found["files"]] == [str(file)]


@pytest.mark.usefixtures("database")
def test_what_a_rule_suppressed_is_told_with_the_reason(file):
    file.write_text(HEADER + ROWS.replace("3,acc3,", "3,TeSter-3,"))
    answer("import", str(file), "--source", "datablist")
    work()
    again = answer("import", str(file), "--source", "datablist")
    assert again["suppressed_for"] == {}, "these came with another import"
    source, brand, ids = "datablist", "default", sorted(row["event_id"] for row in lines("leads", "export"))
    with transaction() as connection:
        states = count_states(connection, source=source, brand=brand, first=UUID(ids[0]), last=UUID(ids[-1]))
    assert (states.counts["suppressed"], states.suppressed_for) == (1, {"test": 1})


@pytest.mark.usefixtures("database")
def test_the_same_file_again_accepts_nothing(file):
    answer("import", str(file), "--source", "datablist")
    again = answer("import", str(file), str(file), "--source", "datablist")
    assert (again["accepted"], again["repeated"]) == (0, 10)
    assert [one["repeated"] for one in again["files"]] == [5, 5]
    assert again["pending"] == 0, "rows of another import were counted as this one's"


@pytest.mark.usefixtures("database")
def test_a_region_said_of_rows_that_are_in_already_is_told_to_change_nothing(file):
    first = run("import", str(file), "--source", "datablist", "--region", "ES").stdout
    assert "--region changes nothing" not in first, "rows that came with it have it"
    again = run("import", str(file), "--source", "datablist", "--region", "ES").stdout
    assert "--region changes nothing for 5 rows that are in already" in again
    assert "`region: ES` into mappings/sources/datablist.yaml" in again
    assert "afluente leads replay --settled --source datablist" in again
    assert "afluente quarantine replay --source datablist" in again


@pytest.mark.usefixtures("database")
def test_a_bad_row_is_rejected_with_its_line_and_the_others_go_in(file):
    file.write_text(HEADER + ROWS + "6,acc6,too short\n", encoding="utf-8")
    found = answer("import", str(file), "--source", "datablist")
    assert (found["accepted"], found["rejected"], found["quarantined"]) == (6, 1, 1)
    (row,) = found["files"][0]["rejected_rows"]
    assert row["line"] == 7
    assert "too short" not in json.dumps(row)
    assert found["difference"] == 0
    text = run("import", str(file), "--source", "datablist").stdout
    assert "repeated  6" in text


@pytest.mark.usefixtures("database")
@pytest.mark.long
def test_waiting_ends_when_every_row_has_ended_and_every_crm_was_told(file):
    waiting = start("import", str(file), "--source", "datablist", "--wait", "--json")
    try:
        wait_for_rows(5)
        assert not wait_for(waiting, 1.0), "it did not wait for the chain"
        work()
        assert not wait_for(waiting, 1.5), "it did not wait for the deliveries"
        deliver()
        assert wait_for(waiting, 60), "it did not notice the end"
        found = json.loads(waiting.stdout.read())
    finally:
        waiting.kill()
        waiting.communicate()
    assert waiting.returncode == 0
    assert (found["accepted"], found["settled"], found["pending"], found["difference"]) == (5, 5, 0, 0)


@pytest.mark.long
@pytest.mark.usefixtures("database", "redis_url")
def test_waiting_says_what_the_crm_refused_and_ends_with_1(file):
    waiting = start("import", str(file), "--source", "datablist", "--wait", "--json")
    try:
        wait_for_rows(5)
        work()
        deliver("rejected", code="FIELD_INTEGRITY", message="bad value")
        said, _ = waiting.communicate(timeout=60)
    finally:
        waiting.kill()
    assert waiting.returncode == 1
    crm = json.loads(said)["deliveries"]["sandbox"]
    assert (crm["sent"], crm["refused"], crm["refused_for"]) == (0, 5, {"FIELD_INTEGRITY": 5})


@pytest.mark.long
@pytest.mark.usefixtures("database", "redis_url")
def test_waiting_tells_at_once_what_keeps_a_crm_from_taking_calls(file):
    Breaker(shared_redis(settings().broker_url)).halt("sandbox", 60.0, "answered 500")
    waiting = start("import", str(file), "--source", "datablist", "--wait")
    try:
        wait_for_rows(5)
        work()
        assert not wait_for(waiting, 2.0)
        deliver()
        text, told = waiting.communicate(timeout=60)
    finally:
        waiting.kill()
    assert waiting.returncode == 0
    assert told.count("calls are halted (answered 500)") == 1
    assert "sandbox: 5 people sent" in text


@pytest.mark.usefixtures("database")
def test_rows_that_cannot_be_read_are_not_counted_as_if_they_were_others(file):
    file.write_text(HEADER + ROWS + "6,acc6,too short\n", encoding="utf-8")
    text = run("import", str(file), "--source", "datablist").stdout
    assert "rejected" in text
    assert "1 (of these rows: kept, and quarantined" in text


@pytest.mark.usefixtures("database")
@pytest.mark.long
def test_waiting_for_rows_that_had_come_before_waits_for_those(file):
    answer("import", str(file), "--source", "datablist")
    waiting = start("import", str(file), "--source", "datablist", "--wait", "--json")
    try:
        assert not wait_for(waiting, 2.5), "the rows of the first import are still pending"
        work()
        deliver()
        assert wait_for(waiting, 60)
        found = json.loads(waiting.stdout.read())
    finally:
        waiting.kill()
        waiting.communicate()
    assert (found["accepted"], found["repeated"], found["difference"]) == (0, 5, 0)


@pytest.mark.usefixtures("database")
def test_a_delivery_that_a_human_must_look_at_ends_the_waiting(file):
    answer("import", str(file), "--source", "datablist")
    work()
    deliver("rejected", code="REQUIRED_FIELD_MISSING", message="required fields are missing")
    began = time.monotonic()
    assert answer("import", str(file), "--source", "datablist", "--wait")["repeated"] == 5
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("database")
def test_a_rehearsal_stores_nothing_and_names_what_would_be_quarantined(file):
    file.write_text(HEADER + ROWS + "6,acc6,too short\n7,,Nobody,,,,\n", encoding="utf-8")
    found = answer("import", str(file), "--source", "datablist", "--dry-run", "--rows", "2")
    assert (found["rows"], found["ready"], found["quarantined"]) == (7, 5, 2)
    rows = found["files"][0]["rows"]
    assert [(row["line"], row["state"]) for row in rows] == [
        (2, "ready"),
        (3, "ready"),
        (7, "quarantined"),
        (8, "quarantined"),
    ]
    assert rows[0]["fields"]["phone"] == "+12025550101"
    assert rows[3]["reason"] == "nothing_to_identify"
    text = run("import", str(file), "--source", "datablist", "--dry-run").stdout
    assert "+12025550101" in text
    assert "line 8: quarantined: nothing_to_identify" in text
    assert "line 7: quarantined: ragged_row: 3 cells" in text, "the line is said once"
    assert answer("balance")["all"]["accepted"] == 0


@pytest.mark.usefixtures("database")
def test_a_rehearsal_shows_when_a_lead_happened(tmp_path):
    file = tmp_path / "leads.jsonl"
    file.write_text('{"email": "ada@example.org", "occurred_at": "2026-03-02T01:00:00+01:00"}\n', encoding="utf-8")
    found = answer("import", str(file), "--source", "api", "--dry-run")
    assert found["files"][0]["rows"][0]["fields"]["occurred_at"] == "2026-03-02T00:00:00Z"
    text = run("import", str(file), "--source", "api", "--dry-run").stdout
    assert "occurred_at" in text
    assert "2026-03-02T00:00:00Z" in text


@pytest.mark.usefixtures("database")
def test_wrong_use_says_what_is_allowed(file, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "is not a file" in problem("import", str(tmp_path / "none.csv"), "--source", "datablist", code=2)
    assert "no file in" in problem("import", str(tmp_path / "empty"), "--source", "datablist", code=2)
    assert "allowed: dmy, mdy" in problem("import", str(file), "--source", "datablist", "--dates", "ymd", code=2)
    assert "cannot name a source" in problem("import", str(file), "--source", "Bad-Name", code=2)
    assert "there is no brand 'acme'" in problem(
        "import", str(file), "--source", "datablist", "--brand", "acme", code=2
    )


@pytest.mark.usefixtures("database")
def test_columns_that_the_mapping_does_not_read_are_named_file_by_file(file, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("Nombre,Email 1,Tel. fijo,Index\nAda,ada@example.com,+34 910 000 001,1\n")
    said = (
        f"{other}: 2 of 4 columns are not read (kept under `custom`): Nombre, Tel. fijo; name them in headers:, kept or"
        " ignored of mappings/sources/datablist.yaml"
    )
    for options in (["--dry-run"], []):
        done = run("import", str(file), str(other), "--source", "datablist", *options)
        assert said in done.stdout
        assert f"{file}: " not in done.stdout, "a file that is read as a whole was named too"
        found = answer("import", str(file), str(other), "--source", "datablist", *options)
        assert [one["notes"]["unread_columns"] for one in found["files"]] == [[], ["Nombre", "Tel. fijo"]]


@pytest.mark.usefixtures("database")
def test_of_a_folder_every_file_goes_in_by_name_and_an_unreadable_one_stops_no_other(file, tmp_path):
    folder = tmp_path / "folder"
    (folder / "deeper").mkdir(parents=True)
    (folder / "b.csv").write_text(HEADER + ROWS.replace("acc", "b").replace("ada", "b"))
    (folder / "a.pdf").write_bytes(b"%PDF-1.7")
    (folder / ".hidden.csv").write_text(HEADER + ROWS)
    found = answer("import", str(folder), str(file), "--source", "datablist", code=1)
    assert [one["file"] for one in found["files"]] == [str(folder / "b.csv"), str(file)]
    assert [one["file"] for one in found["unreadable"]] == [str(folder / "a.pdf")]
    assert "PDF" in found["unreadable"][0]["reason"]
    assert (found["accepted"], found["difference"]) == (10, 0)
    done = run("import", str(folder), "--source", "datablist", "--dry-run")
    assert done.returncode == 1
    assert f"{folder / 'a.pdf'}: this is a PDF" in done.stdout
    assert "5 rows: 5 would go on" in done.stdout


@pytest.mark.usefixtures("database")
def test_what_waits_from_a_file_says_which_file_and_line(file):
    file.write_text(HEADER + ROWS + "6,acc6,too short\n", encoding="utf-8")
    answer("import", str(file), "--source", "datablist")
    (row,) = answer("quarantine", "list")["rows"]
    shown = answer("quarantine", "show", row["quarantine_id"])
    assert (shown["file"], shown["line"], shown["code"]) == ("leads.csv", 7, "ragged_row")
    assert "leads.csv" in run("quarantine", "show", row["quarantine_id"]).stdout
    assert (row["file"], row["line"]) == ("leads.csv", 7)
    with transaction() as connection:
        stored = connection.exec_driver_sql("SELECT row_to_json(q)::text FROM quarantine q").scalar_one()
    assert "leads.csv" not in stored, "a file's name may name a person: it is sealed with the row"


@pytest.mark.usefixtures("database")
def test_a_date_that_can_be_read_in_two_ways_is_settled_on_the_command_or_nothing_goes_in(tmp_path):
    path = tmp_path / "dates.csv"
    path.write_text("external_id,email,occurred_at\n1,ada@example.com,03/04/2026\n2,eve@example.com,05/04/2026\n")
    said = problem("import", str(path), "--source", "api", code=1)
    assert "'occurred_at'" in said
    assert "line 2 reads 03/04/2026" in said
    assert answer("balance")["all"]["accepted"] == 0
    found = answer("import", str(path), "--source", "api", "--dates", "dmy")
    assert found["files"][0]["dates"] == {"occurred_at": "dmy"}
    work()
    dates = [lead["occurred_at"][:10] for lead in lines("leads", "export")]
    assert sorted(dates) == ["2026-04-03", "2026-04-05"]


@pytest.mark.usefixtures("database")
def test_standard_input_is_gone_through_twice_where_its_dates_ask_for_it():
    rows = "".join(f"{n},p{n}@example.com,03/04/2026\n" for n in range(3000))
    text = f"external_id,email,occurred_at\n{rows}x,last@example.com,03/25/2026\n"
    done = run("import", "-", "--source", "api", "--json", stdin=text)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["accepted"], found["rejected"]) == (3001, 0)
    assert found["files"][0]["dates"] == {"occurred_at": "mdy"}
    refused = run("import", "-", "--source", "new_one", "--accept", stdin=text)
    assert refused.returncode == 2
    assert "save it to a file" in refused.stderr


@pytest.mark.usefixtures("database")
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path):
    path = tmp_path / "leads.csv"
    path.write_bytes(b"%PDF-1.7 nothing to see")
    said = problem("import", str(path), "--source", "datablist", code=1)
    assert str(path) in said
    assert "PDF" in said


def test_without_anything_running_it_says_how_to_start(file, tmp_path, monkeypatch):
    monkeypatch.delenv("AFLUENTE_DATABASE_URL", raising=False)
    said = problem(
        "import", str(file), "--source", "datablist", code=1, environment={"AFLUENTE_DATA": str(tmp_path / "data")}
    )
    assert f"does not run in {tmp_path / 'data'}" in said
    assert "afluente up" in said


def test_a_database_that_does_not_answer_is_named_with_its_remedy(file):
    away = {"AFLUENTE_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    said = problem("import", str(file), "--source", "datablist", code=1, environment=away)
    assert "the database is away" in said
    assert "afluente doctor" in said
