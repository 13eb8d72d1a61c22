"""Personal data at rest and in broker messages: AES-256-GCM, bound to the place where it belongs.

A sealed value is: 4 bytes key id, 12 bytes nonce, ciphertext with its 16-byte tag. The context (which event, which
person) is authenticated but not stored: a value copied to another row does not open there.
docs/decisions/0007-encryption-at-rest.md says why, and how keys are rotated.
"""

from __future__ import annotations

import hashlib
import os
import time
import zlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Protocol
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipeline.errors import ConfigurationError
from pipeline.logs import get_logger
from pipeline.records import Batch, Envelope, FieldValue, Profile
from pipeline.settings.loading import settings

_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_HEADER_BYTES = _KEY_ID_BYTES + _NONCE_BYTES
_LEAST_KEY_LENGTH = 16  # characters; a key from `openssl rand -base64 32` has 44
_LOOK_SECONDS = 60.0
_SEARCH_SECONDS = 5.0  # a value under an unknown key makes us look, but not at each such value
_PURPOSE = b"afluente personal data, AES-256-GCM, 1"
_log = get_logger(__name__)


class ReadKeys(Protocol):
    """Gives the keys as they are now; `anew`: as their store has them at this moment, not as it had a while ago."""

    def __call__(self, *, anew: bool) -> Sequence[str]: ...


class Cipher:
    """Seals with the first key, opens with any. Safe to share between threads."""

    def __init__(self, keys: Sequence[str], *, read_again: ReadKeys | None = None) -> None:
        """`keys` are the texts of AFLUENTE_SECRET_KEYS; `read_again` gives them as they are now, and is asked once a
        minute, and where a value needs another. Raises ConfigurationError if there is none or one is short."""
        self._read_again = read_again
        self._next_look = time.monotonic() + _LOOK_SECONDS
        self._next_search = 0.0
        self._ciphers: dict[bytes, AESGCM] = {}
        self._use(keys)

    def _use(self, keys: Sequence[str]) -> None:
        """From now on. A key that was known before still opens: the process that seals with it may be running."""
        if not keys:
            raise ConfigurationError("no key for personal data: set AFLUENTE_SECRET_KEYS")
        if any(len(key) < _LEAST_KEY_LENGTH for key in keys):
            raise ConfigurationError(
                f"a key in AFLUENTE_SECRET_KEYS has fewer than {_LEAST_KEY_LENGTH} characters; make one with"
                " `openssl rand -base64 32`"
            )
        given = {key_id: self._ciphers.get(key_id) or AESGCM(_derive(key)) for key in keys if (key_id := _key_id(key))}
        first_id = _key_id(keys[0])
        self._ciphers = {**given, **self._ciphers}
        self._first = first_id, given[first_id]

    def seal(self, plain: bytes, *, context: bytes) -> bytes:
        if time.monotonic() >= self._next_look:
            self._look()
        first_id, first = self._first
        nonce = os.urandom(_NONCE_BYTES)
        return first_id + nonce + first.encrypt(nonce, plain, context)

    def reseal(self, sealed: bytes, *, context: bytes) -> bytes | None:
        """The same value under the first key; None if it is already. Raises as `open`."""
        if bytes(sealed[:_KEY_ID_BYTES]) == self._first[0]:
            return None
        return self.seal(self.open(sealed, context=context), context=context)

    def _look(self, *, anew: bool = False) -> None:
        """Read the keys again: one may have been put in front. What cannot be read changes nothing."""
        self._next_look = time.monotonic() + _LOOK_SECONDS
        if self._read_again is None:
            return
        try:
            self._use(self._read_again(anew=anew))
        except ConfigurationError as error:
            _log.warning("secret_keys_not_read", reason=str(error))

    def open(self, sealed: bytes, *, context: bytes) -> bytes:
        """Raises ConfigurationError if the value was sealed with a key that is not configured, and ValueError if it
        was altered or belongs elsewhere."""
        key_id = bytes(sealed[:_KEY_ID_BYTES])
        known = self._ciphers.get(key_id) or self._found_anew(key_id)
        if known is None:
            raise ConfigurationError(
                f"personal data is sealed with key {key_id.hex()}, which is not among AFLUENTE_SECRET_KEYS"
                f" (configured: {', '.join(known.hex() for known in self._ciphers)}): add the old key after the new one"
            )
        try:
            return known.decrypt(bytes(sealed[_KEY_ID_BYTES:_HEADER_BYTES]), bytes(sealed[_HEADER_BYTES:]), context)
        except InvalidTag:
            kind = context.partition(b":")[0].decode("ascii", "replace")
            raise ValueError(f"a sealed {kind} was altered, or belongs to another row") from None

    def _found_anew(self, key_id: bytes) -> AESGCM | None:
        """A key that was added since this process read them; another one may seal with it already."""
        now = time.monotonic()
        if self._read_again is None or now < self._next_search:
            return None
        self._next_search = now + _SEARCH_SECONDS
        self._look(anew=True)
        return self._ciphers.get(key_id)

    @property
    def key_ids(self) -> list[str]:
        """Ids of the configured keys in hexadecimal, the one that seals first."""
        return [key_id.hex() for key_id in self._ciphers]


@cache
def cipher() -> Cipher:
    """The cipher of this process, from its settings."""
    known = settings()
    return Cipher(known.secret_keys(), read_again=known.secret_keys)


