"""The blind index: identifiers are compared by keyed digests, so matching never needs the identifier itself.

Without the key an attacker who holds the database cannot test guesses (all phone numbers, say) against it.
"""

from __future__ import annotations

import hmac


class BlindIndex:
    """Digests of identifiers under one key, which never changes: old digests would not be found any more."""

    def __init__(self, key: bytes) -> None:
        """`key`: 32 random bytes."""
        if len(key) != 32:
            raise ValueError("the blind index needs a key of 32 bytes")
        self._key = key

    def digest(self, kind: str, value: str) -> bytes:
        """32 bytes for an identifier in its normalized form. By `kind`, a phone and an id of the same text differ."""
        return hmac.digest(self._key, f"{kind}\x00{value}".encode("utf-8", "surrogatepass"), "sha256")
