"""The declaration of a subscription: how a source that posts is asked whether it still knows our address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from connectors.kit.errors import RecordError
from connectors.kit.paths import get_path
from connectors.kit.sources.declarations import Connector
from connectors.kit.sources.fetching.fetch import Fetch

Hook = Literal["active", "paused", "elsewhere", "absent"]
_BEST_FIRST: tuple[Hook, ...] = ("active", "paused", "elsewhere", "absent")
_USUAL_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a token must allow, asked in a request of its own. `{token}` in `params` of `ask` is the token itself.
    `at`: the list of names in the answer."""

    ask: Fetch
    at: str
    needed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subscription:
    """`GET ask.url`, with proof, options and errors as a Fetch has them. An option without a default must be set
    (`sources.NAME.subscription`); where `each` names one, it may hold several values with commas between, and each is
    asked for.

    `records_at`: the list of hooks in the answer; None: the answer is the only hook. `url_at`: where a hook
    has its address; None where the source does not tell it (one address for the whole app). `active_at`: where it says
    whether it is switched on, by one of `active`; None: what is listed is on. `holds`: what lists of a hook must
    contain.
    """

    ask: Fetch
    records_at: str | None = None
    url_at: str | None = None
    active_at: str | None = None
    active: tuple[Any, ...] = (True,)
    holds: Mapping[str, str] = field(default_factory=dict)
    each: str | None = None
    scopes: Scopes | None = None

    def state_of(self, answer: Any, address: str) -> Hook:
        """How our address stands in an answer. `address` begins with `https://`, or is a path alone where nobody said
        under which name the world sees us. Raises RecordError for an answer without the list: it tells nothing."""
        hooks = [answer] if self.records_at is None else _list_at(answer, self.records_at)
        states = {self._state(hook, address) for hook in hooks if isinstance(hook, dict)}
        return next((state for state in _BEST_FIRST if state in states), "absent")

    def _state(self, hook: Mapping[str, Any], address: str) -> Hook:
        told = get_path(hook, self.url_at) if self.url_at is not None else None
        if self.url_at is not None and not (isinstance(told, str) and is_same_address(told, address)):
            return "elsewhere"
        if any(not _holds(get_path(hook, path), word) for path, word in self.holds.items()):
            return "absent"
        is_active = self.active_at is None or get_path(hook, self.active_at) in self.active
        return "active" if is_active else "paused"

    def missing_scopes(self, answer: Any) -> list[str]:
        """What the token does not allow, by the answer to `scopes`. Raises RecordError as `state_of`."""
        if self.scopes is None:
            return []
        given = _list_at(answer, self.scopes.at)
        return [scope for scope in self.scopes.needed if scope not in given]


def subscription_of(connector: Connector | None) -> Subscription | None:
    """How a source is asked whether it knows our address; None where it cannot be."""
    return getattr(connector.intake, "subscription", None) if connector is not None else None


def subscription_problems(subscription: Subscription | None) -> list[str]:
    """What is wrong with a declaration, as sentences."""
    if subscription is None:
        return []
    names = {option.name for option in subscription.ask.options}
    asks = [subscription.ask, *([subscription.scopes.ask] if subscription.scopes else [])]
    problems = [
        f"subscription: {ask.url} must begin with https:// and a host that is written out"
        for ask in asks
        if not ask.url.startswith("https://") or "{" in ask.url.partition("://")[2].partition("/")[0]
    ]
    if subscription.each is not None and subscription.each not in names:
        problems.append(f"subscription: each is {subscription.each!r}, which is none of its options")
    if subscription.ask.token is None and subscription.ask.auth is None:
        problems.append("subscription: say who asks, by token or auth")
    return problems


def is_same_address(told: str, ours: str) -> bool:
    """Whether both lead to the same place, whatever stands behind the `?`: secrets do. A path alone is ours at any
    host."""
    try:
        theirs, own = urlsplit(told.strip()), urlsplit(ours)
        if theirs.path.rstrip("/") != own.path.rstrip("/"):
            return False
        return not own.netloc or _place(theirs) == _place(own)
    except ValueError:
        return False


def _place(parts: Any) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _USUAL_PORTS.get(parts.scheme)


def _list_at(answer: Any, path: str) -> list[Any]:
    found = get_path(answer, path)
    if not isinstance(found, list):
        raise RecordError("fetched_unreadable", message=f"the answer has no list at {path}")
    return found


def _holds(found: Any, word: str) -> bool:
    return isinstance(found, Sequence) and not isinstance(found, str) and word in found
