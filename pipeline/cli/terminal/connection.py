"""The line between a command and the installation it talks to: its database, its receiver, its hints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from pipeline.cli.terminal.output import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from pipeline.intake.instances import SourceInstance

Done = TypeVar("Done")


@contextmanager
def database(*, timeout_seconds: float | None = None) -> Iterator[Connection]:
    """A transaction on the installation's database. Says how to start it if nothing answers.

    `timeout_seconds` replaces the store's limit per statement (0: none, for exports of any length).
    """
    from pipeline.errors import TransientError
    from pipeline.store.engine import transaction

    _refuse_if_nothing_runs()
    keep_logs_quiet()
    try:
        with transaction(timeout_seconds=timeout_seconds) as connection:
            yield connection
    except TransientError as error:
        raise CommandError(f"{error}. {_remedy()}") from error


def receiver_address() -> str:
    """`http://host:port` of the running receiver, from what `up` wrote about itself."""
    from pipeline.settings.installation import read_runtime
    from pipeline.settings.loading import settings

    address = read_runtime(settings().data).get("addresses", {}).get("receiver")
    if not address:
        raise CommandError(
            f"no receiver is known to run in {settings().data}: start one with `afluente up`, or name one with --url"
        )
    return str(address)


def parse_id(text: str) -> UUID:
    """An id as exports and answers show it."""
    try:
        return UUID(text.strip())
    except ValueError:
        raise CommandError(
            f"{text!r} is not an id; ids look like 01930000-0000-7000-8000-000000000000 and stand in every export",
            exit_code=2,
        ) from None


def source_instance(slug: str, brand: str | None = None) -> SourceInstance:
    """The source `slug` as it is set up for `brand`, or for the only brand that it can mean."""
    from pipeline.intake.instances import SourceBook, UnknownSourceError
    from pipeline.settings.loading import settings

    known_source(slug)
    try:
        return SourceBook(settings()).find(brand_of(slug, brand), slug)
    except UnknownSourceError as error:
        raise CommandError(str(error), exit_code=2) from error


def brand_of(slug: str, brand: str | None = None) -> str:
    """`brand`, or the only one that a source of this name can mean."""
    from pipeline.settings.loading import settings

    if brand is not None:
        return brand
    brands = settings().source(slug).brands or sorted(settings().brands)
    if len(brands) != 1:
        raise CommandError(f"which brand? Add --brand, one of: {', '.join(brands)}", exit_code=2)
    return brands[0]


def known_source(slug: str) -> str:
    """`slug`, if a source is declared or set up under that name."""
    from connectors.kit.registry import sources
    from pipeline.settings.loading import settings

    known = {*sources(), *settings().sources}
    if slug not in known:
        raise CommandError(
            f"there is no source {slug!r}; known: {', '.join(sorted(known))}. `afluente source new` writes a new one",
            exit_code=2,
        )
    return slug


def known_brand(brand: str | None) -> str | None:
    """`brand`, if it is none, is set up, or was when leads of it came."""
    from pipeline.settings.loading import settings
    from pipeline.store.reports import has_events_of

    if brand is None or brand in settings().brands:
        return brand
    with database(timeout_seconds=0) as connection:
        if has_events_of(connection, brand):
            return brand
    known = ", ".join(sorted(settings().brands))
    raise CommandError(f"there is no brand {brand!r}; known: {known}", exit_code=2)


def _refuse_if_nothing_runs() -> None:
    if sentence := nothing_runs():
        raise CommandError(sentence)


def nothing_runs() -> str | None:
    """A sentence, with the remedy, if the embedded database is not started; else None."""
    from pipeline.settings.installation import socket_folder
    from pipeline.settings.loading import settings

    known = settings()
    if known.is_embedded_database and not (socket_folder(known.data) / ".s.PGSQL.5432").exists():
        return f"Afluente does not run in {known.data}. {_remedy()}"
    return None


def reach(work: Callable[[], Done]) -> Done:
    """Do what is safe to do again on a running system; refuses where nothing runs."""
    from pipeline.errors import TransientError

    if sentence := nothing_runs():
        raise CommandError(sentence)
    keep_logs_quiet()
    try:
        return work()
    except TransientError as error:
        raise CommandError(f"{error}. Run the same command again: what was done stays done") from error


def _remedy() -> str:
    from pipeline.settings.loading import settings

    if settings().is_embedded_database:
        return (
            "Start it with `afluente up` (in another terminal), or name another installation with AFLUENTE_DATA or"
            " AFLUENTE_DATABASE_URL"
        )
    return "Check AFLUENTE_DATABASE_URL with `afluente doctor`"


def keep_logs_quiet() -> None:
    """Only errors of the store and of hints go to stderr: what went wrong is said by the command itself."""
    import logging

    from pipeline.errors import ConfigurationError
    from pipeline.logs import configure_logging
    from pipeline.settings.loading import settings

    try:
        log_format = settings().log_format
    except ConfigurationError:  # `doctor` goes on without settings and says what is wrong with them
        log_format = "text"
    configure_logging(log_format, level=logging.ERROR)
