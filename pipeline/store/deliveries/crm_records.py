"""Records that a CRM had before us, or got beside us, by the ids it has for them: whose each is, and who has several.

What such a record says of who it is, is evidence (`pipeline.identity.crm_people`), filed under the record's id as an
event's is. So whose it is follows the evidence wherever that goes, whatever came first, until the record has our key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.records import record_id_of
from pipeline.store import arrays
from pipeline.store.keyring import blind_index

GONE, PASSED_OVER = "gone", "passed_over"


def record_id(destination: str, brand: str, crm_id: str) -> UUID:
    """The id of a CRM's record among the people of a brand."""
    content = "\x00".join((destination, brand, crm_id))
    return record_id_of(blind_index().content_id(b"crm\x00" + content.encode()))


class Adoption(msgspec.Struct, frozen=True):
    """A reading of a CRM's people that is under way. `cursor`: of the next page; None: the first one."""

    run: int
    cursor: str | None
    pages: int


_BEGIN = """
INSERT INTO crm_adoptions AS known (destination, run) VALUES (%s, 1)
ON CONFLICT (destination) DO UPDATE SET
    run = known.run + (known.ended_at IS NOT NULL)::int,
    cursor = CASE WHEN known.ended_at IS NULL THEN known.cursor END,
    pages = CASE WHEN known.ended_at IS NULL THEN known.pages ELSE 0 END,
    began_at = CASE WHEN known.ended_at IS NULL THEN known.began_at ELSE now() END,
    ended_at = NULL
RETURNING run, cursor, pages
"""


def begin_adoption(connection: Connection, destination: str) -> Adoption:
    """Begin to read a CRM's people, or go on where the last reading was stopped. One statement."""
    return Adoption(*connection.exec_driver_sql(_BEGIN, (destination,)).one())


def current_run(connection: Connection, destination: str) -> int:
    """The number of the reading under way, or of the last one; 0: there was none. One statement."""
    run = connection.exec_driver_sql("SELECT run FROM crm_adoptions WHERE destination = %s", (destination,)).scalar()
    return int(run or 0)


def end_page(connection: Connection, destination: str, run: int, cursor: str | None) -> None:
    """A page is read: the next one begins at `cursor`; None: there is none. One statement, two on the last page.

    What this reading did not meet any more is gone.
    """
    connection.exec_driver_sql(
        "UPDATE crm_adoptions SET cursor = %(cursor)s, pages = pages + 1,"
        " ended_at = CASE WHEN %(cursor)s::text IS NULL THEN now() END"
        " WHERE destination = %(destination)s AND run = %(run)s",
        {"destination": destination, "run": run, "cursor": cursor},
    )
    if cursor is None:
        connection.exec_driver_sql(
            "UPDATE crm_records SET state = 'gone' WHERE destination = %s AND run < %s AND state <> 'gone'",
            (destination, run),
        )


class Listed(msgspec.Struct, frozen=True):
    """A record as the CRM listed it. `person_id`: the person whose id it has, if it is one of ours."""

    record_id: UUID
    brand: str
    crm_id: str
    person_id: UUID | None


_NOTE = """
INSERT INTO crm_records AS known (record_id, destination, brand, crm_id, person_id, is_keyed, run)
SELECT record_id, %(destination)s, brand, crm_id, person_id, person_id IS NOT NULL, %(run)s
FROM unnest(%(records)s::uuid[], %(brands)s::text[], %(crm_ids)s::text[], %(people)s::uuid[]) WITH ORDINALITY
    AS listed (record_id, brand, crm_id, person_id, place)
ORDER BY place
ON CONFLICT (record_id) DO UPDATE SET run = excluded.run, is_keyed = excluded.is_keyed,
    state = CASE WHEN known.state = 'gone' THEN 'there' ELSE known.state END,
    person_id = coalesce(excluded.person_id, known.person_id)
RETURNING record_id, xmax = 0
"""


def note_records(connection: Connection, destination: str, run: int, listed: Sequence[Listed]) -> set[UUID]:
    """Keep which records there are, in the order listed; gives those that are new. One statement."""
    if not listed:
        return set()
    rows = connection.exec_driver_sql(
        _NOTE,
        {
            "destination": destination,
            "run": run,
            "records": arrays.uuids(row.record_id for row in listed),
            "brands": arrays.texts(row.brand for row in listed),
            "crm_ids": arrays.texts(row.crm_id for row in listed),
            "people": arrays.uuids(row.person_id for row in listed),
        },
    )
    return {known for known, is_new in rows if is_new}


