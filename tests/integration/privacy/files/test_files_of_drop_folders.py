"""Files that a drop folder keeps: who was erased is taken out of them, and every other byte stays where it was."""

from __future__ import annotations

import errno
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from pipeline.errors import TransientError
from pipeline.intake.polls import run_poll
from pipeline.privacy import erasure
from pipeline.privacy.erasing.files import cleaning, rewriting
from pipeline.privacy.erasing.files.folders import TEMPORARY
from pipeline.privacy.retention.expiry import RETENTION
from pipeline.privacy.subjects import Asked
from pipeline.store.session_lock import held_alone
from tests.support.command_line import answer, deliver, run, work
from tests.support.identity_rows import rows
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database")
HEADER = b"Lead ID,Full Name,Email,Phone,Notes\r\n"
ADA = b'D-1,Ada Needle,Needle.Ada@Example.ORG,+44 20 7946 0018,"first line\r\nsecond, line"\r\n'
BEN = b'D-2,Ben "the" Kairo;,ben@example.com,,caf\xc3\xa9 \r\n'
EVA = b'D-3,"Eva, ""E"" Sample",eva@example.com,+44 20 7946 0019,no end of line'
NOBODY = gzip.compress(HEADER + BEN)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "drops" / "fair"
    path.mkdir(parents=True)
    config = tmp_path / "afluente.yaml"
    config.write_text(
        json.dumps(
            {
                "drop_roots": [str(tmp_path / "drops")],
                "sources": {"drop_folder": {"folder": "fair", "options": {"settle_seconds": 0, "ready": "renamed"}}},
            }
        )
    )
    monkeypatch.setenv("AFLUENTE_CONFIG", str(config))
    monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path / "data"))
    forget_caches()
    return path


@pytest.fixture
def archived(folder) -> Path:
    """The file with Ada, Ben and Eva in it, imported and put away."""
    (folder / "fair.csv").write_bytes(HEADER + ADA + BEN + EVA)
    run_poll("drop_folder", "default", at_once=True)
    work()
    (path,) = folder.glob("archive/*/fair.csv")
    return path


def begin(email: str = "needle.ada@example.org"):
    return erasure.erase(Asked(email=email), by="somebody")


def erase(email: str = "needle.ada@example.org"):
    request = begin(email)
    erasure.advance(request.request_id)
    deliver()
    return erasure.advance(request.request_id)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def systems(request) -> dict[tuple[str, str], int]:
    found = request.certificate["systems"]
    return {(told["system"], told["state"]): told["records"] for told in found if told["system"].startswith("files")}


def test_their_record_goes_and_all_other_bytes_stay_with_mode_owner_and_time(archived):
    archived.chmod(0o640)
    os.utime(archived, ns=(1_700_000_000_000_000_000, 1_700_000_000_123_456_789))
    before = archived.stat()
    request = erase()
    assert archived.read_bytes() == HEADER + BEN + EVA
    after = archived.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_mtime_ns == before.st_mtime_ns
    assert (request.state, systems(request)) == ("done", {("files drop_folder", "done"): 1})
    assert "fair.csv" not in json.dumps(request.certificate)


BY_RECORD = {  # before the erasure, and after it
    "by number.csv": (HEADER + b"D-9,A,,0044 (20) 7946-0018,\r\n" + BEN, HEADER + BEN),
    "tabs.tsv": (b"N\tE\nA\tneedle.ada@example.org\nB\tben@example.com\n", b"N\tE\nB\tben@example.com\n"),
    "lines.jsonl": (
        b'{"a":{"e":"needle.ada\\u0040example.org"}}\n {"e": "ben@example.com"}\n\n{"e":1}',
        b' {"e": "ben@example.com"}\n\n{"e":1}',
    ),
    "link.csv": (b"Link,Who\nhttps://x.example/?e=needle.ada%40example.org,a\nb,c\n", b"Link,Who\nb,c\n"),
    "latin.csv": (b"N,E\nAd\xe9,needle.ada@example.org\nB\xe9n,b@example.com\n", b"N,E\nB\xe9n,b@example.com\n"),
    "list.txt": (b"needle.ada@example.org\nben@example.com\n", b"ben@example.com\n"),
    "ragged.csv": (b"N,E\nA,x,needle.ada@example.org,z\nB,b@example.com\n", b"N,E\nB,b@example.com\n"),
    "excel.csv": (b"sep=;\r\nN;E\r\nA;needle.ada@example.org\r\nB;b@x.org", b"sep=;\r\nN;E\r\nB;b@x.org"),
    "marked.csv": (b"\xef\xbb\xbfN,E\nA,needle.ada@example.org\n", b"\xef\xbb\xbfN,E\n"),
    "ben.eml": (b"From: ben@example.com\n\ntext\n", b"From: ben@example.com\n\ntext\n"),
    "ben.gz": (NOBODY, NOBODY),
    "empty.csv": (b"", b""),
}


