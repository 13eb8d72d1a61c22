"""Files that somebody puts into a folder: whole ones only, each once, put away where their sender finds them."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest

from pipeline.health.doctor import run_checks
from pipeline.inspection.polling.polled import read_states
from pipeline.intake.folders import scans
from pipeline.intake.polls import due_polls, run_poll
from pipeline.store.engine import transaction
from tests.support.command_line import answer, lines, problem, run, work
from tests.support.intake_server import count_events, quarantined, stored_events
from tests.support.services import forget_caches
from tests.support.store_rows import read_cursor, read_dropped_files, states

HEADER = "Lead ID,Full Name,Email"


def table(*numbers: object) -> str:
    rows = [f"D-{number},Ada Sample {number},ada{number}@example.org" for number in numbers]
    return "\n".join([HEADER, *rows]) + "\n"


class Folder:
    """The drop folder of a source, as its sender sees it."""

    def __init__(self, path: Path, slug: str) -> None:
        self.path = path
        self.slug = slug
        path.mkdir(parents=True)

    def put(self, name: str, content: str | bytes) -> Path:
        path = self.path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def scan(self, **how):
        return run_poll(self.slug, "default", **{"at_once": True, **how})

    def scan_twice(self):
        self.scan()
        return self.scan()

    def lying(self, folder: str = ".") -> list[str]:
        return sorted(path.name for path in (self.path / folder).glob("*") if path.is_file())

    @property
    def archived(self) -> list[str]:
        return self.lying(f"archive/{datetime.now(UTC):%Y-%m-%d}")


@pytest.fixture
def config(database, tmp_path, monkeypatch):
    """Writes afluente.yaml, as a restart would find it."""
    path = tmp_path / "afluente.yaml"
    monkeypatch.setenv("AFLUENTE_CONFIG", str(path))
    monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path / "data"))

    def write(sources: dict[str, object], **more: object) -> None:
        crm = {"kind": "salesforce", "base_url": "http://127.0.0.1:9"}
        content = {"drop_roots": [str(tmp_path / "drops")], "destinations": {"crm": crm}, **more}
        path.write_text(json.dumps({"sources": sources, **content}))
        forget_caches()

    return write


@pytest.fixture
def folder(config, tmp_path) -> Folder:
    made = Folder(tmp_path / "drops" / "fair", "drop_folder")
    config({"drop_folder": {"folder": "fair", "options": {"settle_seconds": 0}}})
    return made


def note() -> str:
    with transaction() as connection:
        row = read_cursor(connection, "drop_folder")
    return (row.note if row else None) or ""


def known_files():
    with transaction() as connection:
        return read_dropped_files(connection, "drop_folder")


def test_a_file_is_imported_when_it_looked_the_same_twice_and_then_lies_in_the_archive(folder):
    path = folder.put("march.csv", table(1, 2))
    first = folder.scan()
    assert (first.accepted, first.error, folder.lying()) == (0, None, ["march.csv"])
    with path.open("a") as growing:
        growing.write("D-3,Ada Sample 3,ada3@example.org\n")
    assert folder.scan().accepted == 0
    second = folder.scan()
    assert (second.accepted, second.error) == (3, None)
    assert (folder.lying(), folder.archived) == ([], ["march.csv"])
    work()
    assert states() == {"settled": 3}


def test_a_settle_time_must_pass_between_the_two_looks(config, folder):
    config({"drop_folder": {"folder": "fair", "options": {"settle_seconds": 3600}}})
    folder.put("march.csv", table(1))
    folder.scan_twice()
    assert (folder.lying(), count_events()) == (["march.csv"], 0)
    (state,) = read_states("drop_folder")
    assert state.cursor == "1 waiting"


def test_a_file_under_the_name_of_an_upload_is_left_until_it_is_renamed(folder):
    for name in ("march.csv.part", "march.csv.filepart", ".march.csv"):
        folder.put(name, table(1))
    folder.scan_twice()
    assert count_events() == 0
    (folder.path / "march.csv.part").rename(folder.path / "march.csv")
    assert folder.scan_twice().accepted == 1


@pytest.mark.parametrize("ready", ["done", "sha256", "renamed"])
def test_a_file_is_read_when_its_sender_says_that_it_is_whole(config, folder, ready):
    config({"drop_folder": {"folder": "fair", "options": {"settle_seconds": 3600, "ready": ready}}})
    content = table(1)
    if ready != "renamed":
        folder.put("march.csv", content)
        assert folder.scan_twice().accepted == 0
        folder.put(f"march.csv.{ready}", f"{hashlib.sha256(content.encode()).hexdigest()}  march.csv\n")
    else:
        folder.put("march.csv", content)
    assert folder.scan().accepted == 1
    assert folder.lying() == []


def test_a_mark_that_is_older_than_the_file_was_meant_for_another(config, folder):
    config({"drop_folder": {"folder": "fair", "options": {"ready": "done"}}})
    mark = folder.put("march.csv.done", "")
    os.utime(mark, (1, 1))
    folder.put("march.csv", table(1))
    assert folder.scan_twice().accepted == 0
    os.utime(mark)
    assert folder.scan().accepted == 1


def test_a_file_whose_checksum_is_another_is_rejected_once_it_rests(folder):
    folder.put("march.csv", table(1))
    folder.put("march.csv.sha256", "0" * 64)
    folder.scan_twice()
    assert "march.csv" in folder.lying("rejected")
    assert "SHA-256" in (folder.path / "rejected" / "march.csv.reason.txt").read_text()
    assert count_events() == 0


def test_the_same_bytes_again_are_said_to_be_repeated_and_not_imported(folder, monkeypatch):
    folder.put("march.csv", table(1, 2))
    assert folder.scan_twice().accepted == 2
    monkeypatch.setattr(scans, "import_file", None)  # nothing may call it
    folder.put("march again.csv", table(1, 2))
    again = folder.scan_twice()
    assert (again.accepted, again.repeated, again.error) == (0, 2, None)
    assert "come before, byte for byte" in note()
    assert folder.archived == ["march again.csv", "march.csv"]


def test_the_same_name_with_other_bytes_is_another_file(folder):
    folder.put("leads.csv", table(1))
    folder.scan_twice()
    folder.put("leads.csv", table(2))
    assert folder.scan_twice().accepted == 1
    assert folder.archived == ["leads.2.csv", "leads.csv"]
    assert (folder.path / "archive" / f"{datetime.now(UTC):%Y-%m-%d}" / "leads.csv").read_text() == table(1)


def test_a_file_that_is_no_table_is_rejected_with_the_reason_and_the_others_go_on(folder):
    folder.put("a picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    folder.put("good.csv", table(1))
    report = folder.scan_twice()
    assert (report.accepted, report.error) == (1, None)
    assert folder.lying("rejected") == ["a picture.csv", "a picture.csv.reason.txt"]
    assert (folder.path / "rejected" / "a picture.csv.reason.txt").read_text().startswith("It cannot be read: ")
    (state,) = read_states("drop_folder")
    assert state.problem is not None
    assert state.problem.startswith("1 file lies in rejected/")
    (check,) = [check for check in run_checks() if check.name == "source drop_folder"]
    assert not check.ok
    assert "rejected/" in check.detail
    for path in (folder.path / "rejected").iterdir():
        path.unlink()
    folder.scan()
    assert read_states("drop_folder")[0].problem is None


def test_what_was_rejected_is_read_anew_when_it_comes_again(folder, monkeypatch):
    content = gzip.compress(table(1).encode())
    folder.put("march.csv.gz", content[:-12])
    folder.scan_twice()
    assert folder.lying("rejected") == ["march.csv.gz", "march.csv.gz.reason.txt"]
    folder.put("march.csv.gz", content)
    assert folder.scan_twice().accepted == 1


def test_bad_rows_go_to_quarantine_with_their_line_and_the_file_to_the_archive(folder):
    folder.put("march.csv", table(1) + 'D-2,"Ada",ada2@example.org,a,b,c,d\n' + "D-3,Ada,ada3@example.org\n")
    report = folder.scan_twice()
    assert (report.accepted, report.rejected, folder.archived) == (3, 1, ["march.csv"])
    ((code, message),) = quarantined("drop_folder")
    assert (code, "line 3" in message) == ("ragged_row", True)
    assert stored_events("drop_folder")[0].envelope.origin["file"] == "march.csv"


def test_links_and_devices_are_never_read(folder, tmp_path):
    secret = tmp_path / "elsewhere.csv"
    secret.write_text(table(1))
    (folder.path / "link.csv").symlink_to(secret)
    os.mkfifo(folder.path / "pipe.csv")
    report = folder.scan_twice()
    assert (report.accepted, report.error, count_events()) == (0, None, 0)
    assert "2 entries are links, devices or folders" in note()


@pytest.mark.parametrize("name", ["working", "archive", "rejected"])
def test_a_link_in_the_place_of_a_subfolder_leads_nowhere(folder, tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder.path / name).symlink_to(outside)
    folder.put("march.csv", b"\x00\x01" * 40 if name == "rejected" else table(1))
    report = folder.scan()
    report = folder.scan() if report.error is None else report
    assert report.is_terminal
    assert "in the folder of sources.drop_folder.folder is a link or a file" in report.error
    assert list(outside.iterdir()) == []


def test_a_folder_outside_of_the_roots_is_refused(config, folder, tmp_path):
    (tmp_path / "private").mkdir()
    (tmp_path / "drops" / "way_out").symlink_to(tmp_path / "private")
    for path in (str(tmp_path / "private"), "../private", "way_out", "."):
        config({"drop_folder": {"folder": path}})
        assert "drop_roots" in folder.scan().error


def test_two_sources_cannot_share_a_folder(config, folder):
    config({"drop_folder": {"folder": "fair"}, "partner_lists": {"folder": "fair/partner"}})
    assert "give each source its own" in folder.scan().error


def test_a_file_that_is_too_large_is_rejected_before_it_is_read(folder, monkeypatch):
    path = folder.put("huge.csv", table(1))
    with path.open("r+b") as sparse:
        sparse.truncate(3 * 2**30)
    folder.scan_twice()
    assert folder.lying("rejected") == ["huge.csv", "huge.csv.reason.txt"]
    assert "Split it" in (folder.path / "rejected" / "huge.csv.reason.txt").read_text()


def test_a_full_disk_stops_the_move_and_nothing_is_imported_twice(folder, monkeypatch):
    folder.put("march.csv", table(1, 2))
    folder.scan()
    real, is_full = os.rename, [True]

    def rename(source, target, **how):
        if is_full[0] and (folder.path / "working" / source).exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target, **how)

    monkeypatch.setattr(os, "rename", rename)
    report = folder.scan()
    assert "is full: make room" in report.error
    assert not report.is_terminal
    is_full[0] = False
    report = folder.scan()
    assert (report.error, report.accepted, report.repeated, folder.archived) == (None, 0, 0, ["march.csv"])
    assert "byte for byte" not in note()
    assert count_events() == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_archive_that_cannot_be_written_is_told_and_mended(folder):
    archive = folder.path / "archive"
    archive.mkdir(mode=0o500)
    folder.put("march.csv", table(1))
    report = folder.scan_twice()
    assert report.is_terminal
    assert "right to read, write and move files" in report.error
    archive.chmod(0o700)
    assert folder.scan().error is None
    assert (folder.archived, count_events()) == (["march.csv"], 1)


def test_a_long_file_is_read_in_pieces_each_after_the_rows_before(folder, monkeypatch):
    folder.put("long.csv", table(*range(2_500)))
    folder.scan()
    real = scans.import_file

    def one_batch(path, *, piece, **how):
        return real(path, piece=dataclasses.replace(piece, is_over=lambda: True), **how)

    monkeypatch.setattr(scans, "import_file", one_batch)
    counts = []
    while folder.lying("working") or folder.lying():
        report = folder.scan()
        counts.append((report.accepted, report.repeated))
        assert report.error is None
        assert len(counts) < 10
    assert [count for count in counts if any(count)] == [(1_000, 0), (1_000, 0), (500, 0)]
    (file,) = known_files()
    assert (file.state, file.rows_done, file.accepted, file.repeated) == ("archived", 2_500, 2_500, 0)


_KILLED = """
import os, sys
from pipeline.intake.folders import scans
from pipeline.intake.polls import run_poll
from pipeline.store.events import dropped_files
kind = sys.argv[1]
if kind == "rows":
    real, calls = dropped_files.note_rows, []
    def note_rows(connection, file, rows):
        real(connection, file, rows)
        calls.append(rows)
        if len(calls) == 2:
            connection.commit = None
            os.kill(os.getpid(), 9)
    scans.dropped_files.note_rows = note_rows
