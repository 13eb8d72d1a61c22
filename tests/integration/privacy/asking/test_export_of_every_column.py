"""Every column that an export is to show, filled and read again in it: whatever its type, sealed ones too."""

from __future__ import annotations

import json

import pytest

from pipeline.crypto.encryption import seal_fetched
from pipeline.privacy.inventory import tables_of_people
from pipeline.records import Envelope
from pipeline.store.engine import transaction
from pipeline.store.events import quarantine
from tests.support.command_line import run
from tests.support.identity_rows import rows
from tests.support.needles import ADA, plant

pytestmark = pytest.mark.usefixtures("database")
CONFIRMATION = (
    "INSERT INTO consent_confirmations"
    " (confirmation_id, digest, event_id, person_id, brand, source, purpose, channel, by, expires_at)"
    " VALUES (gen_random_uuid(), '\\x00', %s, %s, 'default', 'needle-asked', 'marketing', 'email', 'mail', now())"
)


def plant_sealed() -> None:
    """A person with all that `plant` gives, what was read by an id, what a human set, and a question that waits."""
    person, _ = plant()
    ((event,),) = rows("SELECT event_id FROM events WHERE person_id = %s", person)
    ((row,),) = rows("SELECT quarantine_id FROM quarantine WHERE event_id = %s", event)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE quarantine SET resolution = 'open' WHERE quarantine_id = %s", (row,))
        assert quarantine.set_patch(connection, row, {"last_name": "needle-patch"})
        connection.exec_driver_sql("UPDATE quarantine SET resolution = 'discarded' WHERE quarantine_id = %s", (row,))
        fetched = seal_fetched(Envelope("application/json", b'{"note": "needle-fetched"}'), event)
        connection.exec_driver_sql("UPDATE event_bodies SET fetched = %s WHERE event_id = %s", (fetched, event))
        connection.exec_driver_sql(CONFIRMATION, (event, person))


def test_every_table_with_a_row_of_somebody_shows_each_of_its_columns_opened(tmp_path):
    plant_sealed()
    out = tmp_path / "out"
    done = run("privacy", "export", "--email", str(ADA["email"]), "--out", str(out))
    assert done.returncode == 0, done.stderr
    text = (out / "data.json").read_text()
    tables = json.loads(text)["tables"]
    shown = {table: set().union(*read) for table, read in tables.items() if read}
    wanted = {
        held.table: {column.name for column in held.exported}
        for held in tables_of_people()
        if held.reach and held.exported
    }
    body = shown.pop("event_bodies")
    assert {"record", "headers", "origin", "fetched"} <= body  # opened, and of a larger body their part alone
    assert shown == {table: columns for table, columns in wanted.items() if table != "event_bodies"}
    for needle in ("needle-fetched", "needle-patch", "needle-asked"):
        assert needle in text, needle
