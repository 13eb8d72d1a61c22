"""How calls to a destination stand, as all workers see it: its breaker and its quota, and what halts them in words."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pipeline.delivery.breaker import Breaker, BreakerState
from pipeline.delivery.governor import Governor, QuotaState
from pipeline.delivery.shared_state import shared_redis


class Standing(msgspec.Struct, frozen=True):
    breaker: BreakerState
    quota: QuotaState


def read_standings(broker_url: str, names: Iterable[str]) -> dict[str, Standing]:
    """Of each destination. Raises TransientError while Redis is away."""
    client = shared_redis(broker_url)
    breaker, governor = Breaker(client), Governor(client)
    return {name: Standing(breaker.state(name), governor.state(name)) for name in names}


def why_halted(name: str, breaker: BreakerState) -> str | None:
    """Why no call is made, without the destination's name; None if calls are made."""
    if breaker.state == "closed":
        return None
    return f"calls are halted ({without_name(name, breaker.reason)}); one is tried in {breaker.open_seconds:.0f} s"


def without_name(name: str, reason: str | None) -> str:
    """A reason without the destination's name in front of it, where the sentence begins with the name already."""
    return (reason or "no reason is known").removeprefix(f"{name}: ")
