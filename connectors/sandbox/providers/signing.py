"""A post signed as its provider signs."""

from __future__ import annotations

import inspect
from typing import Any

from connectors.kit.sources.declarations import Signature


def signed_headers(
    signature: Signature, secret: str, body: bytes, message_id: str, url: str, *, now: float
) -> dict[str, str]:
    """The headers that prove a POST of `body` to `url`."""
    extra: dict[str, Any] = {}
    if "headers" in inspect.signature(signature.sign).parameters:
        extra["headers"] = {":method": "POST", ":uri": url}
    return signature.sign(secret=secret, body=body, message_id=message_id, now=now, **extra)