class _StoredProfile(msgspec.Struct, array_like=True):
    """A profile with each origin written once, as most fields come from few events: a third of the size."""

    origins: list[tuple[str, UUID, datetime]]
    fields: dict[str, tuple[Any, int]]  # value, place of its origin
    votes: dict[str, list[tuple[Any, int]]] = {}
    emptied: dict[str, int] = {}


_to_bytes = msgspec.msgpack.Encoder().encode
_batch_to_bytes = msgspec.msgpack.Encoder(uuid_format="bytes").encode
_to_envelope = msgspec.msgpack.Decoder(Envelope).decode
_to_stored_profile = msgspec.msgpack.Decoder(_StoredProfile).decode
_to_batch = msgspec.msgpack.Decoder(Batch).decode


def seal_envelope(envelope: Envelope, event_id: UUID) -> bytes:
    return cipher().seal(_to_bytes(envelope), context=b"body:" + event_id.bytes)


def open_envelope(sealed: bytes, event_id: UUID) -> Envelope:
    return _to_envelope(cipher().open(sealed, context=b"body:" + event_id.bytes))


def seal_fetched(envelope: Envelope, event_id: UUID) -> bytes:
    """Of what was read from a source by the id that came."""
    return cipher().seal(_to_bytes(envelope), context=b"fetched:" + event_id.bytes)


def open_fetched(sealed: bytes, event_id: UUID) -> Envelope:
    return _to_envelope(cipher().open(sealed, context=b"fetched:" + event_id.bytes))


def seal_request(envelope: Envelope, request_id: UUID) -> bytes:
    """Of a body of several records."""
    return cipher().seal(_to_bytes(envelope), context=b"request:" + request_id.bytes)


def open_request(sealed: bytes, request_id: UUID) -> Envelope:
    return _to_envelope(cipher().open(sealed, context=b"request:" + request_id.bytes))


def seal_profile(profile: Profile, person_id: UUID) -> bytes:
    places: dict[tuple[str, UUID, datetime], int] = {}

    def placed(field: FieldValue) -> tuple[Any, int]:
        return field.value, places.setdefault((field.source, field.event_id, field.at), len(places))

    fields = {name: placed(field) for name, field in profile.fields.items()}
    votes = {name: [placed(vote) for vote in of_field] for name, of_field in profile.votes.items()}
    stored = _StoredProfile(list(places), fields, votes, profile.emptied)
    return cipher().seal(_to_bytes(stored), context=b"profile:" + person_id.bytes)


def open_profile(sealed: bytes, person_id: UUID) -> Profile:
    stored = _to_stored_profile(cipher().open(sealed, context=b"profile:" + person_id.bytes))
    origins = stored.origins
    return Profile(
        {name: FieldValue(value, *origins[place]) for name, (value, place) in stored.fields.items()},
        {name: [FieldValue(value, *origins[place]) for value, place in votes] for name, votes in stored.votes.items()},
        stored.emptied,
    )


def seal_evidence(packed: bytes, evidence_id: UUID) -> bytes:
    return cipher().seal(packed, context=b"evidence:" + evidence_id.bytes)


def open_evidence(sealed: bytes, evidence_id: UUID) -> bytes:
    return cipher().open(sealed, context=b"evidence:" + evidence_id.bytes)


def seal_activity(packed: bytes, event_id: UUID) -> bytes:
    """What is kept of what an event says of somebody known."""
    return cipher().seal(packed, context=b"activity:" + event_id.bytes)


def open_activity(sealed: bytes, event_id: UUID) -> bytes:
    return cipher().open(sealed, context=b"activity:" + event_id.bytes)


def seal_hook(packed: bytes, name: str) -> bytes:
    """Of a subscription: its address and its secret."""
    return cipher().seal(packed, context=b"hook:" + name.encode())


def open_hook(sealed: bytes, name: str) -> bytes:
    return cipher().open(sealed, context=b"hook:" + name.encode())


def seal_source_token(packed: bytes, brand: str, source: str) -> bytes:
    """Of a source: what it lets us in by."""
    return cipher().seal(packed, context=b"source_token:" + f"{brand}/{source}".encode())


def open_source_token(sealed: bytes, brand: str, source: str) -> bytes:
    return cipher().open(sealed, context=b"source_token:" + f"{brand}/{source}".encode())


def seal_session_token(token: bytes, session_id: UUID) -> bytes:
    """Of a session: the provider's word on who it is."""
    return cipher().seal(token, context=b"session:" + session_id.bytes)


def open_session_token(sealed: bytes, session_id: UUID) -> bytes:
    return cipher().open(sealed, context=b"session:" + session_id.bytes)


def seal_one_time_secret(secret: bytes, user_id: UUID) -> bytes:
    """Of a local administrator: what the one-time codes are made of."""
    return cipher().seal(secret, context=b"one_time:" + user_id.bytes)


def open_one_time_secret(sealed: bytes, user_id: UUID) -> bytes:
    return cipher().open(sealed, context=b"one_time:" + user_id.bytes)


def seal_batch(batch: Batch) -> bytes:
    """Compressed first: Celery and Redis move a message six times a hop, and leads of one batch are much alike."""
    return cipher().seal(zlib.compress(_batch_to_bytes(batch), level=1), context=b"batch:" + batch.claim_id.bytes)


def open_batch(sealed: bytes, claim_id: UUID) -> Batch:
    return _to_batch(zlib.decompress(cipher().open(sealed, context=b"batch:" + claim_id.bytes)))


def _key_id(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()[:_KEY_ID_BYTES]


def _derive(key: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(key.encode())
