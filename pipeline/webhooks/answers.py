"""What follows from an endpoint's answer to one message. Pure but for the jitter."""

from __future__ import annotations

import random

import msgspec

from pipeline.records.webhooks import WebhookMessage, WebhookOutcome
from pipeline.settings.declarations import WebhookPolicy

GONE = 410
_PATIENCE_CALLS = 5  # failed calls in a row after which the endpoint, not only the message, is left alone for a while
_LONGEST_PAUSE_SECONDS = 300.0
_JITTER = 0.1  # of a delay, added: messages that failed together come back apart
_LATER = (429, 503)  # with a Retry-After they speak for the whole endpoint


class Call(msgspec.Struct, frozen=True):
    """One attempt: the answer's status, or None and in `code` why there was none. `retry_after` is in seconds."""

    status: int | None
    code: str
    retry_after: float | None = None

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def attempts_of(policy: WebhookPolicy) -> int:
    """How often a message is sent at most."""
    return len(policy.retry_seconds) + 1


def outcome_of(message: WebhookMessage, call: Call, policy: WebhookPolicy) -> WebhookOutcome:
    """What becomes of the message. An endpoint that is gone holds it; any other answer but a 2xx is a failure."""
    if call.is_taken:
        return WebhookOutcome(message.message_id, "delivered", call.code)
    if call.status == GONE:
        return WebhookOutcome(message.message_id, "held", call.code)
    if message.attempts + 1 >= attempts_of(policy):
        return WebhookOutcome(message.message_id, "failed", call.code)
    delay = policy.retry_seconds[message.attempts] * random.uniform(1.0, 1.0 + _JITTER)  # noqa: S311 - spreads load
    return WebhookOutcome(message.message_id, "due", call.code, max(delay, call.retry_after or 0.0))


def pause_of(call: Call, failures: int) -> float:
    """Seconds to leave the endpoint alone after `failures` failed calls in a row, the last of which was `call`."""
    asked = call.retry_after if call.status in _LATER and call.retry_after else 0.0
    if failures < _PATIENCE_CALLS:
        return asked
    return max(asked, min(_LONGEST_PAUSE_SECONDS, 2.0 ** min(failures - _PATIENCE_CALLS, 30)))
