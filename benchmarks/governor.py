"""How much of a CRM's quota eight worker processes use together, beside another application of the same account.

`python -m benchmarks.governor` runs all scenes, `--only neighbor,day,shared,alone` some, `--seconds N` each. Bounded,
and on this machine alone: real PostgreSQL and Redis, and the sandbox with HubSpot's limits: 100 calls in ten seconds
that roll, a day that begins anew. 100,000 bulk deliveries are due; hot leads come in between. Prints one JSON object a
scene:

use             calls that were let through, as a share of what the other application left (not of a day: it begins anew
                in the midst)
refused         429s to us, as a share of our calls
hot_wait_p95    seconds from the moment that a hot lead is wanted until the CRM has it
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

from connectors.sandbox.dialects.hubspot.limits import CALLS_IN_WINDOW, WINDOW_SECONDS
from connectors.sandbox.dialects.hubspot.tokens import FIXED_TOKEN
from connectors.sandbox.server import Sandbox
from pipeline.delivery.sender import deliver
from pipeline.logs import configure_logging
from pipeline.records import FieldValue, Person, Profile, new_id
from pipeline.store.deliveries.deliveries import want_deliveries
from pipeline.store.engine import transaction
from pipeline.store.people.people import write_people
from tests.support.services import Services, forget_caches, migrated_database

PROCESSES = 8
DUE = 100_000
PEOPLE = 3_000  # of those due: more than are sent in the longest run; the others are copies that stand behind them
BATCH = 2
NEIGHBOR_SHARE = 0.3
WARM_UP_SECONDS = 20.0
_BUDGET_SECONDS = 2.0
_spawned = multiprocessing.get_context("spawn")


class Scene(msgspec.Struct, frozen=True):
    """`day_calls` in `day_seconds` is the account's day; `destinations` write to one account."""

    name: str
    has_neighbor: bool = True
    day_calls: int = 250_000
    day_seconds: float = 86_400.0
    destinations: tuple[str, ...] = ("crm",)
    hot_every_seconds: float = 1.5


SCENES = (
    Scene("neighbor"),
    Scene("day", day_calls=300, day_seconds=60.0, hot_every_seconds=5.0),
    Scene("shared", destinations=("crm", "crm_too")),
    Scene("alone", has_neighbor=False),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help=f"comma-separated: {','.join(scene.name for scene in SCENES)}")
    parser.add_argument("--seconds", type=float, default=100.0)
    options = parser.parse_args()
    wanted = set(filter(None, options.only.split(",")))
    if unknown := wanted - {scene.name for scene in SCENES}:
        parser.error(f"--only knows no {', '.join(sorted(unknown))}")
    services = Services()
    services.start()
    try:
        for scene in SCENES:
            if not wanted or scene.name in wanted:
                print(json.dumps(measure(scene, services, options.seconds)), flush=True)
    finally:
        services.stop()
    return 0


def measure(scene: Scene, services: Services, seconds: float) -> dict[str, Any]:
    """One scene of `seconds` after the warm-up."""
    services.empty_redis()
    with _installation(scene, services) as sandbox:
        make_due(scene)
        start = _spawned.Barrier(PROCESSES + 1)
        workers = [_spawned.Process(target=work, args=(scene, number, seconds, start)) for number in range(PROCESSES)]
        for worker in workers:
            worker.start()
        start.wait(timeout=120)
        ends_at = time.time() + WARM_UP_SECONDS + seconds
        neighbor = Neighbor(sandbox.address, ends_at)
        if scene.has_neighbor:
            neighbor.start()
        time.sleep(WARM_UP_SECONDS)
        began, before, others_before = time.monotonic(), our_calls(sandbox), neighbor.answered
        want_hot_leads(scene, ends_at)
        took, after, others = time.monotonic() - began, our_calls(sandbox), neighbor.answered
        for worker in workers:
            worker.join()
        if scene.has_neighbor:
            neighbor.join()
        calls = {answer: after[answer] - before[answer] for answer in after}
        room = CALLS_IN_WINDOW / WINDOW_SECONDS * took
        has_short_day = scene.day_seconds < 86_400
        others_made = others[200] - others_before[200]
        ours = calls["ok"] - others_made
        refused = calls["refused"] - (others[429] - others_before[429])
        waits = hot_waits()
        return {
            "scene": scene.name,
            "seconds": round(took, 1),
            "calls": ours,
            "others": others_made,
            "others_refused": others[429] - others_before[429],
            "use": None if has_short_day else round(ours / (room - others_made), 4),
            "refused": round(refused / max(1, ours + refused), 5),
            "hot_leads": len(waits),
            "hot_wait_p50": round(statistics.median(waits), 2),
            "hot_wait_p95": round(statistics.quantiles(waits, n=20)[-1], 2),
            "still_due": count_due(),
        }


