"""What others may want to hear of: known people who came again, people made one, people taken apart.

Notices are the lines of `identity_log`, written in the transaction of what they tell of, and never changed. Read them
in batches, remember the last id handled, and go on after it: notifying an owner, say, or filling a queue.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.records import Lead
from pipeline.store import arrays
from pipeline.store.identity.people_moves import Change, log_changes

DUPLICATE, REROUTED = "duplicate", "rerouted"


class Notice(msgspec.Struct, frozen=True):
    """One line of the log, without personal data.

    `kind`: duplicate (a lead of a person known before: `event_id`), rerouted (that lead asks for the person to be
    routed again), merged (`other_id` is one with `person_id` now), split (`other_id` was taken from `person_id`), or a
    human's decision: joined, parted, accepted, rejected. `decided_by` is `rules` or who decided.
    """

    id: int
    at: datetime
    brand: str
    kind: str
    person_id: UUID
    other_id: UUID | None
    event_id: UUID | None
    decided_by: str
    details: dict[str, Any]


# Ids are given out before their rows can be seen: a row may become visible after rows of greater ids. So the order is
# that of transactions, and ends before the oldest one still open.
_READ = """
SELECT id, at, brand, action, person_id, other_id, event_id, decided_by, details FROM identity_log
WHERE (written_in, id) > (coalesce((SELECT written_in FROM identity_log WHERE id = %(after)s), -1), %(after)s)
    AND written_in < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY written_in, id LIMIT %(limit)s
"""


def read_notices(connection: Connection, *, after: int = 0, limit: int = 500) -> list[Notice]:
    """The notices that follow the one of the id `after`, oldest first; 0: from the beginning. One statement.

    Each is given once to a reader that goes on after the last it got, whatever is written meanwhile. The ids of a batch
    need not ascend. What an open transaction could still precede is left for the next time.
    """
    rows = connection.exec_driver_sql(_READ, {"after": after, "limit": limit})
    return [Notice(*row) for row in rows]


def settle_restored(connection: Connection) -> None:
    """Count notices of a restored dump as old ones: its transactions had numbers that this server has not reached."""
    connection.exec_driver_sql(
        "UPDATE identity_log SET written_in = 0"
        " WHERE written_in >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    )


_KNOWN_LANES = """
SELECT p.person_id, ARRAY(SELECT asked.lane FROM unnest(%(lanes)s::text[]) AS asked (lane)
    WHERE EXISTS (SELECT FROM touches t JOIN events e ON e.event_id = t.event_id
        WHERE t.person_id = p.person_id AND t.event_id <> ALL(%(new)s::uuid[]) AND e.lane = asked.lane))
FROM people p WHERE p.person_id = ANY(%(people)s::uuid[])
    AND EXISTS (SELECT FROM touches t WHERE t.person_id = p.person_id AND t.event_id <> ALL(%(new)s::uuid[]))
"""
_REROUTE = """
WITH asking AS (UPDATE touches SET rerouted_at = now() WHERE event_id = ANY(%s::uuid[]) AND position = 0)
UPDATE people SET rerouted_at = now(), version = version + 1, updated_at = now() WHERE person_id = ANY(%s::uuid[])
"""


def read_known_lanes(
    connection: Connection, person_ids: Collection[UUID], *, new: Collection[UUID], lanes: Sequence[str]
) -> dict[UUID, frozenset[str]]:
    """Of the people with touches of other events than `new`: in which of `lanes` those events came. One statement."""
    rows = connection.exec_driver_sql(
        _KNOWN_LANES,
        {"new": arrays.uuids(new), "people": arrays.uuids(sorted(person_ids)), "lanes": arrays.texts(lanes)},
    )
    return {person_id: frozenset(known) for person_id, known in rows}


def write_returns(connection: Connection, returned: Sequence[tuple[UUID, Lead]], asking: Mapping[UUID, Lead]) -> None:
    """Note the leads of people known before, and mark those whose lead asks for them to be routed again.

    The people are held. One statement, two where any are marked, none where nobody came again.
    """
    if asking:
        event_ids = arrays.uuids(sorted(lead.event_id for lead in asking.values()))
        connection.exec_driver_sql(_REROUTE, (event_ids, arrays.uuids(sorted(asking))))
    log_changes(
        connection,
        [_change(DUPLICATE, lead, person_id) for person_id, lead in returned]
        + [_change(REROUTED, lead, person_id) for person_id, lead in sorted(asking.items())],
    )


def _change(kind: str, lead: Lead, person_id: UUID) -> Change:
    details: dict[str, object] = {"source": lead.source, "lane": lead.lane, "channel": lead.channel}
    return Change(lead.brand, kind, person_id, None, "rules", details, lead.event_id)
