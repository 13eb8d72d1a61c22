"""Keys of evidence that an older version of the program made: all go, and those of now are filed in their place.

Evidence does not say which keys it had: what is made of it now need not be what was made of it then.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays

_WAIT_SECONDS = 10  # for the table: whoever comes after waits as long


def hold_all_filing(connection: Connection) -> None:
    """Nobody files evidence, or finds people by it, until the transaction ends; whoever does now is waited for. One
    statement, before any other lock: all who file hold the same one, shared (hold_filed_keys of migration 0004)."""
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(415022, 3)")


def begin_refiling(connection: Connection, version: int) -> bool:
    """Whether all evidence is to be filed anew. If its keys are of another version, they go: from now on only who has
    this version finds and files any. Six statements at most.

    Waits for those who file evidence now. Raises TransientError if others use the table for longer than 10 s.
    """
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'")
    hold_all_filing(connection)
    known = connection.exec_driver_sql("SELECT version FROM filed_versions WHERE name = 'keys'").scalar()
    if known == version:
        return bool(
            connection.exec_driver_sql("SELECT EXISTS (SELECT FROM unfinished_upgrades WHERE name = 'keys')").scalar()
        )
    connection.exec_driver_sql(
        "INSERT INTO filed_versions (name, version) VALUES ('keys', %s)"
        " ON CONFLICT (name) DO UPDATE SET version = excluded.version",
        (version,),
    )
    if known is None:
        return False
    connection.exec_driver_sql("INSERT INTO unfinished_upgrades (name) VALUES ('keys') ON CONFLICT DO NOTHING")
    connection.exec_driver_sql("TRUNCATE evidence_keys")
    return True


def count_evidence(connection: Connection) -> int:
    """All pieces, resolved or not. One statement, over the whole table."""
    return int(connection.exec_driver_sql("SELECT count(*) FROM evidence").scalar_one())


def next_pieces(connection: Connection, after: UUID, limit: int) -> list[UUID]:
    """The next pieces of evidence by id, resolved or not. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT evidence_id FROM evidence WHERE evidence_id > %s ORDER BY evidence_id LIMIT %s", (after, limit)
    )
    return list(rows.scalars())


def file_again(connection: Connection, keys: Iterable[tuple[int, UUID]], *, generation: int = 0) -> None:
    """Let evidence be found by these keys: (key, evidence), of one generation of the index key. Some may be filed
    already. One statement."""
    ordered = sorted(keys)
    connection.exec_driver_sql(
        "INSERT INTO evidence_keys (key, evidence_id, generation)"
        " SELECT key, id, nullif(%s, 0) FROM unnest(%s::bigint[], %s::uuid[]) AS new (key, id) ON CONFLICT DO NOTHING",
        (generation, arrays.numbers(key for key, _ in ordered), arrays.uuids(piece for _, piece in ordered)),
    )


def end_refiling(connection: Connection) -> None:
    """All evidence is filed; who is who by it is still to be found. Three statements.

    What was counted for keys that no evidence has any more is forgotten.
    """
    connection.exec_driver_sql(
        "DELETE FROM shared_keys s WHERE NOT EXISTS (SELECT FROM evidence_keys k WHERE k.key = s.key)"
    )
    connection.exec_driver_sql("INSERT INTO unfinished_upgrades (name) VALUES ('people') ON CONFLICT DO NOTHING")
    connection.exec_driver_sql("DELETE FROM unfinished_upgrades WHERE name = 'keys'")
