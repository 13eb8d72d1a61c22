"""Messages signed as Standard Webhooks says."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from connectors.kit.sources.declarations import Secret
from connectors.kit.sources.signatures import StandardWebhooks
from pipeline.errors import ConfigurationError

_SCHEME = StandardWebhooks(Secret("signing"))
_PREFIX = "whsec_"
_AGENT = "Afluente-Webhooks/1"


def require_usable(secrets: Iterable[str], place: str) -> None:
    """Raises ConfigurationError if one of these cannot sign. `place`: where it is set."""
    for secret in secrets:
        if _SCHEME.fault_of(secret) or not secret.strip().removeprefix("v1,").startswith(_PREFIX):
            raise ConfigurationError(
                f"{place}: what it refers to is not {_PREFIX} and base64; make one with"
                ' `echo "whsec_$(openssl rand -base64 32)"` and give it to the receiver too'
            )


def webhook_id(message_id: UUID) -> str:
    """The id that a receiver sees: the same at every attempt, to know a repeat by."""
    return f"msg_{message_id.hex}"


def signed_headers(secrets: list[str], message_id: UUID, body: bytes, now: float) -> dict[str, str]:
    """Headers of Standard Webhooks; a signature by each secret, so that a receiver may change over in its own time."""
    signatures = []
    headers: dict[str, str] = {}
    for secret in secrets:
        headers = _SCHEME.sign(secret=secret, body=body, message_id=webhook_id(message_id), now=now)
        signatures.append(headers["webhook-signature"])
    return {
        **headers,
        "webhook-signature": " ".join(signatures),
        "Content-Type": "application/json",
        "User-Agent": _AGENT,
    }
