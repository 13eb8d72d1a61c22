"""Retention that was killed after its entry in the ledger, and before its first row went: nothing of it was done."""

from __future__ import annotations

import pytest

from pipeline.privacy import holds
from pipeline.privacy.erasing import noting
from pipeline.privacy.ledger import read_ledger, unknown_lines
from pipeline.privacy.replaying import replay_ledger
from pipeline.store.engine import transaction
from tests.support.command_line import capture, work
from tests.support.identity_rows import rows
from tests.support.own_ledger import ADA
from tests.support.retention_runs import approve, go, hold, rule


@pytest.fixture
def ada(installation, monkeypatch):
    """Whom a run was about to erase when it was killed."""
    person_id = installation.person(ADA)
    approve(installation, rule("people", "30d"))

    def killed(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(noting, "destroy", killed)
        with pytest.raises(KeyboardInterrupt):
            go()
    assert [line.entry.kind for line in read_ledger().lines] == ["erase"]
    assert rows("SELECT person_id FROM people") == [(person_id,)]
    return person_id


def unknown() -> int:
    with transaction() as connection:
        return len(unknown_lines(connection))


def test_who_came_again_before_the_ledger_is_replayed_stays(ada):
    capture({**ADA, "message": "please call"})
    work()
    replay_ledger()
    assert rows("SELECT person_id FROM people") == [(ada,)]
    assert (rows("SELECT count(*) FROM suppressions"), unknown()) == ([(0,)], 0)


def test_who_is_restricted_before_the_ledger_is_replayed_stays(ada):
    hold(ada, holds.RESTRICTION)
    replay_ledger()
    assert rows("SELECT person_id FROM people") == [(ada,)]
    assert unknown() == 0


def test_who_is_as_a_backup_would_have_them_goes(ada):
    replay_ledger()
    assert rows("SELECT person_id FROM people") == []
    assert unknown() == 0
