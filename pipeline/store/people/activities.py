"""Activities: what records say of somebody who is known already, or is waited for (docs/decisions/0029).

An activity hangs on a piece of evidence and is its person's, whoever that becomes; `identity.activities` finds it.
Rows are locked in the order of their ids, those that wait before people and evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.records import NOBODY_YET, SUPERSEDED, UNKNOWN_PERSON
from pipeline.store import arrays

_MOST_WOKEN = 2_000  # activities that one batch of leads gives their people; the sweep has the rest
_MOST_ALIKE = 50  # pieces of evidence under one key that are looked at


class ActivityRow(NamedTuple):
    """An activity as it is stored. `waits_until` None: for good."""

    event_id: UUID
    brand: str
    source: str
    says: str
    kind: str
    at: datetime
    state: str
    waits_until: datetime | None
    sealed_evidence: bytes | None
    sealed: bytes

    def __repr__(self) -> str:
        return f"<ActivityRow of event {self.event_id}>"


class Candidate(NamedTuple):
    """Evidence of a person that is filed under `key`."""

    key: int
    evidence_id: UUID
    person_id: UUID
    sealed: bytes

    def __repr__(self) -> str:
        return f"<Candidate {self.evidence_id}>"


class ToldActivity(NamedTuple):
    """An activity for whoever asks. `state`: waiting, known, ended (nobody came), or of what is a lead: also, later."""

    event_id: UUID
    source: str
    says: str
    kind: str
    at: datetime
    state: str
    waits_until: datetime | None
    sealed: bytes

    def __repr__(self) -> str:
        return f"<ToldActivity of event {self.event_id}>"


# What is worked on again begins anew: its mapping may have changed, and it waits from now on.
_FILE = f"""
INSERT INTO activities ({", ".join(ActivityRow._fields)})
SELECT event_id, brand, source, says, kind, at, state, waits_until, decode(sealed_evidence, 'base64'),
    decode(sealed, 'base64')
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[],
    %s::timestamptz[], %s::text[], %s::text[]) AS new ({", ".join(ActivityRow._fields)})
ON CONFLICT (event_id) DO UPDATE SET says = excluded.says, kind = excluded.kind, at = excluded.at,
    state = excluded.state, waits_until = excluded.waits_until, evidence_id = NULL, looked_at = now(),
    sealed_evidence = excluded.sealed_evidence, sealed = excluded.sealed
"""  # noqa: S608 - put together from constants


def file_activities(connection: Connection, rows: Collection[ActivityRow]) -> None:
    """Store activities; they know nobody yet. One statement, none of nothing."""
    ordered = sorted(rows, key=lambda row: row.event_id)
    if ordered:
        connection.exec_driver_sql(
            _FILE,
            (
                arrays.uuids(row.event_id for row in ordered),
                arrays.texts(row.brand for row in ordered),
                arrays.texts(row.source for row in ordered),
                arrays.texts(row.says for row in ordered),
                arrays.texts(row.kind for row in ordered),
                arrays.moments(row.at for row in ordered),
                arrays.texts(row.state for row in ordered),
                arrays.moments(row.waits_until for row in ordered),
                arrays.sealed(row.sealed_evidence for row in ordered),
                arrays.sealed(row.sealed for row in ordered),
            ),
        )


_FILE_KEYS = """
WITH filed AS (
    INSERT INTO activity_keys (key, event_id) SELECT * FROM unnest(%(keys)s::bigint[], %(ids)s::uuid[])
    ON CONFLICT DO NOTHING
)
SELECT key FROM suppressions WHERE key = ANY(%(keys)s::bigint[])
"""


def file_keys(connection: Connection, keys: Mapping[UUID, Collection[int]]) -> set[int]:
    """Let waiting activities be found by these keys of theirs; gives those under which addresses are suppressed. One
    statement, none of nothing."""
    pairs = sorted((key, event_id) for event_id, numbers in keys.items() for key in set(numbers))
    if not pairs:
        return set()
    values = {
        "keys": arrays.numbers(key for key, _ in pairs),
        "ids": arrays.uuids(event_id for _, event_id in pairs),
    }
    return set(connection.exec_driver_sql(_FILE_KEYS, values).scalars())


def drop_activities(connection: Connection, event_ids: Collection[UUID]) -> None:
    """Keep nothing of these. One statement, none without ids."""
    if event_ids:
        connection.exec_driver_sql(
            "WITH keys AS (DELETE FROM activity_keys WHERE event_id = ANY(%(ids)s::uuid[]))"
            " DELETE FROM activities WHERE event_id = ANY(%(ids)s::uuid[])",
            {"ids": arrays.uuids(sorted(event_ids))},
        )


_HOLD = f"""
SELECT {", ".join(ActivityRow._fields)} FROM activities
WHERE state = 'waiting' AND event_id = ANY(ARRAY(
    (SELECT event_id FROM activity_keys WHERE key = ANY(%s::bigint[]) LIMIT {_MOST_WOKEN})
    UNION SELECT * FROM unnest(%s::uuid[])))
