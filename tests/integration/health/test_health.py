"""Status and doctor on real servers, and with parts of them away."""

from __future__ import annotations

import json
import os
import time

import pytest

from pipeline.delivery.breaker import Breaker
from pipeline.delivery.governor import Governor
from pipeline.delivery.shared_state import shared_redis
from pipeline.health.doctor import run_checks
from pipeline.health.readings import QUEUES
from pipeline.health.status import collect_status
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from pipeline.supervisor.data_folder import describe_process, write_runtime
from tests.support.installation_rows import add_delivery, add_events, age, configure
from tests.support.services import forget_caches

AWAY_DATABASE = "postgresql://nobody:secret-of-the-database@/nothing?host=/nonexistent"
AWAY_REDIS = "redis://:secret-of-the-broker@127.0.0.1:1/0"


# ---- status ----


def test_status_names_addresses_processes_queues_and_what_waits(installation, redis_client):
    data = settings().data
    data.mkdir()
    recycled = describe_process("recycled", os.getppid()) | {"created": 1.0}  # the pid is another program's by now
    write_runtime(
        data, {"addresses": {"receiver": "http://r"}, "processes": [describe_process("here", os.getpid()), recycled]}
    )
    add_events(3, "hot")
    add_events(2, "bulk")
    add_delivery("due")
    redis_client.lpush("bulk", "a message", "another")
    redis_client.hset("unacked", "tag", "a message")

    found = collect_status()

    assert found["addresses"] == {"receiver": "http://r"}
    assert found["processes"] == [
        {"name": "here", "pid": os.getpid(), "alive": True},
        {"name": "recycled", "pid": os.getppid(), "alive": False},
    ]
    assert any(problem.startswith("recycled: ") for problem in found["problems"])
    assert {lane: pending["count"] for lane, pending in found["pending"].items()} == {"hot": 3, "bulk": 2}
    assert found["due"]["crm"]["bulk"]["count"] == 1
    assert found["queues"] == dict.fromkeys(QUEUES, 0) | {"bulk": 2}
    assert found["unacked"] == 1
    assert (found["database"], found["redis"]) == ("up", "up")
    json.dumps(found)


def test_status_shows_why_a_destination_is_halted_and_how_it_is_slowed_down(installation):
    client = shared_redis(settings().broker_url)
    Breaker(client).halt("crm", 60, "the access token is refused")
    Governor(client).slow_down("crm", 30)
    shown = collect_status()
    crm = shown["destinations"]["crm"]
    assert crm["breaker"] == "open"
    assert crm["halted_because"] == "the access token is refused"
    assert crm["rate_factor"] == 0.5
    assert 50 < crm["next_call_in_seconds"] <= 60
    assert any("the access token is refused" in problem for problem in shown["problems"])


def test_status_shows_the_last_error_of_each_destination_and_source(installation):
    add_delivery("due", error="UNABLE_TO_LOCK_ROW: later")
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO cursors (brand, source, stream, last_error, last_run_at)"
            " VALUES ('default', 'json_feed', '', 'answered 500', now())"
        )
    found = collect_status()
    assert found["destinations"]["crm"]["last_error"] == "UNABLE_TO_LOCK_ROW: later"
    assert found["destinations"]["crm"]["last_error_at"]
    assert found["sources"]["json_feed"]["last_error"] == "answered 500"


def test_status_names_what_has_waited_too_long(installation):
    add_events(1, "hot")
    add_delivery("due", lane="hot")
    assert collect_status()["problems"] == []
    age("events", "received_at", 3600)
    age("deliveries", "wanted_at", 3600)
    problems = collect_status()["problems"]
    assert len(problems) == 2
    assert "1 event has waited 3600 s" in problems[0]
    assert problems[1].startswith("crm:")


def test_status_survives_a_redis_that_is_away(installation, monkeypatch):
    add_events(1, "hot")
    monkeypatch.setenv("AFLUENTE_BROKER_URL", AWAY_REDIS)
    forget_caches()
    found = collect_status()
    assert found["pending"]["hot"]["count"] == 1
    assert found["redis"] != "up"
    assert found["queues"] == {}
    assert any(problem.startswith("redis: ") for problem in found["problems"])
    assert "secret-of" not in json.dumps(found)


def test_status_survives_a_database_that_is_away(installation, monkeypatch):
    monkeypatch.setenv("AFLUENTE_DATABASE_URL", AWAY_DATABASE)
    forget_caches()
    found = collect_status()
    assert found["database"] != "up"
    assert found["queues"] == dict.fromkeys(QUEUES, 0)
    assert any(problem.startswith("database: ") for problem in found["problems"])
    assert "secret-of" not in json.dumps(found)


# ---- doctor ----


def verdicts() -> dict[str, bool]:
    return {check.name: check.ok for check in run_checks()}


def found(name: str):
    (check,) = [check for check in run_checks() if check.name == name]
    return check


