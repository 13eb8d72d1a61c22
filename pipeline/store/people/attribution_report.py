"""The touches of each person, one person after the other: what attribution models divide credit among."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection

from pipeline.records import PathTouch

_FETCHED_ROWS = 5_000  # at once from the server's cursor
_NAMES = {"channel": "channel", "source": "source", "campaign": "coalesce(campaign, '(not set)')"}
GROUPINGS = tuple(_NAMES)


def stream_paths(
    connection: Connection,
    *,
    by: str,
    since: datetime | None = None,
    until: datetime | None = None,
    brand: str | None = None,
) -> Iterator[list[PathTouch]]:
    """The path of every person with a touch in [since, until), in constant memory: one person's touches at a time.

    A path holds the touches before `until`, earliest first, also those from before `since`: the last one is what the
    period counts, the others are how the person came there. `by` is one of GROUPINGS and gives each touch its name. A
    visit that several leads remember is in it once.
    """
    conditions = [
        text for value, text in ((until, "occurred_at < %(until)s"), (brand, "brand = %(brand)s")) if value is not None
    ]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    # The options are of this statement, not of the connection: others on it go on as usual.
    result = connection.exec_driver_sql(
        f"SELECT person_id, occurred_at, event_id, position, channel, {_NAMES[by]} FROM touches {where}"  # noqa: S608 - put together from constants
        " ORDER BY person_id, occurred_at, event_id, position",
        {"until": until, "brand": brand},
        execution_options={"stream_results": True, "max_row_buffer": _FETCHED_ROWS},
    )
    with result:
        for _, rows in groupby(result, key=itemgetter(0)):
            path = _as_it_was([PathTouch(*row[1:]) for row in rows])
            if path and (since is None or path[-1].occurred_at >= since):
                yield path


def _as_it_was(path: list[PathTouch]) -> list[PathTouch]:
    """The path without repeats of a visit that several leads remember, and without visits after its last lead: those
    belong to a lead that comes later than what was asked for."""
    if all(touch.position == 0 for touch in path):
        return path
    visits: set[tuple[datetime, str, str]] = set()
    kept = []
    for touch in path:
        visit = (touch.occurred_at, touch.channel, touch.name)
        if touch.position == 0 or visit not in visits:
            kept.append(touch)
        if touch.position > 0:
            visits.add(visit)
    while kept and kept[-1].position > 0:
        kept.pop()
    return kept
