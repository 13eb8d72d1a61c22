"""What follows from an answer: when a message is sent again, and when its endpoint is left alone."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from pipeline.records.webhooks import WebhookMessage
from pipeline.settings.declarations import WebhookPolicy
from pipeline.webhooks.answers import Call, attempts_of, outcome_of, pause_of

POLICY = WebhookPolicy()


def message(attempts: int) -> WebhookMessage:
    some = UUID(int=1)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return WebhookMessage(some, "lead.settled", "default", some, some, some, None, None, None, attempts, at)


def delays() -> list[float]:
    return [outcome_of(message(attempt), Call(500, "http_500"), POLICY).delay_seconds for attempt in range(9)]


def test_a_message_is_tried_for_about_three_days():
    assert attempts_of(POLICY) == 10
    for delay, seconds in zip(delays(), POLICY.retry_seconds, strict=True):
        assert seconds <= delay <= 1.1 * seconds
    assert 3.0 <= sum(POLICY.retry_seconds) / 86_400 <= 3.5


def test_messages_that_failed_together_come_back_apart():
    assert len({tuple(delays()) for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("call", "attempts", "state"),
    [
        (Call(200, "http_200"), 0, "delivered"),
        (Call(299, "http_299"), 9, "delivered"),
        (Call(301, "http_301"), 0, "due"),
        (Call(400, "http_400"), 0, "due"),
        (Call(410, "http_410"), 0, "held"),
        (Call(410, "http_410"), 9, "held"),
        (Call(500, "http_500"), 8, "due"),
        (Call(500, "http_500"), 9, "failed"),
        (Call(None, "timeout"), 0, "due"),
        (Call(None, "timeout"), 9, "failed"),
    ],
)
def test_only_a_2xx_is_a_delivery_and_the_last_attempt_is_the_end(call, attempts, state):
    assert outcome_of(message(attempts), call, POLICY).state == state


def test_a_retry_after_is_a_floor_for_the_next_attempt():
    assert outcome_of(message(0), Call(429, "http_429", 900.0), POLICY).delay_seconds == 900.0
    assert outcome_of(message(1), Call(429, "http_429", 1.0), POLICY).delay_seconds >= 300.0


def test_an_endpoint_is_left_alone_when_it_asks_and_when_it_fails_again_and_again():
    assert pause_of(Call(429, "http_429", 60.0), 1) == 60.0
    assert pause_of(Call(404, "http_404", 60.0), 1) == 0.0
    assert pause_of(Call(None, "timeout"), 4) == 0.0
    pauses = [pause_of(Call(None, "timeout"), failures) for failures in range(5, 40)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (1.0, 300.0)
