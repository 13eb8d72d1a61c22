"""Files of drop folders: which bytes were read already, and how far the reading of one has come."""

from __future__ import annotations

from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.records import new_id


class DroppedFile(msgspec.Struct, frozen=True):
    """A file by what is in it. `state`: reading; read (every row is stored, the file is still to be moved); archived;
    rejected. `rows_done` rows of it are stored; `attempts` readings have begun since the last of them, this one
    included."""

    brand: str
    source: str
    content_id: UUID
    file_id: UUID
    state: str
    rows_done: int
    attempts: int
    accepted: int
    repeated: int
    revised: int
    rejected: int


class RowCounts(msgspec.Struct, frozen=True):
    """What became of rows that were stored together. `rejected` of the accepted went to quarantine at once."""

    accepted: int
    repeated: int
    revised: int
    rejected: int


_COLUMNS = ", ".join(DroppedFile.__struct_fields__)
_KEY = "(brand, source, content_id) = (%(brand)s, %(source)s, %(content_id)s)"
_BEGIN = f"""
INSERT INTO dropped_files AS known (brand, source, content_id, file_id, read_as, attempts)
VALUES (%(brand)s, %(source)s, %(content_id)s, %(file_id)s, %(read_as)s, 1)
ON CONFLICT (brand, source, content_id) DO UPDATE SET
    state = CASE known.state WHEN 'rejected' THEN 'reading' ELSE known.state END,
    rows_done = CASE WHEN known.read_as = excluded.read_as THEN known.rows_done ELSE 0 END,
    attempts = CASE known.state WHEN 'rejected' THEN 1 ELSE known.attempts + 1 END,
    read_as = excluded.read_as
RETURNING {_COLUMNS}
"""  # noqa: S608 - put together from constants


def begin_file(connection: Connection, brand: str, source: str, content_id: UUID, *, read_as: str) -> DroppedFile:
    """Note that the reading of a file begins, and say how far it had come. What was rejected is read anew.

    `read_as` is the version and mapping it is read with: with another one, rows are counted from the first again.
    """
    row = connection.exec_driver_sql(
        _BEGIN,
        {"brand": brand, "source": source, "content_id": content_id, "file_id": new_id(), "read_as": read_as},
    ).one()
    return DroppedFile(*row)


_NOTE_ROWS = f"""
UPDATE dropped_files SET rows_done = rows_done + %(accepted)s + %(repeated)s, attempts = 0,
    accepted = accepted + %(accepted)s, repeated = repeated + %(repeated)s, revised = revised + %(revised)s,
    rejected = rejected + %(rejected)s
WHERE {_KEY}
"""  # noqa: S608 - put together from constants


def note_rows(connection: Connection, file: DroppedFile, rows: RowCounts) -> None:
    """Count further rows of a file, in the transaction that stores them."""
    connection.exec_driver_sql(_NOTE_ROWS, {**_key(file), **msgspec.structs.asdict(rows)})


def end_file(connection: Connection, file: DroppedFile, state: str) -> None:
    """Set what became of a file: read, archived or rejected."""
    connection.exec_driver_sql(
        f"UPDATE dropped_files SET state = %(state)s, attempts = 0 WHERE {_KEY}",  # noqa: S608 - as above
        {**_key(file), "state": state},
    )


def settle_moved(connection: Connection, brand: str, source: str) -> None:
    """None of a source's files waits to be moved any more: those that a kill left so are archived."""
    connection.exec_driver_sql(
        "UPDATE dropped_files SET state = 'archived' WHERE (brand, source) = (%s, %s) AND state = 'read'",
        (brand, source),
    )


def _key(file: DroppedFile) -> dict[str, object]:
    return {"brand": file.brand, "source": file.source, "content_id": file.content_id}
