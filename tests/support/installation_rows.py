"""Settings of an installation with one CRM, and rows that wait in it, a line each."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pipeline.records import NewEvent, new_id
from pipeline.store.deliveries.crm_consents import begin_reading
from pipeline.store.engine import transaction
from pipeline.store.events.events import insert_events
from tests.support.services import forget_caches


def configure(folder: Path, address: str, **changes) -> None:
    document = {"destinations": {"crm": {"kind": "salesforce", "base_url": address}}} | changes
    (folder / "afluente.yaml").write_text(json.dumps(document), encoding="utf-8")
    forget_caches()


def add_events(count: int, lane: str) -> None:
    new = [NewEvent("default", "web_form", lane, os.urandom(32), new_id(), b"sealed") for _ in range(count)]
    with transaction() as connection:
        insert_events(connection, new)


def add_delivery(state: str, *, lane: str = "bulk", error: str | None = None) -> None:
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO deliveries (destination, person_id, brand, lane, wanted_version, state, last_error,"
            " last_error_at) VALUES ('crm', %s, 'default', %s, 1, %s, %s, now())",
            (new_id(), lane, state, error),
        )


def add_opt_out_reading() -> None:
    with transaction() as connection:
        begin_reading(connection, "crm", "Lead", settings_digest="1", hold_seconds=60)


def add_endpoint() -> None:
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO webhook_endpoints (name, events) VALUES ('orders', ARRAY['lead.settled'])"
        )


def age(table: str, column: str, seconds: int) -> None:
    with transaction() as connection:
        connection.exec_driver_sql(f"UPDATE {table} SET {column} = now() - make_interval(secs => {seconds})")
