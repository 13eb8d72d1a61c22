"""Keys the system makes for itself, kept in the database wrapped by the configured secret keys.

So AFLUENTE_SECRET_KEYS can be rotated while the keys that digests are made with stay what they are.
`pipeline.store.keys.index_keys` has the keys that people are found by, of which there may be several.
"""

from __future__ import annotations

import os
from functools import cache

from sqlalchemy import Connection

from pipeline.crypto.blind_index import BlindIndex
from pipeline.crypto.encryption import cipher
from pipeline.store.engine import transaction

INDEX_KEY, _LINK_KEY = "blind_index", "consent_links"


@cache
def blind_index() -> BlindIndex:
    """The blind index of the first key, which names what is stored by its content: these names never change. The key
    is made at first use."""
    with transaction() as connection:
        return BlindIndex(ensure_index_key(connection))


@cache
def link_key() -> bytes:
    """The key, 32 bytes, that marks links by which people say what they agree to; made at first use."""
    with transaction() as connection:
        return _ensure(connection, _LINK_KEY)


def ensure_index_key(connection: Connection) -> bytes:
    """The first key of the blind index, 32 bytes; made if there is none yet. Every process gets the same one.

    Raises ConfigurationError if the key it is wrapped with is not configured any more.
    """
    return _ensure(connection, INDEX_KEY)


def keep(connection: Connection, name: str, key: bytes) -> bytes:
    """Put a key here under a name that has none; gives it as it is sealed. One statement."""
    sealed = cipher().seal(key, context=_context(name))
    connection.exec_driver_sql("INSERT INTO keyring (name, sealed) VALUES (%s, %s)", (name, sealed))
    return sealed


def opened(name: str, sealed: bytes) -> bytes:
    """A key that was sealed under this name. Raises ConfigurationError, ValueError as `Cipher.open`."""
    return cipher().open(sealed, context=_context(name))


def _ensure(connection: Connection, name: str) -> bytes:
    sealed = _read(connection, name)
    if sealed is None:
        connection.exec_driver_sql(
            "INSERT INTO keyring (name, sealed) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (name, cipher().seal(os.urandom(32), context=_context(name))),
        )
        sealed = _read(connection, name)  # another process may have been first: its key counts
        if sealed is None:
            raise RuntimeError(f"the key {name} was neither made nor found")
    return opened(name, sealed)


def _context(name: str) -> bytes:
    return f"keyring:{name}".encode()


def _read(connection: Connection, name: str) -> bytes | None:
    sealed = connection.exec_driver_sql("SELECT sealed FROM keyring WHERE name = %s", (name,)).scalar()
    return None if sealed is None else bytes(sealed)