ORDER BY event_id FOR UPDATE
"""  # noqa: S608 - put together from constants


def hold_waiting(connection: Connection, event_ids: Collection[UUID], keys: Collection[int] = ()) -> list[ActivityRow]:
    """Those of these activities, and of those with these keys, that wait: held until the transaction ends. One
    statement."""
    rows = connection.exec_driver_sql(_HOLD, (arrays.numbers(sorted(keys)), arrays.uuids(sorted(event_ids))))
    return [_row(*row) for row in rows]


def _row(*plain: Any) -> ActivityRow:
    row = ActivityRow(*plain)
    evidence = None if row.sealed_evidence is None else bytes(row.sealed_evidence)  # the driver gives views
    return row._replace(sealed_evidence=evidence, sealed=bytes(row.sealed))


# One index probe per key, however many share it. Evidence of a CRM's record alone may go again; that of a lead stays.
_CANDIDATES = f"""
SELECT asked.key, e.evidence_id, e.person_id, e.sealed FROM unnest(%s::bigint[]) AS asked (key)
CROSS JOIN LATERAL (
    SELECT evidence_id FROM evidence_keys k WHERE k.key = asked.key LIMIT {_MOST_ALIKE}) AS first
JOIN evidence e USING (evidence_id) JOIN people p ON p.person_id = e.person_id
WHERE EXISTS (SELECT FROM evidence_events x
    WHERE x.evidence_id = e.evidence_id AND substr(x.event_id::text, 15, 1) <> '8')
"""  # noqa: S608 - put together from constants


def read_candidates(connection: Connection, keys: Collection[int]) -> list[Candidate]:
    """Evidence of leads that is filed under these keys and has a person. One statement, none without keys."""
    if not keys:
        return []
    rows = connection.exec_driver_sql(_CANDIDATES, (arrays.numbers(sorted(keys)),))
    return [Candidate(key, evidence_id, person_id, bytes(sealed)) for key, evidence_id, person_id, sealed in rows]


_EVIDENCE_OF = f"""
SELECT asked.brand, asked.person_id, e.evidence_id, e.sealed, e.is_first
FROM unnest(%s::text[], %s::uuid[]) AS asked (brand, person_id) JOIN people p USING (brand, person_id)
CROSS JOIN LATERAL (
    SELECT evidence_id, sealed, birth_id = p.person_id AS is_first FROM evidence
    WHERE evidence.person_id = coalesce(p.merged_into, p.person_id)
    ORDER BY birth_id = p.person_id DESC, evidence_id LIMIT {_MOST_ALIKE}) AS e
WHERE EXISTS (SELECT FROM evidence_events x
    WHERE x.evidence_id = e.evidence_id AND substr(x.event_id::text, 15, 1) <> '8')
