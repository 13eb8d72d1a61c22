"""Which sources are to be heard of by themselves, and whether we are there to hear each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.kit import Connector, File, sources
from pipeline.lanes import BULK
from pipeline.settings.loading import Settings
from pipeline.settings.polled_sources import is_polled, polled_sources, streams_of
from pipeline.settings.set_up_sources import set_up_sources
from pipeline.store.events.cursors import PollKey, StoredCursor
from pipeline.store.sources.rhythms import SourceKey

_RECEIVER_SEEN = timedelta(minutes=2)  # it says once a minute that it is there
_OVERDUE_POLL = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Listening:
    """A source of a brand: how long afluente.yaml lets it be silent, if it says; whether we are there to hear it; and
    whether what comes by the bulk lane is its own, and no file that somebody imports."""

    after: timedelta | None
    is_there: bool
    takes_bulk: bool


def watched_sources(known: Settings) -> dict[SourceKey, Connector]:
    """By brand and name. Not those that come in files, that are switched off or not polled, or of which
    afluente.yaml says `silence: off`."""
    not_polled = {polled.slug for polled in polled_sources(known, sources()) if polled.why_not is not None}
    return {
        (brand, slug): connector
        for slug, connector in set_up_sources(known).items()
        if not isinstance(connector.intake, File) and slug not in not_polled
        if (entry := known.source(slug)).enabled and entry.silence is not False
        for brand in entry.brands or sorted(known.brands)
    }


def listen(
    known: Settings, cursors: Mapping[PollKey, StoredCursor], receiver_seen_at: datetime | None, now: datetime
) -> dict[SourceKey, Listening]:
    """Every watched source as it is at this moment."""
    is_receiver_there = receiver_seen_at is not None and now - receiver_seen_at <= _RECEIVER_SEEN
    found = {}
    for (brand, slug), connector in watched_sources(known).items():
        entry = known.source(slug)
        is_there = (
            is_read(cursors_of(cursors, (brand, slug), connector), now) if is_polled(connector) else is_receiver_there
        )
        found[brand, slug] = Listening(entry.silent_after, is_there, (entry.lane or connector.lane) == BULK)
    return found


def cursors_of(cursors: Mapping[PollKey, StoredCursor], key: SourceKey, connector: Connector) -> list[StoredCursor]:
    """Those of the lists that a source is read by now."""
    found = (cursors.get((*key, stream)) for stream in streams_of(connector))
    return [row for row in found if row is not None]


def is_read(cursors: Sequence[StoredCursor], now: datetime) -> bool:
    """Whether the last poll of each list went well, and the next one is not overdue."""
    return bool(cursors) and all(
        row.last_run_at is not None
        and row.last_error is None
        and (row.next_run_at is None or row.next_run_at > now - _OVERDUE_POLL)
        for row in cursors
    )
