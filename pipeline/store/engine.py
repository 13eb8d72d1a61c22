"""One connection pool per process, one way to open a transaction, one place where database errors are translated."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import psycopg2
import psycopg2.extensions
import psycopg2.extras
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pipeline.errors import AfluenteError, ConfigurationError, TransientError
from pipeline.settings.loading import settings

Done = TypeVar("Done")
Item = TypeVar("Item")
_UUID_OID = 2950  # of PostgreSQL's type

psycopg2.extras.register_uuid()  # type: ignore[no-untyped-call]  # the stubs have no types for it


def _read_uuid(text: str | bytes | None, _cursor: Any) -> UUID | None:
    """As the driver's own, in a fifth of its time: a lead meets some fifteen of them."""
    return None if text is None else msgspec.convert(text, UUID)


_UUID = psycopg2.extensions.new_type((_UUID_OID,), "UUID", _read_uuid)

_POOL_SIZE = 4
_POOL_OVERFLOW = 4
_POOL_TIMEOUT_SECONDS = 10
_IDLE_PROBE_SECONDS = 10.0  # a connection unused for so long is tried before it is used: the server may have restarted
# Every session's limits. `options` in the database's address come after these and so win:
# postgresql://…/afluente?options=-c%20statement_timeout%3D120000
_SESSION_OPTIONS = (
    "-c timezone=UTC -c statement_timeout=60000 -c lock_timeout=20000 -c idle_in_transaction_session_timeout=600000"
    " -c random_page_cost=1.1"  # tables in memory or on flash: batches look rows up by index, never by a scan
    " -c jit=off"  # compiling a batch's statement takes longer than running it
)
_MISSING_TABLE, _MISSING_COLUMN, _MISSING_FUNCTION = "42P01", "42703", "42883"
# SQLSTATE classes after which the same statement may succeed: connection, transaction rollback, resources, operator
# intervention (shutdown, statement timeout), lock not available, read-only server during a fail-over, I/O error.
_TRANSIENT_CLASSES = ("08", "40", "53", "57", "58")
_TRANSIENT_CODES = ("55P03", "25006")


class StoreError(RuntimeError):
    """A statement failed in a way that must not happen: a bug. Names SQLSTATE, table and constraint, never a value."""


@cache
def engine() -> Engine:
    """The engine of this process for `settings().database_url`; made at first use, and anew in a forked child."""
    return make_engine(settings().database_url)


def patiently(work: Callable[[], Done], *, pauses: Sequence[float]) -> Done:
    """Work that is safe to do again: after each of these pauses (seconds), where others were at the same rows or the
    database was away for a moment. Raises TransientError if that is still so after the last one.
    """
    for pause in pauses:
        try:
            return work()
        except TransientError:
            time.sleep(pause)
    return work()


def in_parts(
    work: Callable[[Sequence[Item]], Done], items: Sequence[Item], *, pauses: Sequence[float]
) -> Iterator[Done]:
    """`patiently`, and what came of it. Where the batch as a whole cannot be worked on (more locks than the server
    has), its halves are, one after the other: each is begun once the caller took the result before.
    """
    try:
        done = patiently(lambda: work(items), pauses=pauses)
    except StoreError:
        if len(items) == 1:
            raise
    else:
        yield done
        return
    half = len(items) // 2
    yield from in_parts(work, items[:half], pauses=pauses)
    yield from in_parts(work, items[half:], pauses=pauses)


@contextmanager
def transaction(
    *, synchronous: bool = True, timeout_seconds: float | None = None, on: Engine | None = None
) -> Iterator[Connection]:
    """BEGIN … COMMIT, or ROLLBACK if the block raises.

    `synchronous=False` does not wait for the disk at COMMIT: right where a later synchronous commit settles the matter.
    `timeout_seconds` replaces the limit of 60 s per statement (0: none). Raises TransientError if the database is away,
    overloaded or chose this transaction to end a deadlock; ConfigurationError if its tables are missing or old;
    StoreError for anything else, which is a bug.
    """
    try:
        with (on or engine()).begin() as connection:
            if not synchronous:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            if timeout_seconds is not None:
                connection.exec_driver_sql(f"SET LOCAL statement_timeout TO {int(timeout_seconds * 1000)}")
            yield connection
    except (DBAPIError, PoolTimeoutError) as error:
        # The original is not chained: its text quotes rows, and tracebacks are logged.
        raise translate(error) from None


