"""Sealed values put under the newest key, some rows at a time, while everybody works on.

Rows are locked only where nobody else holds them, and for as long as their values take to seal: a few milliseconds.
What is held meanwhile is found by a later pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from pipeline.crypto.encryption import cipher
from pipeline.store import arrays
from pipeline.store.keys.sealed_tables import SealedTable

_KEY_ID = "encode(substring({column} FROM 1 FOR 4), 'hex')"


class Page(NamedTuple):
    """Rows that were looked at: `last` of their keys, None where there were none; how many values were `resealed`."""

    last: tuple[Any, ...] | None
    resealed: int


def reseal_page(connection: Connection, table: SealedTable, after: Sequence[Any] | None, limit: int) -> Page:
    """The rows behind a key, in its order, at most so many: each value that an older key sealed is sealed with the
    newest. Raises ConfigurationError if a key is missing, ValueError if a value was altered."""
    last = _end_of_page(connection, table, after, limit)
    if last is None:
        return Page(None, 0)
    resealed = 0
    found = list(_lock_old(connection, table, after, last))
    for number, column in enumerate(table.columns):
        anew = [
            (key, sealed)
            for key, values in found
            if values[number] is not None
            and (sealed := cipher().reseal(bytes(values[number]), context=table.context(column, key))) is not None
        ]
        if anew:
            _write(connection, table, column, anew)
        resealed += len(anew)
    return Page(last, resealed)


def read_progress(connection: Connection, table: SealedTable, key_id: str) -> tuple[Any, ...] | None:
    """The key up to which its rows were looked at for this sealing key; None: begin."""
    after = connection.exec_driver_sql(
        "SELECT after FROM reseals WHERE sealed_table = %s AND key_id = %s", (table.name, key_id)
    ).scalar()
    return None if after is None else msgspec.json.decode(after, type=tuple[_type_of(table), ...])  # type: ignore[misc]


def note_progress(
    connection: Connection, table: SealedTable, key_id: str, after: Sequence[Any] | None, resealed: int
) -> None:
    """After a page, in its transaction. `after` None: the pass has come to its end."""
    text = None if after is None else msgspec.json.encode(after).decode()
    connection.exec_driver_sql(
        """
        INSERT INTO reseals AS kept (sealed_table, key_id, after, resealed) VALUES (%s, %s, %s, %s)
        ON CONFLICT (sealed_table) DO UPDATE SET
            after = EXCLUDED.after, key_id = EXCLUDED.key_id,
            ended_at = CASE WHEN EXCLUDED.after IS NULL THEN now() END,
            began_at = CASE WHEN kept.key_id = EXCLUDED.key_id THEN kept.began_at ELSE now() END,
            resealed = EXCLUDED.resealed + CASE WHEN kept.key_id = EXCLUDED.key_id THEN kept.resealed ELSE 0 END
        """,
        (table.name, key_id, text, resealed),
    )


def count_by_key(connection: Connection, table: SealedTable) -> dict[str, int]:
    """How many values of a table each key sealed. Reads the whole table."""
    counts: dict[str, int] = {}
    for column in table.columns:
        rows = connection.exec_driver_sql(
            f"SELECT {_KEY_ID.format(column=column)}, count(*) FROM {table.name}"  # noqa: S608 - from constants
            f" WHERE {column} IS NOT NULL GROUP BY 1"
        )
        for key_id, count in rows:
            counts[key_id] = counts.get(key_id, 0) + count
    return counts


def is_sealed_by_another(connection: Connection, table: SealedTable, key_id: str) -> bool:
    """Whether any value of a table is under another key than this one. Reads until the first."""
    return bool(
        connection.exec_driver_sql(
            f"SELECT EXISTS (SELECT FROM {table.name} WHERE {_is_old(table)})",  # noqa: S608 - from constants
            {"newest": bytes.fromhex(key_id)},
        ).scalar_one()
    )


def _is_old(table: SealedTable) -> str:
    return " OR ".join(f"substring({column} FROM 1 FOR 4) <> %(newest)s" for column in table.columns)


def _end_of_page(
    connection: Connection, table: SealedTable, after: Sequence[Any] | None, limit: int
) -> tuple[Any, ...] | None:
    names = ", ".join(name for name, _ in table.key)
    behind, parameters = _behind(table, after)
    row = connection.exec_driver_sql(
        f"SELECT {names} FROM (SELECT {names} FROM {table.name} {behind} ORDER BY {names} LIMIT %(limit)s) AS page"  # noqa: S608 - from constants
        f" ORDER BY {', '.join(f'{name} DESC' for name, _ in table.key)} LIMIT 1",
        {**parameters, "limit": limit},
    ).first()
    return None if row is None else tuple(row)


def _lock_old(
    connection: Connection, table: SealedTable, after: Sequence[Any] | None, last: Sequence[Any]
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Key and sealed values of the rows up to `last` that an older key sealed, and that nobody else holds."""
    names = ", ".join(name for name, _ in table.key)
    behind, parameters = _behind(table, after)
    until, more = _bound(table, last, "last")
    rows = connection.exec_driver_sql(
        f"SELECT {names}, {', '.join(table.columns)} FROM {table.name} {behind or 'WHERE true'}"  # noqa: S608 - from constants
        f" AND ({names}) <= ({until}) AND ({_is_old(table)}) ORDER BY {names} FOR NO KEY UPDATE SKIP LOCKED",
        {**parameters, **more, "newest": bytes.fromhex(cipher().key_ids[0])},
    )
    width = len(table.key)
    for row in rows:
        yield tuple(row[:width]), tuple(row[width:])


def _write(
    connection: Connection, table: SealedTable, column: str, anew: Sequence[tuple[Sequence[Any], bytes]]
) -> None:
    names = [name for name, _ in table.key]
    keys = [
        arrays.uuids([key[number] for key, _ in anew])
        if kind == "uuid"
        else arrays.texts([key[number] for key, _ in anew])
        for number, (_, kind) in enumerate(table.key)
    ]
    given = ", ".join(f"%s::{kind}[]" for _, kind in table.key)
    equal = " AND ".join(f"t.{name} = given.{name}" for name in names)
    connection.exec_driver_sql(
        f"UPDATE {table.name} AS t SET {column} = decode(given.sealed, 'base64')"  # noqa: S608 - from constants
        f" FROM unnest({given}, %s::text[]) AS given({', '.join(names)}, sealed) WHERE {equal}",
        (*keys, arrays.sealed(sealed for _, sealed in anew)),
    )


def _behind(table: SealedTable, after: Sequence[Any] | None) -> tuple[str, dict[str, Any]]:
    if after is None:
        return "", {}
    bound, parameters = _bound(table, after, "after")
    return f"WHERE ({', '.join(name for name, _ in table.key)}) > ({bound})", parameters


def _bound(table: SealedTable, key: Sequence[Any], word: str) -> tuple[str, dict[str, Any]]:
    places = ", ".join(f"%({word}{number})s::{kind}" for number, (_, kind) in enumerate(table.key))
    return places, {f"{word}{number}": value for number, value in enumerate(key)}


def _type_of(table: SealedTable) -> Any:
    from uuid import UUID

    return UUID if table.key[0][1] == "uuid" else str