@contextmanager
def _installation(scene: Scene, services: Services) -> Iterator[Sandbox]:
    """A database, settings and the sandbox that they lead to."""
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        migrated_database(services, patch),
        Sandbox(port=0, state=Path(folder, "crm.sqlite"), dialect="hubspot") as sandbox,
    ):
        limits = sandbox.dialect.limits  # type: ignore[attr-defined]
        limits.day_seconds = scene.day_seconds
        requests.post(f"{sandbox.address}/_faults", json={"daily_limit": scene.day_calls}, timeout=5)
        crm: dict[str, Any] = {"kind": "hubspot", "base_url": sandbox.address, "batch_size": BATCH, "account": "ours"}
        if scene.day_seconds < 86_400:
            crm["windows"] = {"day": {"calls": scene.day_calls, "seconds": scene.day_seconds}}
        document = {"destinations": dict.fromkeys(scene.destinations, crm)}
        config = Path(folder, "afluente.yaml")
        config.write_text(json.dumps(document), encoding="utf-8")
        patch.setenv("AFLUENTE_CONFIG", str(config))
        patch.setenv("AFLUENTE_BROKER_URL", services.broker_url)
        forget_caches()
        yield sandbox
        forget_caches()


def make_due(scene: Scene) -> None:
    """`DUE` bulk deliveries: people of their own in front, copies of one behind them."""
    made = make_people("bulk", PEOPLE)
    for number, destination in enumerate(scene.destinations):
        share = made[number :: len(scene.destinations)]
        with transaction() as connection:
            want_deliveries(connection, [(destination, person.person_id, "bulk") for person in share])
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO people (person_id, brand, version, profile) SELECT gen_random_uuid(), brand, version, profile"
            " FROM people, generate_series(1, %(copies)s) WHERE person_id = %(first)s",
            {"copies": DUE - PEOPLE, "first": made[0].person_id},
        )
        connection.exec_driver_sql(
            "INSERT INTO deliveries (destination, person_id, brand, lane, wanted_version, state)"
            " SELECT %(destination)s, people.person_id, people.brand, 'bulk', 1, 'due' FROM people"
            " WHERE NOT EXISTS (SELECT FROM deliveries WHERE deliveries.person_id = people.person_id)",
            {"destination": scene.destinations[0]},
        )
        connection.exec_driver_sql("ANALYZE people, deliveries")


def make_people(name: str, count: int) -> list[Person]:
    people = []
    for number in range(count):
        known = {"email": f"{name}{number}-{time.time_ns()}@example.org", "last_name": f"Name{number}"}
        now = datetime.now(UTC)
        fields = {field: FieldValue(value, "benchmark", new_id(), now) for field, value in known.items()}
        people.append(Person(new_id(), "default", 1, Profile(fields), is_new=True))
    for begin in range(0, count, 500):
        with transaction() as connection:
            write_people(connection, people[begin : begin + 500])
    return people


