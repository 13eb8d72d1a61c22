"""A person's rows of any table, by the columns that the inventory names: read for an export, deleted by an erasure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import arrays

Ids = Mapping[str, Collection[UUID]]  # of people, events, evidence, companies, by that word


def delete_rows(connection: Connection, table: str, reach: Mapping[str, str], ids: Ids) -> int:
    """Delete the rows of which one of these columns has one of the ids; gives how many. `reach`: by column what its
    ids are of. One statement, none without ids."""
    where, values = _where(reach, ids)
    if not where:
        return 0
    return connection.exec_driver_sql(f"DELETE FROM {table} WHERE {where}", values).rowcount  # noqa: S608 - put together from constants


def read_rows(
    connection: Connection, table: str, columns: Sequence[str], reach: Mapping[str, str], ids: Ids
) -> list[dict[str, Any]]:
    """These columns of the rows that `delete_rows` would delete. One statement, none without ids."""
    where, values = _where(reach, ids)
    if not where:
        return []
    rows = connection.exec_driver_sql(f"SELECT {', '.join(columns)} FROM {table} WHERE {where}", values)  # noqa: S608 - put together from constants
    return [
        {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()}
        for row in rows.mappings()
    ]


def count_rows(connection: Connection, table: str, reach: Mapping[str, str], ids: Ids) -> int:
    """How many `delete_rows` would delete. One statement, none without ids."""
    where, values = _where(reach, ids)
    if not where:
        return 0
    counted = connection.exec_driver_sql(f"SELECT count(*) FROM {table} WHERE {where}", values).scalar_one()  # noqa: S608 - put together from constants
    return int(counted)


def _where(reach: Mapping[str, str], ids: Ids) -> tuple[str, dict[str, str]]:
    asked = {column: word for column, word in reach.items() if ids.get(word)}
    values = {word: arrays.uuids(sorted(ids[word])) for word in asked.values()}
    return " OR ".join(f"{column} = ANY(%({word})s::uuid[])" for column, word in asked.items()), values


def drop_keys(connection: Connection, keys: Collection[int], evidence_ids: Collection[UUID]) -> int:
    """Let this evidence be found by none of these keys, all of its own, and forget what was counted of those that
    nobody has any more; gives how many went. Two statements, none without keys."""
    if not keys:
        return 0
    numbers = arrays.numbers(sorted(keys))
    dropped = connection.exec_driver_sql(
        "DELETE FROM evidence_keys WHERE key = ANY(%s::bigint[]) AND evidence_id = ANY(%s::uuid[])",
        (numbers, arrays.uuids(sorted(evidence_ids))),
    ).rowcount
    connection.exec_driver_sql(
        "DELETE FROM shared_keys s WHERE s.key = ANY(%s::bigint[])"
        " AND NOT EXISTS (SELECT FROM evidence_keys k WHERE k.key = s.key)",
        (numbers,),
    )
    return dropped


def keys_of_others(connection: Connection, keys: Collection[int], evidence_ids: Collection[UUID]) -> set[int]:
    """Those of these keys under which other evidence than this is filed too. One statement, none without keys."""
    if not keys:
        return set()
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT key FROM evidence_keys WHERE key = ANY(%s::bigint[]) AND evidence_id <> ALL(%s::uuid[])",
        (arrays.numbers(sorted(keys)), arrays.uuids(sorted(evidence_ids))),
    )
    return set(rows.scalars())
