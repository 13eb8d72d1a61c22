"""Where sealed values are stored, and to what each is bound: the one list that sealing anew goes by.

`tests/architecture/test_sealed_tables.py` holds it complete: a column of bytes is here or says there what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class SealedTable(NamedTuple):
    """`key`: the columns of its primary key with their types; `columns`: each sealed column, with the word that its
    values are bound by, followed by the row's key."""

    name: str
    key: tuple[tuple[str, str], ...]
    columns: Mapping[str, bytes]
    bound_to: Callable[[Sequence[Any]], bytes]

    def context(self, column: str, key: Sequence[Any]) -> bytes:
        """What authenticates the value of a column in the row with this key."""
        return self.columns[column] + b":" + self.bound_to(key)


def _by_id(name: str, id_column: str, **columns: str) -> SealedTable:
    words = {column: word.encode() for column, word in columns.items()}
    return SealedTable(name, ((id_column, "uuid"),), words, lambda key: bytes(key[0].bytes))


def _by_name(name: str, key: tuple[str, ...], **columns: str) -> SealedTable:
    words = {column: word.encode() for column, word in columns.items()}
    return SealedTable(name, tuple((column, "text") for column in key), words, lambda key: "/".join(key).encode())


# The keyring first: without it nothing is found. Then what is small, then what is large.
SEALED_TABLES = (
    _by_name("keyring", ("name",), sealed="keyring"),
    _by_name("webhook_endpoints", ("name",), sealed="hook"),
    _by_name("source_tokens", ("brand", "source"), sealed="source_token"),
    _by_id("local_admins", "user_id", sealed="one_time"),
    _by_id("user_sessions", "session_id", sealed="session"),
    _by_id("quarantine", "quarantine_id", patch="quarantine"),
    _by_id("activities", "event_id", sealed="activity", sealed_evidence="evidence"),
    _by_id("people", "person_id", profile="profile"),
    _by_id("evidence", "evidence_id", sealed="evidence"),
    _by_id("request_bodies", "request_id", sealed="request"),
    _by_id("event_bodies", "event_id", sealed="body", fetched="fetched"),
)
