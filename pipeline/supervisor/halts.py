"""Tells on the terminal of `up` when calls to a CRM are halted and go on; workers log it, each in a file of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from redis import Redis
from redis.exceptions import RedisError

from pipeline.delivery.breaker import Breaker, BreakerState
from pipeline.delivery.shared_state import redis_url
from pipeline.errors import AfluenteError, ConfigurationError
from pipeline.logs import get_logger
from pipeline.settings.loading import Settings

_LOOK_SECONDS = 2.0
_TIMEOUT_SECONDS = 0.3  # a Redis that hangs must not hold up who keeps everything running

_log = get_logger(__name__)


class HaltWatch:
    """Looks at the breakers of the destinations in use. `look_when_due` never raises and takes no time to speak of."""

    def __init__(self, destinations: Iterable[str], read: Callable[[str], BreakerState]) -> None:
        self._read = read
        self._is_halted = dict.fromkeys(destinations, False)
        self._look_at = 0.0

    def look_when_due(self) -> None:
        if time.monotonic() < self._look_at:
            return
        for name, was_halted in self._is_halted.items():
            try:
                state = self._read(name)
            except (AfluenteError, RedisError):
                break  # Redis is away: it is asked again, and what was known stands
            is_halted = state.state != "closed"
            if is_halted and not was_halted:
                _log.warning("destination_halted", destination=name, reason=state.reason)
            elif was_halted and not is_halted:
                _log.warning("destination_resumed", destination=name)
            self._is_halted[name] = is_halted
        self._look_at = time.monotonic() + _LOOK_SECONDS


def watch_halts(settings: Settings) -> HaltWatch:
    """A watch over the destinations in use. One that watches nothing where the broker is not asked as Redis is."""
    try:
        url = redis_url(settings.broker_url)
    except ConfigurationError:  # Sentinel: kombu alone understands its addresses
        return HaltWatch((), lambda _: BreakerState("closed"))
    client = Redis.from_url(
        url, decode_responses=True, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
    )
    names = sorted(name for name, destination in settings.destinations.items() if destination.enabled)
    return HaltWatch(names, Breaker(client).state)
