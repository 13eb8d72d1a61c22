"""The outbox takes a fixed number of statements a batch, and finds its rows by index however many there are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from pipeline.records import new_id
from pipeline.records.webhooks import WebhookOutcome
from pipeline.store.engine import count_statements, transaction
from pipeline.store.events import events
from pipeline.store.webhooks import contents, endpoints, messages
from tests.support.installation_rows import add_endpoint
from tests.support.store_rows import claim, lead_of, store, write_person

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def connection() -> Iterator[Connection]:
    with transaction() as open_transaction:
        yield open_transaction


def add_messages(connection: Connection, count: int, *, state: str = "delivered") -> None:
    connection.exec_driver_sql(
        "INSERT INTO webhook_messages (endpoint, event, brand, subject_id, person_id, event_id, destination, state)"
        " SELECT 'orders', 'lead.settled', 'default', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'crm',"
        " %s FROM generate_series(1, %s)",
        (state, count),
    )


@pytest.mark.parametrize("size", [2, 16])
def test_a_claim_of_any_size_takes_as_many_statements(connection, size):
    add_messages(connection, size, state="due")
    with count_statements() as seen:
        claim_id, claimed = messages.claim_messages(connection, "orders", most=size, lease_seconds=60)
        contents.read_contents(connection, claimed)
        messages.record_outcomes(
            connection, claim_id, [WebhookOutcome(message.message_id, "delivered", "http_204") for message in claimed]
        )
        endpoints.note_calls(connection, "orders", delivered=size, failed=0, exhausted=0, code="http_204")
    assert (len(claimed), seen.count) == (size, 1 + 3 + 1 + 1)


def test_a_stale_claim_changes_no_message(connection):
    add_messages(connection, 1, state="due")
    _, (message,) = messages.claim_messages(connection, "orders", most=4, lease_seconds=60)
    late = [WebhookOutcome(message.message_id, "delivered", "http_204")]
    assert messages.record_outcomes(connection, new_id(), late) == 0


def test_what_is_due_is_found_by_index_among_many_that_ended(connection):
    add_endpoint()
    add_messages(connection, 20_000)
    add_messages(connection, 5, state="due")
    connection.exec_driver_sql("ANALYZE webhook_messages")
    for condition in ("state = 'due' AND next_attempt_at <= now()", "state = 'in_flight'", "state = 'held'"):
        statement = f"SELECT FROM webhook_messages WHERE endpoint = 'orders' AND {condition}"
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}").scalars())
        assert "Seq Scan" not in plan, plan


def test_settling_leads_that_nobody_listens_to_writes_no_message_and_takes_no_more_statements():
    person_id = write_person(first_name="Ada")
    for expected, listens in ((0, False), (3, True)):
        if listens:
            add_endpoint()
        store(3)
        claimed = claim()
        leads = [lead_of(event_id, person_id) for event_id in claimed.event_ids]
        with transaction() as connection, count_statements() as seen:
            assert len(events.settle_events(connection, claimed.claim_id, leads)) == 3
        assert seen.count == 1
        with transaction() as connection:
            told = connection.exec_driver_sql("SELECT count(*) FROM webhook_messages").scalar_one()
        assert told == expected
