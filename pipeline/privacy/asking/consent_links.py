"""Links by which people say what they agree to, without a login: to confirm a tick, and to choose at any time.

A link holds 128 bits that only the key of this installation makes: of a confirmation, of which a digest is kept; or of
a person, whose id stands beside them. Whoever has the link may use it, so it goes to its person's own address.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from urllib.parse import quote
from uuid import UUID

from pipeline.errors import ConfigurationError
from pipeline.settings.loading import settings
from pipeline.store.keyring import link_key

CONFIRM, PREFERENCES = "/consent/confirm/", "/consent/preferences/"
_BYTES = 16
_LONGEST = 64  # characters of a token


def confirmation_id_of(event_id: UUID, purpose: str, channel: str) -> UUID:
    """The same for the same tick, so that asking twice is asking once."""
    digest = hashlib.blake2b(f"{purpose}\x00{channel}".encode(), key=event_id.bytes, digest_size=_BYTES)
    return UUID(bytes=digest.digest())


def confirmation_token(confirmation_id: UUID) -> str:
    """What a confirmation's link ends with."""
    return _text(_mark(b"confirm", confirmation_id))


def digest_of(token: str) -> bytes:
    """What is kept of a confirmation's token."""
    return hashlib.sha256(token[:_LONGEST].encode("utf-8", "replace")).digest()


def preference_token(person_id: UUID) -> str:
    """What the link of a person ends with, the same each time."""
    return _text(person_id.bytes + _mark(b"prefer", person_id))


def person_of(token: str) -> UUID | None:
    """Whose link ends with this; None: nobody's."""
    try:
        content = urlsafe_b64decode(token + "=" * (-len(token) % 4)) if len(token) <= _LONGEST else b""
    except (Error, ValueError):
        return None
    if len(content) != 2 * _BYTES:
        return None
    person_id = UUID(bytes=content[:_BYTES])
    return person_id if hmac.compare_digest(content[_BYTES:], _mark(b"prefer", person_id)) else None


def address_of(path: str, token: str, **query: str) -> str:
    """A whole link. Raises ConfigurationError where nobody said at which address the receiver is reached."""
    base = settings().receiver.public_url
    if base is None:
        raise ConfigurationError("links need the address that people reach: set receiver.public_url in afluente.yaml")
    asked = "&".join(f"{name}={quote(value, safe='.')}" for name, value in query.items())
    return f"{base.rstrip('/')}{path}{token}" + f"?{asked}" * bool(asked)


def _mark(kind: bytes, of: UUID) -> bytes:
    return hashlib.blake2b(of.bytes, key=link_key(), digest_size=_BYTES, person=kind).digest()


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).decode("ascii").rstrip("=")
