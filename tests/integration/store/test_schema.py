"""Models equal migrations, months have partitions, and the hot statements find their rows by index."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine
from structlog.testing import capture_logs

from pipeline.errors import ConfigurationError
from pipeline.records import new_id
from pipeline.store import keyring, schema
from pipeline.store.engine import make_engine, transaction
from pipeline.store.events import events, leases
from pipeline.store.tables import metadata
from tests.support.store_rows import new_event, store

PARTITIONED = ("events", "event_bodies", "request_bodies")
NOVEMBER = datetime(2031, 11, 15, tzinfo=UTC)
_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
    a.attidentity
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) =
    (a.attrelid, a.attnum)
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT c.relispartition
    AND c.relname <> 'alembic_version'
"""
_CONSTRAINTS = """
SELECT c.relname, o.conname, pg_get_constraintdef(o.oid) FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND c.relname <> 'alembic_version'
"""
_INDEXES = """
SELECT tablename, indexname, indexdef FROM pg_indexes i JOIN pg_class c ON c.relname = i.tablename
WHERE schemaname = 'public' AND NOT c.relispartition AND tablename <> 'alembic_version'
"""


@pytest.fixture
def empty_engine(empty_database) -> Iterator[Engine]:
    made = make_engine(empty_database)
    yield made
    made.dispose()


def _catalog(connection: Connection) -> dict[str, set[tuple]]:
    return {
        what: {tuple(row) for row in connection.exec_driver_sql(statement)}
        for what, statement in (("columns", _COLUMNS), ("constraints", _CONSTRAINTS), ("indexes", _INDEXES))
    }


@pytest.mark.usefixtures("database")
def test_models_equal_migrations_for_alembic():
    with transaction() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_name": lambda name, kind, _: not (kind == "table" and schema.is_partition(name)),
            },
        )
        assert compare_metadata(context, metadata) == []


@pytest.mark.usefixtures("database")
def test_models_equal_migrations_down_to_constraints_and_index_conditions(empty_engine):
    metadata.create_all(empty_engine)
    with transaction() as migrated, transaction(on=empty_engine) as modelled:
        ours, theirs = _catalog(migrated), _catalog(modelled)
    for what, rows in ours.items():
        assert rows == theirs[what], what
    assert len(ours["columns"]) > 100
    assert len(ours["indexes"]) > 20


def _migrate(url: str) -> None:
    schema.migrate(make_engine(url))


