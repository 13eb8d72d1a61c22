"""What sources said of our subscription, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from pipeline.errors import AfluenteError
from pipeline.health.checks import Check, failed, passed
from pipeline.health.subscriptions.asking import REFUSED, Subscribed, subscribed_sources
from pipeline.settings.loading import Settings
from pipeline.store.engine import StoreError, transaction
from pipeline.store.sources.rhythms import SourceKey
from pipeline.store.sources.subscriptions import SubscriptionRow, last_handshakes, read_subscriptions
from pipeline.values.dates.lengths import length_in_words

_TIMEOUT_SECONDS = 10.0
_STALE = timedelta(days=3)  # it is asked once a day
_HOOKS = {
    "paused": "its webhook is switched off there: switch it on, or make it anew",
    "elsewhere": "its webhooks lead elsewhere, none to {address}: set that as its address",
    "absent": "it has no webhook to {address}: make one there",
}


class SubscriptionState(msgspec.Struct, frozen=True):
    """How our subscription stands at a source. `token`: ok, refused; `hook`: active, paused, elsewhere, absent; None
    where nobody could tell, or it was not asked. `why_not`: what to set so that it is asked. `last_handshake_at`: when
    a receiver last answered that the address is ours, within a week; of all brands. `notice`: what is wrong."""

    source: str
    brand: str
    address: str
    token: str | None
    hook: str | None
    missing_scopes: list[str]
    checked_at: datetime | None
    last_handshake_at: datetime | None
    why_not: str | None
    notice: str | None = None


def read_subscription_states(known: Settings) -> list[SubscriptionState]:
    """Of every source that can be asked, and is set up or was asked. Raises TransientError."""
    with transaction(synchronous=False, timeout_seconds=_TIMEOUT_SECONDS) as connection:
        return subscription_states(known, read_subscriptions(connection), last_handshakes(connection))


def subscription_states(
    known: Settings,
    rows: Mapping[SourceKey, SubscriptionRow],
    handshakes: Mapping[str, datetime],
    *,
    every: bool = False,
) -> list[SubscriptionState]:
    """As `read_subscription_states`, of what was read. `every`: also of sources that nobody set up."""
    return [
        _state(source, rows.get((source.brand, source.slug)), handshakes.get(source.slug))
        for source in subscribed_sources(known)
        if every or source.slug in known.sources or (source.brand, source.slug) in rows or source.why_not is None
    ]


def find_lost(states: Sequence[SubscriptionState]) -> list[str]:
    """What is wrong, as sentences that name the source."""
    return [f"{_named(state)}: {state.notice}" for state in states if state.notice is not None]


def check_subscriptions(known: Settings) -> Iterator[Check]:
    """What was said last, a check for each source that could be asked. Left out while the database is away."""
    try:
        states = read_subscription_states(known)
    except (AfluenteError, StoreError):
        return
    for state in states:
        label = f"subscription of {state.source}"
        if state.notice is not None:
            remedy = f"mend it, then `afluente source check-hook {state.source}`"
            yield failed(label, state.notice, remedy)
        elif state.why_not is not None:
            yield passed(label, f"not checked: {state.why_not}")
        elif state.checked_at is not None:
            yield passed(label, "the token is valid and the webhook active")


def _named(state: SubscriptionState) -> str:
    return f"source {state.source}{'' if state.brand == 'default' else f' of {state.brand}'}"


def _state(source: Subscribed, row: SubscriptionRow | None, handshake_at: datetime | None) -> SubscriptionState:
    is_asked = source.why_not is None and row is not None
    state = SubscriptionState(
        source=source.slug,
        brand=source.brand,
        address=source.address,
        token=row.token if is_asked and row else None,
        hook=row.hook if is_asked and row else None,
        missing_scopes=row.missing_scopes if is_asked and row else [],
        checked_at=row.checked_at if row else None,
        last_handshake_at=handshake_at,
        why_not=source.why_not,
    )
    return msgspec.structs.replace(state, notice=_notice(source, row)) if is_asked and row else state


def _notice(source: Subscribed, row: SubscriptionRow) -> str | None:
    if row.token == REFUSED:
        return f"whether it knows our address cannot be asked: {row.error}"
    if row.error is not None:
        return f"whether it knows our address could not be told: {row.error}; it is asked again by itself"
    if row.hook in _HOOKS:
        return _HOOKS[row.hook].format(address=source.address)
    if row.missing_scopes:
        return f"its token lacks permissions: {', '.join(row.missing_scopes)}"
    age = datetime.now(UTC) - row.checked_at
    if age > _STALE:
        waits = length_in_words(age.total_seconds())
        return f"nobody has asked it for {waits} whether it knows our address; do beat and the ops node run?"
    return None
