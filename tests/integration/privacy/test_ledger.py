"""The ledger is on the disk before anything is destroyed, and says when somebody changed it."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from uuid import UUID

import pytest

from pipeline.errors import ConfigurationError
from pipeline.privacy import ledger
from pipeline.privacy.ledger import LedgerEntry, read_ledger, unknown_lines
from pipeline.records import new_id
from pipeline.store.engine import transaction

PERSON, DIGEST = UUID("01930000-0000-7000-8000-000000000001"), bytes(range(16))


def entry(**more) -> LedgerEntry:
    return LedgerEntry(ledger.ERASE, new_id(), "default", (PERSON,), (DIGEST,), **more)


def write(count: int = 1) -> None:
    for _ in range(count):
        with transaction() as connection:
            ledger.append(connection, entry())


def unknown() -> list[int]:
    with transaction() as connection:
        return [line.number for line in unknown_lines(connection)]


def test_what_was_appended_is_read_as_it_was(installation):
    written = entry(details={"why": "asked"})
    with transaction() as connection:
        line = ledger.append(connection, written)
    (read,) = read_ledger().lines
    assert (read, read.entry, line.number) == (line, written, 1)
    assert installation.ledger.stat().st_mode & 0o777 == 0o600
    assert unknown() == []


def test_an_entry_is_written_through_before_append_returns(installation, monkeypatch):
    synced: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    with transaction() as connection:
        ledger.append(connection, entry())
        assert synced == [str(installation.ledger), str(installation.ledger.parent)]


def test_what_was_announced_and_never_committed_is_not_known_to_the_database(installation):
    write()
    with transaction() as connection:
        ledger.append(connection, entry())
        connection.rollback()  # killed
    assert len(read_ledger().lines) == 2
    assert unknown() == [2]
    with transaction() as connection:
        ledger.note_known(connection, unknown_lines(connection))
    assert unknown() == []


def test_a_last_line_that_was_cut_short_is_said_and_stops_nobody(installation):
    write(2)
    content = installation.ledger.read_bytes()
    installation.ledger.write_bytes(content[:-40])  # a power cut
    assert (len(read_ledger().lines), read_ledger().torn) == (1, (2,))
    write()
    assert ([line.number for line in read_ledger().lines], read_ledger().torn) == ([1, 3], (2,))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_line_that_somebody_changed_is_named(installation, number):
    write(4)
    lines = installation.ledger.read_text().splitlines()
    lines[number - 1] = json.dumps(json.loads(lines[number - 1]) | {"people": []})
    installation.ledger.write_text("\n".join(lines) + "\n")
    with pytest.raises(ConfigurationError, match=f"line {number}: this line"):
        read_ledger()
    with pytest.raises(ConfigurationError, match=f"line {number}: this line"), transaction() as connection:
        ledger.append(connection, entry())


def test_a_line_that_somebody_took_out_or_garbled_is_found_by_the_next(installation):
    write(4)
    lines = installation.ledger.read_text().splitlines()
    installation.ledger.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    with pytest.raises(ConfigurationError, match="line 2"):
        read_ledger()
    installation.ledger.write_text("\n".join([lines[0], "garbled", *lines[2:]]) + "\n")
    with pytest.raises(ConfigurationError, match="line 3"):
        read_ledger()


def test_lines_that_are_gone_from_its_end_are_missed_by_the_database(installation):
    write(3)
    lines = installation.ledger.read_text().splitlines()
    installation.ledger.write_text(lines[0] + "\n")
    with transaction() as connection:
        assert ledger.count_missing(connection) == 2


def test_a_ledger_that_cannot_be_written_keeps_everything_from_being_destroyed(installation):
    installation.ledger.parent.parent.joinpath("elsewhere").write_text("a file, not a folder")
    with pytest.raises(ConfigurationError, match="Nothing was erased"):
        write()


def test_no_value_of_a_person_stands_in_it(installation):
    write()
    assert set(json.loads(installation.ledger.read_text())) == {
        "at", "brand", "details", "digests", "hash", "kind", "people", "previous", "request",
    }  # fmt: skip


def test_processes_that_write_at_once_make_one_chain(installation):
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=write, args=(5,)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert [line.number for line in read_ledger().lines] == list(range(1, 21))
    assert unknown() == []
