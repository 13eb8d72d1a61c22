"""A key that was agreed on, sent within each body in clear: all that some senders prove themselves by (Google Ads)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from connectors.kit.sources.declarations import Secret, Signature


@dataclass(frozen=True, slots=True)
class KeyInBody:
    """The body is a JSON object whose key `name` holds the secret. Nothing is signed: who has read one body can write
    another, so the address must be https."""

    name: str
    secret: Secret
    most_bytes: int = 65_536  # a stranger's body is read before anything is proven
    signs_body: bool = field(default=False, init=False)

    def fault_of(self, secret: str) -> str | None:
        return None if secret.strip() else "is empty"

    def verify(self, *, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> bool:
        del headers, now  # neither is part of the scheme
        given = self._content(body).get(self.name)
        if not isinstance(given, str):
            return False
        is_ours = False
        for secret in secrets:  # all of them: the time taken does not tell which was near
            is_ours |= bool(secret) and hmac.compare_digest(secret.encode(), given.encode(errors="replace"))
        return is_ours

    def sign(self, *, secret: str, body: bytes, message_id: str, now: float) -> dict[str, str]:
        """No header: the key stands in the body (`write_key`)."""
        del secret, body, message_id, now
        return {}

    def write_key(self, secret: str, body: bytes) -> bytes:
        """The body with this key in it; itself if it is no JSON object."""
        content = self._content(body)
        return orjson.dumps({**content, self.name: secret}) if content else body

    def _content(self, body: bytes) -> dict[str, object]:
        if len(body) > self.most_bytes:
            return {}
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            return {}
        return content if isinstance(content, dict) else {}


def signed_body(signature: Signature, secret: str, body: bytes) -> bytes:
    """A body as its sender would post it: with the key in it, where that is the scheme."""
    return signature.write_key(secret, body) if isinstance(signature, KeyInBody) else body