def known_people(connection: Connection, person_ids: Collection[UUID]) -> dict[UUID, str]:
    """Those of these ids that are people of ours, merged or not, with their brand. One statement."""
    if not person_ids:
        return {}
    rows = connection.exec_driver_sql(
        "SELECT person_id, brand FROM people WHERE person_id = ANY(%s::uuid[])", (arrays.uuids(sorted(person_ids)),)
    )
    return dict(map(tuple, rows))


class CrmRecord(msgspec.Struct, frozen=True):
    """The record at which a person is to be written. `is_keyed`: it has the person's id already."""

    record_id: UUID
    crm_id: str
    is_keyed: bool


# Of several the one that has our key, then the one that is written to, then the eldest. A record of somebody else's is
# nobody's to take.
_LINKS = """
SELECT DISTINCT ON (owner) owner, record_id, crm_id, is_keyed FROM (
    SELECT e.person_id AS owner, r.* FROM evidence e
    JOIN evidence_events x USING (evidence_id)
    JOIN crm_records r ON r.record_id = x.event_id AND r.person_id IS NULL
    WHERE e.person_id = ANY(%(people)s::uuid[])
    UNION ALL
    SELECT r.person_id, r.* FROM crm_records r WHERE r.person_id = ANY(%(people)s::uuid[])
) AS found
WHERE destination = %(destination)s AND state = 'there'
ORDER BY owner, is_keyed DESC, person_id NULLS LAST, number
"""


def read_links(connection: Connection, destination: str, person_ids: Collection[UUID]) -> dict[UUID, CrmRecord]:
    """The record of each of these people that the CRM has; left out who has none. One statement."""
    if not person_ids:
        return {}
    values = {"destination": destination, "people": arrays.uuids(sorted(person_ids))}
    rows = connection.exec_driver_sql(_LINKS, values)
    return {owner: CrmRecord(known, crm_id, is_keyed) for owner, known, crm_id, is_keyed in rows}


def note_written(connection: Connection, owners: Mapping[UUID, UUID]) -> None:
    """These records, by id, are written to for these people now, and have their ids. One statement."""
    if owners:
        ordered = sorted(owners)
        connection.exec_driver_sql(
            "UPDATE crm_records r SET person_id = written.person_id, is_keyed = true"
            " FROM unnest(%s::uuid[], %s::uuid[]) AS written (record_id, person_id)"
            " WHERE r.record_id = written.record_id",
            (arrays.uuids(ordered), arrays.uuids(owners[known] for known in ordered)),
        )


def note_lost(connection: Connection, states: Mapping[UUID, str]) -> None:
    """These records, by id, are not to be written to: GONE, or PASSED_OVER as another has the key. One statement."""
    if states:
        ordered = sorted(states)
        connection.exec_driver_sql(
            "UPDATE crm_records r SET state = lost.state FROM unnest(%s::uuid[], %s::text[]) AS lost (record_id, state)"
            " WHERE r.record_id = lost.record_id",
            (arrays.uuids(ordered), arrays.texts(states[known] for known in ordered)),
        )


_AGAIN = """
UPDATE deliveries SET state = 'due', lane = 'bulk', attempts = 0, next_attempt_at = now(), wanted_at = now()
WHERE destination = %(destination)s AND person_id = ANY(ARRAY(
    SELECT d.person_id FROM deliveries d
    JOIN evidence e ON e.person_id = d.person_id
    JOIN evidence_events x USING (evidence_id)
    WHERE x.event_id = ANY(%(records)s::uuid[]) AND d.destination = %(destination)s
        AND d.state = 'quarantined' AND d.external_id IS NULL
    ORDER BY d.person_id FOR UPDATE OF d
)) AND state = 'quarantined'
"""


def want_refused_again(connection: Connection, destination: str, records: Collection[UUID]) -> int:
    """Whom the CRM refused to make, perhaps as a duplicate, is due again where one of these records is theirs; gives
    how many. One statement."""
    if not records:
        return 0
    values = {"destination": destination, "records": arrays.uuids(sorted(records))}
    return connection.exec_driver_sql(_AGAIN, values).rowcount


