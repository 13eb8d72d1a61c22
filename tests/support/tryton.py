"""A real Tryton for tests: a server process of its own environment (.venv-tryton), and a line to it that can be cut.

The database with its modules takes most of a minute to make; it is made once and kept beside the programs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.paths import ROOT

PROGRAMS = ROOT / ".venv-tryton"
USER, PASSWORD = "afluente", "leads-to-tryton-1"
_ADMIN_PASSWORD = "admin-of-the-tests-1"
_START_SECONDS = 120.0

needs_tryton = pytest.mark.skipif(
    not (PROGRAMS / ".installed").exists(), reason="Tryton is not installed: `make .venv-tryton/.installed` does it"
)


class Tryton:
    """A server that runs. `rpc` calls it as its administrator."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.context: dict[str, Any] = {"company": 1, "active_test": False}
        self._auth = ""

    def rpc(self, method: str, *params: Any) -> Any:
        headers = {"Authorization": f"Session {self._auth}"} if self._auth else {}
        body = {"id": 1, "method": method, "params": list(params)}
        answer = requests.post(f"{self.url}/crm/rpc/", json=body, headers=headers, timeout=60)
        answer.raise_for_status()
        said = answer.json()
        assert "error" not in said, said["error"]
        return said["result"]

    def log_in(self) -> None:
        user, key, _ = self.rpc("common.db.login", "admin", {"password": _ADMIN_PASSWORD}, "en")
        self._auth = b64encode(f"admin:{user}:{key}".encode()).decode()

    def new(self, model: str, **values: Any) -> int:
        return self.rpc(f"model.{model}.create", [values], self.context)[0]

    def all(self, model: str, *fields: str, where: list[Any] | None = None) -> list[dict[str, Any]]:
        order = [["id", "ASC"]]
        return self.rpc(f"model.{model}.search_read", where or [], 0, None, order, list(fields), self.context)

    def change(self, model: str, record: int, **values: Any) -> None:
        self.rpc(f"model.{model}.write", [record], values, self.context)


class Line:
    """Passes requests on to a server, one for each connection. Where the next of `cuts` stands in a request, the
    request is passed on whole and the client's connection is cut at once: the server works on, unheard. Between cuts
    some requests go through, as a client that comes again at once should have its way."""

    _BETWEEN = 6

    def __init__(self, port: int) -> None:
        self._upstream = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.cuts: list[bytes] = []
        self.methods: list[str] = []
        self._next_cut = 0  # how many requests there have to be before it
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._upstream) as server:
            request = _read_request(client)
            server.sendall(request)
            self.methods.append(request.partition(b'"method":"')[2].partition(b'"')[0].decode())
            if self.cuts and self.cuts[0] in request and len(self.methods) > self._next_cut:
                del self.cuts[0]
                self._next_cut = len(self.methods) + self._BETWEEN
                client.shutdown(socket.SHUT_RDWR)
                client.close()
            while piece := server.recv(65_536):
                with contextlib.suppress(OSError):
                    client.sendall(piece)


def _read_request(client: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        request += client.recv(65_536)
    head, _, body = request.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += client.recv(65_536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def running_tryton(folder: Path, *, sql: str = "") -> Iterator[Tryton]:
    """A server on a copy of the made database, to which `sql` was done."""
    made = PROGRAMS / "crm.sqlite"
    if not made.exists():
        _make_database(made)
    (folder / "databases").mkdir(parents=True)
    database = shutil.copyfile(made, folder / "databases" / "crm.sqlite")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript(sql)
    with _serving(folder) as tryton:
        tryton.log_in()
        yield tryton


def _make_database(made: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "databases").mkdir()
        database = folder / "databases" / "crm.sqlite"
        database.touch()
        _configure(folder, port=0)
        _administer(folder, "--all", "--email", "admin@example.org")
        _administer(folder, "-u", "sale_opportunity", "--activate-dependencies")
        with _serving(folder) as tryton:
            tryton.log_in()
            tryton.context = {}  # there is no company yet
            _set_up(tryton)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finished = made.with_suffix(f".{os.getpid()}")
        shutil.copyfile(database, finished)
        finished.replace(made)  # whole or not at all: another process may be making it too


def _set_up(tryton: Tryton) -> None:
    """A company, and an account with no more rights than docs/tryton.md asks for."""
    rates = [["create", [{"rate": {"__class__": "Decimal", "decimal": "1"}}]]]
    euro = tryton.new("currency.currency", name="Euro", code="EUR", symbol="€", digits=2, rates=rates)
    party = tryton.new("party.party", name="Sample Works")
    company = tryton.new("company.company", party=party, currency=euro, timezone="Europe/Paris")
    seller = tryton.new("company.employee", party=tryton.new("party.party", name="Seller"), company=company)
    mine = {"companies": [["add", [company]]], "company": company}
    tryton.change("res.user", 1, **mine, employees=[["add", [seller]]], employee=seller)
    (group,) = tryton.all("res.group", "name", where=[["name", "=", "Sale Opportunity"]])
    tryton.new("res.user", name="Afluente", login=USER, password=PASSWORD, groups=[["add", [group["id"]]]], **mine)


def _administer(folder: Path, *arguments: str) -> None:
    password = folder / "password"
    password.write_text(_ADMIN_PASSWORD, encoding="utf-8")
    command = [str(PROGRAMS / "bin" / "trytond-admin"), "-c", str(folder / "trytond.conf"), "-d", "crm", *arguments]
    subprocess.run(
        command, env={**os.environ, "TRYTONPASSFILE": str(password)}, check=True, capture_output=True, timeout=240
    )


def _configure(folder: Path, *, port: int) -> None:
    settings = f"[database]\nuri = sqlite://\npath = {folder}/databases\n[web]\nlisten = 127.0.0.1:{port}\n"
    (folder / "trytond.conf").write_text(settings, encoding="utf-8")


@contextlib.contextmanager
def _serving(folder: Path) -> Iterator[Tryton]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    _configure(folder, port=port)
    command = [str(PROGRAMS / "bin" / "trytond"), "-c", str(folder / "trytond.conf"), "-d", "crm"]
    with (folder / "trytond.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until = time.monotonic() + _START_SECONDS
        while True:
            assert process.poll() is None, (folder / "trytond.log").read_text(encoding="utf-8")[-2_000:]
            assert time.monotonic() < until, "Tryton does not start"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield Tryton(port)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
