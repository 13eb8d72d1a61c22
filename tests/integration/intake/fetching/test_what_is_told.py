"""What a human sees of records that wait: status, doctor, source status, explain, and what the commands do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.sandbox.providers.provider import Provider
from pipeline.health.connector_checks import check_sources
from pipeline.health.metrics import collect_gauges
from pipeline.health.status import collect_status
from pipeline.inspection.polling.fetched import fetch_now, read_fetches
from pipeline.inspection.stories import tell_event
from pipeline.intake.fetching.runs import due_fetches, run_fetches
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from tests.support.fetched_leads import SOURCE, TOKEN, lead, path_of, post_ids, states
from tests.support.intake_server import Receiver, stored_events
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database", "redis_url")


def fetch() -> None:
    run_fetches(SOURCE, "default", budget_seconds=5.0)


def story():
    (raw,) = stored_events(SOURCE)
    with transaction() as connection:
        told = tell_event(connection, raw.event_id)
    assert told is not None
    return told


def test_status_and_doctor_say_how_many_wait_for_a_token_and_what_to_do(provider: Provider, receiver: Receiver) -> None:
    provider.tokens = set()
    post_ids(receiver, *(lead(provider, f"ada{number}@example.org") for number in range(4)))
    fetch()
    now = collect_status()
    assert [(state["source"], state["waiting"], state["is_terminal"]) for state in now["fetches"]] == [
        (SOURCE, 4, True)
    ]
    (problem,) = [problem for problem in now["problems"] if SOURCE in problem]
    assert "4 leads wait for their records" in problem
    assert f"afluente source fetch {SOURCE}" in problem
    (check,) = [check for check in check_sources(settings()) if check.name == f"source {SOURCE}"]
    assert not check.ok
    assert "token" in check.detail
    assert [state.waiting for state in read_fetches(SOURCE)] == [4]
    gauges = {gauge.name: gauge.samples for gauge in collect_gauges(settings())}
    (waiting,), (oldest,) = gauges["afluente_fetches_waiting"], gauges["afluente_fetches_oldest_waiting_seconds"]
    assert (waiting.labels, waiting.value) == ({"source": SOURCE, "brand": "default"}, 4.0)
    assert oldest.value > 0
    assert TOKEN not in json.dumps(now, default=str)


def test_doctor_asks_for_a_token_before_the_first_lead(
    provider: Provider, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("META_LEAD_ADS_TOKEN")
    forget_caches()
    (check,) = [check for check in check_sources(settings()) if check.name == f"source {SOURCE}"]
    assert not check.ok
    assert "META_LEAD_ADS_TOKEN" in (check.remedy or "")
    lead_id = lead(provider, "ada@example.org")
    post_ids(receiver, lead_id)
    fetch()
    assert states() == {lead_id: "fetching"}
    assert provider.count() == 0
    monkeypatch.setenv("META_LEAD_ADS_TOKEN", TOKEN)
    forget_caches()
    assert fetch_now(SOURCE).fetched == 1


def test_other_settings_end_a_pause_at_once(
    provider: Provider, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    provider.tokens = set()
    post_ids(receiver, lead(provider, "ada@example.org"))
    fetch()
    assert due_fetches() == []
    provider.tokens = {"another-token"}
    monkeypatch.setenv("OTHER", "another-token")
    config = tmp_path / "afluente.yaml"
    config.write_text(config.read_text().replace("    options", "    token: env:OTHER\n    options"))
    forget_caches()
    assert due_fetches() == [(SOURCE, "default")]
    fetch()
    assert provider.count(200) == 1


def test_explain_shows_the_id_that_came_and_what_was_read_by_it(provider: Provider, receiver: Receiver) -> None:
    lead_id = lead(provider, "ada@example.org")
    post_ids(receiver, lead_id)
    assert story().state == "fetching"
    assert story().now == "waits for its record to be read from its source"
    assert story().fields == []
    fetch()
    told = story()
    assert told.request is not None
    assert told.fetched is not None
    assert lead_id in told.request.body
    assert "ada@example.org" in told.fetched.body
    assert told.fetched.origin["via"] == "fetch"
    assert told.now == "goes on"
    assert {row.field for row in told.fields if row.normalized == "ada@example.org"} == {"email"}


def test_a_record_is_read_once_more_by_hand(provider: Provider, receiver: Receiver) -> None:
    lead_id = lead(provider, "ada@example.org")
    post_ids(receiver, lead_id)
    fetch()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE events SET state = 'settled'")
    provider.records[path_of(lead_id)]["field_data"] = [{"name": "email", "values": ["ada.sample@example.org"]}]
    (raw,) = stored_events(SOURCE)
    done = fetch_now(SOURCE, again=[raw.event_id])
    assert (done.asked_again, done.fetched, done.waiting) == (1, 1, 0)
    (raw,) = stored_events(SOURCE)
    assert raw.fetched is not None
    assert b"ada.sample@example.org" in raw.fetched.body
    assert states() == {lead_id: "settled"}, "it has ended, and stays so"


def test_personal_data_that_was_read_is_ciphertext(provider: Provider, receiver: Receiver) -> None:
    post_ids(receiver, lead(provider, "ada.sample.of.berlin@example.org"))
    fetch()
    with transaction() as connection:
        bodies = connection.exec_driver_sql("SELECT fetched FROM event_bodies").scalars().all()
        rows = connection.exec_driver_sql("SELECT fetches::text FROM fetches").scalars().all()
    assert all(body is not None and b"ada" not in bytes(body) for body in bodies)
    assert rows == []
