"""No personal data lies in PostgreSQL's files in clear: not in tables, not in indexes, not in the write-ahead log."""

from __future__ import annotations

import traceback
from pathlib import Path

import msgspec
import pytest

from pipeline.crypto.encryption import seal_envelope, seal_request
from pipeline.identity.filing import file_evidence
from pipeline.identity.resolution import resolve
from pipeline.records import Envelope, NewEvent, NewRequest, Outcome, Parked, Stage, new_id
from pipeline.store.deliveries import deliveries
from pipeline.store.engine import StoreError, transaction
from pipeline.store.events import events, quarantine
from pipeline.store.people import people
from pipeline.store.people.touches import add_touches, apply_touches
from tests.support.store_rows import NOON, claim, lead_of, new_person, touch_of

# Invented for this test and nowhere else, so that a find is a leak of this test's making.
EMAIL = "wilhelmina.quetzalcoatl-7f3a@example.com"
PHONE = "+442079461739"
NAME = "Wilhelmina Quetzalcoatl"
CITY = "Xylophonville-upon-Test"
PERSONAL = (EMAIL, EMAIL.upper(), "wilhelmina.quetzalcoatl", PHONE, "2079461739", NAME, "Quetzalcoatl", CITY)


def _files_holding(folder: Path, sample: str) -> list[str]:
    needles = (sample.encode(), sample.encode("utf-16-le"), sample.encode().hex().encode())
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if any(needle in content for needle in needles):
                found.append(str(path.relative_to(folder)))
    return found


def _store_everything() -> None:
    """The same person in every table there is a way into."""
    body = f'{{"email": "{EMAIL}", "phone": "{PHONE}", "name": "{NAME}", "city": "{CITY}"}}'.encode()
    with transaction() as connection:
        new = []
        for number in range(3):
            event_id = new_id()
            sealed = seal_envelope(Envelope("application/json", body, {"x-from": EMAIL}, {"note": NAME}), event_id)
            new.append(
                NewEvent("default", "web_form", "hot", bytes([number]) * 32, event_id, sealed, f"e-{number}", NOON)
            )
        request_id = new_id()
        request = NewRequest(request_id, seal_request(Envelope("application/json", body), request_id))
        new[0] = msgspec.structs.replace(new[0], request=request)
        events.insert_events(connection, new)
    held = claim("hot")
    first, second, _ = held.event_ids  # the third one stays in flight
    person = new_person(email=EMAIL, phone=PHONE, full_name=NAME, city=CITY)
    lead = lead_of(first, person.person_id, email=EMAIL, full_name=NAME, phone=PHONE)
    other = lead_of(second, full_name=f"{NAME} Vega", phone=PHONE, city=CITY)  # one person or two: for a human
    with transaction() as connection:
        resolve(connection, file_evidence(connection, [lead, other]), lambda *_: ())
        people.write_people(connection, [person])
        touches = [touch_of(person.person_id, NOON, "google", event_id=first)]
        add_touches(connection, touches)
        apply_touches(connection, touches)
        events.settle_events(connection, held.claim_id, [lead])
        quarantine.park_events(
            connection, held.claim_id, [Parked(second, Stage.MAP_FIELDS, "missing_required", "no e-mail", "email")]
        )
        deliveries.want_deliveries(connection, [("crm", person.person_id, "hot")])
    with transaction() as connection:
        (row,) = quarantine.list_quarantine(connection)
        quarantine.set_patch(connection, row.quarantine_id, {"email": EMAIL, "phone": PHONE, "full_name": NAME})
        sending, dues = deliveries.claim_deliveries(connection, "crm", "hot", limit=9, lease_seconds=60)
        rejected = Outcome(person.person_id, "rejected", code="TOO_LONG", field="City", message="at most 10 characters")
        deliveries.record_outcomes(
            connection, "crm", sending, dues, [rejected], call_id=new_id(), backoff=lambda _: 0.0, max_attempts=3
        )
        # A person that changes leaves its former state in the table and in the log.
        known = people.read_people(connection, [person.person_id], lock=True)[person.person_id]
        known.version += 1
        people.write_people(connection, [known])


@pytest.mark.long
def test_personal_data_is_in_no_file_of_the_database(database):
    _store_everything()
    with transaction() as connection:
        connection.exec_driver_sql("CHECKPOINT")
        folder = Path(connection.exec_driver_sql("SHOW data_directory").scalar_one())
    assert (folder / "PG_VERSION").exists()
    assert any((folder / "base").rglob("*"))
    # The search itself works: what may lie in clear is found.
    assert _files_holding(folder, "missing_required")
    assert {sample: _files_holding(folder, sample) for sample in PERSONAL} == {sample: [] for sample in PERSONAL}


def test_a_statement_that_fails_shows_no_value_in_its_error(database):
    with pytest.raises(StoreError) as caught, transaction() as connection:
        connection.exec_driver_sql("SELECT %s::int", (EMAIL,))
    shown = "".join(traceback.format_exception(caught.value))
    assert "InvalidTextRepresentation" in shown
    assert EMAIL not in shown