# Whose a record is: of the person whose key it has, wherever that one is now; else of the evidence.
_OWNED = """
SELECT r.record_id, r.crm_id, r.number, r.is_keyed, r.brand, r.person_id AS written,
    CASE WHEN r.person_id IS NOT NULL THEN coalesce(w.merged_into, r.person_id) ELSE e.person_id END AS owner
FROM crm_records r
LEFT JOIN people w ON w.person_id = r.person_id
LEFT JOIN evidence_events x ON x.event_id = r.record_id AND r.person_id IS NULL
LEFT JOIN evidence e ON e.evidence_id = x.evidence_id
WHERE r.destination = %(destination)s AND r.state <> 'gone'
"""
_COUNT = """
SELECT count(*), count(*) FILTER (WHERE is_keyed), count(*) FILTER (WHERE is_known AND NOT is_keyed),
    count(*) FILTER (WHERE NOT is_known AND NOT is_keyed), (SELECT count(*) FROM pairs)
FROM (
    SELECT bool_or(is_keyed) AS is_keyed, bool_or(p.person_id IS NOT NULL) AS is_known
    FROM owned LEFT JOIN people p ON p.person_id = owned.owner GROUP BY crm_id
) AS records
"""
# Of several brands each has its own people: who is in none of their leads is told once.
_SEVERAL = f"""
WITH owned AS MATERIALIZED ({_OWNED}), several AS (
    SELECT owner, min(brand) AS brand, min(number) AS first,
        array_agg(crm_id ORDER BY (written IS NOT DISTINCT FROM owner) DESC, is_keyed DESC, number) AS crm_ids
    FROM owned WHERE owner IS NOT NULL GROUP BY owner HAVING count(*) > 1
), pairs AS (
    SELECT DISTINCT ON (crm_ids) several.*, p.person_id IS NOT NULL AS has_leads
    FROM several LEFT JOIN people p ON p.person_id = several.owner
    ORDER BY crm_ids, p.person_id IS NULL, brand
)
"""  # noqa: S608 - put together from constants


class RecordCounts(msgspec.Struct, frozen=True):
    """Records of a CRM: all; those that have our key; further ones of people whose leads we have; those of whom no lead
    came. `pairs`: people who have several."""

    records: int
    keyed: int
    recognized: int
    strangers: int
    pairs: int


def count_records(connection: Connection, destination: str) -> RecordCounts:
    """One statement, over all records of the destination."""
    row = connection.exec_driver_sql(_SEVERAL + _COUNT, {"destination": destination})
    return RecordCounts(*row.one())


class Pair(msgspec.Struct, frozen=True):
    """One person's records, the one that is written to first. `has_leads`: somebody whom we know by leads too."""

    person_id: UUID
    brand: str
    has_leads: bool
    crm_ids: list[str]


_PAIRS = "SELECT owner, brand, has_leads, crm_ids, count(*) OVER () FROM pairs ORDER BY first, brand LIMIT %(limit)s"


def list_pairs(connection: Connection, destination: str, *, limit: int) -> tuple[list[Pair], int]:
    """People who have several records, in the CRM's order, and how many there are. One statement."""
    rows = connection.exec_driver_sql(_SEVERAL + _PAIRS, {"destination": destination, "limit": limit}).all()
    return [Pair(*row[:4]) for row in rows], rows[0][4] if rows else 0


def records_of(connection: Connection, person_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Of these people, by evidence, where they stand: "crm 00Q…" for each record. One statement."""
    found: dict[UUID, list[str]] = {}
    if person_ids:
        for owner, destination, crm_id in connection.exec_driver_sql(
            "SELECT e.person_id, r.destination, r.crm_id FROM evidence e JOIN evidence_events x USING (evidence_id)"
            " JOIN crm_records r ON r.record_id = x.event_id WHERE e.person_id = ANY(%s::uuid[]) ORDER BY r.number",
            (arrays.uuids(sorted(person_ids)),),
        ):
            found.setdefault(owner, []).append(f"{destination} {crm_id}")
    return found


def forget_records(connection: Connection, person_ids: Collection[UUID]) -> int:
    """Forget all records of these people, also what these said of who they are where no event said it; gives how many.
    Call it before their evidence is removed. One statement."""
    if not person_ids:
        return 0
    return connection.exec_driver_sql(
        "WITH gone AS (DELETE FROM crm_records WHERE person_id = ANY(%(people)s::uuid[]) OR record_id IN ("
        "   SELECT x.event_id FROM evidence e JOIN evidence_events x USING (evidence_id)"
        "   WHERE e.person_id = ANY(%(people)s::uuid[])) RETURNING record_id)"
        " DELETE FROM evidence_events x USING gone WHERE x.event_id = gone.record_id",
        {"people": arrays.uuids(sorted(person_ids))},
    ).rowcount
