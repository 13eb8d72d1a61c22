"""The proof of senders that sign nothing: a secret that they show with each request.

It tells who posts, not that the body is as it was sent, and whoever sees a request has the secret: where a sender can
sign, `HmacSha256` and `StandardWebhooks` are better.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from connectors.kit.sources.declarations import Secret

_LONGEST = 1_024  # characters of what is compared
_MOST_PARAMETERS = 32
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # a token of RFC 9110
_OTHER_HEADERS = frozenset({"content-type", "content-length", "content-encoding", "transfer-encoding", "host"})


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """A secret shown as `Authorization: Bearer …`, or, by senders that know an address alone, as `?secret=…` of it.

    With `header` it is taken from that header alone (`X-Portal-Key: …`), behind `prefix` if there is one ("Token ",
    large or small). The receiver gives the address as the pseudo-header `:uri`. `signs_body` False: an altered body
    proves as much.
    """

    secret: Secret
    param: str = "secret"
    header: str | None = None
    prefix: str = ""
    signs_body: bool = field(default=False, init=False)

    def is_claimed(self, headers: Mapping[str, str]) -> bool:
        return any(True for _ in self._shown(headers))

    def fault_of(self, secret: str) -> str | None:
        return None if secret.strip() else "is empty"

    def verify(self, *, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> bool:
        del body, now  # neither is proven by it
        known = [secret.encode() for secret in secrets if secret.strip()]
        is_ours = False
        for shown in self._shown(headers):
            for secret in known:  # all of them: the time taken does not tell which was near
                is_ours |= hmac.compare_digest(secret, shown)
        return is_ours

    def sign(self, *, secret: str, body: bytes, message_id: str, now: float) -> dict[str, str]:
        del body, message_id, now
        return {"Authorization": f"Bearer {secret}"} if self.header is None else {self.header: self.prefix + secret}

    def _shown(self, headers: Mapping[str, str]) -> Iterator[bytes]:
        if self.header is not None:
            given = headers.get(self.header.lower(), "").strip()
            start, value = given[: len(self.prefix)], given[len(self.prefix) :].strip()
            if value and start.lower() == self.prefix.lower():
                yield value[:_LONGEST].encode(errors="replace")
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            yield token.strip()[:_LONGEST].encode(errors="replace")
        try:
            pairs = parse_qsl(urlsplit(headers.get(":uri", "")).query, max_num_fields=_MOST_PARAMETERS)
        except ValueError:  # more parameters than senders have, or no address at all
            return
        yield from (value[:_LONGEST].encode(errors="replace") for name, value in pairs if name == self.param and value)


def header_problem(header: str | None) -> str | None:
    """Why a secret cannot be shown in a header of this name; None: it can, or no header is named."""
    if header is None:
        return None
    if not _HEADER_NAME.fullmatch(header):
        return (
            f"{header!r} is no name of a header; write it as X-Portal-Key, and what stands before the secret as prefix"
        )
    return f"{header!r} says something of the body, and holds no secret" if header.lower() in _OTHER_HEADERS else None
