"""`secrets:` of afluente.yaml: what no store says of a secret; and every secret that the settings refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time
from typing import Any

import msgspec

from pipeline.errors import ConfigurationError
from pipeline.settings.secrets import Reference, is_reference, reference

Problem = tuple[str, str]


class SecretSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`expires`: by its reference, the day on which a secret stops being of use, as 2027-03-31; of those whose store
    does not know it."""

    expires: dict[str, Any] = {}

    def expiries(self) -> dict[str, datetime]:
        """The beginning of that day, UTC."""
        found = {place: _day(given) for place, given in self.expires.items()}
        return {place: datetime.combine(day, time(), UTC) for place, day in found.items() if day is not None}


def problems_of_secrets(entry: Mapping[Any, Any]) -> Iterator[Problem]:
    """What types cannot tell of `secrets`, as (place, what is wrong there)."""
    expires = entry.get("expires")
    for place, given in expires.items() if isinstance(expires, dict) else ():
        if not isinstance(place, str) or not is_reference(place):
            yield "secrets.expires", "its keys are references as they stand elsewhere in this file, env:NAME or another"
        elif _day(given) is None:
            yield f"secrets.expires.{place}", "is no day; write it as 2027-03-31"


def references_in(known: Any) -> list[Reference]:
    """Every reference that the settings hold, each once, in a stable order."""
    found = {place.text: place for place in _references(known)}
    return [place for _, place in sorted(found.items())]


def _references(part: Any) -> Iterator[Reference]:
    if isinstance(part, Reference):
        yield part
    elif isinstance(part, str):
        if is_reference(part):
            with suppress(ConfigurationError):  # a text that only looks like one
                yield reference(part, "")
    elif isinstance(part, SecretSettings):
        return  # names those that stand elsewhere
    elif isinstance(part, msgspec.Struct):
        for name in part.__struct_fields__:
            yield from _references(getattr(part, name))
    elif isinstance(part, dict):
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _references(value)


def _day(given: Any) -> date | None:
    if isinstance(given, datetime):
        return given.date()
    if isinstance(given, date):
        return given
    try:
        return date.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        return None
