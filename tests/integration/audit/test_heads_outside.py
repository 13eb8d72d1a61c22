"""The file of heads: what a crash cut short is told apart from what somebody changed."""

from __future__ import annotations

import threading

import pytest

from pipeline.audit import verification
from pipeline.audit.anchors import read_anchors, torn_lines, write_anchors
from pipeline.audit.entries import record_action
from pipeline.audit.verification import Verified, verify_log
from pipeline.errors import ConfigurationError
from pipeline.settings.loading import Settings, load_settings
from pipeline.store.engine import transaction
from tests.support.command_line import answer, run


@pytest.fixture
def known(database, tmp_path, monkeypatch) -> Settings:
    monkeypatch.setenv("AFLUENTE_RECORDS", str(tmp_path / "records"))
    return load_settings()


def record(brand: str = "casa") -> None:
    with transaction() as connection:
        record_action(connection, "people.merge", brand=brand)


def verify(known: Settings) -> Verified:
    with transaction() as connection:
        return verify_log(connection, read_anchors(known), torn=torn_lines(known))


@pytest.mark.parametrize("left", [1, 6, 30, -2])
def test_a_line_that_a_crash_cut_short_is_named_and_the_log_goes_on(known, left):
    record()
    write_anchors(known)
    whole = known.audit_anchor.read_bytes()
    known.audit_anchor.write_bytes(whole + whole[:left])
    found = verify(known)
    assert (found.anchors, found.broken, found.torn) == (1, [], (2,))
    record()
    assert write_anchors(known) == 1
    found = verify(known)
    assert (found.anchors, found.broken, found.torn) == (2, [], (2,))


def test_a_head_without_its_line_end_counts(known):
    record()
    write_anchors(known)
    known.audit_anchor.write_bytes(known.audit_anchor.read_bytes().rstrip())
    record()
    write_anchors(known)
    assert [anchor.number for anchor in read_anchors(known)] == [1, 2]
    assert torn_lines(known) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace(b'"hash":"', b'"hash":"x'),
        lambda line: line.replace(b'"hash":"', b'"hash":"00'),
        lambda line: line.replace(b'{"at"', b'{at"'),
        lambda line: line[:20] + b"}",
        lambda line: line[1:],
        lambda line: line.replace(b"Z", b""),
    ],
)
def test_a_line_that_somebody_changed_is_said_to_be_that(known, change):
    record()
    write_anchors(known)
    known.audit_anchor.write_bytes(change(known.audit_anchor.read_bytes().rstrip()) + b"\n")
    with pytest.raises(ConfigurationError, match=r"line 1: no head .* somebody changed the file"):
        verify(known)


def test_the_command_says_which_of_the_two_it_is(known):
    record()
    write_anchors(known)
    whole = known.audit_anchor.read_bytes()
    known.audit_anchor.write_bytes(whole + whole[:40])
    done = run("audit", "verify")
    assert done.returncode == 0
    assert "line 2: cut short while it was written" in done.stdout
    assert answer("audit", "verify")["torn"] == [2]


def test_an_entry_that_is_added_while_the_log_is_looked_at_is_no_break(known, monkeypatch):
    record()
    real = verification.read_heads

    def read_heads(connection):
        found = real(connection)
        other = threading.Thread(target=record)
        other.start()
        other.join()
        return found

    monkeypatch.setattr(verification, "read_heads", read_heads)
    assert verify(known).broken == []
