"""A batch of any size takes a fixed number of statements: what makes the store fast is held here."""

from __future__ import annotations

import pytest

from pipeline.records import Consent, Due, Lead, Outcome, Parked, Suppressed, new_id
from pipeline.store import balance, deliveries, events, people, quarantine
from pipeline.store.engine import count_statements, transaction
from tests.integration.store_rows import NOON, claim, key_of, lead_of, minutes, new_event, new_person, states, touch_of

pytestmark = pytest.mark.usefixtures("database")

# BEGIN and COMMIT come on top. Raise a number only with a reason: each is a round trip per batch.
EXPECTED = {
    "insert_events": 2,
    "claim_events": 2,
    "read_claimed": 1,
    "read_patches": 1,
    "lock_keys": 1,
    "find_people": 1,
    "write_people": 1,
    "add_match_keys": 1,
    "read_people": 1,
    "update people": 1,
    "add_touches": 1,
    "apply_touches": 2,
    "add_consents": 1,
    "settle_events": 1,
    "suppress_events": 1,
    "park_events": 1,
    "want_deliveries": 1,
    "claim_deliveries": 1,
    "read_people_to_send": 1,
    "record_outcomes": 3,
    "sweeps of nothing": 2,
    "balance": 3,
}


@pytest.mark.parametrize("size", [4, 200])
def test_a_batch_makes_as_many_statements_as_it_should_whatever_its_size(size):
    counted = {}

    def run(name, work):
        with transaction() as connection, count_statements() as seen:
            result = work(connection)
        counted[name] = seen.count
        return result

    run("insert_events", lambda it: events.insert_events(it, [new_event() for _ in range(size)]))
    held = run("claim_events", lambda it: events.claim_events(it, "bulk", limit=size, lease_seconds=60))
    raw = run("read_claimed", lambda it: events.read_claimed(it, held))
    run("read_patches", lambda it: quarantine.read_patches(it, held.event_ids))
    assert len(raw) == size

    persons = [new_person(name="a") for _ in raw]
    leads: list[Lead] = [lead_of(one, person.person_id) for one, person in zip(raw, persons, strict=True)]
    for lead in leads:
        lead.consents = [Consent("marketing", "email", granted=True)]
    keys = [("default", key_of(one.event_id.hex)) for one in raw]
    rows = [(*key, lead.person_id, lead.event_id) for key, lead in zip(keys, leads, strict=True)]
    run("lock_keys", lambda it: people.lock_keys(it, keys))
    run("find_people", lambda it: people.find_people(it, keys))
    run("write_people", lambda it: people.write_people(it, persons))
    run("add_match_keys", lambda it: people.add_match_keys(it, rows))
    known = run("read_people", lambda it: people.read_people(it, [one.person_id for one in persons], lock=True))
    run("update people", lambda it: people.write_people(it, list(known.values())))

    touches = [touch_of(lead.person_id, NOON + minutes(1), "a", event_id=lead.event_id) for lead in leads]
    run("add_touches", lambda it: people.add_touches(it, touches))
    run("apply_touches", lambda it: people.apply_touches(it, touches))
    run("add_consents", lambda it: people.add_consents(it, leads))

    half, quarter = size // 2, size // 4
    run("settle_events", lambda it: events.settle_events(it, held.claim_id, leads[:half]))
    ended = [Suppressed(lead.event_id, "spam") for lead in leads[half : half + quarter]]
    run("suppress_events", lambda it: events.suppress_events(it, held.claim_id, ended))
    parked = [Parked(lead.event_id, "map", "a", "") for lead in leads[half + quarter :]]
    run("park_events", lambda it: quarantine.park_events(it, held.claim_id, parked))
    assert states() == {"settled": half, "suppressed": quarter, "quarantined": quarter}

    wanted = [("crm", lead.person_id, "bulk") for lead in leads]
    run("want_deliveries", lambda it: deliveries.want_deliveries(it, wanted))
    sending, dues = run(
        "claim_deliveries", lambda it: deliveries.claim_deliveries(it, "crm", "bulk", limit=size, lease_seconds=60)
    )
    run("read_people_to_send", lambda it: deliveries.read_people_to_send(it, [due.person_id for due in dues]))
    assert len(dues) == size
    said = [Outcome(due.person_id, ("sent", "retry", "rejected")[place % 3]) for place, due in enumerate(dues)]
    run("record_outcomes", lambda it: _record(it, sending, dues, said))
    run("sweeps of nothing", lambda it: (events.sweep_leases(it), deliveries.sweep_deliveries(it)))
    run("balance", balance.balance)
    assert counted == EXPECTED


def _record(connection, claim_id, dues: list[Due], said: list[Outcome]) -> None:
    deliveries.record_outcomes(
        connection, "crm", claim_id, dues, said, call_id=new_id(), backoff=lambda _: 1.0, max_attempts=3
    )


def test_nothing_to_do_takes_no_statement():
    with transaction() as connection, count_statements() as seen:
        events.insert_events(connection, [])
        events.settle_events(connection, new_id(), [])
        events.suppress_events(connection, new_id(), [])
        events.read_events(connection, [])
        quarantine.park_events(connection, new_id(), [])
        quarantine.read_patches(connection, [])
        people.lock_keys(connection, [])
        people.find_people(connection, [])
        people.read_people(connection, [], lock=True)
        people.write_people(connection, [])
        people.add_match_keys(connection, [])
        people.add_touches(connection, [])
        people.apply_touches(connection, [])
        people.add_consents(connection, [])
        deliveries.want_deliveries(connection, [])
        deliveries.read_people_to_send(connection, [])
        _record(connection, new_id(), [], [])
    assert seen.count == 0
    assert claim() is None
