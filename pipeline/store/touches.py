"""Touches and consents: facts, kept as they came. Original and latest source of a person follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records import Lead, Touch
from pipeline.store import arrays

_ADD_TOUCHES = """
INSERT INTO touches (event_id, person_id, brand, occurred_at, source, channel, campaign, utm_source, utm_medium,
    utm_campaign, utm_term, utm_content, utm_id, referrer_host, landing_path, click_ids, details)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[],
    %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::jsonb[],
    %s::jsonb[])
ON CONFLICT DO NOTHING
RETURNING event_id
"""
_TEXT_COLUMNS = (
    "source",
    "channel",
    "campaign",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "utm_id",
    "referrer_host",
    "landing_path",
)


def add_touches(connection: Connection, touches: Sequence[Touch]) -> set[UUID]:
    """Store touches; gives the event ids newly added (one touch per event, the first stays). One statement."""
    if not touches:
        return set()
    ordered = sorted(touches, key=lambda touch: touch.event_id)
    return set(
        connection.exec_driver_sql(
            _ADD_TOUCHES,
            (
                arrays.uuids(touch.event_id for touch in ordered),
                arrays.uuids(touch.person_id for touch in ordered),
                arrays.texts(touch.brand for touch in ordered),
                arrays.moments(touch.occurred_at for touch in ordered),
                *(arrays.texts(getattr(touch, column) for touch in ordered) for column in _TEXT_COLUMNS),
                arrays.documents(touch.click_ids for touch in ordered),
                arrays.documents(touch.details for touch in ordered),
            ),
        ).scalars()
    )


_LOCK = "SELECT 1 FROM people WHERE person_id = ANY(%s::uuid[]) ORDER BY person_id FOR UPDATE"
_APPLY = """
UPDATE people p SET
    touches = (SELECT count(*) FROM touches t WHERE t.person_id = p.person_id),
    version = p.version + (is_earlier OR is_later)::int,
    updated_at = now(),
    original_source = CASE WHEN is_earlier THEN first_source ELSE original_source END,
    original_channel = CASE WHEN is_earlier THEN first_channel ELSE original_channel END,
    original_campaign = CASE WHEN is_earlier THEN first_campaign ELSE original_campaign END,
    original_at = CASE WHEN is_earlier THEN first_at ELSE original_at END,
    original_event = CASE WHEN is_earlier THEN first_event ELSE original_event END,
    latest_source = CASE WHEN is_later THEN last_source ELSE latest_source END,
    latest_channel = CASE WHEN is_later THEN last_channel ELSE latest_channel END,
    latest_campaign = CASE WHEN is_later THEN last_campaign ELSE latest_campaign END,
    latest_at = CASE WHEN is_later THEN last_at ELSE latest_at END,
    latest_event = CASE WHEN is_later THEN last_event ELSE latest_event END
FROM (
    SELECT seen.*,
        known.original_event IS NULL
            OR (first_at, first_event) < (known.original_at, known.original_event) AS is_earlier,
        known.latest_event IS NULL
            OR (last_at, last_event) > (known.latest_at, known.latest_event) AS is_later
    FROM unnest(%s::uuid[], %s::timestamptz[], %s::uuid[], %s::text[], %s::text[], %s::text[],
        %s::timestamptz[], %s::uuid[], %s::text[], %s::text[], %s::text[])
        AS seen (id, first_at, first_event, first_source, first_channel, first_campaign,
            last_at, last_event, last_source, last_channel, last_campaign)
    JOIN people known ON known.person_id = seen.id
) AS seen
WHERE p.person_id = seen.id
"""


def apply_touches(connection: Connection, touches: Iterable[Touch]) -> None:
    """Bring original_*, latest_* and the count of touches up to date for the people touched. Two statements.

    By (occurred_at, event_id), so the order of arrival does not matter; doing it twice changes nothing. A person's
    version grows by one if the original or the latest touch became another.
    """
    first: dict[UUID, Touch] = {}
    last: dict[UUID, Touch] = {}
    for touch in touches:
        person_id = touch.person_id
        if person_id not in first or _moment(touch) < _moment(first[person_id]):
            first[person_id] = touch
        if person_id not in last or _moment(touch) > _moment(last[person_id]):
            last[person_id] = touch
    if not first:
        return
    ids = sorted(first)
    # Locked by a statement of its own: the next one then sees, and counts, what others committed while we waited.
    connection.exec_driver_sql(_LOCK, (arrays.uuids(ids),))
    connection.exec_driver_sql(
        _APPLY,
        (
            arrays.uuids(ids),
            *(
                column
                for ends in ([first[one] for one in ids], [last[one] for one in ids])
                for column in (
                    arrays.moments(touch.occurred_at for touch in ends),
                    arrays.uuids(touch.event_id for touch in ends),
                    arrays.texts(touch.source for touch in ends),
                    arrays.texts(touch.channel for touch in ends),
                    arrays.texts(touch.campaign for touch in ends),
                )
            ),
        ),
    )


_ADD_CONSENTS = """
INSERT INTO consents (event_id, person_id, brand, purpose, channel, granted, at, source, policy_version)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::bool[], %s::timestamptz[],
    %s::text[], %s::text[])
ON CONFLICT DO NOTHING
"""


def add_consents(connection: Connection, leads: Iterable[Lead]) -> None:
    """Store what leads with a person say about consent; `at` falls back to when the lead occurred. One statement.

    Append-only: what an event said of a purpose and channel is kept as first stored.
    """
    rows = [
        (lead, lead.person_id, consent)
        for lead in sorted(leads, key=lambda lead: lead.event_id)
        if lead.person_id is not None
        for consent in lead.consents
    ]
    if not rows:
        return
    connection.exec_driver_sql(
        _ADD_CONSENTS,
        (
            arrays.uuids(lead.event_id for lead, _, _ in rows),
            arrays.uuids(person_id for _, person_id, _ in rows),
            arrays.texts(lead.brand for lead, _, _ in rows),
            arrays.texts(consent.purpose for _, _, consent in rows),
            arrays.texts(consent.channel for _, _, consent in rows),
            arrays.booleans(consent.granted for _, _, consent in rows),
            arrays.moments(consent.at or lead.occurred_at for lead, _, consent in rows),
            arrays.texts(consent.source or lead.source for lead, _, consent in rows),
            arrays.texts(consent.policy_version for _, _, consent in rows),
        ),
    )


def _moment(touch: Touch) -> tuple[object, UUID]:
    return (touch.occurred_at, touch.event_id)
