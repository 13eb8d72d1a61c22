"""What strangers cost the others: signed leads and forms while hostile requests come, beside the same without them.

    python -m benchmarks.strangers [--seconds 60] [--per-second 20]

One run of the whole system on this machine: first without strangers, then with. Figures are seconds; what counts are
the ratios of the two, and that the receiver's memory does not grow.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import tempfile
import time
from collections.abc import Callable
from multiprocessing import Process, Queue
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import requests

from connectors.kit import Secret, StandardWebhooks
from pipeline.settings.installation import embedded_database_url
from tests.support.hostile import BODIES, CONTENT_TYPES, FORM, JSON
from tests.support.system import System

_SIZE = 250_000  # just under what a form may hold
_SIGNED_PER_SECOND = 5.0
_FORMS_PER_SECOND = 10.0
_WARM_SECONDS = 10.0
_TO_CRM = """
    SELECT extract(epoch FROM deliveries.loaded_at - events.received_at)
    FROM events LEFT JOIN deliveries USING (person_id)
    WHERE events.source = 'standard_webhooks' AND events.received_at >= to_timestamp(%s)
"""
Request = tuple[dict[str, str], bytes]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--per-second", type=float, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        system = System(Path(folder) / "data").start()
        try:
            measure(system, _WARM_SECONDS, 0)  # the first lead of a worker loads its mappings
            results = {
                "without": measure(system, options.seconds / 3, 0),
                "with": measure(system, options.seconds, options.per_second),
            }
        finally:
            system.stop()
    print(json.dumps(results, indent=2))
    return 0


def measure(system: System, seconds: float, hostile_per_second: float) -> dict[str, Any]:
    """Percentiles of one phase, the answers that were given, and the receiver's memory at ten moments."""
    begun, strangers = time.time(), Queue()
    sender = Process(target=_send_hostile, args=(system.port, seconds, hostile_per_second, strangers))
    sender.start()
    seen = asyncio.run(_phase(system, seconds))
    seen |= {"hostile": (of_strangers := strangers.get())["hostile"]}
    seen["statuses"] |= of_strangers["statuses"]
    sender.join()
    to_crm = _wait_for_the_crm(system, begun)
    return {
        "signed_lead_to_crm": _summary(to_crm),
        "signed_lead_answer": _summary(seen["signed"]),
        "form_answer": _summary(seen["form"]),
        "hostile_answer": _summary(seen["hostile"]),
        "statuses": seen["statuses"],
        "receiver_mb": seen["memory"],
    }


def _send_hostile(port: int, seconds: float, per_second: float, answers: Queue[dict[str, Any]]) -> None:
    """In a process of its own, so that making and sending these is no part of what the others wait for."""
    seen: dict[str, Any] = {"hostile": [], "statuses": {}}

    async def send() -> None:
        hostile, end = itertools.cycle(_hostile_requests()), time.perf_counter() + seconds
        rate = per_second / 4  # four clients: one that waits for its answer does not slow the others
        await asyncio.gather(
            *(
                _send(port, "/in/default/web_form", lambda _: next(hostile), rate, end, seen, "hostile")
                for _ in range(4)
            )
        )

    if per_second:
        asyncio.run(send())
    answers.put(seen)


async def _phase(system: System, seconds: float) -> dict[str, Any]:
    credentials = json.loads((system.data / "credentials.json").read_text())
    secret = credentials["sources"]["standard_webhooks"]
    seen: dict[str, Any] = {"signed": [], "form": [], "statuses": {}, "memory": []}
    end = time.perf_counter() + seconds
    form, hooks = "/in/default/web_form", "/in/default/standard_webhooks"
    senders = [
        _watch(_receiver(system), seconds, seen["memory"]),
        _send(system.port, hooks, lambda n: _signed(secret, n), _SIGNED_PER_SECOND, end, seen, "signed"),
        _send(system.port, form, _form, _FORMS_PER_SECOND, end, seen, "form"),
    ]
    await asyncio.gather(*senders)
    return seen


async def _send(
    port: int, path: str, make: Callable[[int], Request], rate: float, end: float, seen: dict[str, Any], name: str
) -> None:
    """Requests at a steady rate, one after the other on a connection; a closed one is opened again."""
    loop = asyncio.get_running_loop()
    http = requests.Session()
    begun = time.perf_counter()
    for number in itertools.count():
        await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        if time.perf_counter() >= end:
            return
        headers, body = make(number)
        at = time.perf_counter()
        status = await loop.run_in_executor(None, _post, http, f"http://127.0.0.1:{port}{path}", headers, body)
        seen[name].append(time.perf_counter() - at)
        key = f"{name} {status}"
        seen["statuses"][key] = seen["statuses"].get(key, 0) + 1


async def _watch(receiver: psutil.Process, seconds: float, sizes: list[float]) -> None:
    for _ in range(10):
        await asyncio.sleep(seconds / 10)
        sizes.append(round(receiver.memory_info().rss / 1e6, 1))


def _post(http: requests.Session, address: str, headers: dict[str, str], body: bytes) -> int:
    try:
        return http.post(address, data=body, headers=headers, timeout=60).status_code
    except requests.ConnectionError:  # a body beyond the limit is not read to its end
        return 0


def _hostile_requests() -> list[Request]:
    bodies = [make(_SIZE) for make in BODIES.values()]
    headers = [{"Content-Type": make(30_000)} for make in CONTENT_TYPES.values()]
    lists = json.dumps([{"a": "1"}] * 4_000).encode()
    return [
        *((hostile.headers, hostile.body) for hostile in bodies),
        *((header, b'{"email": "ada@example.org"}') for header in headers),
        *[({"Content-Type": JSON}, lists), ({"Content-Type": JSON}, b'{"a": "1"}'), ({"Content-Type": FORM}, b"a=1")]
        * 5,
    ]


def _signed(secret: str, number: int) -> Request:
    lead = {"email": f"lead.{time.time_ns()}@example.org", "first_name": "Ada", "last_name": f"Brandt {number}"}
    body = json.dumps({"type": "lead.created", "timestamp": "2026-03-02T09:14:55Z", "data": lead}).encode()
    scheme = StandardWebhooks(secret=Secret("STANDARD_WEBHOOKS_SECRET"))
    proof = scheme.sign(secret=secret, body=body, message_id=f"bench-{time.time_ns()}", now=time.time())
    return {"Content-Type": JSON, **proof}, body


def _form(_: int) -> Request:
    return {"Content-Type": JSON}, json.dumps({"email": f"form.{time.time_ns()}@example.org"}).encode()


def _receiver(system: System) -> psutil.Process:
    pids = {process["name"]: process["pid"] for process in system.json("status")["processes"]}
    return psutil.Process(pids["receiver"])


def _wait_for_the_crm(system: System, begun: float) -> list[float]:
    """Seconds from the commit to the CRM's answer, of each signed lead of this phase."""
    url = embedded_database_url(system.data).replace("postgresql+psycopg2", "postgresql")
    deadline = time.monotonic() + 120
    while True:
        with psycopg2.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(_TO_CRM, (begun,))
            seconds = [row[0] for row in cursor.fetchall()]
        if all(value is not None for value in seconds) or time.monotonic() > deadline:
            return [float(value) if value is not None else float("inf") for value in seconds]
        time.sleep(1)


def _summary(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    if not ordered:
        return {}
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4) for name, share in shares.items()}


if __name__ == "__main__":
    raise SystemExit(main())
