"""A receiver on a real socket, in a thread of the test, and what tests ask the database about it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import requests

from connectors.kit import Connector
from pipeline.intake.edge.server import EdgeServer
from pipeline.intake.edge.tls import tls_of
from pipeline.intake.receiver.http import create_app
from pipeline.intake.receiver.serving import server_config
from pipeline.records import RawEvent
from pipeline.settings.loading import Settings, settings
from pipeline.store.engine import transaction
from pipeline.store.events.events import read_events

KEY = "an-api-key-of-the-tests"


class Receiver:
    def __init__(self, address: str, *, tls_port: int | None = None) -> None:
        self.address = address
        self.tls_port = tls_port
        self.http = requests.Session()

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.http.post(self.address + path, timeout=20, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.http.get(self.address + path, timeout=20, **options)

    def post_leads(self, leads: Any, *, key: str | None = KEY, **headers: str) -> requests.Response:
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return self.post("/v1/leads", json=leads, headers=headers)

    def get_lead(self, event_id: str, *, key: str = KEY) -> requests.Response:
        return self.get(f"/v1/leads/{event_id}", headers={"Authorization": f"Bearer {key}"})

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


@contextlib.contextmanager
def running_receiver(
    known: Settings | None = None, *, connectors: Mapping[str, Connector] | None = None, port: int = 0
) -> Iterator[Receiver]:
    known = known or settings()
    app = create_app(known, connectors=connectors)
    server = EdgeServer(server_config(app, known, port=port), tls_of(known))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.is_open:
        assert thread.is_alive(), "the receiver did not start"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Receiver(f"http://127.0.0.1:{port}", tls_port=server.tls_port)
    finally:
        server.should_exit = True
        thread.join(20)


def count_events(source: str | None = None) -> int:
    with transaction() as connection:
        return int(
            connection.exec_driver_sql(
                "SELECT count(*) FROM events WHERE %(source)s::text IS NULL OR source = %(source)s", {"source": source}
            ).scalar_one()
        )


def stored_events(source: str) -> list[RawEvent]:
    """Events of a source with their bodies opened, oldest first."""
    with transaction() as connection:
        ids = list(connection.exec_driver_sql("SELECT event_id FROM events WHERE source = %s", (source,)).scalars())
        return read_events(connection, ids)


def quarantined(source: str) -> list[tuple[str, str]]:
    """(code, message) of a source's open quarantine entries."""
    with transaction() as connection:
        rows = connection.exec_driver_sql(
            "SELECT code, message FROM quarantine WHERE source = %s AND resolution = 'open' ORDER BY message", (source,)
        )
        return [(code, message) for code, message in rows]


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])
