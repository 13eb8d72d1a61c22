"""The lock that one process of an installation has."""

from __future__ import annotations

import pytest

from pipeline.store.session_lock import SessionLock

pytestmark = pytest.mark.usefixtures("database")


def test_a_lock_that_was_let_go_is_free_at_once():
    first, second = SessionLock(990), SessionLock(990)
    for _ in range(100):
        assert first.hold()
        assert not second.hold()
        first.release()
        assert second.hold()
        second.release()
