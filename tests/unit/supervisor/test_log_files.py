"""Logs do not grow for ever while their programs run and write."""

from __future__ import annotations

import os

import pytest

from pipeline.supervisor import log_files
from pipeline.supervisor.child_process import bare_environment
from pipeline.supervisor.log_files import Logs, open_log


def test_a_long_log_begins_anew_while_its_program_goes_on_writing(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "_LIMIT_BYTES", 1000)
    writing = open_log(tmp_path, "beat")
    os.write(writing, b"old " * 300)
    Logs(tmp_path).rotate_when_due()
    os.write(writing, b"new")
    os.close(writing)
    assert (tmp_path / "logs" / "beat.log").read_bytes() == b"new"
    assert (tmp_path / "logs" / "beat.log.1").read_bytes() == b"old " * 300


def test_a_short_log_is_left_alone_and_they_are_looked_at_every_few_seconds(tmp_path, monkeypatch):
    logs = Logs(tmp_path)
    logs.rotate_when_due()  # no folder yet
    monkeypatch.setattr(log_files, "_LIMIT_BYTES", 10)
    writing = open_log(tmp_path, "beat")
    os.write(writing, b"more than ten bytes")
    logs.rotate_when_due()
    assert not (tmp_path / "logs" / "beat.log.1").exists()
    os.close(writing)


def test_lines_of_a_log_get_no_older_than_the_settings_say(tmp_path):
    writing = open_log(tmp_path, "beat")
    os.write(writing, b"first")
    Logs(tmp_path, keep_seconds=60).rotate_when_due()
    os.write(writing, b"second")
    older = tmp_path / "logs" / "beat.log.1"
    assert older.read_bytes() == b"first"
    Logs(tmp_path, keep_seconds=60).rotate_when_due()
    assert older.read_bytes() == b"first"
    os.utime(older, (0, older.stat().st_mtime - 31))  # half a minute later
    Logs(tmp_path, keep_seconds=60).rotate_when_due()
    os.close(writing)
    assert older.read_bytes() == b"second"
    assert (tmp_path / "logs" / "beat.log").read_bytes() == b""


def test_without_room_for_a_copy_the_log_is_cut_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "x.log").write_bytes(b"x" * 2000)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log_files.shutil, "copyfile", full)
    log_files.rotate(tmp_path / "x.log")
    assert (tmp_path / "x.log").stat().st_size == 0


def test_a_program_is_started_even_if_its_log_cannot_be_opened(tmp_path):
    (tmp_path / "logs").write_text("a file where the folder should be")
    writing = open_log(tmp_path, "beat")
    assert os.write(writing, b"lost") == 4
    os.close(writing)


@pytest.mark.parametrize("name", ["AFLUENTE_API_KEYS", "AFLUENTE_SECRET_KEYS", "CRM_SECRET", "AWS_SESSION_TOKEN"])
def test_servers_that_are_not_ours_inherit_no_secret(monkeypatch, name):
    monkeypatch.setenv(name, "hidden")
    assert "hidden" not in bare_environment().values()
    assert "PATH" in bare_environment()
