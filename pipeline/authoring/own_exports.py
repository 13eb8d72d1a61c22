"""Recognizes a table that Afluente exported itself: some of its columns say what became of a lead, not what it is."""

from __future__ import annotations

from collections.abc import Sequence

# What `afluente leads export` and `people export` say beside the canonical fields: under other titles elsewhere these
# would be a person's (`state` is a lead's own there, its address stands in `address_state`).
_OF_AN_EVENT = frozenset(
    (
        *("event_id", "source", "brand", "state", "person_id", "received_at", "lane", "channel", "consents", "custom"),
        *("flags", "touch_source", "touch_medium", "touch_campaign", "reason", "rule"),
    )
)
_OF_A_PERSON = frozenset(
    (
        *("version", "brand", "original_source", "original_channel", "original_campaign", "original_at", "owner"),
        *("latest_source", "latest_channel", "latest_campaign", "latest_at", "touches", "rerouted_at"),
    )
)
_DERIVED = frozenset(("job_level", "job_function", "phone_type", "email_suggestion"))
_HINT = "says what became of it here; nothing that the lead said"


def left_of_own_export(headers: Sequence[str]) -> dict[str, str]:
    """Column -> why it is left, of a table with the columns of one of our exports; else empty."""
    columns = frozenset(headers)
    if {"person_id", "event_id", "received_at"} <= columns:
        left = _OF_AN_EVENT | _DERIVED
    elif {"person_id", "version", "original_source"} <= columns:
        left = _OF_A_PERSON | _DERIVED
    else:
        return {}
    return dict.fromkeys(columns & left, _HINT)