"""  # noqa: S608 - put together from constants


def read_evidence_of(
    connection: Connection, people: Collection[tuple[str, UUID]]
) -> dict[tuple[str, UUID], list[tuple[UUID, bytes, bool]]]:
    """Evidence of leads of these people, (brand, id), or of who they are by now: (id, sealed, whether they began with
    it). One statement, none without people."""
    found: dict[tuple[str, UUID], list[tuple[UUID, bytes, bool]]] = {}
    if people:
        values = (arrays.texts(brand for brand, _ in people), arrays.uuids(person_id for _, person_id in people))
        for brand, person_id, evidence_id, sealed, is_first in connection.exec_driver_sql(_EVIDENCE_OF, values):
            found.setdefault((brand, person_id), []).append((evidence_id, bytes(sealed), is_first))
    return found


_HOLD_PEOPLE = """
SELECT e.evidence_id, e.person_id FROM evidence e JOIN people p ON p.person_id = e.person_id
WHERE e.evidence_id = ANY(%s::uuid[]) ORDER BY p.person_id FOR UPDATE OF p FOR SHARE OF e
"""


def hold_people_of(connection: Connection, evidence_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The person of each piece of evidence, both held until the transaction ends; what is gone is left out. One
    statement, none without ids."""
    if not evidence_ids:
        return {}
    return dict(map(tuple, connection.exec_driver_sql(_HOLD_PEOPLE, (arrays.uuids(sorted(evidence_ids)),))))


_ATTACH = f"""
WITH found (event_id, evidence_id) AS MATERIALIZED (SELECT * FROM unnest(%(ids)s::uuid[], %(evidence)s::uuid[])),
known AS (
    UPDATE activities a SET state = 'known', evidence_id = found.evidence_id, looked_at = now()
    FROM found WHERE a.event_id = found.event_id
), dropped AS (
    DELETE FROM activity_keys WHERE event_id = ANY(%(ids)s::uuid[])
)
UPDATE events e SET person_id = v.person_id, reason = a.says
FROM found JOIN evidence v USING (evidence_id) JOIN activities a USING (event_id)
WHERE e.event_id = found.event_id AND e.event_id = ANY(%(ids)s::uuid[])
    AND e.state = 'suppressed' AND e.reason IN ('{NOBODY_YET}', a.says)
"""  # noqa: S608 - put together from constants


def attach(connection: Connection, found: Mapping[UUID, UUID]) -> None:
    """Give activities, held, to the people of this evidence, held as well. One statement, none of nothing."""
    if found:
        ordered = sorted(found)
        connection.exec_driver_sql(
            _ATTACH, {"ids": arrays.uuids(ordered), "evidence": arrays.uuids(found[event_id] for event_id in ordered)}
        )


def note_looked(connection: Connection, event_ids: Collection[UUID]) -> None:
    """Nobody was found for these: the others are looked at before them. One statement, none without ids."""
    if event_ids:
        connection.exec_driver_sql(
            "UPDATE activities SET looked_at = now() WHERE event_id = ANY(%s::uuid[])",
            (arrays.uuids(sorted(event_ids)),),
        )


_LOCK = "SELECT FROM activities WHERE event_id = ANY(%s::uuid[]) ORDER BY event_id FOR UPDATE"
_HOLD_EVIDENCE = """
SELECT FROM activities a JOIN evidence v USING (evidence_id) WHERE a.event_id = ANY(%s::uuid[])
ORDER BY v.evidence_id FOR SHARE OF v
"""
_END = f"""
UPDATE events e SET state = 'suppressed', stage = NULL, lease_until = NULL, settled_at = now(), person_id = v.person_id,
    reason = CASE a.state WHEN 'waiting' THEN '{NOBODY_YET}' WHEN 'ended' THEN '{UNKNOWN_PERSON}' ELSE a.says END,
    occurred_at = a.at, mapping_version = done.version
FROM unnest(%(ids)s::uuid[], %(versions)s::text[]) AS done (event_id, version)
JOIN activities a USING (event_id) LEFT JOIN evidence v USING (evidence_id)
WHERE e.event_id = done.event_id AND e.event_id = ANY(%(ids)s::uuid[])
    AND e.claim = %(claim)s AND e.state = 'in_flight'
"""  # noqa: S608 - put together from constants


def end_events(connection: Connection, claim_id: UUID, versions: Mapping[UUID, str]) -> None:
    """End the events of these activities, {event: version of its mapping}, while they are held by this claim. Three
    statements, none of nothing."""
    if not versions:
        return
    ordered = sorted(versions)
    ids = arrays.uuids(ordered)
    connection.exec_driver_sql(_LOCK, (ids,))
    connection.exec_driver_sql(_HOLD_EVIDENCE, (ids,))
    connection.exec_driver_sql(
        _END, {"ids": ids, "versions": arrays.texts(versions[key] for key in ordered), "claim": claim_id}
    )


