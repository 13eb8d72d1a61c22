"""Entries of the audit log: added in the transaction of what they tell, read in the order of their chain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import orjson
from sqlalchemy import Connection

from pipeline.records.base import Fact

_FETCHED_ROWS = 500  # at once from the server's cursor
FIRST_PREVIOUS = bytes(32)  # what stands in front of a chain's first entry


class AuditEntry(Fact, frozen=True):
    """One entry as it is stored. `brand` empty: of the installation. `changed`: field -> [before, after], keyed digests
    in hexadecimal, null for no value."""

    brand: str
    number: int
    at: datetime
    actor_kind: str
    actor_id: str
    actor_name: str
    auth: str
    action: str
    object_kind: str | None
    object_id: str | None
    reason: str | None
    outcome: str
    changed: dict[str, list[str | None]] | None
    changed_digest: bytes | None
    request_id: str | None
    prev_hash: bytes = FIRST_PREVIOUS
    hash: bytes = b""

    def __repr__(self) -> str:
        return f"<AuditEntry {self.brand or 'installation'} {self.number} {self.action}>"


class Head(Fact, frozen=True):
    """The end of a brand's chain."""

    brand: str
    number: int
    hash: bytes


_COLUMNS = AuditEntry.__struct_fields__
# Writers of one brand take turns at the row of its head, until their transactions end. The hash is made by the server,
# which knows the one before: one statement, and no time between reading the head and locking it.
_ADD = f"""
WITH head AS (
    INSERT INTO audit_heads AS h (brand, number, prev_hash, hash)
    VALUES (%(brand)s, 1, %(first)s, sha256(%(first)s || %(content)s))
    ON CONFLICT (brand) DO UPDATE
    SET number = h.number + 1, prev_hash = h.hash, hash = sha256(h.hash || %(content)s)
    RETURNING number, prev_hash, hash
)
INSERT INTO audit_log ({", ".join(_COLUMNS)})
SELECT %(brand)s, number, %(at)s, %(actor_kind)s, %(actor_id)s, %(actor_name)s, %(auth)s, %(action)s, %(object_kind)s,
    %(object_id)s, %(reason)s, %(outcome)s, %(changed)s::jsonb, %(changed_digest)s, %(request_id)s, prev_hash, hash
FROM head
RETURNING number
"""  # noqa: S608 - put together from constants
_READ = f"SELECT {', '.join(_COLUMNS)} FROM audit_log"  # noqa: S608 - put together from constants


def add_entry(connection: Connection, entry: AuditEntry, content: bytes) -> int:
    """Append to the chain of its brand; gives its place there. `content` is what the hash goes over, beside the hash
    before it: number and hashes of `entry` are not read. One statement."""
    values: dict[str, Any] = msgspec.structs.asdict(entry)
    values |= {"first": FIRST_PREVIOUS, "content": content}
    values["changed"] = None if entry.changed is None else orjson.dumps(entry.changed).decode()
    return int(connection.exec_driver_sql(_ADD, values).scalar_one())


def stream_entries(
    connection: Connection,
    *,
    brand: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    action: str | None = None,
    object_id: str | None = None,
) -> Iterator[AuditEntry]:
    """Entries chain by chain, each in its order, in constant memory. `until` is excluded; `action` may be the noun of
    several."""
    conditions = {
        "brand = %(brand)s": brand,
        "at >= %(since)s": since,
        "at < %(until)s": until,
        "(action = %(action)s OR starts_with(action, %(action)s || '.'))": action,
        "object_id = %(object_id)s": object_id,
    }
    asked = [text for text, value in conditions.items() if value is not None]
    where = f" WHERE {' AND '.join(asked)}" if asked else ""
    values = {"brand": brand, "since": since, "until": until, "action": action, "object_id": object_id}
    streamed = connection.execution_options(stream_results=True, max_row_buffer=_FETCHED_ROWS)
    for row in streamed.exec_driver_sql(f"{_READ}{where} ORDER BY brand, number", values):
        yield _entry(row._asdict())


def read_actors(connection: Connection, action: str, object_id: str) -> set[tuple[str, str]]:
    """Who did this to that object, each as kind and id. One statement."""
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT actor_kind, actor_id FROM audit_log WHERE object_id = %s AND action = %s", (object_id, action)
    )
    return {(kind, actor_id) for kind, actor_id in rows}


def read_actions(connection: Connection, brand: str | None = None) -> list[str]:
    """What was ever done, of one chain or of all, by name. One statement."""
    where = "" if brand is None else " WHERE brand = %(brand)s"
    query = f"SELECT DISTINCT action FROM audit_log{where} ORDER BY action"  # noqa: S608 - put together from constants
    return list(connection.exec_driver_sql(query, {"brand": brand}).scalars())


def read_heads(connection: Connection) -> dict[str, Head]:
    """The end of each chain, by brand. One statement."""
    rows = connection.exec_driver_sql("SELECT brand, number, hash FROM audit_heads ORDER BY brand")
    return {brand: Head(brand, number, bytes(digest)) for brand, number, digest in rows}


def take_out_changes(connection: Connection, object_ids: list[str]) -> dict[tuple[str, str, str], int]:
    """Forget the digests of what was changed of these objects; gives how many entries lost theirs, by brand, kind and
    id. The chain goes over a digest of them that stays. One statement."""
    rows = connection.exec_driver_sql(
        "WITH emptied AS (UPDATE audit_log SET changed = NULL WHERE object_id = ANY(%s) AND changed IS NOT NULL"
        " RETURNING brand, coalesce(object_kind, '') AS kind, object_id)"
        " SELECT brand, kind, object_id, count(*) FROM emptied GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        (object_ids,),
    )
    return {(brand, kind, object_id): count for brand, kind, object_id, count in rows}


def _entry(values: dict[str, Any]) -> AuditEntry:
    for name in ("changed_digest", "prev_hash", "hash"):
        values[name] = None if values[name] is None else bytes(values[name])
    return AuditEntry(**values)
