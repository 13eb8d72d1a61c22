"""What follows a person when evidence turns out to be another's: touches, consents, events, the person's own row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays


class Change(msgspec.Struct, frozen=True):
    """One line of the identity log; `action` is a notice's kind (`notices.Notice`). `details`: no personal data."""

    brand: str
    action: str
    person_id: UUID
    other_id: UUID | None
    decided_by: str
    details: dict[str, object] = {}
    event_id: UUID | None = None


def move_facts(connection: Connection, owners: Mapping[UUID, UUID]) -> None:
    """Give the touches, consents and the event of each event id to this person. Three statements."""
    if not owners:
        return
    ordered = sorted(owners)
    ids, people = arrays.uuids(ordered), arrays.uuids(owners[event_id] for event_id in ordered)
    for table in ("touches", "consents", "events"):
        connection.exec_driver_sql(
            f"UPDATE {table} f SET person_id = moved.person_id"  # noqa: S608 - put together from constants
            " FROM unnest(%s::uuid[], %s::uuid[]) AS moved (event_id, person_id)"
            " WHERE f.event_id = moved.event_id AND f.event_id = ANY(%s::uuid[]) AND f.person_id IS NOT NULL",
            (ids, people, ids),
        )


_ENDS = ", ".join(
    f"{kept}_{what} = {end}.{column}"
    for kept, end in (("original", "first"), ("latest", "last"))
    for what, column in (
        ("at", "occurred_at"),
        ("event", "event_id"),
        ("source", "source"),
        ("channel", "channel"),
        ("campaign", "campaign"),
    )
)
_REBUILD = f"""
UPDATE people p SET {_ENDS},
    rerouted_at = (SELECT max(t.rerouted_at) FROM touches t WHERE t.person_id = p.person_id),
    original_position = coalesce(first.position, 0), latest_position = coalesce(last.position, 0),
    touches = (SELECT count(*) FILTER (WHERE t.position = 0)
        + count(DISTINCT (t.occurred_at, t.source, t.medium, t.campaign)) FILTER (WHERE t.position > 0)
        FROM touches t WHERE t.person_id = p.person_id)
FROM unnest(%s::uuid[]) AS asked (person_id)
LEFT JOIN LATERAL (SELECT * FROM touches t WHERE t.person_id = asked.person_id
    ORDER BY occurred_at, event_id, position LIMIT 1) AS first ON true
LEFT JOIN LATERAL (SELECT * FROM touches t WHERE t.person_id = asked.person_id
    ORDER BY occurred_at DESC, event_id DESC, position DESC LIMIT 1) AS last ON true
WHERE p.person_id = asked.person_id
"""  # noqa: S608 - put together from constants


def rebuild_touches(connection: Connection, person_ids: Collection[UUID]) -> None:
    """original_*, latest_*, rerouted_at and the count of touches of these people, from their touches alone. One
    statement.
    """
    if person_ids:
        connection.exec_driver_sql(_REBUILD, (arrays.uuids(sorted(person_ids)),))


# A person whose own evidence is gone forwards by its row alone: nothing else would carry it along.
_FORWARD = """
WITH asked (person_id, target) AS MATERIALIZED (SELECT * FROM unnest(%(people)s::uuid[], %(targets)s::uuid[]))
UPDATE people p SET merged_into = news.target, version = p.version + 1, updated_at = now()
FROM (
    SELECT person_id, target FROM asked
    UNION ALL
    SELECT former.person_id, asked.target FROM asked JOIN people former ON former.merged_into = asked.person_id
    WHERE asked.target IS NOT NULL AND former.person_id <> ALL(%(people)s::uuid[])
        AND NOT EXISTS (SELECT FROM evidence e WHERE e.birth_id = former.person_id)
) AS news
WHERE p.person_id = news.person_id AND p.merged_into IS DISTINCT FROM news.target
RETURNING p.person_id, p.merged_into
"""


def forward_people(connection: Connection, forwards: Mapping[UUID, UUID | None]) -> dict[UUID, UUID | None]:
    """Say into whom people were merged; None: they stand for themselves again. A new version each. One statement.

    Others that forwarded to somebody who was merged now forward to the same one. Gives those for whom this is news,
    with their target. Ids that never were a person's are passed over.
    """
    if not forwards:
        return {}
    ordered = sorted(forwards)
    rows = connection.exec_driver_sql(
        _FORWARD,
        {
            "people": arrays.uuids(ordered),
            "targets": arrays.uuids(forwards[person_id] for person_id in ordered),
        },
    )
    return dict(map(tuple, rows))


def drop_unsent_deliveries(connection: Connection, person_ids: Collection[UUID]) -> None:
    """Forget deliveries of merged people, and of their consents, that no CRM ever heard of: never claimed by a sender.
    One statement."""
    if person_ids:
        ids = arrays.uuids(sorted(person_ids))
        connection.exec_driver_sql(
            "DELETE FROM deliveries WHERE claim IS NULL AND sent_version = 0 AND person_id = ANY(%s::uuid[] || ARRAY("
            "SELECT consent_id FROM person_consents WHERE person_id = ANY(%s::uuid[])))",
            (ids, ids),
        )


def log_changes(connection: Connection, changes: Sequence[Change]) -> None:
    """Add to the identity log. One statement."""
    if changes:
        connection.exec_driver_sql(
            "INSERT INTO identity_log (brand, action, person_id, other_id, decided_by, details, event_id)"
            " SELECT * FROM unnest(%s::text[], %s::text[], %s::uuid[], %s::uuid[], %s::text[], %s::jsonb[],"
            " %s::uuid[])",
            (
                arrays.texts(change.brand for change in changes),
                arrays.texts(change.action for change in changes),
                arrays.uuids(change.person_id for change in changes),
                arrays.uuids(change.other_id for change in changes),
                arrays.texts(change.decided_by for change in changes),
                arrays.documents(change.details for change in changes),
                arrays.uuids(change.event_id for change in changes),
            ),
        )