elif kind == "move":
    real = scans.DropPlace.move
    def move(self, name, *, into, out_of=""):
        if into.startswith("archive"):
            os.kill(os.getpid(), 9)
        return real(self, name, into=into, out_of=out_of)
    scans.DropPlace.move = move
elif kind == "moved":
    real = scans._Scan._set
    def set_(self, file, state):
        if state == "archived":
            os.kill(os.getpid(), 9)
        real(self, file, state)
    scans._Scan._set = set_
run_poll("drop_folder", "default", at_once=True)
"""


@pytest.mark.parametrize("kind", ["rows", "move", "moved"])
def test_after_a_kill_the_file_is_taken_up_again_and_nothing_is_doubled_or_lost(folder, kind):
    folder.put("march.csv", table(*range(2_500)))
    folder.scan()
    done = subprocess.run([sys.executable, "-c", _KILLED, kind], check=False, timeout=60, capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    with transaction() as connection:  # as if the hold of the dead one had run out
        connection.exec_driver_sql("UPDATE cursors SET held_until = NULL, next_run_at = NULL")
    report = folder.scan()
    assert report.error is None
    assert (report.accepted, report.repeated) == ((1_500, 0) if kind == "rows" else (0, 0))
    assert (folder.lying("working"), folder.archived, count_events()) == ([], ["march.csv"], 2_500)
    (file,) = known_files()
    assert (file.state, file.accepted, file.repeated) == ("archived", 2_500, 0)
    assert "byte for byte" not in note()


def test_a_file_that_kills_its_reader_is_rejected_after_three_times(folder, monkeypatch):
    folder.put("cursed.csv", table(1))
    folder.put("good.csv", table(2))
    real = scans.import_file

    def import_file(path, **how):
        if path.name == "cursed.csv":
            raise ZeroDivisionError
        return real(path, **how)

    monkeypatch.setattr(scans, "import_file", import_file)
    folder.scan()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            folder.scan()
    assert folder.scan().accepted == 1
    assert folder.lying("rejected") == ["cursed.csv", "cursed.csv.reason.txt"]


def test_a_file_that_is_written_to_while_it_is_read_is_read_once_more(folder, monkeypatch):
    folder.put("march.csv", table(1))
    folder.scan()
    real = scans.import_file

    def import_file(path, **how):
        done = real(path, **how)
        with path.open("a") as late:
            late.write("D-2,Ada Sample 2,ada2@example.org\n")
        return done

    monkeypatch.setattr(scans, "import_file", import_file)
    folder.scan()
    assert (folder.lying("working"), folder.archived) == (["march.csv"], [])
    monkeypatch.setattr(scans, "import_file", real)
    report = folder.scan()
    assert (report.accepted, report.repeated, folder.archived) == (1, 1, ["march.csv"])


def test_no_name_of_a_file_is_logged_or_kept_in_clear(folder, capfd):
    folder.put("Ada Sample ada@example.org.csv", table(1))
    folder.put("Ada Sample broken.csv", b"\x00\x01" * 400)
    folder.scan_twice()
    written = capfd.readouterr()
    assert "Ada Sample" not in written.out + written.err
    with transaction() as connection:
        kept = connection.exec_driver_sql("SELECT position || note FROM cursors").scalar_one()
        assert "Ada" not in kept


def test_beat_looks_into_the_folder_on_its_schedule(config, folder):
    assert ("drop_folder", "default") in due_polls()
    folder.scan()
    assert due_polls() == []
    config({})
    assert due_polls() == []


def test_the_command_line_tells_what_came_and_what_is_missing(config, folder):
    folder.put("march.csv", table(1))
    assert answer("source", "poll", "drop_folder")["accepted"] == 0
    assert answer("source", "poll", "drop_folder")["accepted"] == 1
    assert "put the file into it again" in problem("source", "poll", "drop_folder", "--from", "beginning", code=2)
    config({"drop_folder": {"enabled": True}})
    assert "set sources.drop_folder.folder" in problem("source", "poll", "drop_folder", code=2)
    (state,) = answer("source", "status", "drop_folder")
    assert "set sources.drop_folder.folder" in state["why_not"]
    assert "dropfolder" in run("source", "list").stdout


def test_several_scans_of_a_badge_are_one_person_with_a_contact_each(config, tmp_path):
    scanned = Folder(tmp_path / "drops" / "scans", "badge_scans")
    config({"badge_scans": {"folder": "scans", "options": {"settle_seconds": 0}}})
    scanned.put("hall 4.csv", Path("samples/badge_scans/typical.csv").read_bytes())
    assert scanned.scan_twice().accepted == 3
    work()
    rows = lines("people", "export", "--format", "jsonl")
    assert sorted((row["email"], row["touches"]) for row in rows) == [
        ("eva.ejemplo@example.org", 2),
        ("finn.voorbeeld@example.com", 1),
    ]


def test_a_scanner_whose_clock_is_ahead_is_not_believed(config, tmp_path):
    scanned = Folder(tmp_path / "drops" / "scans", "badge_scans")
    config({"badge_scans": {"folder": "scans", "options": {"settle_seconds": 0}}})
    text = Path("samples/badge_scans/typical.csv").read_text().replace("2026-03-04T09", "2036-03-04T09")
    scanned.put("hall 4.csv", text)
    scanned.scan_twice()
    work()
    events = {row["submission_id"]: row for row in lines("leads", "export", "--format", "jsonl")}
    assert events["S-70001"]["occurred_at"][:4] != "2036"


def test_a_row_that_a_partner_corrects_takes_the_place_of_what_it_said(config, tmp_path):
    lists = Folder(tmp_path / "drops" / "northwind", "partner_lists")
    config({"partner_lists": {"folder": "northwind", "options": {"settle_seconds": 0}}})
    text = Path("samples/partner_lists/typical.csv").read_text()
    lists.put("march.csv", text)
    assert lists.scan_twice().accepted == 2
    lists.put("march.csv", text.replace("Beispiel AG", "Beispiel SE").replace("03T00:00:00Z", "04T00:00:00Z"))
    report = lists.scan_twice()
    assert (report.accepted, report.revised, report.repeated) == (1, 1, 1)


def test_a_workbook_is_read_by_its_own_process_through_the_opened_folder(folder):
    book = openpyxl.Workbook()
    for row in (line.split(",") for line in table(1, 2).splitlines()):
        book.active.append(row)
    book.save(folder.path / "march.xlsx")
    report = folder.scan_twice()
    assert (report.accepted, report.error, folder.archived) == (2, None, ["march.xlsx"])
