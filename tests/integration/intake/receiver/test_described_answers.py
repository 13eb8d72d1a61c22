"""The receiver is asked everything that its own description says, rightly and wrongly: it answers as described."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.kit.registry import shipped_sources
from tests.support.api_fuzz import fuzz
from tests.support.intake_server import KEY, Receiver, running_receiver
from tests.support.posted_sources import set_secrets
from tests.support.services import forget_caches

pytestmark = pytest.mark.long


@pytest.fixture
def receiver(database, redis_url, monkeypatch) -> Iterator[Receiver]:
    monkeypatch.setenv("AFLUENTE_API_KEYS", f"tests:admin:{KEY}")
    # A source without its secret answers 503, as described.
    set_secrets(monkeypatch, shipped_sources(), "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
    forget_caches()
    with running_receiver() as receiver:
        yield receiver


def test_whatever_is_asked_the_receiver_has_no_fault_and_answers_as_it_describes(receiver):
    described = receiver.get("/openapi.json").json()["paths"]
    operations = {
        f"{method.upper()} {path}"
        for path, methods in described.items()
        for method in methods
        if method != "parameters"
    }
    fuzzed = fuzz(receiver.address, KEY, seconds=40)
    assert fuzzed.failures == []
    assert {operation for operation, answers in fuzzed.answers.items() if answers} >= operations
    statuses = {status for answers in fuzzed.answers.values() for status in answers}
    assert statuses >= {200, 202, 400, 401, 404, 405}
    assert max(statuses) < 500
