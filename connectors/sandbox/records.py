"""What the sandbox remembers, in one SQLite file that survives a kill: records by external id, and counts of calls.

A record's data is plaintext, as in the CRM it stands in for: the file belongs beside the customer's CRM, not beside the
pipeline's own tables. Commits are not forced to disk: a kill loses nothing, only a power failure could.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY, object TEXT NOT NULL, external_id TEXT NOT NULL, fields BLOB NOT NULL,
    writes INTEGER NOT NULL, changes INTEGER NOT NULL, changed_at REAL NOT NULL DEFAULT 0,
    UNIQUE (object, external_id));
CREATE TABLE IF NOT EXISTS calls (
    route TEXT NOT NULL, answer TEXT NOT NULL, calls INTEGER NOT NULL, created INTEGER NOT NULL,
    changed INTEGER NOT NULL, unchanged INTEGER NOT NULL, rejected INTEGER NOT NULL, PRIMARY KEY (route, answer));
CREATE TABLE IF NOT EXISTS feed (id TEXT PRIMARY KEY, updated_at TEXT NOT NULL, lead BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS feed_order ON feed (updated_at, id);
"""
_COUNTS = ("created", "changed", "unchanged", "rejected")


@dataclass(frozen=True, slots=True)
class Stored:
    """A record after a write. `number` is the sandbox's own id; created and changed speak of this write."""

    number: int
    is_created: bool
    is_changed: bool


