"""The lock that one process of an installation has."""

from __future__ import annotations

import pytest

from pipeline.store.engine import engine
from pipeline.store.session_lock import SessionLock

pytestmark = pytest.mark.usefixtures("database")


def test_a_lock_that_was_let_go_is_free_at_once():
    lock = SessionLock(990)
    with engine().connect() as other:  # it asks sooner than a process that has yet to connect
        for _ in range(200):
            assert lock.hold()
            lock.release()
            assert other.exec_driver_sql("SELECT pg_try_advisory_lock(415022, 990)").scalar_one()
            other.exec_driver_sql("SELECT pg_advisory_unlock(415022, 990)")
