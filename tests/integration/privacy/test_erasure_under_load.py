"""Fifty of many are erased while leads come in and workers are killed: they are gone everywhere, nobody else is."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from connectors.sandbox.server import Sandbox
from pipeline import flow
from pipeline.delivery.sender import deliver
from pipeline.privacy import erasure
from pipeline.privacy.subjects import Asked
from pipeline.store.deliveries.deliveries import sweep_deliveries
from pipeline.store.engine import engine, transaction
from pipeline.store.events.balance import balance
from tests.integration.delivery.test_objects_killed import calls_under_way, wait_until_its_calls_are_over
from tests.integration.delivery.test_sender import make_due_now
from tests.support.command_line import capture, run, work
from tests.support.company_sources import company_sources
from tests.support.crm_objects import SALESFORCE, TargetCrm
from tests.support.identity_rows import rows
from tests.support.services import forget_caches
from tests.support.target_database import Target

PEOPLE, ERASED = 2_000, 50
APIS = ("salesforce", "hubspot", "dataverse")
NAMES = ("salesforce", "hubspot", "dataverse", "sql", "objects")


class Everywhere:
    """Five destinations of four kinds, one of them with companies and tasks beside people."""

    def __init__(self, sandboxes: dict[str, Sandbox], target: Target, config) -> None:
        self._sandboxes = sandboxes
        self._tables = TargetCrm(target, config)
        fast = {"calls_per_second": 500, "burst": 200}
        known: dict[str, Any] = {
            kind: {"kind": kind, "base_url": sandbox.address, **fast} for kind, sandbox in sandboxes.items()
        }
        known["objects"] = {**known.pop("objects"), "kind": "salesforce", "mapping": "whole"}
        known["sql"] = {
            "kind": "sql",
            "base_url": target.url,
            "secrets": {"user": "env:WAREHOUSE_USER"},
            "options": {"create_tables": True},
            **fast,
        }
        config.write_text(
            json.dumps({"destinations": known, "tuning": {"delivery_linger_seconds": 0.0, "delivery_lease_seconds": 5}})
        )
        forget_caches()

    def records(self) -> dict[str, list[str]]:
        """By destination all that it holds, each record as a text."""
        found = {"sql": [json.dumps(record, default=str) for record in self._tables.records()]}
        for name, sandbox in self._sandboxes.items():
            with urllib.request.urlopen(f"{sandbox.address}/_records", timeout=30) as answer:
                found[name] = [json.dumps(record) for record in json.load(answer)]
        return found


@pytest.fixture
def everywhere(database, redis_url, empty_database, tmp_path, monkeypatch) -> Iterator[Everywhere]:
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WAREHOUSE_USER", "postgres")
    with ExitStack() as stack:
        for company in company_sources(tmp_path / "company", monkeypatch):
            path = company.folder / "mappings" / "destinations" / "whole.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(SALESFORCE.mapping)
            sandboxes = {}
            for name in (*APIS, "objects"):
                dialect = name if name in APIS else "salesforce"
                sandbox = Sandbox(port=0, state=tmp_path / f"{name}.sqlite", dialect=dialect)
                sandboxes[name] = stack.enter_context(sandbox)
                if dialect == "hubspot":
                    sandbox.dialect.limits.calls_in_window = 100_000
            yield Everywhere(sandboxes, Target(empty_database), tmp_path / "afluente.yaml")


def lead(number: int, **more: Any) -> dict[str, Any]:
    return {
        "external_id": f"list-{number}",
        "email": f"marker{number}x@firm{number}.example",
        "phone": f"+3461{number:07}",
        "full_name": f"Marker{number}x Sample",
        "company": f"Marker{number}x Works",
        "consents": [{"purpose": "marketing", "channel": "email", "granted": True}],
    } | more


def _toil(seconds: float) -> None:
    """What workers do: leads through the chain, and what is due to every CRM."""
    engine().dispose(close=False)
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        work()
        for name in NAMES:
            for lane in ("hot", "bulk"):
                deliver(name, lane, budget_seconds=1)


def send_all(seconds: float) -> None:
    ends_at = time.monotonic() + seconds
    while rows("SELECT FROM deliveries WHERE state IN ('due', 'in_flight') LIMIT 1"):
        assert time.monotonic() < ends_at, rows("SELECT destination, state, count(*) FROM deliveries GROUP BY 1, 2")
        with transaction() as connection:
            sweep_deliveries(connection, max_attempts=50)
        make_due_now()
        for name in NAMES:
            for lane in ("hot", "bulk"):
                deliver(name, lane, budget_seconds=5)


def digest_of_others(erased: set[str]) -> str:
    """Everything about everybody else: their rows, as they stand."""
    told = hashlib.sha256()
    for table in ("people", "touches", "consents", "evidence", "deliveries", "events", "person_companies"):
        found = rows(
            f"SELECT to_jsonb(t)::text FROM {table} t WHERE person_id IN (SELECT person_id FROM people)"
            " AND person_id <> ALL(%s::uuid[]) ORDER BY 1",
            sorted(erased),
        )
        for (row,) in found:
            told.update(row.encode())
    return told.hexdigest()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_fifty_are_gone_from_five_destinations_while_workers_are_killed_and_nobody_else_is_touched(everywhere):
    everybody = [lead(number) for number in range(PEOPLE)]
    capture(*everybody)
    work()
    send_all(240)
    chosen = range(0, PEOPLE, PEOPLE // ERASED)
    ids = {
        str(row[0])
        for row in rows("SELECT person_id FROM events WHERE external_id = ANY(%s)", [f"list-{n}" for n in chosen])
    }
    assert len(ids) == ERASED
    before = digest_of_others(ids)
    came = capture(*(lead(number, external_id=f"again-{number}", message="again") for number in chosen))

    others = calls_under_way()
    context = multiprocessing.get_context("fork")
    requests = []
    for turn, number in enumerate(chosen):
        if turn % 10 == 0:
            worker = context.Process(target=_toil, args=(20,))
            worker.start()
        requests.append(erasure.erase(Asked(email=f" MARKER{number}x@Firm{number}.example"), by="officer").request_id)
        if turn % 10 == 9:
            worker.kill()
            worker.join()
    wait_until_its_calls_are_over(others)
    rows("UPDATE events SET lease_until = now() - interval '1 s' WHERE state = 'in_flight' RETURNING 1")
    rows("UPDATE deliveries SET lease_until = now() - interval '1 s' WHERE state = 'in_flight' RETURNING 1")
    flow.sweep()
    work()
    for _ in range(3):
        send_all(120)
        ended = [erasure.advance(request_id) for request_id in requests]
    assert {request.state for request in ended} == {"done"}
    markers = [f"marker{number}x" for number in chosen]
    for name, records in everywhere.records().items():
        left = [text for text in records if any(marker in text.lower() for marker in markers)]
        assert left == [], name
        assert len(records) >= PEOPLE - ERASED, name
    assert {known["state"] for request in ended for known in request.certificate["systems"]} == {"done"}
    assert {known["system"].partition("/")[0] for r in ended for known in r.certificate["systems"]} == set(NAMES)
    assert digest_of_others(ids) == before
    assert set(rows("SELECT state, reason FROM events WHERE event_id = ANY(%s)", came)) == {("suppressed", "erased")}

    capture(*everybody)  # the old file once more
    work()
    assert rows("SELECT count(*) FROM people") == [(PEOPLE - ERASED,)]
    with transaction() as connection:
        counted = balance(connection)
    assert (counted["all"]["difference"], counted["missing_deliveries"]) == (0, 0)
    assert run("privacy", "status").returncode == 0
