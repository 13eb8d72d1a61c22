"""How sources stand: their polls, what is to be read by ids, and whether each is heard as usual."""

from __future__ import annotations

import msgspec

from pipeline.errors import UsageError
from pipeline.health.polls import PollState
from pipeline.health.silence.listening import watched_sources
from pipeline.health.silence.notices import SourceSilence, read_silences
from pipeline.inspection.names import check_source
from pipeline.inspection.polling.fetched import is_fetched, read_fetches
from pipeline.inspection.polling.polled import read_states
from pipeline.settings.loading import settings
from pipeline.store.fetches.pauses import FetchState


class Standing(msgspec.Struct, frozen=True):
    """Of all sources, or of one."""

    polls: list[PollState]
    fetches: list[FetchState]
    silences: list[SourceSilence]


def read_standing(slug: str | None = None) -> Standing:
    """Raises UsageError for a source that is not known, or that comes in files alone; TransientError if the database
    is away."""
    if slug is not None:
        check_source(slug)
    polls = [state for state in read_states() if slug in (None, state.source)]
    fetches = read_fetches(slug)
    watched = {source for _, source in watched_sources(settings())}
    if slug is not None and not polls and not is_fetched(slug) and slug not in watched:
        raise UsageError(
            f"{slug} comes in files alone: nobody waits for it. `afluente source list` shows how leads come"
        )
    silences = [silence for silence in read_silences(settings()) if slug in (None, silence.source)]
    return Standing(polls, fetches, silences)
