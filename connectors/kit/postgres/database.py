"""One PostgreSQL database over a connection that is opened at first use and kept.

The connection is an asynchronous one of psycopg2's that is waited for here: so every step, connecting and COMMIT too,
ends in time even where the network swallows everything, which a limit kept by the server cannot promise.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2.sql import SQL, Composable, Composed, Identifier, Literal

from connectors.kit.destinations.declarations import Connection
from connectors.kit.errors import ConfigurationError
from connectors.kit.postgres.errors import NoAnswerError, translate, translate_connecting

__all__ = ["SQL", "Composed", "Database", "Identifier", "Literal", "Run"]

Run = Callable[[Composable], list[tuple[Any, ...]]]

_CONNECT_SECONDS = 5.0
_GRACE_SECONDS = 2.0  # the server ends a statement first, and says so; only then is the connection given up
_MILLISECONDS = 1000


class Database:
    """The database of a destination. Not shared between threads or processes."""

    def __init__(self, connection: Connection) -> None:
        """Makes no connection yet. Raises ConfigurationError for an address that cannot be used."""
        self._name = connection.name
        self._timeout_seconds = connection.timeout_seconds
        self._parameters = _parameters(connection)
        self._connection: Any = None

    @contextmanager
    def transaction(self, *, values: Iterable[Any] = ()) -> Iterator[Run]:
        """BEGIN … COMMIT, or ROLLBACK where the block raises. Gives a function that runs a statement and gives its
        rows; statements are composed, their values too (`Literal`).

        Raises TransientError, TerminalError, or RecordError for what is refused of the values sent; `values` are read
        for that alone, so that no message holds one. A COMMIT without an answer may have been done: TransientError.
        """
        connection = self._connected()
        until = time.monotonic() + self._timeout_seconds + _GRACE_SECONDS
        limit = int(self._timeout_seconds * _MILLISECONDS)
        try:
            # Local, for a connection may be one of a pool's that others get after us.
            _run(connection, SQL("BEGIN ISOLATION LEVEL READ COMMITTED"), until)
            _run(connection, SQL("SET LOCAL statement_timeout = {}").format(Literal(limit)), until)
            yield lambda statement: _run(connection, statement, until)
            _run(connection, SQL("COMMIT"), until)
        except psycopg2.Error as error:
            self._leave(error)
            # The original is not chained: its text quotes rows, and tracebacks are logged.
            raise translate(error, self._name, values) from None
        except BaseException as error:
            self._leave(error)
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> Any:
        if self._connection is not None and not _is_alive(self._connection):
            self.close()
        if self._connection is None:
            try:
                self._connection = _connect(self._parameters, min(_CONNECT_SECONDS, self._timeout_seconds))
            except psycopg2.Error as error:
                raise translate_connecting(error, self._name) from None
        return self._connection

    def _leave(self, error: BaseException) -> None:
        """Out of a transaction that failed: the connection goes on where it can be told that it is over."""
        is_usable = not isinstance(error, NoAnswerError) and isinstance(error, Exception)
        try:
            if is_usable and not self._connection.closed:
                _run(self._connection, SQL("ROLLBACK"), time.monotonic() + _GRACE_SECONDS)
                return
        except psycopg2.Error:
            pass
        self.close()


def _parameters(connection: Connection) -> dict[str, Any]:
    place = f"destinations.{connection.name}"
    try:
        parsed = psycopg2.extensions.parse_dsn(connection.base_url)
    except psycopg2.Error:
        raise ConfigurationError(
            f"{place}.base_url is no address of PostgreSQL; it is postgresql://host:port/dbname"
        ) from None
    if "user" in parsed or "password" in parsed:
        raise ConfigurationError(f"{place}.base_url names a user or a password: give both under {place}.secrets")
    if "dbname" not in parsed:
        raise ConfigurationError(f"{place}.base_url names no database: it is postgresql://host:port/dbname")
    given = {"password": connection.secrets.get("password"), "sslmode": connection.options.get("sslmode")}
    return (
        {"fallback_application_name": "afluente"}
        | parsed
        | {"user": connection.secrets["user"], "client_encoding": "UTF8"}
        | {name: value for name, value in given.items() if value}
    )


def _connect(parameters: dict[str, Any], seconds: float) -> Any:
    until = time.monotonic() + seconds
    connection = psycopg2.connect(**parameters, async_=1)
    try:
        _wait(connection, until)
    except BaseException:
        connection.close()
        raise
    return connection


def _run(connection: Any, statement: Composable, until: float) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        _wait(connection, until)
        return list(cursor.fetchall()) if cursor.description else []


def _wait(connection: Any, until: float) -> None:
    """Until what was begun is done. Raises NoAnswerError after `until`, in monotonic seconds."""
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        wanted = select.POLLIN if state == psycopg2.extensions.POLL_READ else select.POLLOUT
        waiting = select.poll()
        waiting.register(connection.fileno(), wanted)  # anew each time: while connecting the socket may be another
        if not waiting.poll(max(0.0, until - time.monotonic()) * _MILLISECONDS):
            raise NoAnswerError


def _is_alive(connection: Any) -> bool:
    """Whether an idle connection says nothing: a server that ended it has said so, or hung up."""
    if connection.closed:
        return False
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return not waiting.poll(0)