def test_a_sound_installation_passes_every_check(installation):
    # Another program of this machine may hold the receiver's usual port: that is what the check is there to say.
    failures = [check for check in run_checks() if not check.ok and check.name != "receiver"]
    assert failures == []
    assert {
        "settings",
        "keys",
        "disk",
        "receiver",
        "database",
        "migrations",
        "index key",
        "redis",
        "redis eviction",
        "redis append-only file",
        "clock of PostgreSQL",
        "clock of Redis",
        "rules of identity",
        "rules of survivorship",
        "rules of nicknames",
        "rules of validation",
        "source web_form",
        "destination crm",
    } <= set(verdicts())


def test_a_source_that_nobody_signs_is_said_to_be_open(installation):
    assert "unsigned: anybody" in found("source web_form").detail


def test_settings_that_cannot_be_read_are_the_only_thing_said(installation, tmp_path):
    (tmp_path / "afluente.yaml").write_text("destinations: {crm: {kind: 1}}", encoding="utf-8")
    forget_caches()
    (check,) = run_checks()
    assert (check.name, check.ok) == ("settings", False)
    assert check.remedy


def test_a_missing_key_is_named_with_its_remedy(installation, monkeypatch):
    monkeypatch.delenv("AFLUENTE_SECRET_KEYS")
    forget_caches()
    assert "AFLUENTE_SECRET_KEYS" in found("keys").remedy


def test_another_installation_s_key_is_found_out(installation, monkeypatch):
    monkeypatch.setenv("AFLUENTE_SECRET_KEYS", "YW5vdGhlciBrZXksIG9mIGFub3RoZXIgaW5zdGFsbGF0aW9u")
    forget_caches()
    assert not found("index key").ok


def test_services_that_are_away_are_found_and_no_password_is_shown(installation, monkeypatch):
    monkeypatch.setenv("AFLUENTE_DATABASE_URL", AWAY_DATABASE)
    monkeypatch.setenv("AFLUENTE_BROKER_URL", AWAY_REDIS)
    forget_caches()
    checks = run_checks()
    known = {check.name: check.ok for check in checks}
    assert known["database"] is False
    assert known["redis"] is False
    assert not {"migrations", "redis eviction", "clock of Redis"} & set(known)
    assert "secret-of" not in "".join(f"{check.detail}{check.remedy}" for check in checks)


def test_a_broker_that_is_not_redis_is_named_without_its_password(installation, monkeypatch):
    monkeypatch.setenv("AFLUENTE_BROKER_URL", "amqp://user:secret-of-the-broker@broker//")
    forget_caches()
    check = found("redis")
    assert not check.ok
    assert "amqp" in check.detail
    assert "secret-of" not in check.detail + check.remedy


def test_a_database_without_tables_is_told_to_migrate(installation, empty_database, monkeypatch):
    monkeypatch.setenv("AFLUENTE_DATABASE_URL", empty_database)
    forget_caches()
    check = found("migrations")
    assert not check.ok
    assert "migrate" in check.remedy


def test_a_redis_that_deletes_when_full_is_refused(installation, redis_client):
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert not found("redis eviction").ok
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")


def test_a_clock_that_is_ahead_is_noticed(installation, monkeypatch):
    genuine = time.time
    monkeypatch.setattr("pipeline.health.service_checks.time.time", lambda: genuine() + 30)
    check = found("clock of PostgreSQL")
    assert not check.ok
    assert float(check.detail.split()[0]) == pytest.approx(30, abs=0.2)


def test_a_crm_that_refuses_our_token_is_named_without_showing_the_token(installation, tmp_path):
    destination = {"kind": "salesforce", "base_url": installation.address, "secrets": {"access_token": "env:CRM_TOKEN"}}
    configure(tmp_path, installation.address, destinations={"crm": destination})
    check = found("destination crm")
    assert not check.ok
    assert "secret-of-the-crm" not in check.detail + check.remedy


def test_a_crm_that_does_not_answer_is_named_with_its_address(installation, tmp_path):
    configure(tmp_path, "http://127.0.0.1:1")
    check = found("destination crm")
    assert not check.ok
    assert "http://127.0.0.1:1" in check.remedy


def test_an_option_the_crm_s_connector_does_not_know_is_named(installation, tmp_path):
    destination = {"kind": "salesforce", "base_url": installation.address, "options": {"objekt": "Lead"}}
    configure(tmp_path, installation.address, destinations={"crm": destination})
    assert "objekt" in found("destination crm").detail


def test_a_source_in_use_without_its_secret_is_named_and_one_not_in_use_is_not(installation, tmp_path):
    assert found("source standard_webhooks").ok
    configure(tmp_path, installation.address, sources={"standard_webhooks": {}})
    check = found("source standard_webhooks")
    assert not check.ok
    assert "STANDARD_WEBHOOKS_SECRET" in check.remedy


def test_a_process_that_died_is_named(installation):
    data = settings().data
    data.mkdir()
    write_runtime(data, {"processes": [{"name": "deliver", "pid": 2**22 - 1, "created": 1.0}]})
    check = found("processes")
    assert not check.ok
    assert "deliver" in check.detail


def test_a_receiver_that_does_not_answer_is_named(installation):
    data = settings().data
    data.mkdir()
    write_runtime(data, {"addresses": {"receiver": "http://127.0.0.1:1"}})
    assert not found("receiver").ok
