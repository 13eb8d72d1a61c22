"""Polled sources by hand: how their polls go, and a poll now, from where one likes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from connectors.kit import Connector
from connectors.kit.sources.collected.kinds import Collected
from connectors.kit.sources.polling import Position, position_from
from pipeline.errors import ConfigurationError, RefusedError, UsageError
from pipeline.health.polls import PollState, poll_states
from pipeline.inspection.names import check_source, find_instance
from pipeline.intake.polls import run_poll
from pipeline.intake.runs import PollReport
from pipeline.settings.loading import settings
from pipeline.settings.polled_sources import check_setup, declared_poll
from pipeline.store.engine import transaction
from pipeline.store.events.cursors import read_cursors

BEGINNING = "beginning"


class Polled(msgspec.Struct, frozen=True):
    """What a poll brought. `end`: by what the source's end was known, None if an `error` came first. `cursor`: where
    the next one reads on. `rejected` of the accepted are no records, and go to quarantine."""

    source: str
    brand: str
    pages: int
    accepted: int
    repeated: int
    revised: int
    rejected: int
    end: str | None
    notes: list[str]
    error: str | None
    cursor: str | None


def poll_now(
    slug: str,
    *,
    brand: str | None = None,
    begin_at: str | None = None,
    on_progress: Callable[[int], None] = lambda _accepted: None,
) -> Polled:
    """Read a polled source to its end, due or not: from where it was read to, or from `begin_at` (`beginning`, or a
    value of its cursor as the source writes it). What it had before is recognized, and comes in once.

    Raises UsageError, RefusedError if it is switched off or somebody is polling it, TransientError if the database is
    away.
    """
    instance = find_instance(slug, brand)
    try:
        check_setup(settings(), slug, instance.connector)
        position = _begin(slug, instance.connector, begin_at)
    except ConfigurationError as error:
        raise UsageError(str(error)) from error
    if not instance.enabled:
        raise RefusedError(f"{slug} is switched off: sources.{slug}.enabled is false in afluente.yaml")
    total = PollReport()
    while total.end is None and total.error is None:
        report = run_poll(slug, instance.brand, at_once=True, begin_at=position)
        if not report.ran:
            raise RefusedError(
                f"{slug} is being polled at this moment: `afluente source status {slug}` shows how it goes."
                " After a kill, the poll that ended so is waited for some minutes"
            )
        _add(total, report)
        on_progress(total.accepted)
        position = None
    (state,) = [state for state in read_states(slug) if state.brand in (instance.brand, None)]
    counts = {name: getattr(total, name) for name in Polled.__struct_fields__ if hasattr(total, name)}
    return Polled(source=slug, brand=instance.brand, cursor=state.cursor, **counts)


def read_states(slug: str | None = None) -> list[PollState]:
    """How the polls of each source go, or of one. Raises UsageError for a source that comes in another way."""
    if slug is not None:
        check_source(slug)
    with transaction(synchronous=False) as connection:
        cursors = read_cursors(connection)
    states = [state for state in poll_states(settings(), cursors) if slug in (None, state.source)]
    if slug is not None and not states:
        raise UsageError(f"{slug} is not polled: `afluente source list` shows how its leads come")
    return states


def _begin(slug: str, connector: Connector, begin_at: str | None) -> str | None:
    if begin_at is None:
        return None
    if isinstance(connector.intake, Collected):
        return connector.intake.begins_at(begin_at)
    if begin_at == BEGINNING:
        return Position().text()
    return position_from(declared_poll(slug, connector), begin_at, now=datetime.now(UTC))


def _add(total: PollReport, report: PollReport) -> None:
    for name in ("accepted", "repeated", "revised", "rejected", "pages"):
        setattr(total, name, getattr(total, name) + getattr(report, name))
    total.end, total.error = report.end, report.error
    total.notes += [note for note in report.notes if note not in total.notes]
