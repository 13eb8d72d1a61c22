"""Why an event is suppressed, as it is stored and as it is told.

That it is no lead at all needs no word of its own in the column: it is the suppressed event without a reason, as the
check of the column knows the reasons of leads only.
"""

from __future__ import annotations

from pipeline.records import NOT_A_LEAD

# The column `reason` of `events` as people read it.
TOLD_REASON = f"CASE WHEN state = 'suppressed' THEN coalesce(reason, '{NOT_A_LEAD}') END AS reason"


def stored_reason(reason: str) -> str | None:
    """What the column holds of a suppressed event."""
    return None if reason == NOT_A_LEAD else reason


def told_reason(state: str, reason: str | None) -> str | None:
    """As TOLD_REASON, of what was read."""
    return (reason or NOT_A_LEAD) if state == "suppressed" else None
