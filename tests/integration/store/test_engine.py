"""One pool per process: forked children make their own, a restarted server is found again, errors say what to do."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.exc import DBAPIError

from pipeline.errors import ConfigurationError, TransientError
from pipeline.store import engine as store_engine
from pipeline.store.engine import StoreError, count_statements, engine, in_parts, make_engine, transaction, translate
from pipeline.supervisor.postgresql_server import PostgreSQL


def _backend() -> int:
    with transaction() as connection:
        return connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()


@pytest.fixture
def own_server():
    """A server of this test's own, to be stopped and begun again."""
    folder = Path(tempfile.mkdtemp(prefix="afluente-engine-"))
    server = PostgreSQL(folder, folder / "sockets", settings={"fsync": "off", "shared_buffers": "16MB"})
    server.begin()
    server.wait()
    try:
        yield server, make_engine(f"postgresql+psycopg2://postgres@/postgres?host={folder / 'sockets'}")
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
def test_after_a_restart_of_the_server_one_error_at_most_and_then_all_is_well(own_server):
    server, its_engine = own_server
    with transaction(on=its_engine), transaction(on=its_engine) as connection:
        connection.exec_driver_sql("SELECT 1")
    server.stop()
    with pytest.raises(TransientError, match="database"), transaction(on=its_engine) as connection:
        connection.exec_driver_sql("SELECT 1")
    server.begin()
    server.wait()
    for _ in range(2):
        with transaction(on=its_engine), transaction(on=its_engine) as connection:
            connection.exec_driver_sql("SELECT 1")


@pytest.mark.long
def test_a_connection_that_lay_idle_over_a_restart_costs_nobody_an_error(own_server, monkeypatch):
    server, its_engine = own_server
    with transaction(on=its_engine) as connection:
        connection.exec_driver_sql("SELECT 1")
    server.stop()
    server.begin()
    server.wait()
    monkeypatch.setattr(store_engine, "_IDLE_PROBE_SECONDS", 0.0)
    with transaction(on=its_engine) as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1


@pytest.mark.usefixtures("database")
def test_a_forked_child_opens_connections_of_its_own_and_leaves_the_parents_alone():
    before = _backend()
    fork = multiprocessing.get_context("fork")
    said = fork.Queue()
    child = fork.Process(target=lambda: said.put(_backend()))
    child.start()
    in_child = said.get(timeout=20)
    child.join(20)
    assert in_child != before
    assert _backend() == before


@pytest.mark.usefixtures("database")
def test_a_child_forked_inside_a_transaction_does_not_disturb_it():
    with transaction() as connection:
        connection.exec_driver_sql("INSERT INTO keyring (name, sealed) VALUES ('a', '')")
        pid = os.fork()
        if pid == 0:
            try:
                _backend()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        assert connection.exec_driver_sql("SELECT count(*) FROM keyring WHERE name = 'a'").scalar_one() == 1


@pytest.mark.usefixtures("database")
def test_a_block_that_raises_is_rolled_back():
    with pytest.raises(LookupError), transaction() as connection:  # noqa: PT012 - the block is what is undone
        connection.exec_driver_sql("INSERT INTO keyring (name, sealed) VALUES ('a', '')")
        raise LookupError
    with transaction() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM keyring WHERE name = 'a'").scalar_one() == 0


@pytest.mark.usefixtures("database")
def test_only_an_unhurried_transaction_gives_up_waiting_for_the_disk():
    with transaction(synchronous=False) as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "off"
    with transaction() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"


@pytest.mark.usefixtures("database")
def test_the_loser_of_a_deadlock_gets_a_transient_error():
    meet = threading.Barrier(2)

    def lock(order: int) -> str:
        try:
            with transaction() as connection:
                for place, number in enumerate((1, 2)[::order]):
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({number})")
                    if place == 0:
                        meet.wait(10)
        except TransientError as error:
            return str(error)
        return "done"

    with ThreadPoolExecutor(2) as threads:
        said = sorted(threads.map(lock, (1, -1)))
    assert said == ["done", "the database could not finish a statement: DeadlockDetected (40P01)"]


