"""An HTTP load generator that costs little: raw keep-alive connections on asyncio, no client library.

On two cores the sender competes with what it measures, so it does nothing but write bytes and read a status line.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class LoadResult:
    """Latencies in seconds, of the answered requests; `statuses` counts all."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def lead_body(number: int, *, label: str) -> bytes:
    return json.dumps(
        {
            "external_id": f"{label}-{number}",
            "email": f"{label}.{number}@example.com",
            "phone": f"+1212{2_000_000 + number:07d}",
            "first_name": "Ada",
            "last_name": "Brandt",
            "company": "Brandt GmbH",
            "country": "DE",
            "page_url": "https://www.example.com/demo?utm_source=google&utm_medium=cpc",
        }
    ).encode()


async def _post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, body: bytes) -> int:
    writer.write(head + str(len(body)).encode() + b"\r\n\r\n" + body)
    await writer.drain()
    answer = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in answer.split(b"\r\n")[1:]:
        if line[:15].lower() == b"content-length:":
            length = int(line[15:])
    if length:
        await reader.readexactly(length)
    return int(answer[9:12])


async def _run(
    port: int, key: str, seconds: float, clients: int, per_second: float | None, body_of: Callable[[int], bytes]
) -> LoadResult:
    head = (
        f"POST /v1/leads HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    result = LoadResult(seconds)
    start = time.perf_counter()
    counter = iter(range(10**9))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while True:
                number = next(counter)
                if per_second is not None:
                    due = start + number / per_second
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
                if time.perf_counter() - start >= seconds:
                    return
                # With a fixed rate the clock starts when the request was due, so that a stall is not hidden.
                began = start + number / per_second if per_second is not None else time.perf_counter()
                status = await _post(reader, writer, head, body_of(number))
                result.latencies.append(time.perf_counter() - began)
                result.statuses[status] = result.statuses.get(status, 0) + 1
        finally:
            writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    result.seconds = time.perf_counter() - start
    return result


def post_leads(
    port: int, key: str, *, seconds: float, clients: int, label: str, per_second: float | None = None
) -> LoadResult:
    """Post single leads for `seconds` from `clients` connections, as fast as answered or at a fixed rate."""
    return asyncio.run(_run(port, key, seconds, clients, per_second, lambda number: lead_body(number, label=label)))