def test_rows_and_lines_of_rejected_files_go_too_in_any_spelling(archived, folder):
    for name, (before, _) in BY_RECORD.items():
        (folder / "rejected" / name).write_bytes(before)
    request = erase()
    left = {name: (folder / "rejected" / name).read_bytes() for name in BY_RECORD}
    assert left == {name: after for name, (_, after) in BY_RECORD.items()}
    assert (request.state, systems(request)) == ("done", {("files drop_folder", "done"): 10})


def workbook(path: Path, email: str) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Name", "Email"])
    book.active.append(["Somebody", email])
    book.save(path)


BY_HAND = {
    "packed.csv.gz": gzip.compress(HEADER + ADA),
    "mail.eml": b"From: needle.ada@example.org\nSubject: a\n\ntext\n",
    "card.vcf": b"BEGIN:VCARD\nFN:Ada\nEMAIL:needle.ada@example.org\nEND:VCARD\n",
    "document.json": b'[{"name": "Ada",\n "email": "needle.ada@example.org"},\n {"email": "ben@example.com"}]',
    "several.jsonl": b'{"leads":[{"e":"needle.ada@example.org"},{"e":"ben@example.com"}]}\n',
    "utf-16.csv": "Name,Email\nAda,needle.ada@example.org\n".encode("utf-16"),
    "quote.csv": HEADER + b'D-5,"never closed,ben@example.com\r\n' + ADA.replace(b'"', b""),
    "old.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(200),
    "prose.txt": b"Ada wrote to us\nfrom needle.ada@example.org, and then\nshe called\n",
}


def test_what_cannot_be_rewritten_stays_and_is_listed_for_a_human(archived):
    for name, content in BY_HAND.items():
        archived.with_name(name).write_bytes(content)
    archived.with_name("of needle.ada@example.org.csv").write_bytes(HEADER + BEN)  # they stand in its name
    request = erase()
    assert {name: archived.with_name(name).read_bytes() for name in BY_HAND} == BY_HAND
    listed = {*BY_HAND, "of needle.ada@example.org.csv"}
    assert request.state == "by_hand"
    assert systems(request) == {("files drop_folder", "done"): 1, ("files drop_folder", "not_supported"): len(listed)}
    inodes = {archived.with_name(name).stat().st_ino for name in listed}
    assert {tuple(entry) for entry in request.progress["by_hand"]} == {
        ("files drop_folder", f"archive/{archived.parent.name}, inode {inode}") for inode in inodes
    }
    ended = erasure.confirm_by_hand(request.request_id, why="cleaned")
    assert systems(ended)["files drop_folder", "done_by_hand"] == len(listed)


def test_a_workbook_is_looked_into_and_one_without_them_is_left_alone(archived):
    workbook(archived.with_name("ben.xlsx"), "ben@example.com")
    workbook(archived.with_name("ada.xlsx"), "needle.ada@example.org")
    request = erase()
    inode = archived.with_name("ada.xlsx").stat().st_ino
    assert [what for _, what in request.progress["by_hand"]] == [f"archive/{archived.parent.name}, inode {inode}"]


def test_a_file_that_waits_is_left_and_once_it_was_read_the_next_look_cleans_it(archived, folder):
    waiting = folder / "later.csv"
    waiting.write_bytes(HEADER + ADA.replace(b"D-1", b"D-7") + BEN.replace(b"D-2", b"D-8"))
    request = erase()
    assert waiting.read_bytes().count(b"Needle") == 2
    run_poll("drop_folder", "default", at_once=True)
    work()
    (read,) = folder.glob("archive/*/later.csv")
    assert rows("SELECT count(*) FROM events WHERE reason = 'erased'") == [(2,)]
    rows("UPDATE privacy_requests SET verified_at = verified_at - interval '25 hours' RETURNING 1")
    erasure.upkeep()
    assert read.read_bytes() == HEADER + BEN.replace(b"D-2", b"D-8")
    again = erasure.advance(request.request_id)
    assert (again.state, systems(again)) == ("done", {("files drop_folder", "done"): 2})


def test_links_and_other_folders_are_not_followed(archived, folder, tmp_path):
    outside = tmp_path / "outside.csv"
    outside.write_bytes(HEADER + ADA)
    (archived.parent / "link.csv").symlink_to(outside)
    (archived.parent / "folder").symlink_to(tmp_path, target_is_directory=True)
    other = folder / "others" / "kept.csv"
    other.parent.mkdir()
    other.write_bytes(HEADER + ADA)
    assert erase().state == "done"
    assert outside.read_bytes() == other.read_bytes() == HEADER + ADA


def test_a_file_with_a_second_name_is_left_to_a_human(archived, tmp_path):
    os.link(archived, tmp_path / "second.csv")
    assert erase().state == "by_hand"
    assert archived.read_bytes() == HEADER + ADA + BEN + EVA


