"""A scripted HTTP server and a sandbox CRM, both real and on ports of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from connectors.sandbox.server import Sandbox


class ScriptedServer(ThreadingHTTPServer):
    """Answers from a list, in order: (status, headers, body); None hangs up. The last one is repeated."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _ScriptedHandler)
        self.script: list[tuple[int, dict[str, str], bytes] | None] = []
        self.asked: list[dict[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _ScriptedHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        address = urlsplit(self.path)
        self.server.asked.append(
            {
                "path": address.path,
                "query": dict(parse_qsl(address.query)),
                "headers": dict(self.headers),
                "body": self.rfile.read(length),
            }
        )
        script = self.server.script
        answer = script.pop(0) if len(script) > 1 else script[0]
        if answer is None:
            self.close_connection = True
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names the base class looks for

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    thread = threading.Thread(target=scripted.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield scripted
    scripted.shutdown()
    scripted.server_close()
    thread.join()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(port=0, state=tmp_path / "sandbox" / "crm.sqlite") as running:
        yield running


@pytest.fixture
def dataverse(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(port=0, state=tmp_path / "dataverse" / "crm.sqlite", dialect="dataverse") as running:
        yield running


@pytest.fixture
def hubspot(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(port=0, state=tmp_path / "hubspot" / "crm.sqlite", dialect="hubspot") as running:
        yield running
