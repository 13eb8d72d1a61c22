"""Work beside a transaction that holds locks, on another connection."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection

from pipeline.store.engine import transaction
from tests.support.identity_rows import rows
from tests.support.watching import wait_until

Step = Callable[[Connection], Any]


def somebody_waits() -> bool:
    """For a lock of the database."""
    return bool(rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))


def beside(work: Callable[[], Any], first: Step, then: Step) -> Any:
    """`work` in a thread, begun between two steps of one transaction of this one; gives what it came to."""
    with ThreadPoolExecutor(1) as threads:
        with transaction() as connection:
            first(connection)
            running = threads.submit(work)
            assert wait_until(lambda: running.done() or somebody_waits(), seconds=20)
            then(connection)
        return running.result(timeout=20)
