"""Keys of the HTTP API: `name:role:key`, or `name:role:key:brands` for a key that serves some brands only."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import ConfigurationError
from pipeline.settings.declarations import ROLES, ApiKey
from pipeline.settings.installation import read_credentials
from pipeline.settings.secrets import file_variable


class _Entry(NamedTuple):
    name: str
    role: str
    key: str
    brands: tuple[str, ...]


def read_api_keys(env: Mapping[str, str], data: Path, *, brands: Collection[str]) -> tuple[ApiKey, ...]:
    """The keys that are set, else the one that `afluente up` made. Raises ConfigurationError naming the entry."""
    return tuple(
        ApiKey(entry.name, entry.role, hashlib.sha256(entry.key.encode()).digest(), entry.brands)
        for entry in _entries(env, data, brands)
    )


def find_sending_key(env: Mapping[str, str], data: Path, *, brands: Collection[str]) -> str | None:
    """A key that may post leads, one that serves all brands before others; None if none is known."""
    senders = [entry for entry in _entries(env, data, brands) if entry.role != "viewer"]
    return min(senders, key=lambda entry: len(entry.brands)).key if senders else None


def _entries(env: Mapping[str, str], data: Path, brands: Collection[str]) -> list[_Entry]:
    text = env.get("AFLUENTE_API_KEYS") or file_variable("AFLUENTE_API_KEYS_FILE", env)
    if not text:
        generated = read_credentials(data).get("api_key")
        text = f"embedded:admin:{generated}" if generated else ""
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
