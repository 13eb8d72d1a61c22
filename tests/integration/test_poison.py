"""A batch that kills its worker or meets a bug is halved until the culprit stands alone; the others go on."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy

from pipeline.crypto.encryption import seal_envelope
from pipeline.records import Envelope, NewEvent, new_id
from pipeline.store.engine import transaction
from pipeline.store.events.events import insert_events
from tests.support.paths import ROOT

pytestmark = pytest.mark.long  # workers that die, again and again


@contextlib.contextmanager
def worker(folder: Path):
    """A worker node with the planted faults on all queues of the chain."""
    environment = {**os.environ, "AFLUENTE_DATA": str(folder), "PYTHONPATH": str(ROOT)}
    command = [
        sys.executable, "-m", "celery", "-A", "tests.support.poisoned", "worker", "-n", "bulk@%h",
        "-Q", "hot,bulk,ops", "-c", "2", "--without-gossip", "--without-mingle", "--loglevel", "warning",
    ]  # fmt: skip
    with (folder / "worker.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def capture(emails: list[str]) -> dict[str, str]:
    """Store one event per address; returns address by event id."""
    events = []
    for email in emails:
        event_id = new_id()
        body = json.dumps({"email": email, "last_name": "Brandt"}).encode()
        sealed = seal_envelope(Envelope(content_type="application/json", body=body), event_id)
        events.append(
            NewEvent(
                brand="default", source="api", lane="bulk", digest=event_id.bytes * 2, event_id=event_id, sealed=sealed
            )
        )
    with transaction() as connection:
        insert_events(connection, events)
    return {str(event.event_id): email for event, email in zip(events, emails, strict=True)}


def states() -> dict[str, tuple[str, int]]:
    with transaction() as connection:
        rows = connection.execute(sqlalchemy.text("SELECT event_id, state, losses FROM events"))
        return {str(row.event_id): (row.state, row.losses) for row in rows}


def wait_until_ended(folder: Path, *, seconds: float = 180) -> dict[str, tuple[str, int]]:
    deadline = time.monotonic() + seconds
    while True:
        found = states()
        if not {state for state, _ in found.values()} & {"pending", "in_flight"}:
            return found
        assert time.monotonic() < deadline, f"{found}\n{(folder / 'worker.log').read_text()[-3000:]}"
        time.sleep(0.3)
        sweep_now()


def sweep_now() -> None:
    from pipeline import flow
    from pipeline.hints import hint_dispatch

    for kind, *rest in flow.sweep():
        if kind == "dispatch":
            hint_dispatch(rest[0])


@pytest.mark.parametrize(("bait", "code"), [("poison", "worker_lost"), ("venom", "bug")])
def test_the_culprit_is_quarantined_and_the_others_settle(database, redis_url, tmp_path, bait, code):
    addresses = [f"lead{number}@example.com" for number in range(20)]
    addresses[7] = f"{bait}@example.com"
    captured = capture(addresses)

    with worker(tmp_path):
        found = wait_until_ended(tmp_path)

    ended = {captured[event_id]: state for event_id, (state, _) in found.items()}
    assert ended.pop(f"{bait}@example.com") == "quarantined"
    assert set(ended.values()) == {"settled"}
    with transaction() as connection:
        row = connection.execute(sqlalchemy.text("SELECT code, message, field FROM quarantine")).one()
    assert row.code == code
    assert "example.com" not in row.message
    assert bait not in (tmp_path / "worker.log").read_text().replace("poisoned", "")