@pytest.mark.usefixtures("database")
def test_several_processes_may_migrate_an_empty_database_at_once(empty_database, empty_engine):
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_migrate, args=(empty_database,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert schema.is_current(empty_engine)
    with transaction(on=empty_engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM keyring").scalar_one() == 1


@pytest.mark.usefixtures("database")
def test_migrating_again_changes_nothing_and_keeps_the_index_key(empty_engine):
    assert not schema.is_current(empty_engine)
    schema.migrate(empty_engine)
    with transaction(on=empty_engine) as connection:
        before = _catalog(connection), keyring.ensure_index_key(connection)
    schema.migrate(empty_engine)
    with transaction(on=empty_engine) as connection:
        assert (_catalog(connection), keyring.ensure_index_key(connection)) == before


@pytest.mark.usefixtures("database")
def test_a_database_of_a_newer_version_is_refused(empty_engine):
    schema.migrate(empty_engine)
    with transaction(on=empty_engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert not schema.is_current(empty_engine)
    with pytest.raises(ConfigurationError, match="newer version"):
        schema.migrate(empty_engine)


@pytest.mark.usefixtures("database")
def test_the_index_key_is_made_once_and_lies_sealed():
    with transaction() as connection:
        key = keyring.ensure_index_key(connection)
        (sealed,) = connection.exec_driver_sql("SELECT sealed FROM keyring").scalars()
        assert keyring.ensure_index_key(connection) == key
        assert connection.exec_driver_sql("SELECT sealed FROM keyring").scalars().all() == [sealed]
    assert len(key) == 32
    assert key not in bytes(sealed)


@pytest.mark.usefixtures("database")
def test_each_month_gets_its_partitions_once():
    with transaction() as connection:
        made = schema.ensure_partitions(connection, 1, now=NOVEMBER)
        assert made == [f"{table}_{month}" for month in (203111, 203112) for table in PARTITIONED]
        assert schema.ensure_partitions(connection, 2, now=NOVEMBER) == [f"{table}_203201" for table in PARTITIONED]


@pytest.mark.usefixtures("database")
def test_an_event_lies_in_the_partition_of_its_month():
    store(3)
    with transaction() as connection:
        places = connection.exec_driver_sql("SELECT DISTINCT tableoid::regclass::text FROM events").scalars().all()
    assert places == [f"events_{datetime.now(UTC):%Y%m}"]


@pytest.mark.usefixtures("database")
def test_a_partition_has_the_indexes_of_its_table():
    def indexes(connection: Connection, table: str) -> set[str]:
        return set(
            connection.exec_driver_sql(
                "SELECT substring(indexdef from 'USING .*') FROM pg_indexes WHERE tablename = %s", (table,)
            ).scalars()
        )

    with transaction() as connection:
        schema.ensure_partitions(connection, 0, now=NOVEMBER)
        assert indexes(connection, "events_203111") == indexes(connection, "events")
        assert indexes(connection, "events_default") == indexes(connection, "events")


@pytest.mark.usefixtures("database")
def test_a_month_whose_rows_already_lie_in_the_default_partition_is_left_there():
    early = schema.month_bound(NOVEMBER)
    with transaction() as connection:
        events.insert_events(connection, [new_event(event_id=early)])
    with transaction() as connection, capture_logs() as logs:
        made = schema.ensure_partitions(connection, 1, now=NOVEMBER)
    assert made == ["request_bodies_203111", *(f"{table}_203112" for table in PARTITIONED)]
    assert [(entry["event"], entry["partition"]) for entry in logs] == [
        ("partition_left_in_default", "events_203111"),
        ("partition_left_in_default", "event_bodies_203111"),
    ]
    with transaction() as connection:
        assert events.read_events(connection, [early])[0].event_id == early


@pytest.mark.usefixtures("database")
def test_partitions_are_made_while_events_are_stored_and_by_several_at_once():
    def ensure(_: int) -> None:
        with transaction() as connection:
            schema.ensure_partitions(connection, 6, now=NOVEMBER)

    with transaction() as busy, ThreadPoolExecutor(3) as threads:
        events.insert_events(busy, [new_event() for _ in range(10)])
        list(threads.map(ensure, range(2)))
        store(10)
    with transaction() as connection:
        made = connection.exec_driver_sql("SELECT count(*) FROM pg_class WHERE relname ~ '^events_203[12]\\d\\d$'")
        assert made.scalar_one() == 7


@pytest.mark.usefixtures("database")
def test_partitions_are_left_to_whoever_is_making_some():
    """Two who made them at once would wait for each other, and the one that PostgreSQL ends leaves a month unmade."""
    with transaction() as maker:
        assert schema.ensure_partitions(maker, 0, now=NOVEMBER) != []
        with transaction() as other, capture_logs() as logs:
            assert schema.ensure_partitions(other, 6, now=NOVEMBER) == []
        assert logs == [], "it tried, waited and gave up"
    with transaction() as later:
        assert len(schema.ensure_partitions(later, 6, now=NOVEMBER)) == len(PARTITIONED) * 6


def _plan(connection: Connection, statement: str, values: dict) -> str:
    return "\n".join(connection.exec_driver_sql("EXPLAIN " + statement, values).scalars())


@pytest.fixture
def many_events(database) -> None:
    """30,000 settled events and a few that wait, as after a busy day."""
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO events (event_id, brand, source, lane, state)"
            " SELECT (left(%(now)s, 18) || right(gen_random_uuid()::text, 18))::uuid, 'default', 'web_form', 'bulk',"
            " 'settled' FROM generate_series(1, 30000)",
            {"now": str(new_id())},
        )
    store(20)
    with transaction() as connection:
        connection.exec_driver_sql("ANALYZE events")


@pytest.mark.usefixtures("many_events")
def test_claims_and_sweeps_use_the_partial_indexes():
    with transaction() as connection:
        chosen = _plan(connection, events._CHOOSE, {"lane": "bulk", "limit": 500})
        counted = _plan(connection, leases._IN_FLIGHT_BATCHES, {"lane": "bulk"})
        waiting = _plan(connection, leases._PENDING, {"lanes": "{hot,bulk}"})
        poisonous = _plan(connection, leases._QUARANTINE_LOST, {"after": 3, "stage": "unknown"})
    month = f"{datetime.now(UTC):%Y%m}"  # other months are empty: there a scan costs nothing
    for plan in (chosen, counted, waiting, poisonous):
        assert f"Seq Scan on events_{month}" not in plan, plan
        assert f"events_{month}_pkey" not in plan, plan
    assert "lane_unproven_event_id_idx" in chosen
    assert "lane_claim_event_id_idx" in chosen
    assert "lane_claim_idx" in counted


@pytest.mark.usefixtures("many_events")
def test_statements_on_given_events_leave_out_the_other_months_and_use_the_key():
    month = f"{datetime.now(UTC):%Y%m}"
    ids = store(5)
    text = "{" + ",".join(map(str, ids)) + "}"
    settled = {
        "ids": text,
        "claim": new_id(),
        "people": text,
        "channels": "{" + ",".join("a" * 5) + "}",
        "versions": "{" + ",".join("a" * 5) + "}",
        "moments": "{" + ",".join(["2025-03-01"] * 5) + "}",
        "records": "{NULL,NULL,NULL,NULL,NULL}",
    }
    claimed = {"ids": text, "claim": new_id(), "seconds": 60, "size": 5}
    with transaction() as connection:
        plans = [
            _plan(connection, events._SETTLE, settled),
            _plan(connection, events._CLAIM, claimed),
            _plan(connection, events._RAW, {"ids": text}),
        ]
    for plan in plans:
        assert "Seq Scan" not in plan, plan
        assert set(re.findall(r" on (?:events|event_bodies|request_bodies)_(\d+|default)", plan)) == {month}, plan
