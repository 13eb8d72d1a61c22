"""Deliveries of objects that the mapping of their destination names no more: held, not due, until it names them again.

They keep what was wanted of them. Nothing of it is quarantine: no human need look, and there is nobody who could send.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from pipeline.store import arrays

_MOST = 10_000  # rows of one turn of the sweep


def _targets(state: str) -> str:
    """From one target to the next: as many index probes as there are targets, not as there are rows."""
    return f"""
{state} (target) AS (
    SELECT min(destination) FROM deliveries WHERE state = '{state}'
    UNION ALL
    SELECT (SELECT min(destination) FROM deliveries WHERE state = '{state}' AND destination > {state}.target)
    FROM {state} WHERE target IS NOT NULL
)"""  # noqa: S608 - put together from constants


_OPEN = f"""
WITH RECURSIVE {_targets("due")}, {_targets("held")}
SELECT target, 'held' FROM held WHERE target IS NOT NULL
UNION ALL SELECT target, 'due' FROM due WHERE strpos(target, '/') > 0
"""  # noqa: S608 - put together from constants
_HOLD = """
UPDATE deliveries SET state = 'held' WHERE (person_id, destination) IN (
    SELECT person_id, destination FROM deliveries
    WHERE state = 'due' AND destination = ANY(%(targets)s::text[])
    LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
"""
_RELEASE = """
UPDATE deliveries SET state = 'due', next_attempt_at = now(), wanted_at = now() WHERE (person_id, destination) IN (
    SELECT person_id, destination FROM deliveries
    WHERE state = 'held' AND destination = ANY(%(targets)s::text[])
    LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
"""


def read_objects_open(connection: Connection) -> list[tuple[str, str]]:
    """(target, state): the names of those, as `crm/Task`, of which something is due or held. One statement."""
    return [(target, state) for target, state in connection.exec_driver_sql(_OPEN)]


def hold(connection: Connection, targets: Collection[str]) -> int:
    """Let what is due at these targets wait until it is released; gives how many. One statement."""
    return _move(connection, _HOLD, targets)


def release(connection: Connection, targets: Collection[str]) -> int:
    """Make due what is held at these targets; gives how many. One statement."""
    return _move(connection, _RELEASE, targets)


def _move(connection: Connection, statement: str, targets: Collection[str]) -> int:
    if not targets:
        return 0
    return connection.exec_driver_sql(statement, {"targets": arrays.texts(sorted(targets)), "most": _MOST}).rowcount


def count_held(connection: Connection) -> dict[str, int]:
    """By target. One statement, over a partial index."""
    rows = connection.exec_driver_sql("SELECT destination, count(*) FROM deliveries WHERE state = 'held' GROUP BY 1")
    return dict(map(tuple, rows))