def want_hot_leads(scene: Scene, ends_at: float) -> None:
    """One hot lead after the other, at random times, until the end."""
    dice = random.Random(1)
    number = 0
    while (pause := dice.expovariate(1 / scene.hot_every_seconds)) + time.time() < ends_at - 5:
        time.sleep(pause)
        number += 1
        (person,) = make_people(f"hot{number}-", 1)
        with transaction() as connection:
            want_deliveries(
                connection, [(scene.destinations[number % len(scene.destinations)], person.person_id, "hot")]
            )
    time.sleep(max(0.0, ends_at - time.time()))


def work(scene: Scene, number: int, seconds: float, start: Barrier) -> None:
    """A worker process: bulk, and in one process for each destination hot deliveries as soon as some are due, as a hint
    tells one of them."""
    destination = scene.destinations[number % len(scene.destinations)]
    configure_logging("text", level=logging.ERROR)
    start.wait(timeout=120)
    ends_at = time.time() + WARM_UP_SECONDS + seconds
    hot = threading.Thread(target=work_hot, args=(destination, ends_at))
    if number < len(scene.destinations):
        hot.start()
    while time.time() < ends_at:
        report = deliver(destination, "bulk", budget_seconds=_BUDGET_SECONDS)
        time.sleep(min(report.wait_seconds, _BUDGET_SECONDS, max(0.0, ends_at - time.time())))
    if number < len(scene.destinations):
        hot.join()


def work_hot(destination: str, ends_at: float) -> None:
    while time.time() < ends_at:
        if is_hot_due(destination):
            deliver(destination, "hot", budget_seconds=_BUDGET_SECONDS)
        time.sleep(random.uniform(0.1, 0.5))  # as long as a hint takes on a busy machine


def is_hot_due(destination: str) -> bool:
    with transaction(synchronous=False) as connection:
        query = "SELECT EXISTS (SELECT FROM deliveries WHERE destination = %s AND lane = 'hot' AND state = 'due')"
        return bool(connection.exec_driver_sql(query, (destination,)).scalar_one())


def hot_waits() -> list[float]:
    """Seconds. A lead that is not there yet has waited until now."""
    with transaction(synchronous=False) as connection:
        query = (
            "SELECT extract(epoch FROM coalesce(loaded_at, now()) - wanted_at)::float FROM deliveries"
            " WHERE lane = 'hot'"
        )
        return [float(wait) for (wait,) in connection.exec_driver_sql(query)]


def count_due() -> int:
    with transaction(synchronous=False) as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM deliveries WHERE state = 'due'").scalar_one())


def our_calls(sandbox: Sandbox) -> dict[str, int]:
    """Of everybody, by what became of them."""
    calls = [call for call in sandbox.records.calls() if "token" not in call["route"]]
    refused = sum(call["calls"] for call in calls if call["answer"] == "429")
    return {"ok": sum(call["calls"] for call in calls) - refused, "refused": refused}


class Neighbor(threading.Thread):
    """Another application of the account: reads at random times, no matter what we do."""

    def __init__(self, address: str, ends_at: float) -> None:
        super().__init__(daemon=True)
        self._url = f"{address}/crm/v3/properties/contacts/email"
        self._ends_at = ends_at
        self._answered = {200: 0, 429: 0}

    @property
    def answered(self) -> dict[int, int]:
        return dict(self._answered)

    def run(self) -> None:
        dice, http = random.Random(2), requests.Session()
        http.headers["Authorization"] = f"Bearer {FIXED_TOKEN}"
        next_at = time.time()
        while True:
            next_at += dice.expovariate(NEIGHBOR_SHARE * CALLS_IN_WINDOW / WINDOW_SECONDS)
            if next_at > self._ends_at:
                return
            time.sleep(max(0.0, next_at - time.time()))
            self._answered[http.get(self._url, timeout=10).status_code] += 1


if __name__ == "__main__":
    raise SystemExit(main())