class SandboxRecords:
    """One writer at a time; readers go beside it (write-ahead log)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # SQLite gives its log the same mode
        self._path = path
        self._lock = threading.Lock()
        self._connection = self._connect()
        self._connection.executescript(_SCHEMA)
        columns = {row[1] for row in self._connection.execute("PRAGMA table_info(records)")}
        if "changed_at" not in columns:  # a file of before
            self._connection.execute("ALTER TABLE records ADD COLUMN changed_at REAL NOT NULL DEFAULT 0")
        self._last = 0  # the highest number that was ever given: none is given twice
        self.resets = 0  # for who keeps something beside the records

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def upsert(self, kind: str, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, Stored]:
        """Merge fields into the records of `kind` named by external id; None empties a field. One transaction."""
        stored: dict[str, Stored] = {}
        fresh: list[tuple[int, str, str, bytes, float]] = []
        merged: list[tuple[bytes, float, int]] = []
        repeated: list[tuple[float, int]] = []
        now = time.time()
        with self._transaction() as connection:
            known = self._known(connection, kind, list(wanted))
            (highest,) = connection.execute("SELECT coalesce(max(number), 0) FROM records").fetchone()
            last = max(highest, self._last)
            for external_id, fields in wanted.items():
                if external_id not in known:
                    last += 1
                    values = {name: value for name, value in fields.items() if value is not None}
                    fresh.append((last, kind, external_id, orjson.dumps(values), now))
                    stored[external_id] = Stored(last, is_created=True, is_changed=True)
                    continue
                number, before = known[external_id]
                after = {name: value for name, value in {**before, **fields}.items() if value is not None}
                if after == before:
                    repeated.append((now, number))
                else:
                    merged.append((orjson.dumps(after), now, number))
                stored[external_id] = Stored(number, is_created=False, is_changed=after != before)
            self._last = last
            connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, 1, 1, ?)", fresh)
            connection.executemany(
                "UPDATE records SET fields = ?, writes = writes + 1, changes = changes + 1, changed_at = ?"
                " WHERE number = ?",
                merged,
            )
            connection.executemany("UPDATE records SET writes = writes + 1, changed_at = ? WHERE number = ?", repeated)
        return stored

    def existing(self, kind: str, external_ids: Sequence[str]) -> set[str]:
        with self._lock:
            return set(self._known(self._connection, kind, external_ids))

    def find(self, kind: str, external_id: str) -> tuple[int, dict[str, Any]] | None:
        with self._lock:
            return self._known(self._connection, kind, [external_id]).get(external_id)

    def find_many(self, kind: str, external_ids: Sequence[str]) -> dict[str, tuple[int, dict[str, Any]]]:
        """Number and fields by external id, of those that are there."""
        with self._lock:
            return self._known(self._connection, kind, external_ids)

    def changed_at(self, kind: str, external_id: str) -> float:
        """When it was written last, in seconds of the epoch; 0.0 where there is no such record."""
        with self._lock:
            row = self._connection.execute(
                "SELECT changed_at FROM records WHERE object = ? AND external_id = ?", (kind, external_id)
            ).fetchone()
        return row[0] if row else 0.0

    def find_number(self, kind: str, number: int) -> str | None:
        """The external id of the record with the sandbox's own id."""
        with self._lock:
            row = self._connection.execute(
                "SELECT external_id FROM records WHERE object = ? AND number = ?", (kind, number)
            ).fetchone()
        return row[0] if row else None

    def rename(self, kind: str, external_id: str, wanted: str) -> None:
        """Give a record another external id, which none has yet."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE records SET external_id = ? WHERE object = ? AND external_id = ?", (wanted, kind, external_id)
            )

    def delete(self, kind: str, external_ids: Sequence[str]) -> None:
        with self._transaction() as connection:
            connection.executemany(
                "DELETE FROM records WHERE object = ? AND external_id = ?", [(kind, key) for key in external_ids]
            )

    def stream(self) -> Iterator[dict[str, Any]]:
        """Every record in the order made, without holding up writers."""
        connection = self._connect()
        try:
            rows = connection.execute(
                "SELECT number, object, external_id, fields, writes, changes, changed_at FROM records"
            )
            for number, kind, external_id, fields, writes, changes, changed_at in rows:
                yield {
                    "id": number,
                    "external_id": external_id,
                    "object": kind,
                    "fields": orjson.loads(fields),
                    "writes": writes,
                    "changes": changes,
                    "changed_at": changed_at,
                }
        finally:
            connection.close()

    def count_call(self, route: str, answer: str, counts: Mapping[str, int] | None = None) -> None:
        values = [(counts or {}).get(name, 0) for name in _COUNTS]
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO calls VALUES (?, ?, 1, ?, ?, ?, ?) ON CONFLICT (route, answer) DO UPDATE SET"
                " calls = calls + 1, created = created + excluded.created, changed = changed + excluded.changed,"
                " unchanged = unchanged + excluded.unchanged, rejected = rejected + excluded.rejected",
                [route, answer, *values],
            )

    def calls(self) -> list[dict[str, Any]]:
        with self._lock:
            rows = self._connection.execute("SELECT * FROM calls ORDER BY route, answer").fetchall()
        return [dict(zip(("route", "answer", "calls", *_COUNTS), row, strict=True)) for row in rows]

    def add_to_feed(self, leads: Sequence[Mapping[str, Any]]) -> None:
        """Add or replace leads of the feed by `id`. `updated_at` is ISO 8601 in UTC: text order is time order."""
        rows = [(str(lead["id"]), str(lead["updated_at"]), orjson.dumps(lead)) for lead in leads]
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO feed VALUES (?, ?, ?)", rows)

    def read_feed(self, *, after: str, offset: int, limit: int) -> list[Any]:
        with self._lock:
            rows = self._connection.execute(
                "SELECT lead FROM feed WHERE updated_at > ? ORDER BY updated_at, id LIMIT ? OFFSET ?",
                (after, limit, offset),
            ).fetchall()
        return [orjson.loads(lead) for (lead,) in rows]

    def reset(self) -> None:
        with self._transaction() as connection:
            for table in ("records", "calls", "feed"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
            self._last = 0
        self.resets += 1

    def _transaction(self) -> _Transaction:
        return _Transaction(self._lock, self._connection)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -32768")
        return connection

    @staticmethod
    def _known(
        connection: sqlite3.Connection, kind: str, external_ids: Sequence[str]
    ) -> dict[str, tuple[int, dict[str, Any]]]:
        rows = connection.execute(
            "SELECT external_id, number, fields FROM records"
            " WHERE object = ? AND external_id IN (SELECT value FROM json_each(?))",
            (kind, orjson.dumps(external_ids).decode()),
        )
        return {external_id: (number, orjson.loads(fields)) for external_id, number, fields in rows}


class _Transaction:
    """Holds the one writer's lock from BEGIN to COMMIT, or ROLLBACK on an error."""

    def __init__(self, lock: threading.Lock, connection: sqlite3.Connection) -> None:
        self._lock = lock
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        self._lock.acquire()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._lock.release()
            raise
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._connection.execute("COMMIT" if kind is None else "ROLLBACK")
        finally:
            self._lock.release()
