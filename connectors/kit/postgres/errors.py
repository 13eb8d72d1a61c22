"""What PostgreSQL and its client library raise, as errors of the house.

PostgreSQL's DETAIL and CONTEXT quote rows and statements and are never read. Of the message itself the values that were
sent are taken out, and whatever stands in quotes; names of tables, columns and constraints come from their own fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import psycopg2

from connectors.kit.errors import AfluenteError, RecordError, TerminalError, TransientError
from connectors.kit.redaction import without_values

# SQLSTATE by class (the first two characters) or whole. What is in neither is for a human: rights, names, passwords.
_TRANSIENT = (
    "08",  # the connection
    "25P03",  # idle in a transaction, or a transaction, for too long
    "25P04",
    "40",  # serialization, deadlock: the whole transaction may be made again
    "53",  # too many connections, disk or memory full
    "55",  # a lock, an object in use
    "57",  # shut down, starting, a statement that took too long
    "58",  # input and output
    "XX",  # PostgreSQL's own errors
)
_OF_THE_RECORD = (
    "22",  # a value of the wrong type, too long, out of range
    "23",  # not null, check, unique, foreign key
    "44",  # a view's check
    "54",  # too long for an index
    "P0",  # a trigger raised it
)
# While connecting there is no SQLSTATE, only a text; the server's may be in another language, FATAL is FATAL in most.
_BUSY = (
    "too many",
    "remaining connection slots",
    "no more connections",
    "starting up",
    "shutting down",
    "recovery mode",
    "accepting connections",
    "query_wait_timeout",
    "server_login_retry",
)
_REFUSED = ("FATAL", "no password supplied", "certificate", "does not support SSL", "invalid ", "authentication")


class NoAnswerError(psycopg2.OperationalError):
    """The server said nothing in the time given."""


def translate(error: psycopg2.Error, what: str, values: Iterable[Any] = ()) -> AfluenteError:
    """TransientError, TerminalError, or RecordError where something in the statement's values is refused.

    `what` says who was called; `values` are those that were sent and must not be told.
    """
    code = error.pgcode
    kind = _snake(type(error).__name__)
    if isinstance(error, NoAnswerError):
        return TransientError(f"{what}: no answer in time; it may have been done nevertheless")
    if code is None:
        return TransientError(f"{what}: the connection was lost ({kind}); it may have been done nevertheless")
    if code.startswith(_TRANSIENT):
        return TransientError(f"{what}: {kind} ({code})")
    message = _told(error, values)
    if code.startswith(_OF_THE_RECORD):
        return RecordError(kind, field=error.diag.column_name, message=message)
    return TerminalError(f"{what}: {kind} ({code}): {message}")


def translate_connecting(error: psycopg2.Error, what: str) -> AfluenteError:
    """TerminalError where the server or the library refuses us, else TransientError: it may be there again soon."""
    if isinstance(error, NoAnswerError):
        return TransientError(f"{what}: no connection in time")
    text = str(error)
    # "connection to server at "…", port 5432 failed: FATAL:  password authentication failed for user "…""
    reason = without_values(re.sub(r"^.*failed: ", "", text.strip().splitlines()[-1] if text.strip() else ""), ())
    is_busy = any(words in text for words in _BUSY)
    if not is_busy and any(words in text for words in _REFUSED):
        return TerminalError(f"{what}: cannot connect: {reason}")
    return TransientError(f"{what}: cannot connect: {reason}")


def _told(error: psycopg2.Error, values: Iterable[Any]) -> str:
    """The message without values; behind it what it is about, by name."""
    names = [
        f"{word} {name}" for word in ("table", "column", "constraint") if (name := getattr(error.diag, f"{word}_name"))
    ]
    message = without_values(error.diag.message_primary or "", values)
    return f"{message} ({', '.join(names)})" if names else message


def _snake(name: str) -> str:
    """`StringDataRightTruncation`, as the class of an SQLSTATE is called, as `string_data_right_truncation`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
