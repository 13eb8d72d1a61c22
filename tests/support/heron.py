"""Heron, a CRM that nobody makes: its server, for the tests of a stranger who adds it in a folder of their own.

People are upserted by `ref`, fifty a call; each answer names them in an order of its own. Tokens by client credentials.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

FIELDS = {
    "email": 120,
    "given_name": 60,
    "family_name": 80,
    "employer": 200,
    "role": 100,
    "town": 60,
    "origin": 100,
    "same_as": 36,
}
MOST = 50
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
Answer = tuple[int, Any]


class Heron:
    """The CRM's people by `ref`, and its calls."""

    def __init__(self) -> None:
        self.people: dict[str, dict[str, Any]] = {}
        self.tokens: set[str] = set()
        self.calls = 0
        self.url = ""
        self._lock = threading.Lock()
        self._last = 0

    def answer(self, method: str, path: str, query: dict[str, str], token: str, body: bytes) -> Answer:
        if (method, path) == ("POST", "/oauth/token"):
            return self._issue(body)
        self.calls += 1
        if token not in self.tokens:
            return 401, {"problem": "token_expired"}
        routes: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", "/api/me"): lambda: (200, {"team": "sample"}),
            ("GET", "/api/fields"): self._fields,
            ("GET", "/api/people"): lambda: self._page(int(query.get("after", "0"))),
            ("POST", "/api/people/bulk"): lambda: self._bulk(json.loads(body)["people"]),
            ("POST", "/api/people/by-ref"): lambda: self._by_ref(json.loads(body)["refs"]),
            ("POST", "/api/people/search"): lambda: self._search(json.loads(body)["emails"]),
            ("POST", "/api/people/forget"): lambda: self._forget(json.loads(body)["refs"]),
        }
        with self._lock:
            return routes[method, path]() if (method, path) in routes else (404, {"problem": "no_such_route"})

    def _issue(self, body: bytes) -> Answer:
        form = parse_qs(body.decode())
        if form.get("client_secret") != ["heron-secret"]:
            return 400, {"error": "invalid_client"}
        token = secrets.token_hex(8)
        self.tokens.add(token)
        return 200, {"access_token": token, "expires_in": 3600}

    def _bulk(self, people: list[dict[str, Any]]) -> Answer:
        if len(people) > MOST:
            return 413, {"problem": "too_many"}
        outcome = [self.add(person) for person in people]
        status = 207 if any(entry["status"] == "refused" for entry in outcome) else 200
        return status, {"outcome": list(reversed(outcome))}  # in no order that anybody promised

    def add(self, person: dict[str, Any]) -> dict[str, Any]:
        ref, attributes = person["ref"], person["attributes"]
        known = self.people.get(ref)
        if known is None and person.get("only_existing"):
            return {"ref": ref, "status": "missing"}
        problem = self._problem(ref, attributes)
        if problem is not None:
            return {"ref": ref, "status": "refused", "error": problem}
        if known is None:
            self._last += 1
            known = self.people[ref] = {"id": f"H{self._last:06}", "ref": ref, "attributes": {}}
            status = "created"
        else:
            status = "updated"
        merged = {**known["attributes"], **attributes}
        known["attributes"] = {name: value for name, value in merged.items() if value is not None}
        return {"ref": ref, "id": known["id"], "status": status}

    def _problem(self, ref: str, attributes: dict[str, Any]) -> dict[str, str] | None:
        for name, value in attributes.items():
            if name not in FIELDS:
                return {"code": "unknown_field", "field": name, "text": f"no field {name}"}
            if isinstance(value, str) and len(value) > FIELDS[name]:
                return {"code": "too_long", "field": name, "text": f"{name}: {value} is longer than {FIELDS[name]}"}
        email = attributes.get("email")
        if email and not _EMAIL.fullmatch(email):
            return {"code": "bad_email", "field": "email", "text": f"{email} is no address"}
        return None

    def _by_ref(self, refs: list[str]) -> Answer:
        return 200, {"people": [self.people[ref] for ref in refs if ref in self.people]}

    def _search(self, emails: list[str]) -> Answer:
        wanted = {email.lower() for email in emails}
        found = [person for person in self.people.values() if person["attributes"].get("email", "").lower() in wanted]
        return 200, {"people": found}

    def _forget(self, refs: list[str]) -> Answer:
        outcome = [{"ref": ref, "status": "forgotten" if self.people.pop(ref, None) else "missing"} for ref in refs]
        return 200, {"outcome": outcome}

    def _page(self, after: int) -> Answer:
        people = sorted(self.people.values(), key=lambda person: person["id"])
        page = [person for person in people if int(person["id"][1:]) > after][:MOST]
        following = int(page[-1]["id"][1:]) if len(page) == MOST else None
        return 200, {"people": page, "next": following}

    def _fields(self) -> Answer:
        return 200, {"fields": [{"name": name, "type": "text", "length": length} for name, length in FIELDS.items()]}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    heron: Heron


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def handle_any(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        status, said = self.server.heron.answer(self.command, address.path, query, token, body)
        content = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Heron-Calls", f"{self.server.heron.calls}/1000")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = handle_any  # noqa: N815 - the names the base class looks for

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def running_heron() -> Iterator[Heron]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.heron = Heron()
    server.heron.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.heron
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