def test_where_a_file_cannot_be_given_to_its_owner_nobody_else_may_read_it(archived, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError

    archived.chmod(0o660)
    monkeypatch.setattr(os, "fchown", refuse)
    assert erase().state == "done"
    assert archived.read_bytes() == HEADER + BEN + EVA
    assert archived.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_away_is_said_and_keeps_nobody_waiting(archived, folder):
    folder.rename(folder.with_name("away"))
    request = erase()
    assert (request.state, systems(request)) == ("done", {("files drop_folder", "unverified"): 0})


def test_a_full_disk_leaves_the_old_file_and_the_erasure_goes_on_once_there_is_room(archived, monkeypatch):
    request = begin()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(rewriting, "_write", full)
        with pytest.raises(TransientError, match="is full"):
            erasure.advance(request.request_id)
    assert archived.read_bytes() == HEADER + ADA + BEN + EVA
    assert names(archived.parent) == ["fair.csv"]
    erasure.advance(request.request_id)
    assert archived.read_bytes() == HEADER + BEN + EVA


def test_a_file_that_changes_while_it_is_rewritten_is_not_replaced_and_looked_at_again(archived, monkeypatch):
    make_like, more = rewriting._make_like, b"\r\nD-4,Dan,dan@example.com,,"

    def change(*about: object) -> None:
        monkeypatch.setattr(rewriting, "_make_like", make_like)
        with archived.open("ab") as file:
            file.write(more)

    monkeypatch.setattr(rewriting, "_make_like", change)
    erase()
    assert archived.read_bytes() == HEADER + BEN + EVA + more


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.privacy.erasing.files import rewriting
step, path, begin, end = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(rewriting if step.startswith("_") else os, step, die)
folder, opened = os.open(path.parent, os.O_RDONLY), os.open(path, os.O_RDONLY)
rewriting.take_out(folder, path.name, opened, [(begin, end)], os.fstat(opened))
"""


@pytest.mark.parametrize("step", ["_write", "_make_like", "fsync", "rename"])
def test_a_kill_leaves_the_old_file_and_the_same_erasure_finishes_without_a_trace(archived, step):
    span = (str(len(HEADER)), str(len(HEADER + ADA)))
    done = subprocess.run([sys.executable, "-c", KILLED, step, archived, *span], check=False)
    assert done.returncode == -9
    assert archived.read_bytes() == HEADER + ADA + BEN + EVA
    assert any(name.startswith(TEMPORARY) for name in names(archived.parent))
    assert erase().state == "done"
    assert archived.read_bytes() == HEADER + BEN + EVA
    assert names(archived.parent) == ["fair.csv"]


def test_a_kill_after_the_rename_and_before_the_note_is_finished_by_the_same_command(archived, monkeypatch):
    request = begin()
    with monkeypatch.context() as patch:
        patch.setattr(cleaning._Cleaning, "_note", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            erasure.advance(request.request_id)
    assert archived.read_bytes() == HEADER + BEN + EVA
    assert erase().state == "done"


def test_many_files_go_on_where_the_time_of_one_look_was_up(archived, monkeypatch):
    for number in range(5):
        archived.with_name(f"more{number}.csv").write_bytes(HEADER + ADA)
        os.utime(archived.with_name(f"more{number}.csv"))
    monkeypatch.setattr(cleaning, "_SECONDS", -1.0)
    request = begin()
    looks = 0
    while erasure.advance(request.request_id).state == "erasing":
        looks += 1
        monkeypatch.setattr(cleaning, "_SETTLES_NS", 0)
        assert looks < 20
    assert looks >= 6
    assert all(b"Needle" not in path.read_bytes() for path in archived.parent.iterdir())


def test_while_another_process_rewrites_files_an_erasure_waits_its_turn(archived):
    request = begin()
    with held_alone(cleaning._LOCK):
        assert erasure.advance(request.request_id).state == "erasing"
    assert archived.read_bytes() == HEADER + ADA + BEN + EVA
    assert erasure.advance(request.request_id).state != "erasing"
    assert archived.read_bytes() == HEADER + BEN + EVA


def test_whom_retention_retires_is_left_in_the_files_which_their_keeper_empties(archived):
    request = begin()
    rows("UPDATE privacy_requests SET asked_by = %s RETURNING 1", RETENTION)
    erasure.advance(request.request_id)
    deliver()
    assert erasure.advance(request.request_id).state == "done"
    assert archived.read_bytes() == HEADER + ADA + BEN + EVA


def test_the_command_says_which_file_is_to_be_looked_through_and_not_what_it_is_called(archived):
    path = archived.with_name("ada needle.vcf")
    path.write_bytes(BY_HAND["card.vcf"])
    done = run("privacy", "erase", "--email", "needle.ada@example.org", "--yes", "--no-wait")
    deliver()
    assert done.returncode == 1
    (request_id,) = rows("SELECT request_id FROM privacy_requests")[0]
    assert erasure.advance(request_id).state == "by_hand"
    told = json.dumps(answer("privacy", "status", code=1))
    assert f"look through archive/{archived.parent.name}, inode {path.stat().st_ino}" in told
    assert "ada needle" not in told + done.stdout + done.stderr