_EXPIRE = f"""
WITH over AS (
    SELECT event_id FROM activities WHERE state = 'waiting' AND waits_until < now()
    ORDER BY waits_until LIMIT %s FOR UPDATE SKIP LOCKED
), ended AS (
    UPDATE activities SET state = 'ended' WHERE event_id IN (SELECT event_id FROM over) RETURNING event_id
), dropped AS (
    DELETE FROM activity_keys WHERE event_id IN (SELECT event_id FROM over)
)
UPDATE events SET reason = '{UNKNOWN_PERSON}'
WHERE event_id = ANY(ARRAY(SELECT event_id FROM ended)) AND state = 'suppressed' AND reason = '{NOBODY_YET}'
RETURNING event_id
"""  # noqa: S608 - put together from constants


def expire(connection: Connection, *, limit: int) -> int:
    """End what has waited long enough; gives how many. One statement."""
    return len(connection.exec_driver_sql(_EXPIRE, (limit,)).all())


def next_waiting(connection: Connection, *, seconds: float, limit: int) -> list[UUID]:
    """Waiting ones for whom nobody was looked for during the last `seconds`. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT event_id FROM activities WHERE state = 'waiting' AND looked_at < now() - make_interval(secs => %s)"
        " ORDER BY looked_at LIMIT %s",
        (seconds, limit),
    )
    return list(rows.scalars())


_IS_BESIDE = f"""((a.state = 'later' AND (e.superseded_by IS NOT NULL OR e.reason = '{SUPERSEDED}'))
    OR (a.state = 'also' AND e.superseded_by IS NULL))"""
_TOLD = "a.event_id, a.source, a.says, a.kind, a.at, a.state, a.waits_until, a.sealed"
# Of a record that says something else by now the latest word; of one that is a lead, what came after it.
_OF_PERSON = f"""
SELECT {_TOLD} FROM evidence v JOIN activities a USING (evidence_id) JOIN events e ON e.event_id = a.event_id
WHERE v.person_id = %(person)s AND NOT EXISTS (
    SELECT FROM events o JOIN activities b ON b.event_id = o.event_id
    WHERE o.record_id = e.record_id AND NOT o.adds
        AND (coalesce(o.revised_at, o.received_at), o.event_id) > (coalesce(e.revised_at, e.received_at), e.event_id))
UNION ALL
SELECT {_TOLD} FROM evidence v JOIN evidence_events x USING (evidence_id)
JOIN activities a ON a.event_id = x.event_id JOIN events e ON e.event_id = a.event_id
WHERE v.person_id = %(person)s AND {_IS_BESIDE}
ORDER BY at DESC, event_id DESC LIMIT %(limit)s
"""  # noqa: S608 - put together from constants


def read_of_person(connection: Connection, person_id: UUID, *, limit: int) -> list[ToldActivity]:
    """The latest activities of a person, newest first. One statement."""
    rows = connection.exec_driver_sql(_OF_PERSON, {"person": person_id, "limit": limit})
    return [_told(*row) for row in rows]


def read_of_event(connection: Connection, event_id: UUID) -> ToldActivity | None:
    """What an event says of somebody; None if nothing, or while it counts as a lead. One statement."""
    row = connection.exec_driver_sql(
        f"SELECT {_TOLD} FROM activities a JOIN events e USING (event_id) WHERE a.event_id = %s"  # noqa: S608 - put together from constants
        f" AND (a.state NOT IN ('later', 'also') OR {_IS_BESIDE})",
        (event_id,),
    ).first()
    return None if row is None else _told(*row)


def _told(*columns: Any) -> ToldActivity:
    told = ToldActivity(*columns)
    return told._replace(sealed=bytes(told.sealed))


def count_waiting(connection: Connection) -> int:
    """How many wait for their person. One statement."""
    counted = connection.exec_driver_sql("SELECT count(*) FROM activities WHERE state = 'waiting'").scalar()
    return int(counted or 0)
