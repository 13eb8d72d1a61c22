"""An entry costs the ledger the same however many there are, and nothing that was changed is built upon."""

from __future__ import annotations

import json
import os
from pathlib import Path
from uuid import UUID

import pytest

from pipeline.errors import ConfigurationError
from pipeline.privacy import erasure, ledger
from pipeline.privacy.ledger import LedgerEntry, read_ledger
from pipeline.privacy.subjects import Asked
from pipeline.records import new_id
from pipeline.store.engine import transaction
from tests.support.own_ledger import ADA

PERSON = UUID("01930000-0000-7000-8000-000000000001")


def write(count: int = 1) -> None:
    with transaction() as connection:
        for _ in range(count):
            ledger.append(connection, LedgerEntry(ledger.ERASE, new_id(), "default", (PERSON,), (bytes(16),)))


@pytest.fixture
def bytes_read(monkeypatch) -> list[int]:
    """How many bytes of files each call read."""
    counts: list[int] = []
    pread, read = os.pread, Path.read_bytes

    def note(content: bytes) -> bytes:
        counts.append(len(content))
        return content

    monkeypatch.setattr(os, "pread", lambda *given: note(pread(*given)))
    monkeypatch.setattr(Path, "read_bytes", lambda path: note(read(path)))
    return counts


def test_an_entry_reads_as_much_of_a_long_ledger_as_of_a_short_one(installation, bytes_read):
    write(3)
    bytes_read.clear()
    write()
    of_short = sum(bytes_read)
    write(300)
    bytes_read.clear()
    write()
    assert sum(bytes_read) - of_short < 20  # digits of a greater size and number
    assert [line.number for line in read_ledger().lines] == list(range(1, 306))


def test_what_anybody_else_wrote_is_found_by_the_next_entry(installation):
    write(4)
    lines = installation.ledger.read_text().splitlines()
    other = lines[1].replace(str(PERSON), str(PERSON).replace("1", "2"))
    installation.ledger.write_text("\n".join([lines[0], other, *lines[2:]]) + "\n")  # as long as before
    with pytest.raises(ConfigurationError, match="line 2: this line"):
        write()


def test_another_file_in_its_place_is_read_from_its_beginning(installation, tmp_path):
    write(2)
    copy = installation.ledger.read_bytes()
    write()
    installation.ledger.unlink()
    installation.ledger.write_bytes(copy)
    write()
    assert [line.number for line in read_ledger().lines] == [1, 2, 3]


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"file": null}', "no json"])
def test_a_head_that_is_lost_or_says_nothing_costs_one_look_at_all_of_it(installation, content):
    write(2)
    head = installation.ledger.with_name("ledger.jsonl.head")
    head.unlink() if content is None else head.write_text(content)
    write()
    assert [line.number for line in read_ledger().lines] == [1, 2, 3]
    assert json.loads(head.read_text())["number"] == 3
    assert head.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("left", [1, 40, 200])
def test_a_line_cut_short_by_a_crash_stops_no_erasure_and_is_known_from_a_change(installation, left):
    installation.person(ADA)
    write(2)
    content = installation.ledger.read_bytes()
    installation.ledger.write_bytes(content[: content.index(b"\n") + 1 + left])
    request = erasure.erase(Asked(email=ADA["email"]), by="vera")
    read = read_ledger()
    assert (read.torn, [line.number for line in read.lines]) == ((2,), [1, 3])
    assert read.lines[-1].entry.request_id == request.request_id


def test_zeros_that_a_crash_left_at_the_end_are_a_line_cut_short(installation):
    write(2)
    with installation.ledger.open("ab") as file:
        file.write(bytes(100))
    write(2)
    assert (read_ledger().torn, [line.number for line in read_ledger().lines]) == ((3,), [1, 2, 4, 5])


def test_a_last_line_that_was_written_to_its_end_and_is_no_entry_was_changed(installation):
    write(2)
    first, last = installation.ledger.read_text().splitlines()
    installation.ledger.write_text(f"{first}\n{last.replace(':', ';')}\n")
    with pytest.raises(ConfigurationError, match="line 2: this line"):
        read_ledger()
    with pytest.raises(ConfigurationError, match="line 2: this line"):
        write()
