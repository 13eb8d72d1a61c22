"""The identity log as people ask for it: what happened last, across people. Programs follow it by `notices`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from pipeline.store import arrays

_FETCHED_ROWS = 500  # at once from the server's cursor


def stream_log(
    connection: Connection,
    *,
    since: datetime | None = None,
    brand: str | None = None,
    actions: Collection[str] = (),
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Lines of the log, newest first: what a notice has, with `action` and, of `details`, `why` (a human's reason).

    `since` is aware, and included; `actions`: of these kinds only, of all if there are none. One statement, along an
    index, in constant memory.
    """
    conditions = [
        text
        for is_asked, text in (
            (since is not None, "at >= %(since)s"),
            (brand is not None, "brand = %(brand)s"),
            (bool(actions), "action = ANY(%(actions)s::text[])"),
        )
        if is_asked
    ]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    result = connection.exec_driver_sql(
        "SELECT id, at, brand, action, person_id, other_id, event_id, decided_by, details->>'why' AS why"  # noqa: S608 - put together from constants
        f" FROM identity_log {where} ORDER BY at DESC, id DESC LIMIT %(limit)s",
        {"since": since, "brand": brand, "actions": arrays.texts(actions), "limit": limit},
        execution_options={"stream_results": True, "max_row_buffer": _FETCHED_ROWS},
    )
    with result:
        for row in result.mappings():
            yield dict(row)
