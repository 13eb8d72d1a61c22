"""The key that certificates are signed with: made once, kept sealed beside the others, the same in every process."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from pipeline.crypto.encryption import cipher

_NAME = "certificates"
_CONTEXT = b"keyring:certificates"


def signing_key(connection: Connection) -> Ed25519PrivateKey:
    """The key of this installation; made if there is none yet. Raises ConfigurationError if the key it is wrapped with
    is not configured any more."""
    sealed = _read(connection)
    if sealed is None:
        made = Ed25519PrivateKey.generate().private_bytes_raw()
        connection.exec_driver_sql(
            "INSERT INTO keyring (name, sealed) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (_NAME, cipher().seal(made, context=_CONTEXT)),
        )
        sealed = _read(connection)  # another process may have been first: its key counts
        if sealed is None:
            raise RuntimeError("the signing key was neither made nor found")
    return Ed25519PrivateKey.from_private_bytes(cipher().open(sealed, context=_CONTEXT))


def _read(connection: Connection) -> bytes | None:
    sealed = connection.exec_driver_sql("SELECT sealed FROM keyring WHERE name = %s", (_NAME,)).scalar()
    return None if sealed is None else bytes(sealed)
