"""Requests that are refused are counted by source and reason, and a source that gets none in is named."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from structlog.testing import capture_logs

from pipeline.errors import TransientError
from pipeline.health.doctor import run_checks
from pipeline.health.request_checks import check_requests
from pipeline.health.status import collect_status
from pipeline.intake.receiver import request_counts
from pipeline.intake.receiver.request_counts import RequestCounts
from pipeline.settings.loading import load_settings
from tests.support.installation_rows import configure
from tests.support.intake_server import running_receiver
from tests.support.services import forget_caches

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


@pytest.fixture
def receiver(installation, monkeypatch):
    monkeypatch.setenv("STANDARD_WEBHOOKS_SECRET", SECRET)
    monkeypatch.setattr(request_counts, "_WRITE_SECONDS", 0.1)
    forget_caches()
    with running_receiver(load_settings()) as running:
        yield running


def counted(source: str) -> dict[str, int]:
    return collect_status()["requests"].get(source, {})


def wait_for(source: str, outcome: str, count: int) -> None:
    deadline = time.monotonic() + 20
    while counted(source).get(outcome, 0) < count:
        assert time.monotonic() < deadline, counted(source)
        time.sleep(0.1)


def failures() -> dict[str, str]:
    return {check.name: check.detail for check in run_checks() if not check.ok}


def test_a_source_whose_every_request_is_401_is_a_problem_of_status_and_fails_doctor(receiver):
    for _ in range(5):
        assert receiver.post("/in/default/standard_webhooks", json={"data": {}}).status_code == 401
    wait_for("standard_webhooks", "bad_signature", 5)
    (problem,) = [text for text in collect_status()["problems"] if "standard_webhooks" in text]
    assert "none of its 5 requests" in problem
    assert "bad_signature 5" in problem
    assert "secret" in problem
    assert "requests of standard_webhooks" in failures()


def test_refusals_of_every_kind_are_counted_by_their_reason_and_are_no_alarm_while_leads_come_in(receiver):
    path = "/in/default/web_form"
    assert receiver.post(path, json={"email": "ada@example.org"}).status_code == 202
    assert receiver.post(path, data=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert receiver.post(path, data=b"<a/>", headers={"Content-Type": "text/xml"}).status_code == 415
    assert receiver.post(path, data=b"x" * 300_000).status_code == 413
    assert receiver.post("/in/default/strange_words", json={}).status_code == 404
    wait_for("web_form", "too_large", 1)
    wait_for("unknown", "unknown_source", 1)
    (check,) = check_requests()
    assert check.ok
    assert "unknown 1" in check.detail
    assert "a source that is new here is taken once the receiver was restarted" in check.detail
    assert counted("web_form") == {"taken": 1, "unreadable_json": 1, "content_type_not_accepted": 1, "too_large": 1}
    status = collect_status()
    assert [text for text in status["problems"] if "requests" in text] == []
    assert "strange_words" not in str(status)
    (check,) = [check for check in run_checks() if check.name == "requests"]
    assert check.ok
    assert "web_form 3" in check.detail


def test_a_secret_that_is_no_base64_fails_doctor_without_being_shown(installation, monkeypatch):
    monkeypatch.setenv("STANDARD_WEBHOOKS_SECRET", "whsec_not-base-64!")
    forget_caches()
    detail = failures()["source standard_webhooks"]
    assert "base64" in detail
    assert "not-base-64" not in detail


def test_one_secret_for_several_brands_is_said_by_doctor_and_one_for_each_is_not(installation, tmp_path, monkeypatch):
    def detail() -> str:
        (check,) = [check for check in run_checks() if check.name == "source standard_webhooks"]
        assert check.ok
        return check.detail

    monkeypatch.setenv("STANDARD_WEBHOOKS_SECRET", SECRET)
    configure(tmp_path, installation.address, brands={"default": {}, "casa": {}})
    assert "one secret for the brands casa, default" in detail()
    own = {"secrets": {"casa": "env:CRM_TOKEN"}}
    monkeypatch.setenv("CRM_TOKEN", SECRET)
    configure(tmp_path, installation.address, brands={"default": {}, "casa": {}}, sources={"standard_webhooks": own})
    assert "one secret" not in detail()


def test_what_is_counted_while_the_database_is_away_is_written_when_it_is_back_and_the_log_has_a_line_a_minute():
    written: Counter[str] = Counter()
    is_away = [True]

    def store(counts):
        if is_away[0]:
            raise TransientError("away")
        for key, count in counts.items():
            written[f"{key.source} {key.outcome}"] += count

    counts = RequestCounts(store, write_seconds=0.05, warn_seconds=60)
    with capture_logs() as lines:
        counts.start()
        for number in range(300):
            counts.note("hooks", "bad_signature" if number % 3 else "taken")
            time.sleep(0.001)
        is_away[0] = False
        time.sleep(0.3)
        counts.stop()
    assert written == {"hooks bad_signature": 200, "hooks taken": 100}
    assert [line["event"] for line in lines] == ["requests_refused"]
