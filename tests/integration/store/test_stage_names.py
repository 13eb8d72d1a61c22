"""A stage has one name wherever it is told: its task's. Rows of a version that had two for one are renamed."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from alembic import command
from structlog.testing import capture_logs

from pipeline import flow, tasks
from pipeline.records import new_id
from pipeline.store import schema
from pipeline.store.engine import engine, transaction
from tests.support.services import API_KEYS, SECRET_KEYS, forget_caches
from tests.support.store_rows import store

CHAIN = (tasks.map_fields, tasks.normalize, tasks.dedupe, tasks.attribute, tasks.load)


@pytest.fixture
def version_0004(empty_database, services, monkeypatch) -> Iterator[None]:
    """A database with the tables of the version before."""
    monkeypatch.setenv("AFLUENTE_SECRET_KEYS", SECRET_KEYS)
    monkeypatch.setenv("AFLUENTE_DATABASE_URL", empty_database)
    monkeypatch.setenv("AFLUENTE_API_KEYS", API_KEYS)
    monkeypatch.setenv("AFLUENTE_DATA", str(services.data))
    forget_caches()
    config = schema._alembic_config()
    with engine().connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.commit()
    with transaction() as connection:
        schema.ensure_partitions(connection)
    yield
    forget_caches()


def break_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr(flow, "map_raw_event", stumble)


@pytest.mark.usefixtures("database")
def test_a_lead_whose_fields_cannot_be_named_waits_under_the_name_of_that_task(monkeypatch):
    store(1)
    claim = flow.claim_batch("bulk")
    assert claim is not None
    break_mapping(monkeypatch)
    with capture_logs() as logs:
        (parked,) = flow.map_claim(claim).parked
    assert parked.stage == "map_fields"
    assert [entry["stage"] for entry in logs if entry["event"] == "record_failed"] == ["map_fields"]


def test_each_step_of_the_chain_tells_its_task_s_name():
    assert [f"leads.{task.stage}" for task in CHAIN] == [task.name for task in CHAIN]


@pytest.mark.usefixtures("version_0004")
def test_rows_of_the_version_that_had_two_names_get_the_one_that_is_left():
    parked_before(stage="map")
    parked_before(stage="map_fields")
    parked_before(stage="normalize")
    schema.migrate(engine())
    with transaction() as connection:
        rows = connection.exec_driver_sql("SELECT stage FROM quarantine ORDER BY stage").scalars().all()
        states = connection.exec_driver_sql("SELECT stage FROM events ORDER BY stage").scalars().all()
    assert rows == states == ["map_fields", "map_fields", "normalize"]


@pytest.mark.usefixtures("version_0004")
def test_an_event_that_went_on_since_is_not_put_back_into_a_stage():
    event_id = parked_before(stage="map")
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE quarantine SET resolution = 'replayed'")
        connection.exec_driver_sql("UPDATE events SET state = 'settled', stage = NULL")
    schema.migrate(engine())
    with transaction() as connection:
        (event,) = connection.exec_driver_sql("SELECT event_id, state, stage FROM events").all()
    assert tuple(event) == (event_id, "settled", None)


def parked_before(*, stage: str) -> UUID:
    """An event in quarantine as the version before wrote it; gives its id."""
    event_id = new_id()
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO events (event_id, brand, source, lane, state, stage)"
            " VALUES (%s, 'default', 'web_form', 'bulk', 'quarantined', %s)",
            (event_id, stage),
        )
        connection.exec_driver_sql(
            "INSERT INTO quarantine (quarantine_id, event_id, brand, stage, code, message)"
            " VALUES (%s, %s, 'default', %s, 'bug', '')",
            (new_id(), event_id, stage),
        )
    return event_id
