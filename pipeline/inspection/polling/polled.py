"""Polled sources by hand: how their polls go, and a poll now, from where one likes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from connectors.kit.sources.collected.kinds import Collected
from connectors.kit.sources.paging.streams import poll_of_stream, stream_named
from connectors.kit.sources.polling import Position, position_from
from pipeline.errors import ConfigurationError, RefusedError, UsageError
from pipeline.health.polls import PollState, poll_states
from pipeline.inspection.names import check_source, find_instance
from pipeline.intake.instances import SourceInstance
from pipeline.intake.poll_reports import PollReport
from pipeline.intake.polls import run_poll
from pipeline.settings.loading import settings
from pipeline.settings.polled_sources import STREAM, poll_of, streams_of
from pipeline.store.engine import transaction
from pipeline.store.events.cursors import read_cursors
from pipeline.store.source_tokens import read_tokens

BEGINNING = "beginning"
_COUNTED = ("pages", "accepted", "repeated", "revised", "rejected")


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
    stream: str = ""
    streams: list[Polled] = []  # where a source has several: each of them


def poll_now(
    slug: str,
    *,
    brand: str | None = None,
    stream: str | None = None,
    begin_at: str | None = None,
    on_progress: Callable[[int], None] = lambda _accepted: None,
) -> Polled:
    """Read a polled source to its end, due or not: from where it was read to, or from `begin_at` (`beginning`, or a
    value of its cursor as the source writes it). What it had before is recognized, and comes in once. Of a source with
    several streams all are read, or the one that is named; one that fails does not stop the others.

    Raises UsageError, RefusedError if it is switched off or somebody is polling it, TransientError if the database is
    away.
    """
    instance = find_instance(slug, brand)
    try:
        if isinstance(instance.connector.intake, Collected):
            if lacks := instance.connector.intake.lacks(slug, settings().source(slug)):
                raise UsageError(lacks)
            names = streams_of(instance.connector)
            position = instance.connector.intake.begins_at(begin_at) if begin_at is not None else None
        else:
            poll = poll_of(settings(), slug, instance.connector)
            names = streams_of(instance.connector) if stream is None else (stream_named(poll, stream).name,)
            if begin_at not in (None, BEGINNING) and len(names) > 1:
                raise UsageError(f"is needed, as each has its own cursor: one of {', '.join(names)}", argument="stream")
            own = poll if names == (STREAM,) else poll_of_stream(poll, stream_named(poll, names[0]))
            position = _begin(begin_at, lambda value: position_from(own, value, now=datetime.now(UTC)))
    except ConfigurationError as error:
        raise UsageError(str(error)) from error
    if not instance.enabled:
        raise RefusedError(f"{slug} is switched off: sources.{slug}.enabled is false in afluente.yaml")
    polled = [_poll(instance, name, position, on_progress) for name in names]
    return polled[0] if len(polled) == 1 else _all_of(polled)


def _poll(instance: SourceInstance, stream: str, position: str | None, on_progress: Callable[[int], None]) -> Polled:
    slug, total = instance.slug, PollReport()
    while total.end is None and total.error is None:
        report = run_poll(slug, instance.brand, stream, at_once=True, begin_at=position)
        if not report.ran:
            raise RefusedError(
                f"{slug} is being polled at this moment: `afluente source status {slug}` shows how it goes."
                " After a kill, the poll that ended so is waited for some minutes"
            )
        total.add(report)
        total.end, total.error = report.end, report.error
        on_progress(total.accepted)
        position = None
    (state,) = [
        state for state in read_states(slug) if state.brand in (instance.brand, None) and state.stream == stream
    ]
    counts = {name: getattr(total, name) for name in Polled.__struct_fields__ if hasattr(total, name)}
    return Polled(source=slug, brand=instance.brand, cursor=state.cursor, stream=stream, **counts)


def _all_of(streams: list[Polled]) -> Polled:
    """Several streams as one answer: the sums, and of what went wrong which stream it was."""
    summed = {name: sum(getattr(polled, name) for polled in streams) for name in _COUNTED}
    errors = [f"{polled.stream}: {polled.error}" for polled in streams if polled.error is not None]
    return Polled(
        source=streams[0].source,
        brand=streams[0].brand,
        end=None if errors else "each of its streams was read",
        notes=[f"{polled.stream}: {note}" for polled in streams for note in polled.notes],
        error="; ".join(errors) or None,
        cursor=None,
        streams=streams,
        **summed,
    )


def read_states(slug: str | None = None) -> list[PollState]:
    """How the polls of each source go, or of one. Raises UsageError for a source that comes in another way."""
    if slug is not None:
        check_source(slug)
    with transaction(synchronous=False) as connection:
        cursors, tokens = read_cursors(connection), read_tokens(connection)
    states = [state for state in poll_states(settings(), cursors, tokens) if slug in (None, state.source)]
    if slug is not None and not states:
        raise UsageError(f"{slug} is not polled: `afluente source list` shows how its leads come")
    return states


def _begin(begin_at: str | None, position_of: Callable[[str], str]) -> str | None:
    if begin_at is None:
        return None
    return Position().text() if begin_at == BEGINNING else position_of(begin_at)
