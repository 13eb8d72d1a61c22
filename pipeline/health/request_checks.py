"""Sources whose requests are all refused: their leads are lost at the sender, and nothing else here shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.health.checks import Check, asked, failed, passed
from pipeline.store.events.requests import count_requests

WINDOW_MINUTES = 15
LEAST_REQUESTS = 3  # one that a stranger tried is no sender that goes wrong
_TAKEN = ("taken", "handshake")
_CREDENTIALS = ("bad_signature", "too_many_unproven", "not_configured", "address")
_UNKNOWN = "unknown"  # requests for sources that are not there: strangers, mostly
_ABOUT_UNKNOWN = (
    " (unknown: sent to a source that the receiver does not know: strangers, or a misspelt address; a source that is"
    " new here is taken once the receiver was restarted)"
)


def refused_sources(requests: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """Sources of whose requests not one was taken, for want of a proof or of an allowed address, and why; given
    source -> outcome -> count."""
    reasons = {}
    for source, outcomes in sorted(requests.items()):
        refused = {outcome: count for outcome, count in outcomes.items() if outcome in _CREDENTIALS}
        if source == _UNKNOWN or outcomes.get("taken") or sum(refused.values()) < LEAST_REQUESTS:
            continue
        counts = ", ".join(f"{outcome} {count}" for outcome, count in refused.items())
        reasons[source] = (
            f"none of its {sum(outcomes.values())} requests of the last {WINDOW_MINUTES} minutes was taken ({counts})"
        )
    return reasons


def find_refused(requests: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The same as sentences for `status`."""
    return [
        f"source {source}: {reason}; is its secret here the one the sender signs with{_and_address(source, reason)}?"
        for source, reason in refused_sources(requests).items()
    ]


def _and_address(source: str, reason: str) -> str:
    return f", sources.{source}.allow_from with its addresses" if "address" in reason else ""


def check_requests() -> Iterator[Check]:
    """What the receivers counted. Left out while the database is away: its own check says so."""
    requests = asked(lambda connection: count_requests(connection, minutes=WINDOW_MINUTES))
    if requests is None:
        return
    refused = refused_sources(requests)
    for source, reason in refused.items():
        yield failed(
            f"requests of {source}",
            reason,
            f"compare the signing secret here with the sender's{_and_address(source, reason)}, and the clocks;"
            " senders give up after some hours",
        )
    if not refused:
        yield passed("requests", _summary(requests))


def refused_of(outcomes: Mapping[str, int]) -> dict[str, int]:
    """How many of a source's requests were refused, by outcome."""
    return {outcome: count for outcome, count in outcomes.items() if outcome not in _TAKEN}


def _summary(requests: Mapping[str, Mapping[str, int]]) -> str:
    turned_away = {source: sum(refused_of(outcomes).values()) for source, outcomes in requests.items()}
    counts = ", ".join(f"{source} {count}" for source, count in turned_away.items() if count)
    summary = f"refused in the last {WINDOW_MINUTES} minutes: {counts or 'none'}"
    return summary + _ABOUT_UNKNOWN if turned_away.get(_UNKNOWN) else summary
