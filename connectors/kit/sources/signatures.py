"""How requests prove where they come from: HMAC templates that cover most senders, and Standard Webhooks.

Everything is computed over the bytes as they came and compared in constant time. Nothing here raises on bad input: a
request is either proven or it is not.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from connectors.kit.sources.declarations import Secret
from connectors.kit.times import parse_time

_PLACEHOLDER = re.compile(rb"\{(body|timestamp|method|uri)\}")
_ID_HEADERS = ("webhook-id", "svix-id")
_FAMILY = ("id", "timestamp", "signature")


@dataclass(frozen=True, slots=True)
class HmacSha256:
    """An HMAC over a template, in one header.

    `signed` may hold `{body}`, `{timestamp}`, `{method}` and `{uri}`; the receiver gives the last two as the
    pseudo-headers `:method` and `:uri` (the full address as the sender was told it). The timestamp is read from
    `timestamp_header`, or from the part `timestamp_part` of the signature's own header (`t=…,v1=…`), and must lie
    within `tolerance_seconds` of now where that is given. `algorithm` is sha1 only for senders that know no better.
    """

    header: str
    secret: Secret
    prefix: str = ""
    encoding: Literal["hex", "base64"] = "hex"
    signed: str = "{body}"
    algorithm: Literal["sha256", "sha1"] = "sha256"
    timestamp_header: str | None = None
    timestamp_part: str | None = None
    signature_part: str | None = None
    timestamp_unit: Literal["seconds", "milliseconds", "iso"] = "seconds"
    tolerance_seconds: int | None = None
    escapes_non_ascii: bool = False  # the sender signs ë as \u00eb although it sends UTF-8

    def is_claimed(self, headers: Mapping[str, str]) -> bool:
        return self.header.lower() in headers

    def fault_of(self, secret: str) -> str | None:
        return None if secret.strip() else "is empty"

    def verify(self, *, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> bool:
        header = headers.get(self.header.lower())
        if header is None:
            return False
        parts = _parts(header)
        given = [value for name, value in parts if name == self.signature_part] if self.signature_part else [header]
        timestamp = headers.get(self.timestamp_header.lower()) if self.timestamp_header else None
        if self.timestamp_part:
            timestamp = next((value for name, value in parts if name == self.timestamp_part), None)
        if "{timestamp}" in self.signed and timestamp is None:
            return False
        if self.tolerance_seconds is not None and not _is_recent(timestamp, now, self.tolerance_seconds):
            return False
        message = self._message(body, timestamp or "", headers)
        if message is None:
            return False
        expected = [self._encode(secret, message) for secret in secrets if secret]
        return _any_equal(expected, [self._unwrap(value) for value in given])

    def sign(
        self, *, secret: str, body: bytes, message_id: str, now: float, headers: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """`headers` gives `:method` and `:uri` where the template needs them."""
        del message_id  # not part of these schemes
        timestamp = self._timestamp(now)
        message = self._message(body, timestamp, headers or {})
        if message is None:
            raise ValueError(f"{self.header}: the template needs :method and :uri")
        value = self.prefix + self._encode(secret, message)
        if self.signature_part:
            value = f"{self.signature_part}={value}"
        if self.timestamp_part:
            value = f"{self.timestamp_part}={timestamp},{value}"
        signed = {self.header: value}
        if self.timestamp_header:
            signed[self.timestamp_header] = timestamp
        return signed

    def _message(self, body: bytes, timestamp: str, headers: Mapping[str, str]) -> bytes | None:
        if self.escapes_non_ascii:
            try:
                body = _escape_non_ascii(body)
            except UnicodeDecodeError:
                return None
        values = {b"body": body, b"timestamp": timestamp.encode(errors="replace")}
        for name in ("method", "uri"):
            if f"{{{name}}}" in self.signed:
                if f":{name}" not in headers:
                    return None
                values[name.encode()] = headers[f":{name}"].encode(errors="replace")
        return _PLACEHOLDER.sub(lambda match: values[match[1]], self.signed.encode())

    def _encode(self, secret: str, message: bytes) -> str:
        digest = hmac.new(secret.encode(), message, getattr(hashlib, self.algorithm)).digest()
        return digest.hex() if self.encoding == "hex" else base64.b64encode(digest).decode()

    def _unwrap(self, value: str) -> str:
        value = value.strip()
        if not value.startswith(self.prefix):
            return ""
        value = value[len(self.prefix) :]
        return value.lower() if self.encoding == "hex" else value

    def _timestamp(self, now: float) -> str:
        if self.timestamp_unit == "iso":
            moment = parse_time(int(now))
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""
        return str(int(now * 1000) if self.timestamp_unit == "milliseconds" else int(now))


@dataclass(frozen=True, slots=True)
class StandardWebhooks:
    """Standard Webhooks 1.0.0 with symmetric secrets (`v1`); the header names of Svix are understood too.

    Secrets are `whsec_` and base64, also when pasted with a leading `v1,`. One that cannot be read proves nothing.
    """

    secret: Secret
    tolerance_seconds: int = 300  # both ways: the sender's clock may be ahead

    def is_claimed(self, headers: Mapping[str, str]) -> bool:
        return _family_of(headers) is not None

    def fault_of(self, secret: str) -> str | None:
        return None if _webhook_key(secret) is not None else "is not whsec_ and base64, so it proves nothing"

    def verify(self, *, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> bool:
        family = _family_of(headers)
        if family is None:
            return False
        message_id, timestamp, signatures = (headers[f"{family}-{name}"] for name in _FAMILY)
        if not timestamp.isdigit() or not _is_recent(timestamp, now, self.tolerance_seconds):
            return False
        given = [value for version, _, value in (part.partition(",") for part in signatures.split()) if version == "v1"]
        keys = [key for key in map(_webhook_key, secrets) if key is not None]
        return _any_equal([_webhook_signature(key, message_id, timestamp, body) for key in keys], given)

    def sign(self, *, secret: str, body: bytes, message_id: str, now: float) -> dict[str, str]:
        key = _webhook_key(secret)
        if key is None:
            raise ValueError(f"{self.secret.name} must read whsec_ and base64")
        timestamp = str(int(now))
        return {
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": "v1," + _webhook_signature(key, message_id, timestamp, body),
        }


def message_id_of(headers: Mapping[str, str], header: str | None) -> str | None:
    """The value of a declared idempotency header; `svix-id` stands in for `webhook-id`.

    Of the two it is the one that stands beside a signature: the other is not signed, and anybody may have set it.
    """
    if header is None:
        return None
    if header in _ID_HEADERS and (family := _family_of(headers)) is not None:
        return headers[f"{family}-id"]
    names = _ID_HEADERS if header in _ID_HEADERS else (header,)
    return next((headers[name] for name in names if headers.get(name)), None)


def _family_of(headers: Mapping[str, str]) -> str | None:
    """By which names a request is signed: those of the first family that is whole."""
    return next(
        (family for family in ("webhook", "svix") if all(headers.get(f"{family}-{name}") for name in _FAMILY)), None
    )


def _webhook_signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    message = f"{message_id}.{timestamp}.".encode(errors="replace") + body
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def _webhook_key(secret: str) -> bytes | None:
    text = secret.strip().removeprefix("v1,").removeprefix("whsec_")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _parts(header: str) -> list[tuple[str, str]]:
    return [(name.strip(), value.strip()) for name, _, value in (part.partition("=") for part in header.split(","))]


def _is_recent(timestamp: str | None, now: float, tolerance_seconds: int) -> bool:
    moment = parse_time(timestamp)
    return moment is not None and abs(now - moment.timestamp()) <= tolerance_seconds


def _any_equal(expected: Iterable[str], given: Sequence[str]) -> bool:
    """Compares every pair, so that the time taken does not tell which secret or signature was near."""
    is_equal = False
    for wanted in expected:
        for value in given:
            is_equal |= hmac.compare_digest(wanted.encode(), value.encode(errors="replace"))
    return is_equal


def _escape_non_ascii(body: bytes) -> bytes:
    text = body.decode()
    if text.isascii():
        return body
    units = text.encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(chr(code) if code < 0x80 else f"\\u{code:04x}" for code in codes).encode()
