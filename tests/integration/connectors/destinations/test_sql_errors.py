"""What PostgreSQL refuses, and how it fails: each to the error that the pipeline acts on, without any value."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest

from connectors.kit import QuotaError, Record, RecordError, TerminalError, TransientError, WriteResult
from connectors.kit.postgres import SQL, Database
from pipeline.delivery.halving import write_in_halves
from tests.support.target_database import TABLE, Target, person

ADA = {"last_name": "Brandt", "email": "ada1@example.org"}


def refused(writer: Any, *records: Record) -> RecordError:
    with pytest.raises(RecordError) as raised:
        writer.write(records or [person()])
    return raised.value


@pytest.mark.parametrize(
    ("change", "fields", "code", "field"),
    [
        ("ALTER city TYPE varchar(3)", {"city": "Berlin"}, "string_data_right_truncation", "city"),
        ("ALTER city TYPE integer USING NULL", {"city": "Berlin"}, "invalid_text_representation", None),
        ("ALTER city TYPE date USING NULL", {"city": "Berlin"}, "invalid_datetime_format", None),
        ("ALTER employee_count TYPE smallint", {"employee_count": 70_000}, "numeric_value_out_of_range", None),
        ("ALTER city SET NOT NULL", {"city": None}, "not_null_violation", "city"),
        ("ADD CONSTRAINT no_berlin CHECK (city <> 'Berlin')", {"city": "Berlin"}, "check_violation", None),
        ("ALTER city TYPE text", {"city": "Ber\0lin"}, "untranslatable_character", None),
    ],
)
def test_a_value_that_the_table_refuses_is_the_record_s_and_is_not_told(target, writer, change, fields, code, field):
    target.execute(f"ALTER TABLE {TABLE} {change}")
    error = refused(writer, person(**fields))
    assert (error.code, error.field) == (code, field)
    for value in (*ADA.values(), "Berlin", "70000", "key-001"):
        assert value not in str(error)
    if code == "check_violation":
        assert "constraint no_berlin" in error.message
    assert target.rows() == []


def test_an_address_that_another_row_has_is_the_record_s_and_names_the_constraint(target, writer):
    target.execute(f"ALTER TABLE {TABLE} ADD CONSTRAINT one_address UNIQUE (email)")
    writer.write([person(1)])
    error = refused(writer, person(2, email="ada1@example.org"))
    assert (error.code, "constraint one_address" in error.message) == ("unique_violation", True)
    assert "example" not in str(error)


def test_what_a_trigger_says_is_told_without_the_values_it_quotes(target, writer):
    target.execute(
        "CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'no free mail please: % of %', NEW.email, NEW.last_name; END $$;"
        f" CREATE TRIGGER complain BEFORE INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION complain()"
    )
    error = refused(writer)
    assert (error.code, "no free mail please" in error.message) == ("raise_exception", True)
    assert "ada1" not in str(error)
    assert "Brandt" not in str(error)


def test_one_bad_record_among_many_is_found_by_halves_and_the_others_are_written(target, writer):
    target.execute(f"ALTER TABLE {TABLE} ALTER city TYPE varchar(5)")
    batch = [person(number, city="Bonn") for number in range(64)] + [person(99, city="Berlin")]
    written = write_in_halves(batch, writer.write, may_call=lambda: True)
    assert (written.unsent, written.trouble) == ([], None)
    [bad] = [result for result in written.results if result.state != "written"]
    assert isinstance(bad, WriteResult)
    assert (bad.key, bad.state, bad.code, bad.field) == ("key-099", "rejected", "string_data_right_truncation", "city")
    assert len(target.rows()) == 64


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("08006", TransientError),
        ("40001", TransientError),
        ("40P01", TransientError),
        ("53100", TransientError),
        ("53300", TransientError),
        ("55P03", TransientError),
        ("57P03", TransientError),
        ("58030", TransientError),
        ("XX000", TransientError),
        ("22003", RecordError),
        ("23503", RecordError),
        ("44000", RecordError),
        ("54000", RecordError),
        ("0A000", TerminalError),
        ("25006", TerminalError),
        ("42501", TerminalError),
        ("42883", TerminalError),
    ],
)
def test_each_class_of_sqlstate_is_the_error_that_says_what_to_do_next(target, code, error):
    database = Database(target.connection())
    with pytest.raises(error) as raised, database.transaction(values=["Brandt"]) as run:
        run(SQL(f"DO $$ BEGIN RAISE EXCEPTION 'Brandt: it failed' USING ERRCODE = '{code}'; END $$"))
    assert "Brandt" not in str(raised.value)
    with database.transaction() as run:
        assert run(SQL("SELECT 1")) == [(1,)], "the connection goes on"
    database.close()


def test_a_session_that_was_ended_while_idle_is_replaced_without_a_word(target, writer):
    writer.write([person()])
    assert target.end_sessions() == 1
    assert [result.created for result in writer.write([person()])] == [False]


@contextmanager
def held_row(target: Target) -> Iterator[None]:
    """The row of key-001 is locked by somebody else."""
    with target.session() as other:
        other.execute(f"SELECT 1 FROM {TABLE} WHERE afluente_id = 'key-001' FOR UPDATE")
        yield


def writing(writer: Any, record: Record) -> tuple[threading.Thread, list[Any]]:
    said: list[Any] = []

    def write() -> None:
        try:
            said.extend(writer.write([record]))
        except Exception as error:  # noqa: BLE001 - told to the test
            said.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    return thread, said


def wait_for(done: Callable[[], Any]) -> Any:
    end = time.monotonic() + 10
    while not (found := done()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def waiting_session(target: Target) -> Any:
    found = target.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'afluente' AND state = 'active'")
    return found[0][0] if found else None


def test_a_session_that_is_ended_in_the_middle_of_a_call_comes_to_nothing_and_may_be_repeated(target, writer):
    writer.write([person()])
    with held_row(target):
        thread, said = writing(writer, person(city="Bonn"))
        wait_for(lambda: waiting_session(target))
        target.end_sessions()
        thread.join()
    assert isinstance(said[0], TransientError)
    assert target.rows("city") == [(None,)]
    writer.write([person(city="Bonn")])
    assert target.rows("city") == [("Bonn",)]


def test_the_server_ends_a_statement_that_takes_too_long(target):
    target.make_table()
    writer = target.writer(timeout_seconds=0.3)
    writer.write([person()])
    with held_row(target), pytest.raises(TransientError, match="query_canceled"):
        writer.write([person(city="Bonn")])
    assert [result.state for result in writer.write([person(city="Bonn")])] == ["written"]
    writer.close()


def test_a_server_that_falls_silent_is_left_after_the_timeout(target):
    target.make_table()
    writer = target.writer(timeout_seconds=0.3)
    writer.write([person()])
    with held_row(target):
        thread, said = writing(writer, person(city="Bonn"))
        session = wait_for(lambda: waiting_session(target))
        os.kill(session, signal.SIGSTOP)
        try:
            thread.join(timeout=10)
        finally:
            os.kill(session, signal.SIGCONT)
    assert isinstance(said[0], TransientError)
    assert "it may have been done nevertheless" in str(said[0])
    assert [result.state for result in writer.write([person(city="Ulm")])] == ["written"]
    writer.close()


def test_an_answer_to_commit_that_was_lost_makes_no_second_row(target, writer, monkeypatch):
    """The session ends after COMMIT, before the answer is heard."""
    target.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END';"
        f" CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON {TABLE} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " EXECUTE FUNCTION slow()"
    )
    thread, said = writing(writer, person())
    wait_for(lambda: target.execute("SELECT 1 FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'"))
    writer._database._connection.close()  # our end of it: the server goes on and commits
    thread.join()
    assert isinstance(said[0], TransientError)
    wait_for(target.rows)
    assert [result.created for result in writer.write([person()])] == [False]
    assert len(target.rows()) == 1


class FakeServer:
    """Answers a connection that begins with one error, in PostgreSQL's protocol; None: with silence."""

    def __init__(self, severity: str | None, message: str = "") -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"postgresql://127.0.0.1:{self._listener.getsockname()[1]}/warehouse"
        fields = {"S": severity or "", "V": severity or "", "C": "28000", "M": message}
        body = b"".join(f"{name}{value}\0".encode() for name, value in fields.items()) + b"\0"
        self._answer = b"E" + struct.pack("!I", len(body) + 4) + body if severity else None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                asked = client.recv(1024)
                if self._answer is None:
                    client.recv(1024)  # until the other one has had enough
                    continue
                if asked[4:8] == struct.pack("!I", 80877103):  # may it be encrypted?
                    client.sendall(b"N")
                    client.recv(1024)
                client.sendall(self._answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ('password authentication failed for user "loader"', TerminalError),
        ("Passwort-Authentifizierung für Benutzer »loader« fehlgeschlagen", TerminalError),
        ('database "warehouse" does not exist', TerminalError),
        ('no pg_hba.conf entry for host "10.0.0.1", user "loader", database "warehouse", SSL off', TerminalError),
        ("sorry, too many clients already", TransientError),
        ("remaining connection slots are reserved for roles with the SUPERUSER attribute", TransientError),
        ("the database system is starting up", TransientError),
        ("the database system is in recovery mode", TransientError),
        ('database "warehouse" is not currently accepting connections', TransientError),
    ],
)
def test_a_server_that_lets_nobody_in_is_for_a_human_unless_it_is_only_busy(target, message, error):
    server = FakeServer("FATAL", message)
    writer = target.writer(base_url=server.url, secrets={"user": "loader", "password": "a-secret"})
    try:
        for call in (writer.check, lambda: writer.write([person()])):
            with pytest.raises(error, match="warehouse: cannot connect: ") as raised:
                call()
            assert not isinstance(raised.value, QuotaError)
            assert "a-secret" not in str(raised.value)
    finally:
        server.close()


def test_a_server_that_never_answers_or_is_not_there_is_waited_for_as_long_as_the_timeout(target):
    server = FakeServer(None)
    writer = target.writer(base_url=server.url, timeout_seconds=0.3)
    begun = time.monotonic()
    with pytest.raises(TransientError, match="no connection in time"):
        writer.write([person()])
    assert time.monotonic() - begun < 3
    server.close()
    with pytest.raises(TransientError, match="cannot connect"):
        writer.write([person()])


def test_who_wants_encryption_is_not_let_into_a_server_without_it(target):
    server = FakeServer("FATAL", "it was asked without encryption")
    writer = target.writer(base_url=server.url, options={"sslmode": "require"})
    with pytest.raises(TerminalError, match="does not support SSL"):
        writer.check()
    server.close()


def test_an_unknown_database_and_an_unknown_user_stop_the_destination(target):
    name = psycopg2.extensions.parse_dsn(target.url)["dbname"]
    for more in ({"base_url": target.url.replace(f"/{name}?", "/nowhere?")}, {"user": "nobody_there"}):
        with pytest.raises(TerminalError, match="does not exist"):
            target.writer(**more).write([person()])