def translate(error: DBAPIError | PoolTimeoutError) -> AfluenteError | StoreError:
    """What the worker should make of a database error. The text holds codes and names only."""
    if isinstance(error, PoolTimeoutError):
        return TransientError(f"all database connections of this process were busy for {_POOL_TIMEOUT_SECONDS} s")
    cause = error.orig
    code = getattr(cause, "pgcode", None)
    kind = type(cause).__name__
    if code in (_MISSING_TABLE, _MISSING_COLUMN, _MISSING_FUNCTION):
        return ConfigurationError(
            f"the database's tables are missing or older than this program ({kind}): run `afluente migrate`"
        )
    if code is not None:
        if code[:2] in _TRANSIENT_CLASSES or code in _TRANSIENT_CODES:
            return TransientError(f"the database could not finish a statement: {kind} ({code})")
        diagnosis = getattr(cause, "diag", None)
        places = [
            f"{word} {value}"
            for word in ("table", "column", "constraint")
            if (value := getattr(diagnosis, f"{word}_name", None))
        ]
        return StoreError(f"{kind} ({code}){': ' if places else ''}{', '.join(places)}")
    # A server that dies in the middle of an answer shows as a plain DatabaseError without a code.
    is_cut_off = error.connection_invalidated or type(cause) is psycopg2.DatabaseError
    if is_cut_off or isinstance(cause, psycopg2.OperationalError | psycopg2.InterfaceError):
        return TransientError(f"the database is away: {kind}")
    return StoreError(f"{kind} from the database driver")


def server_version(connection: Connection) -> tuple[int, str]:
    """PostgreSQL's version as a number (160004) and as it names itself (16.4)."""
    number, name = connection.exec_driver_sql(
        "SELECT current_setting('server_version_num'), current_setting('server_version')"
    ).one()
    return int(number), str(name)


def data_directory(connection: Connection) -> str:
    """The folder of the server's files, on its machine. StoreError where the account may not ask."""
    return str(connection.exec_driver_sql("SHOW data_directory").scalar_one())


def server_time(connection: Connection) -> float:
    """Seconds since 1970 by the database's clock, now and not when the transaction began."""
    return float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())


@dataclass
class StatementCount:
    """How many statements ran, and which (their first 60 characters), while `count_statements` was open."""

    statements: list[str]

    @property
    def count(self) -> int:
        return len(self.statements)


@contextmanager
def count_statements(on: Engine | None = None) -> Iterator[StatementCount]:
    """Count the statements this process sends: a test holds each store function to a fixed number per batch."""
    seen = StatementCount([])
    target = on or engine()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.statements.append(" ".join(statement.split())[:60])

    event.listen(target, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(target, "before_cursor_execute", note)


def make_engine(url: str) -> Engine:
    """An engine with the limits of this program, for a database's address (postgresql+psycopg2://…)."""
    parsed = make_url(url)
    own = parsed.query.get("options")
    own_text = " ".join(own) if isinstance(own, tuple) else own or ""
    made = create_engine(
        parsed.difference_update_query(["options"]),
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_OVERFLOW,
        pool_timeout=_POOL_TIMEOUT_SECONDS,
        pool_use_lifo=True,  # the least used connections may idle; a burst's extra ones are closed
        pool_pre_ping=False,  # a probe per transaction would cost a round trip each; see _probe_if_idle
        hide_parameters=True,  # values never reach an error's text
        connect_args={
            "connect_timeout": 5,
            "application_name": "afluente",
            "options": f"{_SESSION_OPTIONS} {own_text}".strip(),
        },
    )
    event.listen(made, "connect", _read_uuids_fast)
    event.listen(made, "checkin", _note_checkin)
    event.listen(made, "checkout", _probe_if_idle)
    return made


def _read_uuids_fast(connection: Any, _record: Any) -> None:
    """On each connection: SQLAlchemy has put the driver's own reader there, which beats one for the whole process."""
    psycopg2.extensions.register_type(_UUID, connection)


def _note_checkin(_connection: Any, record: Any) -> None:
    record.info["idle_since"] = time.monotonic()


def _probe_if_idle(connection: Any, record: Any, _proxy: Any) -> None:
    """A connection that lay idle is tried first, so that a restart of the server costs nobody an error."""
    since = record.info.get("idle_since")
    if since is None or time.monotonic() - since < _IDLE_PROBE_SECONDS:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except psycopg2.Error as error:
        raise DisconnectionError("the connection died while it was idle") from error


def _forget_inherited_engine() -> None:
    """In a forked child: leave the parent's sockets alone (closing them would end the parent's sessions)."""
    if engine.cache_info().currsize:
        engine().dispose(close=False)
        engine.cache_clear()


os.register_at_fork(after_in_child=_forget_inherited_engine)
