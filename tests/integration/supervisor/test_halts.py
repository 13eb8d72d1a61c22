"""Calls to a CRM that are halted, and go on: told on the terminal of `up`, once each, whatever Redis does."""

from __future__ import annotations

import pytest
import structlog

from pipeline.delivery.breaker import Breaker
from pipeline.delivery.shared_state import shared_redis
from pipeline.settings.loading import load_settings
from pipeline.supervisor import halts


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(halts, "_LOOK_SECONDS", 0.0)
    with structlog.testing.capture_logs() as entries:
        monkeypatch.setattr(halts, "_log", structlog.get_logger())
        yield entries


def test_a_halt_and_its_end_are_warnings_that_name_the_reason(redis_url, tmp_path, told):
    known = load_settings({"AFLUENTE_BROKER_URL": redis_url, "AFLUENTE_DATA": str(tmp_path)})
    watch, breaker = halts.watch_halts(known), Breaker(shared_redis(redis_url))
    watch.look_when_due()
    assert told == []
    for _ in range(3):
        breaker.failure("sandbox", "answered 500")
    for _ in range(3):
        watch.look_when_due()
    breaker.success("sandbox")
    for _ in range(3):
        watch.look_when_due()
    events = [{key: entry[key] for key in entry if key != "log_level"} for entry in told]
    assert events == [
        {"event": "destination_halted", "destination": "sandbox", "reason": "answered 500"},
        {"event": "destination_resumed", "destination": "sandbox"},
    ]
    assert {entry["log_level"] for entry in told} == {"warning"}


def test_a_redis_that_is_away_is_no_news_and_no_error(tmp_path, told):
    for url in ("redis://127.0.0.1:1/0", "sentinel://127.0.0.1:1/0"):
        known = load_settings({"AFLUENTE_BROKER_URL": url, "AFLUENTE_DATA": str(tmp_path)})
        halts.watch_halts(known).look_when_due()
    assert told == []
