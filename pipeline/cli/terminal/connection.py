"""The line between a command and the installation it talks to: its database, its log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from pipeline.cli.guard import record_visit
from pipeline.errors import ConfigurationError, NotRunningError, TransientError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

RUN_AGAIN = "Run the same command again: what was done stays done"


@contextmanager
def installation(*, advice: str | None = None) -> Iterator[None]:
    """A block that needs a running installation. Raises NotRunningError, which says how to start it.

    A TransientError of the block gets `advice` behind it; unless given, how to start what did not answer.
    """
    if sentence := nothing_runs():
        raise NotRunningError(sentence)
    keep_logs_quiet()
    try:
        record_visit()
        yield
    except TransientError as error:
        raise TransientError(f"{error}. {advice or _remedy()}") from error


@contextmanager
def database(*, timeout_seconds: float | None = None) -> Iterator[Connection]:
    """A transaction on the installation's database. Says how to start it if nothing answers.

    `timeout_seconds` replaces the store's limit per statement (0: none, for exports of any length).
    """
    from pipeline.store.engine import transaction

    with installation(), transaction(timeout_seconds=timeout_seconds) as connection:
        yield connection


def parse_id(text: str) -> UUID:
    """An id as exports and answers show it. Raises UsageError."""
    try:
        return UUID(text.strip())
    except ValueError:
        raise UsageError(
            f"{text!r} is not an id; ids look like 01930000-0000-7000-8000-000000000000 and stand in every export"
        ) from None


def nothing_runs() -> str | None:
    """A sentence, with the remedy, if the embedded database is not started; else None."""
    from pipeline.settings.installation import socket_folder
    from pipeline.settings.loading import settings

    known = settings()
    if known.is_embedded_database and not (socket_folder(known.data) / ".s.PGSQL.5432").exists():
        return f"Afluente does not run in {known.data}. {_remedy()}"
    return None


def record_what_runs() -> None:
    """For a command that speaks to another system and needs nothing of the installation: its entry is in the audit log,
    if there is an installation that runs."""
    keep_logs_quiet()
    if nothing_runs() is None:
        record_visit()


def keep_logs_quiet() -> None:
    """Only errors of the store and of hints go to stderr: what went wrong is said by the command itself."""
    import logging

    from pipeline.logs import configure_logging
    from pipeline.settings.loading import settings

    try:
        log_format = settings().log_format
    except ConfigurationError:  # `doctor` goes on without settings and says what is wrong with them
        log_format = "text"
    configure_logging(log_format, level=logging.ERROR)


def _remedy() -> str:
    from pipeline.settings.loading import settings

    if settings().is_embedded_database:
        return (
            "Start it with `afluente up` (in another terminal), or name another installation with AFLUENTE_DATA or"
            " AFLUENTE_DATABASE_URL"
        )
    return "Check AFLUENTE_DATABASE_URL with `afluente doctor`"
