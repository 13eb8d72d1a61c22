"""The keys that a receiver knows, with a bound on how many wrong ones an address may try.

An address that tried too many is answered 429 whatever it shows, so that an answer tells nothing about a guess. Whoever
was let in from there before goes on: a stranger in the same office, or behind the same proxy, locks nobody out. A
key that is bound to networks goes on in them even where nobody remembers it, as after a restart or at another process:
whoever bound it said that it comes from there. The same wrong key again is no other guess, but a program that was not
told of its new one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pipeline.intake.edge.peers import Peers, name_of
from pipeline.intake.receiver.rate_limits import RateLimits
from pipeline.service_keys.keys import digest_of
from pipeline.service_keys.known_keys import KnownKeys
from pipeline.settings.declarations import ApiKey
from pipeline.settings.loading import Settings
from pipeline.settings.networks import is_within

_WRONG_AT_ONCE = 30.0
_WRONG_PER_SECOND = 0.2
_MOST_KEPT = 10_000  # addresses, and keys with the address they came from


class GuardedKeys(KnownKeys):
    """`clock` gives seconds. Counted in this process, and for no trusted proxy that does not say who is behind it."""

    def __init__(
        self,
        settings: Settings,
        on_change: Callable[[], None] = lambda: None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(settings, on_change)
        self._guesses = RateLimits(clock, most=_MOST_KEPT)
        self._proxies = Peers(None, settings.trusted_proxies)
        self._right: dict[tuple[str, bytes], None] = {}
        self._wrong: dict[tuple[str, bytes], None] = {}

    def find_from(self, host: str | None, bearer: str) -> ApiKey | float | None:
        """The key that this text is, shown from an address; None for one that is not known; the seconds to wait where
        too many wrong ones came from there."""
        known = self.find(bearer)
        if host is None or self._proxies.is_trusted(host):
            return known
        address = name_of(host)
        shown = (address, digest_of(bearer))
        wait = self._guesses.wait(address, rate_per_second=_WRONG_PER_SECOND, burst=_WRONG_AT_ONCE)
        if wait and (known is None or not (shown in self._right or is_within(host, known.networks))):
            return wait
        if known is not None:
            _keep(self._right, shown)
        elif shown not in self._wrong:
            _keep(self._wrong, shown)
            self._guesses.charge(address, 1, rate_per_second=_WRONG_PER_SECOND, burst=_WRONG_AT_ONCE)
        return known


def _keep(kept: dict[tuple[str, bytes], None], shown: tuple[str, bytes]) -> None:
    """The newest of them, at the end."""
    kept.pop(shown, None)
    if len(kept) >= _MOST_KEPT:
        del kept[next(iter(kept))]
    kept[shown] = None
