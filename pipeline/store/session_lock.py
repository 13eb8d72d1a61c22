"""A lock that one process of an installation has for as long as its own connection to PostgreSQL lives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pipeline.errors import RefusedError
from pipeline.store.engine import engine, translate

KILLED_SECONDS, _AGAIN_SECONDS = 3.0, 0.1
_CLASS = 415022  # of this program's advisory locks
# A machine that vanishes without a word is noticed within a minute, and the next who asks gets the lock.
_NOTICE_A_LOST_MACHINE = "SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4"


class SessionLock:
    """Nobody waits for it: who asks first has it, until its process or connection ends. For one thread at a time."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._connection: Connection | None = None

    def hold(self) -> bool:
        """True if this process has the lock now, be it since before or since this call.

        Raises TransientError if the database is away; the lock is free then.
        """
        if self._connection is not None and _is_alive(self._connection):
            return True
        self.release()
        try:
            self._connection = _take(self._number)
        except (DBAPIError, PoolTimeoutError) as error:
            raise translate(error) from None
        return self._connection is not None

    def release(self) -> None:
        """Let another have it. Never raises."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):  # said, because the server notices a closed connection a moment later
                connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
            with suppress(DBAPIError):
                connection.close()


@contextmanager
def held_alone(number: int) -> Iterator[bool]:
    """For the length of the block; gives False, and holds nothing, if another process has it. Raises as `hold`."""
    lock = SessionLock(number)
    try:
        yield lock.hold()
    finally:
        lock.release()


@contextmanager
def alone_or_refused(number: int, message: str) -> Iterator[None]:
    """As `held_alone`, for what somebody runs by hand and may run again at once after it was killed: the server lets
    the lock of the killed one go once its statement is done, so it is asked for again for a moment. Raises RefusedError
    with `message` if another process keeps it."""
    lock = SessionLock(number)
    ends_at = time.monotonic() + KILLED_SECONDS
    try:
        while not lock.hold():
            if time.monotonic() > ends_at:
                raise RefusedError(message)
            time.sleep(_AGAIN_SECONDS)
        yield
    finally:
        lock.release()


def _take(number: int) -> Connection | None:
    """A connection of its own that has the lock, or None if another's has it."""
    connection = engine().connect().execution_options(isolation_level="AUTOCOMMIT")  # it idles, in no transaction
    try:
        connection.detach()  # never back to the pool: the lock ends with it
        connection.exec_driver_sql(_NOTICE_A_LOST_MACHINE)
        if connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s, %s)", (_CLASS, number)).scalar_one():
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _is_alive(connection: Connection) -> bool:
    try:
        connection.exec_driver_sql("SELECT 1")
    except DBAPIError:
        return False
    return True
