"""What drop folders and mailboxes have in common: each answers for its own settings and its own position."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import orjson


class SourceEntry(Protocol):
    """What afluente.yaml says of one source, as far as a kind asks."""

    @property
    def folder(self) -> str | None: ...
    @property
    def url(self) -> str | None: ...
    @property
    def options(self) -> Mapping[str, Any]: ...


class Collected(ABC):
    """A kind that beat collects on its schedule, as it polls feeds. One place holds the leads of one brand."""

    __slots__ = ()
    option_names: ClassVar[tuple[str, ...]] = ()  # of `sources.NAME.options`, beside those of a connector's `settings`

    def set_up(self, _slug: str, _entry: SourceEntry) -> Self:
        """The declaration with what the options of one source make of it. Raises ConfigurationError."""
        return self

    @abstractmethod
    def lacks(self, slug: str, entry: SourceEntry) -> str | None:
        """Which setting is missing or wrong, as a sentence that says what to do; None if nothing is."""

    def why_not(self, slug: str, entry: SourceEntry, brands: Sequence[str], *, is_named: bool) -> str | None:
        """Why it is not collected, with what to do; None if it is. `brands`: those that it belongs to; `is_named`:
        afluente.yaml has an entry of it."""
        if is_named and len(brands) > 1:
            return (
                f"it belongs to several brands ({', '.join(brands)}), and what lies there is the leads of one: set"
                f" sources.{slug}.brands to that one; another brand gets a source of its own (`connector:`)"
            )
        missing = self.lacks(slug, entry)
        return f"it is not in use: {missing}" if missing and not is_named else missing

    @abstractmethod
    def begins_at(self, value: str) -> str:
        """The position from which collecting begins at what somebody names. Raises ConfigurationError."""

    @abstractmethod
    def told(self, position: str | None) -> str | None:
        """A stored position in words."""

    @abstractmethod
    def problem(self, position: str | None) -> str | None:
        """What a human should look at, by the stored position; None if nothing."""


def read_position(position: str | None) -> dict[str, Any]:
    """A position as it was written. What cannot be read is none: collecting again only repeats."""
    if position is None:
        return {}
    try:
        read = orjson.loads(position)
    except orjson.JSONDecodeError:
        return {}
    return read if isinstance(read, dict) else {}


def wrong_choice(place: str, value: object, allowed: Sequence[str]) -> str | None:
    """A sentence where `value` is none of `allowed`."""
    if value is None or value in allowed:
        return None
    return f"{place} is {str(value)[:40]!r}; allowed: {', '.join(allowed)}"
