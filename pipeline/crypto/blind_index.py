"""The blind index: identifiers are compared by keyed digests, so matching never needs the identifier itself.

Without the key an attacker who holds the database cannot test guesses (all phone numbers, say) against it.
"""

from __future__ import annotations

import hashlib
from uuid import UUID


class BlindIndex:
    """Digests of identifiers under one key. `pipeline.store.keys.index_keys` has how another takes its place."""

    def __init__(self, key: bytes) -> None:
        """`key`: 32 random bytes."""
        if len(key) != 32:
            raise ValueError("the blind index needs a key of 32 bytes")
        self._numbers = hashlib.blake2b(key=key, digest_size=8, person=b"number")
        self._ids = hashlib.blake2b(key=key, digest_size=16, person=b"id")

    def number(self, text: str) -> int:
        """64 signed bits for a key under which something is found: short, as there are many, and two may share one."""
        digest = self._numbers.copy()
        digest.update(text.encode("utf-8", "surrogatepass"))
        return int.from_bytes(digest.digest(), "big", signed=True)

    def content_id(self, content: bytes) -> UUID:
        """An id for what has this content: 128 bits, which no two contents share."""
        digest = self._ids.copy()
        digest.update(content)
        return UUID(bytes=digest.digest())
