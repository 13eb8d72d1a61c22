"""A database of a team that people are written to, beside the pipeline's own, and a writer to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg2
from psycopg2.extensions import parse_dsn

from connectors.destinations.sql import DESTINATION
from connectors.kit import Connection, Record, SentField

TABLE = "afluente.contacts"
FIELDS = (
    SentField("last_name", "text", 80),
    SentField("email", "email", 254),
    SentField("city", "text", 40),
    SentField("employee_count", "integer"),
    SentField("merged_into", "text", 36),
)


class Target:
    """One database. `url` is its `base_url`; statements run as its owner, each committed."""

    def __init__(self, url: str) -> None:
        self.url = url.replace("postgresql+psycopg2://postgres@", "postgresql://")
        self._dsn = {**parse_dsn(self.url), "user": "postgres"}

    @contextlib.contextmanager
    def session(self) -> Iterator[Any]:
        """A cursor; what it did is committed at the end of the block."""
        with contextlib.closing(psycopg2.connect(**self._dsn)) as connection, connection, connection.cursor() as cursor:
            yield cursor

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with self.session() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def rows(self, columns: str = "afluente_id, last_name, email, city") -> list[tuple[Any, ...]]:
        return self.execute(f"SELECT {columns} FROM {TABLE} ORDER BY afluente_id")

    def make_table(self, *more: str) -> None:
        """The table of FIELDS with `more` columns and constraints."""
        given = ["afluente_id text PRIMARY KEY, last_name varchar(80), email varchar(254), city varchar(40)"]
        given += ["employee_count bigint, merged_into varchar(36)"]
        given += ["first_written_at timestamptz NOT NULL, updated_at timestamptz NOT NULL", *more]
        self.execute(f"CREATE SCHEMA afluente; CREATE TABLE {TABLE} ({', '.join(given)})")

    def end_sessions(self) -> int:
        """As if the network or the server went away for those who write to it. Gives how many sessions were ended."""
        return len(
            self.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'afluente'"
            )
        )

    def connection(self, *, user: str = "postgres", **more: Any) -> Connection:
        settings = {"secrets": {"user": user}, "timeout_seconds": 5.0, "fields": FIELDS, **more}
        return Connection("warehouse", **{"base_url": self.url, **settings})

    def writer(self, **more: Any) -> Any:
        return DESTINATION.connect(self.connection(**more))


def person(number: int = 1, **fields: Any) -> Record:
    return Record(f"key-{number:03}", {"last_name": "Brandt", "email": f"ada{number}@example.org", **fields})


def mark(number: int = 1, into: str | None = "key-999") -> Record:
    return Record(f"key-{number:03}", {"merged_into": into}, update_only=True)
