"""The lock that one process of an installation has."""

from __future__ import annotations

import threading
import time

import pytest

from pipeline.errors import RefusedError
from pipeline.store import session_lock
from pipeline.store.engine import engine
from pipeline.store.session_lock import SessionLock, alone_or_refused

pytestmark = pytest.mark.usefixtures("database")


def test_a_lock_that_was_let_go_is_free_at_once():
    lock = SessionLock(990)
    with engine().connect() as other:  # it asks sooner than a process that has yet to connect
        for _ in range(200):
            assert lock.hold()
            lock.release()
            assert other.exec_driver_sql("SELECT pg_try_advisory_lock(415022, 990)").scalar_one()
            other.exec_driver_sql("SELECT pg_advisory_unlock(415022, 990)")


def test_what_is_run_again_after_a_kill_waits_for_the_statement_that_still_runs():
    killed = SessionLock(990)
    assert killed.hold()
    ending = threading.Timer(0.3, killed.release)
    ending.start()
    with alone_or_refused(990, "another runs"):
        assert not SessionLock(990).hold()
    ending.join()


def test_what_another_goes_on_with_is_refused(monkeypatch):
    monkeypatch.setattr(session_lock, "KILLED_SECONDS", 0.2)
    other = SessionLock(990)
    assert other.hold()
    began = time.monotonic()
    with pytest.raises(RefusedError, match="another runs"), alone_or_refused(990, "another runs"):
        pass
    assert time.monotonic() - began >= 0.2
    other.release()
