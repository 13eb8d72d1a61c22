"""Shipped sources as their senders post to them: signed over the bytes that are sent; and what became of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

import requests

from connectors.kit import sources
from connectors.kit.sources.key_in_body import signed_body
from connectors.kit.sources.samples import samples_of
from connectors.kit.sources.signatures import HmacSha256
from tests.support.command_line import answer, lines, work
from tests.support.identity_rows import rows
from tests.support.intake_server import Receiver, count_events

SECRET = "test_secret"


def set_secrets(monkeypatch: Any, slugs: Iterable[str], secret: str = SECRET) -> None:
    """The same secret for the signatures of all of them that sign."""
    for slug in slugs:
        if signature := getattr(sources()[slug].intake, "signature", None):
            monkeypatch.setenv(signature.secret.name, secret)


def post(
    receiver: Receiver, source: str, body: Any, *, secret: str = SECRET, content_type: str = "application/json"
) -> requests.Response:
    """As the source itself posts."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = sources()[source].intake.signature
    raw = signed_body(signature, secret, raw)
    path = f"/in/default/{source}"
    address = {"headers": {":method": "POST", ":uri": receiver.address + path}}
    more = address if isinstance(signature, HmacSha256) else {}
    headers = signature.sign(secret=secret, body=raw, message_id="m", now=time.time(), **more)
    return receiver.post(path, data=raw, headers={"Content-Type": content_type, **headers})


def sample(source: str, name: str = "typical") -> dict[str, Any]:
    """A JSON sample, parsed."""
    return json.loads(next(sample.body for sample in samples_of(source) if sample.name == name))


def settle(receiver: Receiver, source: str, *bodies: Any, content_type: str = "application/json") -> None:
    """Post these one after another, each worked off before the next one."""
    for body in bodies:
        assert post(receiver, source, body, content_type=content_type).status_code == 200
        work()


def assert_samples_end(receiver: Receiver, source: str) -> None:
    """Each sample is taken and ends as a lead or with a reason."""
    for given in samples_of(source):
        assert post(receiver, source, given.body, content_type=given.content_type).status_code == 200, given.name
    work()
    balance = answer("balance")["all"]
    assert balance["accepted"] == count_events(source)
    assert (balance["difference"], balance["pending"], balance["in_flight"]) == (0, 0, 0)
    assert balance["settled"] >= 2
    codes = [code for (code,) in rows("SELECT code FROM quarantine")]
    assert not {"bug", "prepare_failed", "mapping_unreadable"} & set(codes), codes


def ends() -> list[tuple[str, str | None]]:
    """(state, reason) of each event, in the order of arrival, as people are told."""
    return [(lead["state"], lead["reason"]) for lead in reversed(answer("leads", "list", "--limit", "100"))]


def touches() -> list[tuple[str | None, str | None]]:
    """(source, channel) of each touch, in order."""
    return rows("SELECT source, channel FROM touches ORDER BY occurred_at, event_id")


def people() -> list[dict[str, Any]]:
    return lines("people", "export")
