"""What afluente.yaml may say of a kind of CRM: options by name, each of one type, checked before any call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from connectors.kit.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `kinds`: which of text, integer, number, boolean and url it may be. `allowed`: the only values there
    are, if not empty; `at_least`, `at_most`: bounds of a number. `help` is for the docs."""

    name: str
    kinds: str | tuple[str, ...] = "text"
    default: Any = None
    allowed: tuple[Any, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    help: str = ""

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, with what is allowed; None if it is fine."""
        if self.allowed:
            words = ", ".join(str(word).lower() if isinstance(word, bool) else str(word) for word in self.allowed)
            return None if value in self.allowed else f"is {value!r}; allowed: {words}"
        kinds = (self.kinds,) if isinstance(self.kinds, str) else self.kinds
        if not any(_KINDS[kind][0](value) for kind in kinds):
            return f"is {value!r}; allowed: {' or '.join(_KINDS[kind][1] for kind in kinds)}"
        if _is_number(value):
            if self.at_least is not None and value < self.at_least:
                return f"is {value!r}; allowed: at least {self.at_least:g}"
            if self.at_most is not None and value > self.at_most:
                return f"is {value!r}; allowed: at most {self.at_most:g}"
        return None


def read_options(destination: str, declared: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options given, and the others that have a default. Raises ConfigurationError naming path, value and what is
    allowed."""
    return checked_options(f"destinations.{destination}.options", declared, given)


def checked_options(
    place: str, declared: Iterable[Option], given: Mapping[str, Any], *, elsewhere: Collection[str] = ()
) -> dict[str, Any]:
    """What is given of the declared options, and the others that have a default; `elsewhere`: names that may stand
    there too and are somebody else's. Raises ConfigurationError naming path, value and what is allowed."""
    known = {option.name: option for option in declared}
    for name, value in given.items():
        if name in known:
            if (problem := known[name].problem(value)) is not None:
                raise ConfigurationError(f"{place}.{name} {problem}")
        elif name not in elsewhere:
            allowed = ", ".join(sorted({*known, *elsewhere})) or "none"
            raise ConfigurationError(f"{place}: {name} is not known; allowed: {allowed}")
    defaults = {name: option.default for name, option in known.items() if option.default is not None}
    return defaults | {name: value for name, value in given.items() if name in known}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_url(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "text": (lambda value: isinstance(value, str) and bool(value.strip()), "a text"),
    "integer": (lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"),
    "number": (_is_number, "a number"),
    "boolean": (lambda value: isinstance(value, bool), "true or false"),
    "url": (_is_url, "an address that begins with https://"),
}