@pytest.mark.usefixtures("database")
def test_a_statement_that_takes_too_long_is_a_transient_error():
    with pytest.raises(TransientError, match="57014"), transaction(timeout_seconds=0.05) as connection:
        connection.exec_driver_sql("SELECT pg_sleep(5)")


@pytest.mark.usefixtures("database")
def test_a_broken_rule_of_the_tables_is_a_bug_that_is_told_without_values():
    row = "('ada.sample@example.com', '')"
    with pytest.raises(StoreError) as caught, transaction() as connection:
        connection.exec_driver_sql(f"INSERT INTO keyring (name, sealed) VALUES {row}, {row}")
    assert str(caught.value) == "UniqueViolation (23505): table keyring, constraint keyring_pkey"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.usefixtures("database")
def test_a_text_that_is_no_number_is_told_without_the_text():
    with pytest.raises(StoreError) as caught, transaction() as connection:
        connection.exec_driver_sql("SELECT %s::int", ("ada.sample@example.com",))
    assert str(caught.value) == "InvalidTextRepresentation (22P02)"


def test_a_database_without_tables_is_a_matter_of_set_up(empty_database):
    with pytest.raises(ConfigurationError, match="afluente migrate"), transaction(on=make_engine(empty_database)) as it:
        it.exec_driver_sql("SELECT 1 FROM events")


def test_a_database_that_cannot_be_reached_is_a_transient_error(tmp_path):
    nowhere = make_engine(f"postgresql+psycopg2://postgres@/postgres?host={tmp_path}")
    with pytest.raises(TransientError, match="the database is away"), transaction(on=nowhere):
        pass


def test_an_answer_that_the_death_of_the_server_cut_off_is_a_transient_error():
    cut_off = DBAPIError("SELECT 1", None, psycopg2.DatabaseError("error with status PGRES_TUPLES_OK and no message"))
    assert isinstance(translate(cut_off), TransientError)


@pytest.mark.usefixtures("database")
def test_a_pool_that_stays_busy_is_a_transient_error(monkeypatch):
    monkeypatch.setattr(engine().pool, "_timeout", 0.1)
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(transaction())
        with pytest.raises(TransientError, match="connections of this process were busy"), transaction():
            pass


def test_limits_of_a_session_can_be_set_in_the_address(database):
    with transaction() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar_one() == "1min"
        assert connection.exec_driver_sql("SHOW timezone").scalar_one() == "UTC"
    own = make_engine(f"{database}&options=-c%20statement_timeout%3D5000")
    with transaction(on=own) as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar_one() == "5s"
        assert connection.exec_driver_sql("SHOW timezone").scalar_one() == "UTC"
    own.dispose()


@pytest.mark.usefixtures("database")
def test_statements_are_counted_while_asked_for():
    with count_statements() as counted, transaction(synchronous=False) as connection:
        connection.exec_driver_sql("SELECT 1")
    assert counted.statements == ["SET LOCAL synchronous_commit TO off", "SELECT 1"]
    with transaction() as connection:
        connection.exec_driver_sql("SELECT 2")
    assert counted.count == 2


def test_a_batch_that_cannot_be_worked_on_as_a_whole_is_worked_on_in_halves():
    tried: list[list[int]] = []

    def work(numbers: Sequence[int]) -> int:
        tried.append(list(numbers))
        if len(numbers) > 2:
            raise StoreError
        return sum(numbers)

    parts = in_parts(work, [1, 2, 3, 4, 5], pauses=())
    assert next(parts) == 3
    assert tried == [[1, 2, 3, 4, 5], [1, 2]], "the other half waits until this one's result is taken"
    assert list(parts) == [3, 9]
    assert tried[2:] == [[3, 4, 5], [3], [4, 5]]


def test_what_cannot_be_worked_on_alone_ends_the_run():
    def work(numbers: Sequence[int]) -> int:
        if 2 in numbers:
            raise StoreError
        return sum(numbers)

    parts = in_parts(work, [1, 2, 3, 4], pauses=())
    assert next(parts) == 1
    with pytest.raises(StoreError):
        next(parts)
