"""The command line, called in this process or as one of its own, and leads for it to find: stored, worked and delivered
without workers.

`run` and what stands on it (`answer`, `lines`, `problem`) call the program's own `main` in this process, which takes
milliseconds instead of seconds. Where a process is the point (signals, pipes, the installed program), use `start` and
`run_process`; `tests/integration/cli/test_processes.py` shows that both ways say the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from pipeline import flow
from pipeline.cli import main
from pipeline.intake.arrivals import new_event
from pipeline.intake.contents import store_events
from pipeline.intake.instances import SourceBook
from pipeline.lanes import LANES
from pipeline.records import Envelope, Outcome, new_id
from pipeline.settings.loading import settings
from pipeline.store.deliveries import deliveries
from pipeline.store.engine import transaction
from tests.support import in_process
from tests.support.paths import ROOT
from tests.support.people_checks import patiently

AFLUENTE = str(Path(sys.executable).with_name("afluente"))
Done = subprocess.CompletedProcess[str]


def run(*arguments: str, environment: dict[str, str] | None = None, stdin: str | None = None) -> Done:
    """Run `afluente …` to its end, in this process, as a new process would: nothing cached, no terminal.

    What a user would see as a traceback is raised.
    """
    with in_process.program_state([AFLUENTE, *arguments], environment or {}, stdin or "") as streams:
        code = in_process.exit_code(main)
    return Done([AFLUENTE, *arguments], code, streams.out, streams.err)


def run_process(*arguments: str, environment: dict[str, str] | None = None, stdin: str | None = None) -> Done:
    """Run the installed `afluente …` to its end, as a process of its own."""
    return subprocess.run(
        [AFLUENTE, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start `afluente …` and go on."""
    return subprocess.Popen([AFLUENTE, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(*arguments: str, code: int | None = 0) -> Any:
    """The JSON that a command prints; its stdout must hold nothing else. `code` None: whatever it ends with."""
    done = run(*arguments, "--json")
    assert code is None or done.returncode == code, done.stderr
    return json.loads(done.stdout)


def lines(*arguments: str) -> list[dict[str, Any]]:
    """Rows of an export."""
    done = run(*arguments, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def problem(*arguments: str, code: int, environment: dict[str, str] | None = None) -> str:
    """What a command that must fail says. One line on stderr, no traceback, nothing on stdout."""
    done = run(*arguments, environment=environment)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("afluente: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def capture(*records: dict[str, Any], source: str = "api", brand: str = "default") -> list[UUID]:
    """Store records as intake does; gives their events' ids in the order of the records."""
    instance = SourceBook(settings()).find(brand, source)
    origin = {"via": "api", "key": "tests"}
    events = [
        new_event(instance, record, Envelope("application/json", orjson.dumps(record), {"user-agent": "tests"}, origin))
        for record in records
    ]
    with transaction() as connection:
        return [receipt.event_id for receipt in store_events(connection, events)]


def work() -> None:
    """What the workers would do: every due event through the whole chain, each step tried again as they do."""
    for lane in LANES:
        while (claim := flow.claim_batch(lane)) is not None:
            batch = flow.map_claim(claim)
            for step in (flow.normalize_batch, flow.deduplicate_batch, flow.attribute_batch):
                batch = patiently(step, batch)
            patiently(flow.load_batch, batch)


def deliver(state: str = "sent", **said: Any) -> int:
    """What a sender would do, with the CRM's answer given. Returns how many people were in the calls."""
    count = 0
    for lane in LANES:
        with transaction() as connection:
            claim, dues = deliveries.claim_deliveries(connection, "sandbox", lane, limit=200, lease_seconds=60)
            count += len(dues)
            outcomes = [
                Outcome(due.person_id, state, external_id=f"crm-{number}" if state == "sent" else None, **said)
                for number, due in enumerate(dues)
            ]
            deliveries.record_outcomes(
                connection,
                "sandbox",
                claim,
                dues,
                outcomes,
                call_id=new_id(),
                backoff=lambda _attempts: 3600.0,
                max_attempts=12,
            )
    return count
