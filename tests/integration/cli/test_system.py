"""The commands about the system itself, through the real command line: balance, status, doctor, migrate, sandbox."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
import requests

from pipeline.store.engine import transaction
from tests.support.command_line import AFLUENTE, ROOT, answer, capture, problem, run, run_process, work

FIGURES = [
    "accepted",
    "settled",
    "suppressed",
    "quarantined",
    "pending",
    "in_flight",
    "repeated",
    "revised",
    "difference",
]


@pytest.mark.usefixtures("database")
def test_the_balance_counts_each_state_per_source_and_in_all():
    capture({"email": "ada@example.com", "external_id": "1"}, {"message": "nobody"})
    work()
    capture({"email": "ada@example.com", "external_id": "1"}, {"email": "bo@example.com"})
    capture({"fields": {"email": "cy@example.com"}}, source="web_form")
    found = answer("balance")
    assert list(found["all"]) == FIGURES
    assert found["all"] == dict(zip(FIGURES, (4, 1, 0, 1, 2, 0, 1, 0, 0), strict=True))
    assert found["sources"]["web_form"] == dict(zip(FIGURES, (1, 0, 0, 0, 1, 0, 0, 0, 0), strict=True))
    text = run("balance").stdout
    assert "The balance holds." in text


@pytest.mark.usefixtures("database")
def test_a_lost_event_makes_the_balance_fail():
    lost, _ = capture({"email": "ada@example.com"}, {"email": "bo@example.com"})
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE event_id = %s", (lost,))
    assert answer("balance", code=1)["all"]["difference"] == 1
    done = run("balance")
    assert (done.returncode, "does NOT hold" in done.stdout) == (1, True)


@pytest.mark.usefixtures("database")
def test_a_missing_delivery_makes_the_balance_fail():
    capture({"email": "ada@example.com"})
    work()
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM deliveries")
    found = answer("balance", code=1)
    assert (found["all"]["difference"], found["missing_deliveries"]) == (0, 1)


@pytest.mark.usefixtures("database", "redis_url")
def test_status_shows_what_waits():
    capture({"email": "ada@example.com"})
    found = answer("status")
    assert {"addresses", "queues", "due", "processes"} <= set(found)
    assert found["pending"]["hot"]["count"] == 1
    work()
    assert answer("status")["due"]["sandbox"]["hot"]["count"] == 1
    assert "sandbox" in run("status").stdout


def test_status_without_anything_running_is_a_problem(tmp_path):
    done = run("status", "--json", environment={"AFLUENTE_DATA": str(tmp_path / "data")})
    assert done.returncode == 1
    assert json.loads(done.stdout)["addresses"] == {}
    assert "Traceback" not in done.stderr
    assert "afluente up" in problem("status", code=1, environment={"AFLUENTE_DATA": str(tmp_path / "data")})


def test_a_sandbox_of_an_unknown_dialect_is_wrong_use(tmp_path):
    done = run_process("sandbox", "--dialect", "nosuch", "--state", str(tmp_path / "state"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("sandbox: --dialect is 'nosuch'; allowed: ")
    assert "salesforce" in done.stderr


@pytest.mark.usefixtures("database", "redis_url")
def test_doctor_names_what_fails_with_its_remedy(monkeypatch):
    monkeypatch.setenv("AFLUENTE_SANDBOX_URL", "http://127.0.0.1:9")
    found = answer("doctor", code=1)
    failing = {check["name"]: check for check in found["checks"] if not check["ok"]}
    assert found["ok"] is False
    assert any("destination" in name for name in failing), "nothing listens there"
    assert all(check["remedy"] for check in failing.values())
    assert "remedy: " in run("doctor").stdout


def test_doctor_says_what_is_wrong_with_the_settings(tmp_path):
    config = tmp_path / "afluente.yaml"
    config.write_text("sourcess: {}\n")
    done = run("doctor", environment={"AFLUENTE_CONFIG": str(config)})
    assert done.returncode == 1
    assert "sourcess" in done.stdout


def test_wrong_settings_are_wrong_use_for_every_other_command(tmp_path):
    config = tmp_path / "afluente.yaml"
    config.write_text("brands: {default: {region: 5}}\n")
    said = problem("balance", code=2, environment={"AFLUENTE_CONFIG": str(config)})
    assert str(config) in said
    assert "brands" in said


def test_migrate_makes_the_tables_and_says_so(empty_database, tmp_path):
    there = {"AFLUENTE_DATABASE_URL": empty_database, "AFLUENTE_DATA": str(tmp_path), "AFLUENTE_SECRET_KEYS": "k" * 40}
    assert run("migrate", "--check", environment=there).returncode == 1
    assert "run" in problem("balance", code=2, environment=there)
    assert run("migrate", environment=there).returncode == 0
    assert run("migrate", "--check", environment=there).returncode == 0
    assert run("migrate", environment=there).returncode == 0


def test_a_database_that_is_away_is_one_line_and_no_traceback():
    away = {"AFLUENTE_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    assert "the database is away" in problem("migrate", code=1, environment=away)


@pytest.mark.long
def test_a_sandbox_alone_answers_and_stops_on_request(tmp_path):
    process = subprocess.Popen(
        [AFLUENTE, "sandbox", "--port", "0", "--faults", "status=503,rate=1"],
        cwd=ROOT,
        env={**os.environ, "AFLUENTE_DATA": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[1]
        assert requests.get(f"{address}/_records", timeout=10).json() == []
        assert requests.get(f"{address}/services/data", timeout=10).status_code == 503
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.communicate()
    refused = run_process("sandbox", "--faults", "statuss=1", environment={"AFLUENTE_DATA": str(tmp_path)})
    assert "allowed" in refused.stderr


def test_help_loads_nothing_that_only_work_needs():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", AFLUENTE, "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert {"typer", "pipeline", "connectors"} <= loaded
    work = {"celery", "email", "kombu", "pandas", "phonenumbers", "psycopg2", "redis", "requests", "sqlalchemy"}
    assert loaded & work == set()
