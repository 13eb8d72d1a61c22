"""What a sender's process takes of the CPU for each record, on its way from the database to a CRM.

    python -m benchmarks.sender [--people 4000] [--rounds 3]

Real PostgreSQL and Redis; the CRM is Salesforce's dialect in a process of its own. Each round writes new people in
batches of 200 and then all of them again with another city. Prints microseconds of CPU (user and system, of this
process alone) for each record: the least of the rounds, and all of them. To compare two versions run them in turns.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import tempfile
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from connectors.sandbox.server import Sandbox
from pipeline.delivery.sender import deliver
from pipeline.logs import configure_logging
from pipeline.records import FieldValue, Person, Profile, new_id
from pipeline.store.deliveries.deliveries import want_deliveries
from pipeline.store.engine import transaction
from pipeline.store.people.people import write_people
from tests.support.services import Services, migrated_database


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    services = Services()
    services.start()
    try:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            print(json.dumps(_measure(services, Path(folder), patch, options)))
    finally:
        services.stop()
    return 0


def _measure(
    services: Services, folder: Path, patch: pytest.MonkeyPatch, options: argparse.Namespace
) -> dict[str, object]:
    ours, theirs = multiprocessing.Pipe()
    crm = multiprocessing.get_context("spawn").Process(target=_answer, args=(str(folder / "crm.sqlite"), theirs))
    crm.start()
    try:
        _settings(folder, patch, ours.recv())
        patch.setenv("AFLUENTE_BROKER_URL", services.broker_url)
        with migrated_database(services, patch):
            configure_logging("text")
            logging.disable(logging.CRITICAL)
            new, changed = [], []
            for _ in range(options.rounds):
                people = _make(options.people)
                new.append(_deliver(options.people))
                _change(people)
                changed.append(_deliver(options.people))
        return {"new": min(new), "changed": min(changed), "rounds": {"new": new, "changed": changed}}
    finally:
        ours.send("end")
        crm.join(20)


def _answer(state: str, line: Connection) -> None:
    with Sandbox(port=0, state=Path(state), dialect="salesforce") as sandbox:
        line.send(sandbox.address)
        line.recv()


def _settings(folder: Path, patch: pytest.MonkeyPatch, address: str) -> None:
    destination = {"kind": "salesforce", "base_url": address, "calls_per_second": 1000, "burst": 1000}
    document = {
        "destinations": {"crm": {**destination, "options": {"bulk_above": 0}}},
        "tuning": {"delivery_linger_seconds": 0.0},
    }
    (folder / "afluente.yaml").write_text(json.dumps(document), encoding="utf-8")
    patch.setenv("AFLUENTE_CONFIG", str(folder / "afluente.yaml"))


def _make(count: int) -> list[Person]:
    people = [Person(new_id(), "default", 1, _profile(number), is_new=True) for number in range(count)]
    with transaction() as connection:
        write_people(connection, people)
    return people


def _profile(number: int) -> Profile:
    now = datetime.now(UTC)
    known = {
        "first_name": "Ada",
        "last_name": f"Sample{number}",
        "email": f"ada.sample{number}@example.org",
        "phone": f"+4930{23000000 + number}",
        "company": f"Sample Works {number % 500}",
        "city": "Lissabon",
        "country": "PT",
        "job_title": "Cartographer",
    }
    return Profile({name: FieldValue(value, "bench", new_id(), now) for name, value in known.items()})


def _change(people: list[Person]) -> None:
    for person in people:
        person.version += 1
        person.is_new = False
        person.profile.fields["city"] = FieldValue("Coimbra", "bench", new_id(), datetime.now(UTC))
    with transaction() as connection:
        write_people(connection, people)


def _deliver(count: int) -> float:
    """Microseconds of CPU a record."""
    with transaction() as connection:
        ids = connection.exec_driver_sql("SELECT person_id FROM people ORDER BY person_id DESC LIMIT %s", (count,))
        want_deliveries(connection, [("crm", person_id, "bulk") for person_id in ids.scalars()])
    sent, began = 0, time.process_time()
    while sent < count:
        sent += deliver("crm", "bulk", budget_seconds=60).sent
    return round((time.process_time() - began) / count * 1e6, 1)


if __name__ == "__main__":
    raise SystemExit(main())
