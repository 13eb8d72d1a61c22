"""Releases: an operator says that a lead is real which a rule took for a test or for spam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records import Stage, new_id
from pipeline.store import arrays
from pipeline.store.events.reasons import told_reason

# What a rule may be mistaken about, and what may find its person by now. What a mapping suppresses for want of consent
# is no guess: that stands.
RELEASABLE_REASONS = ("test", "spam", "unknown_person")


class Release(NamedTuple):
    """What became of the wish. `state` and `reason` are the event's as they were; not `is_done`: they still are."""

    state: str
    reason: str | None
    is_done: bool


# The first statement closes what waits. The row of the second is a memory from the beginning; events.read_events looks
# for its code.
_RELEASE = """
WITH closed AS (
    UPDATE quarantine SET resolution = 'replayed', resolved_at = now(), why = %(why)s
    WHERE event_id = %(event)s AND resolution = 'open' AND code = ANY(%(rules)s::text[])
    RETURNING event_id
), released AS (
    UPDATE events SET state = 'pending', stage = NULL, reason = NULL, attempts = 0, losses = 0, lone_losses = 0,
        batch_size = 0, claim = NULL, settled_at = NULL
    WHERE event_id = %(event)s AND EXISTS (SELECT FROM event_bodies b WHERE b.event_id = %(event)s)
        AND (state = 'suppressed' AND reason = ANY(%(reasons)s::text[])
        OR state = 'quarantined' AND EXISTS (SELECT 1 FROM closed))
    RETURNING event_id, brand, source
)
INSERT INTO quarantine (quarantine_id, event_id, brand, source, stage, code, message, resolution, resolved_at, why)
SELECT %(id)s, event_id, brand, source, %(stage)s, 'released', %(message)s, 'replayed', now(), %(why)s FROM released
"""


def release_event(connection: Connection, event_id: UUID, why: str, *, rules: Iterable[str] = ()) -> Release | None:
    """Send an event on its way again and remember that no rule may stop it; None if there is no such event.

    It must be suppressed for one of RELEASABLE_REASONS, or quarantined by one of `rules`, and have its body yet. `why`
    is kept beside it. Of several that try at once, one succeeds. Two statements.
    """
    event = connection.exec_driver_sql(
        "SELECT state, reason FROM events WHERE event_id = %s FOR UPDATE", (event_id,)
    ).first()
    if event is None:
        return None
    state, reason = event[0], told_reason(*event)
    done = connection.exec_driver_sql(
        _RELEASE,
        {
            "event": event_id,
            "reasons": arrays.texts(RELEASABLE_REASONS),
            "rules": arrays.texts(rules),
            "id": new_id(),
            "stage": Stage.RELEASE,
            "message": f"was {state}{f' as {reason}' if reason else ''}; an operator says it is real",
            "why": arrays.clean(why),
        },
    )
    return Release(state, reason, bool(done.rowcount))
