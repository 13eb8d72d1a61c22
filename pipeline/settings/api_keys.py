"""Keys of the HTTP API: `name:role:key`, or `name:role:key:brands` for a key that serves some brands only."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import NamedTuple

from pipeline.errors import ConfigurationError
from pipeline.permissions.roles import permissions_of_first_key
from pipeline.settings.declarations import ROLES, ApiKey

SHORTEST_KEY = 16  # characters; shorter ones can be tried out


class _Entry(NamedTuple):
    name: str
    role: str
    key: str
    brands: tuple[str, ...]


def read_api_keys(text: str, *, brands: Collection[str]) -> tuple[ApiKey, ...]:
    """The keys of a comma-separated list. Raises ConfigurationError naming the entry that is none."""
    return tuple(_api_key(entry) for entry in _entries(text, brands))


def _api_key(entry: _Entry) -> ApiKey:
    digest = hashlib.sha256(entry.key.encode()).digest()
    return ApiKey(
        entry.name,
        entry.role,
        digest,
        entry.brands,
        is_short=len(entry.key) < SHORTEST_KEY,
        permissions=permissions_of_first_key(entry.role),
    )


def find_sending_key(text: str, *, brands: Collection[str]) -> str | None:
    """A key that may post leads, one that serves all brands before others; None if none is known."""
    senders = [entry for entry in _entries(text, brands) if entry.role != "viewer"]
    return min(senders, key=lambda entry: len(entry.brands)).key if senders else None


def _entries(text: str, brands: Collection[str]) -> list[_Entry]:
    entries = []
    for number, part in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        name, _, rest = part.partition(":")
        role, _, rest = rest.partition(":")
        key, bound = _without_brands(rest, brands)
        if not (name and key) or role not in ROLES:
            raise ConfigurationError(
                f"AFLUENTE_API_KEYS: entry {number} must read name:role:key or name:role:key:brand+brand,"
                f" with a role of {', '.join(ROLES)}"
            )
        entries.append(_Entry(name, role, key, bound))
    return entries


def _without_brands(rest: str, brands: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """A key and the brands after it. A key may hold colons: only names of brands, nothing else, are brands.

    So a brand that is misspelled is part of the key, which then opens nothing.
    """
    key, _, last = rest.rpartition(":")
    names = tuple(last.split("+"))
    if key and all(name in brands for name in names):
        return key, names
    return rest, ()
