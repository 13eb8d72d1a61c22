"""Ids of leads as Meta posts them, a provider that has the leads, and what tests ask about both."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from connectors.sandbox.providers.provider import Provider
from connectors.sandbox.providers.server import ProviderServer
from pipeline.store.engine import transaction
from tests.support.intake_server import Receiver
from tests.support.services import forget_caches

SOURCE = "meta_lead_ads"
TOKEN = "a-page-token"
_SECRET = "an-app-secret"
META_SECRETS = {
    "META_LEAD_ADS_APP_SECRET": _SECRET,
    "META_LEAD_ADS_VERIFY_TOKEN": "a-verify-token",
    "META_LEAD_ADS_TOKEN": TOKEN,
}
_numbers = itertools.count(990_000_000_001)


@contextmanager
def meta(folder: Path, monkeypatch: pytest.MonkeyPatch, **provider: Any) -> Iterator[Provider]:
    """A provider of leads that the source is set up to read from."""
    played = Provider(SOURCE, tokens={TOKEN}, **provider)
    with ProviderServer(played) as server:
        config = folder / "afluente.yaml"
        lines = f"    url: {server.address}\n    options: {{calls_per_second: 200}}\n"
        config.write_text(f"sources:\n  {SOURCE}:\n{lines}tuning: {{lease_seconds: 3, sweep_seconds: 0.3}}\n")
        environment = {"AFLUENTE_CONFIG": str(config), "AFLUENTE_DATA": str(folder), **META_SECRETS}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        forget_caches()
        yield played
    forget_caches()


def lead(provider: Provider, email: str, **more: Any) -> str:
    """A lead that the provider has; gives its id."""
    lead_id = str(next(_numbers))
    fields = [{"name": "email", "values": [email]}]
    provider.records[path_of(lead_id)] = {
        "id": lead_id, "created_time": "2026-03-02T09:14:54+0000", "platform": "fb", "field_data": fields, **more,
    }  # fmt: skip
    return lead_id


def path_of(lead_id: str) -> str:
    return f"/v25.0/{lead_id}"


def post_ids(receiver: Receiver, *lead_ids: str, brand: str = "default") -> requests.Response:
    """As Meta posts them: signed, several in a body."""
    changes = [
        {"field": "leadgen", "value": {"leadgen_id": lead_id, "page_id": "11", "created_time": 1772442894}}
        for lead_id in lead_ids
    ]
    return post_body(
        receiver, {"object": "page", "entry": [{"id": "11", "time": 1772442895, "changes": changes}]}, brand=brand
    )


def post_body(receiver: Receiver, content: dict[str, Any], *, brand: str = "default") -> requests.Response:
    """Signed as Meta signs."""
    body = json.dumps(content).encode()
    signature = "sha256=" + hmac.new(_SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature}
    return receiver.post(f"/in/{brand}/{SOURCE}", data=body, headers=headers)


def states() -> dict[str, str]:
    """State of each event by the id that came."""
    with transaction() as connection:
        rows = connection.exec_driver_sql("SELECT external_id, state FROM events WHERE source = %s", (SOURCE,))
        return dict(tuple(row) for row in rows)


def waiting() -> int:
    """Records that are still to be read."""
    with transaction() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM fetches").scalar_one())


def skip_pauses() -> None:
    """As if the time of every wait were over."""
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE fetch_pauses SET until = now() - interval '1 second'")
        connection.exec_driver_sql("UPDATE fetches SET due_at = now() WHERE claim IS NULL")
