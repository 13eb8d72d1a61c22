"""Keys the system makes for itself, kept in the database wrapped by the configured secret keys.

So AFLUENTE_SECRET_KEYS can be rotated while the blind index, which must stay the same for ever, stays.
"""

from __future__ import annotations

import os
from functools import cache

from sqlalchemy import Connection

from pipeline.crypto.blind_index import BlindIndex
from pipeline.crypto.encryption import cipher
from pipeline.store.engine import transaction

_INDEX_KEY, _LINK_KEY = "blind_index", "consent_links"


@cache
def blind_index() -> BlindIndex:
    """The blind index of this process; its key is made at first use."""
    with transaction() as connection:
        return BlindIndex(ensure_index_key(connection))


def key_number(brand: str, kind: str, value: str) -> int:
    """The number under which evidence that has this key is found, within its brand."""
    return blind_index().number(f"{brand}\x00{kind}\x00{value}")


@cache
def link_key() -> bytes:
    """The key, 32 bytes, that marks links by which people say what they agree to; made at first use."""
    with transaction() as connection:
        return _ensure(connection, _LINK_KEY)


def ensure_index_key(connection: Connection) -> bytes:
    """The key of the blind index, 32 bytes; made if there is none yet. Every process gets the same one.

    Raises ConfigurationError if the key it is wrapped with is not configured any more.
    """
    return _ensure(connection, _INDEX_KEY)


def _ensure(connection: Connection, name: str) -> bytes:
    context = f"keyring:{name}".encode()
    sealed = _read(connection, name)
    if sealed is None:
        connection.exec_driver_sql(
            "INSERT INTO keyring (name, sealed) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (name, cipher().seal(os.urandom(32), context=context)),
        )
        sealed = _read(connection, name)  # another process may have been first: its key counts
        if sealed is None:
            raise RuntimeError(f"the key {name} was neither made nor found")
    return cipher().open(sealed, context=context)


def _read(connection: Connection, name: str) -> bytes | None:
    sealed = connection.exec_driver_sql("SELECT sealed FROM keyring WHERE name = %s", (name,)).scalar()
    return None if sealed is None else bytes(sealed)
