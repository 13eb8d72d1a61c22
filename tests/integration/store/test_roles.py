"""Roles of the database, on a real server: what each may do, and what it may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from pipeline.store.engine import engine, transaction
from pipeline.store.roles.setup import apply_roles
from pipeline.store.schema import ensure_partitions, is_current, migrate
from tests.support.command_line import capture, run, work
from tests.support.services import forget_caches

ADA = {"full_name": "Ada Brandt", "email": "ada@example.org", "message": "please call"}


@pytest.fixture
def roles(database: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """`roles(name)` connects as one; the reader `afluente_test_anna` reads the brand `default`."""
    apply_roles(engine())
    with transaction() as connection:
        connection.exec_driver_sql(
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'afluente_test_anna') THEN"
            " CREATE ROLE afluente_test_anna LOGIN; END IF; END $$"
        )
        connection.exec_driver_sql("GRANT afluente_read TO afluente_test_anna")
    opened: list[Any] = []

    def connect(name: str) -> Any:
        url = engine().url
        connection = psycopg2.connect(dbname=url.database, user=name, **url.query)
        connection.autocommit = True
        opened.append(connection)
        return connection.cursor()

    yield connect
    for connection in opened:
        connection.close()


@contextmanager
def denied() -> Iterator[None]:
    with pytest.raises(errors.InsufficientPrivilege):
        yield


def reads(brand: str) -> None:
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO reading.brand_readers VALUES ('afluente_test_anna', %s) ON CONFLICT DO NOTHING", (brand,)
        )


def count(cursor: Any, table: str) -> int:
    cursor.execute(f"SELECT count(*) FROM {table}")
    return int(cursor.fetchone()[0])


def test_the_program_works_as_the_role_that_may_change_rows_and_no_table(roles, monkeypatch):
    url = engine().url.set(username="afluente_app").render_as_string(hide_password=False)
    monkeypatch.setenv("AFLUENTE_DATABASE_URL", url)
    forget_caches()
    capture(ADA)
    work()
    app = roles("afluente_app")
    assert count(app, "people") == 1
    assert run("leads", "export", "--source", "api").returncode == 0
    for statement in (
        "DROP TABLE events",
        "ALTER TABLE events ADD COLUMN mine text",
        "CREATE TABLE mine (id int)",
        "TRUNCATE people",
        "UPDATE alembic_version SET version_num = '0001'",
        "SET ROLE afluente_owner",
        "CREATE ROLE mine",
        "COPY people TO PROGRAM 'true'",
    ):
        with denied():
            app.execute(statement)


def test_what_is_written_into_the_audit_log_can_be_changed_by_no_role_that_works(roles):
    app = roles("afluente_app")
    app.execute("SELECT count(*) FROM audit_log")
    for statement in (
        "DELETE FROM audit_log",
        "UPDATE audit_log SET actor_id = 'somebody else'",
        "TRUNCATE audit_log",
        "ALTER TABLE audit_log DISABLE TRIGGER ALL",
        "DELETE FROM audit_heads",
    ):
        with denied():
            app.execute(statement)


def test_a_reader_sees_the_rows_of_its_brands_alone_and_nothing_sealed(roles):
    capture(ADA)
    capture({**ADA, "email": "ben@example.org"}, brand="default")
    work()
    anna = roles("afluente_test_anna")
    assert count(anna, "reading.people") == 0
    reads("default")
    assert count(anna, "reading.people") == 2
    anna.execute("SELECT * FROM reading.people LIMIT 0")
    assert "person_id" in [column.name for column in anna.description]
    with transaction() as connection:
        sealed = connection.exec_driver_sql(
            "SELECT c.table_name, c.column_name FROM information_schema.columns c"
            " WHERE c.table_schema = 'reading' AND c.data_type IN ('bytea', 'jsonb')"
        ).all()
    assert sealed == []


def test_a_reader_sees_no_other_brand_whatever_it_sets_or_asks(roles):
    capture(ADA)
    work()
    reads("elsewhere")
    anna = roles("afluente_test_anna")
    for statement in ("SET app.brand = 'default'", "SET search_path TO public, reading", "SET row_security TO off"):
        anna.execute(statement)
        assert count(anna, "reading.people") == 0
    assert count(anna, "reading.touches") == 0
    for statement in (
        "SELECT * FROM public.people",
        "SELECT * FROM reading.brand_readers",
        "INSERT INTO reading.brand_readers VALUES ('afluente_test_anna', 'default')",
        "DELETE FROM reading.people",
        "SET ROLE afluente_app",
        "SET SESSION AUTHORIZATION afluente_owner",
        "CREATE VIEW reading.mine AS SELECT 1",
    ):
        with denied():
            anna.execute(statement)
    # What fails on a row tells that it is there: a condition of the reader's is not asked about rows the view hides.
    anna.execute("SELECT 1 FROM reading.people WHERE 1 / (CASE brand WHEN 'default' THEN 0 ELSE 1 END) = 1")
    assert anna.fetchall() == []
    reads("*")
    assert count(anna, "reading.people") == 1
    assert count(anna, "reading.touches") == 1


def test_a_backup_reads_all_and_changes_nothing(roles):
    backup = roles("afluente_backup")
    assert count(backup, "people") == 0
    for statement in ("DELETE FROM people", "CREATE TABLE mine (id int)"):
        with pytest.raises((errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)):
            backup.execute(statement)


def test_each_has_its_longest_statement(roles):
    for name, seconds in (("afluente_app", "15min"), ("afluente_migrate", "0"), ("afluente_backup", "0")):
        cursor = roles(name)
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == (seconds,)


def test_a_migration_by_its_own_role_makes_tables_of_the_owner_that_the_program_may_use(roles, monkeypatch):
    url = engine().url.set(username="afluente_migrate").render_as_string(hide_password=False)
    monkeypatch.setenv("AFLUENTE_DATABASE_URL", url)
    forget_caches()
    with transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE of_tomorrow (brand text, name text, sealed bytea)")
    migrate(engine())
    assert is_current(engine())
    with transaction() as connection:
        assert ensure_partitions(connection, months_ahead=5)
    app, anna = roles("afluente_app"), roles("afluente_test_anna")
    app.execute("INSERT INTO of_tomorrow VALUES ('default', 'x', 'y')")
    reads("default")
    anna.execute("SELECT * FROM reading.of_tomorrow")
    assert [column.name for column in anna.description] == ["brand", "name"]
    assert anna.fetchall() == [("default", "x")]


def test_the_sql_for_ones_own_server_does_the_same_and_may_run_twice(database, redis_url):
    printed = run("database", "roles").stdout
    assert "password" in printed
    statements = printed.partition("BEGIN;")[2].partition("COMMIT;")[0]
    with transaction() as connection:
        for _ in range(2):
            connection.exec_driver_sql(statements.replace("%", "%%"))
        assert (
            connection.exec_driver_sql(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner <> 'afluente_owner'"
            ).scalar_one()
            == 0
        )
        assert connection.exec_driver_sql(
            "SELECT has_table_privilege('afluente_app', 'people', 'UPDATE'),"
            " has_table_privilege('afluente_read', 'people', 'SELECT'),"
            " has_table_privilege('afluente_read', 'reading.people', 'SELECT')"
        ).one() == (True, False, True)  # fmt: skip
