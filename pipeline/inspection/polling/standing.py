"""How sources stand: their polls, what is to be read by ids or listed as posted, and whether each is heard as usual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pipeline.errors import UsageError
from pipeline.health.completeness import ReconcileState
from pipeline.health.polls import PollState
from pipeline.health.silence.listening import watched_sources
from pipeline.health.silence.notices import SourceSilence, read_silences
from pipeline.health.subscriptions.asking import ask, subscribed_sources
from pipeline.health.subscriptions.notices import SubscriptionState, read_subscription_states, subscription_states
from pipeline.inspection.names import check_source
from pipeline.inspection.polling.fetched import is_fetched, read_fetches
from pipeline.inspection.polling.polled import read_states
from pipeline.inspection.polling.reconciled import read_reconciles
from pipeline.settings.loading import settings
from pipeline.store.fetches.pauses import FetchState


class Standing(msgspec.Struct, frozen=True):
    """Of all sources, or of one."""

    polls: list[PollState]
    fetches: list[FetchState]
    reconciles: list[ReconcileState]
    silences: list[SourceSilence]
    subscriptions: list[SubscriptionState]

    def rows(self) -> list[dict[str, Any]]:
        """All of it in one list. `about` tells what a row is: poll, fetch, reconcile, silence or subscription."""
        told: dict[str, Sequence[msgspec.Struct]] = {
            "poll": self.polls,
            "fetch": self.fetches,
            "reconcile": self.reconciles,
            "silence": self.silences,
            "subscription": self.subscriptions,
        }
        return [{"about": about, **msgspec.structs.asdict(state)} for about, states in told.items() for state in states]


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
    subscriptions = [state for state in read_subscription_states(settings()) if slug in (None, state.source)]
    return Standing(polls, fetches, read_reconciles(slug), silences, subscriptions)


def check_hook(slug: str | None = None) -> list[SubscriptionState]:
    """Ask sources now whether they know our address, or one of them; gives what they said.

    Raises UsageError for a source that cannot be asked, TransientError if the database is away.
    """
    if slug is not None:
        check_source(slug)
    known = settings()
    asked = [source for source in subscribed_sources(known) if slug in (None, source.slug)]
    if slug is not None and not asked:
        able = ", ".join(sorted({source.slug for source in subscribed_sources(known)}))
        raise UsageError(f"{slug} cannot be asked whether it knows our address; these can: {able}")
    for source in asked:
        if source.why_not is None:
            ask(known, source)
    return [state for state in read_subscription_states(known) if slug in (None, state.source)] or [
        state for state in subscription_states(known, {}, {}, every=True) if state.source == slug
    ]
