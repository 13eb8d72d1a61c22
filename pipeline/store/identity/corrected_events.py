"""Rows of evidence that a corrected event left: it is filed elsewhere, and evidence without any event is removed.

Call these while the components and people in question are held (`pipeline.identity.corrected_events`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.store import arrays


class CorrectedEvent(msgspec.Struct, frozen=True):
    """An event that says something else than it said at first: filed under `source`, it brings `target` now."""

    event_id: UUID
    source: UUID
    target: UUID


def move_events(connection: Connection, events: Collection[CorrectedEvent]) -> bool:
    """File these events under their new evidence. False if one is not where it was. One statement."""
    ordered = sorted(events, key=lambda event: event.event_id)
    moved = connection.exec_driver_sql(
        "UPDATE evidence_events x SET evidence_id = moved.target"
        " FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[]) AS moved (event_id, source, target)"
        " WHERE x.event_id = moved.event_id AND x.evidence_id = moved.source",
        (
            arrays.uuids(event.event_id for event in ordered),
            arrays.uuids(event.source for event in ordered),
            arrays.uuids(event.target for event in ordered),
        ),
    ).rowcount
    return moved == len(ordered)


def drop_keys(connection: Connection, evidence_ids: Collection[UUID], keys: Collection[int]) -> None:
    """This evidence is not found any more. `keys`: all of its keys, and maybe others. One statement."""
    connection.exec_driver_sql(
        "DELETE FROM evidence_keys WHERE key = ANY(%s::bigint[]) AND evidence_id = ANY(%s::uuid[])",
        (arrays.numbers(sorted(keys)), arrays.uuids(sorted(evidence_ids))),
    )


def remove_evidence(connection: Connection, owners: Mapping[UUID, UUID | None], births: Mapping[UUID, UUID]) -> bool:
    """Remove this evidence, with its reviews, and give other evidence the ids that it was born with (`births`).

    False if one has another owner than given here. Two statements, or three.
    """
    ordered = sorted(owners)
    ids = arrays.uuids(ordered)
    # What hung on it is nobody's, until the sweep looks for its person.
    removed = connection.exec_driver_sql(
        "WITH lost AS (UPDATE activities SET state = 'waiting', evidence_id = NULL, looked_at = '-infinity'"
        " WHERE evidence_id = ANY(%s::uuid[])), unlinked AS (DELETE FROM withdrawn_evidence"
        " WHERE evidence_id = ANY(%s::uuid[]))"
        " DELETE FROM evidence e USING unnest(%s::uuid[], %s::uuid[]) AS gone (evidence_id, person_id)"
        " WHERE e.evidence_id = gone.evidence_id AND e.person_id IS NOT DISTINCT FROM gone.person_id",
        (ids, ids, ids, arrays.uuids(owners[key] for key in ordered)),
    ).rowcount
    if removed != len(ordered):
        return False
    connection.exec_driver_sql(
        "DELETE FROM identity_reviews WHERE one = ANY(%s::uuid[]) OR other = ANY(%s::uuid[])", (ids, ids)
    )
    if births:
        heirs = sorted(births)
        connection.exec_driver_sql(
            "UPDATE evidence e SET birth_id = born.birth_id"
            " FROM unnest(%s::uuid[], %s::uuid[]) AS born (evidence_id, birth_id)"
            " WHERE e.evidence_id = born.evidence_id",
            (arrays.uuids(heirs), arrays.uuids(births[key] for key in heirs)),
        )
    return True


_HAND_ON = """
INSERT INTO identity_decisions (one, other, same, decision_id, brand, decided_by, why, decided_at)
SELECT least(one, other), greatest(one, other), same, decision_id, brand, decided_by, why, decided_at FROM (
    SELECT coalesce(a.heir, d.one) AS one, coalesce(b.heir, d.other) AS other,
        same, decision_id, brand, decided_by, why, decided_at
    FROM identity_decisions d
    LEFT JOIN unnest(%(gone)s::uuid[], %(heirs)s::uuid[]) AS a (gone, heir) ON a.gone = d.one
    LEFT JOIN unnest(%(gone)s::uuid[], %(heirs)s::uuid[]) AS b (gone, heir) ON b.gone = d.other
    WHERE d.one = ANY(%(gone)s::uuid[]) OR d.other = ANY(%(gone)s::uuid[])
) AS handed_on WHERE one <> other
ON CONFLICT (one, other) DO NOTHING
"""


def hand_on_links(connection: Connection, gone: Collection[UUID], heirs: Mapping[UUID, UUID]) -> None:
    """Links of evidence that is gone become those of its heirs; without an heir they are removed. Two statements."""
    ordered = sorted(heirs)
    if heirs:
        connection.exec_driver_sql(
            _HAND_ON,
            {"gone": arrays.uuids(ordered), "heirs": arrays.uuids(heirs[key] for key in ordered)},
        )
    ids = arrays.uuids(sorted(gone))
    connection.exec_driver_sql(
        "DELETE FROM identity_decisions WHERE one = ANY(%s::uuid[]) OR other = ANY(%s::uuid[])", (ids, ids)
    )
