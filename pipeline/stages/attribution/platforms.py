"""Platforms where ads and native lead forms live, by every name that mappings, connectors and links use."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import NamedTuple

from pipeline.errors import ConfigurationError
from pipeline.values.folding import fold
from pipeline.values.vocabularies import vocabulary


class Platform(NamedTuple):
    """`source` as GA4's lists know it, the medium of its ads (`paid`) and of everything else on it (`organic`).

    `seller` is the platform its ads are bought on, and whose click ids they carry: google for youtube, else itself.
    """

    name: str
    source: str
    paid: str
    organic: str
    seller: str


@lru_cache(maxsize=4096)
def platform_of(text: str) -> Platform | None:
    """The platform somebody means, None if it is not in the vocabulary."""
    return _platforms().get(fold(text))


@cache
def _platforms() -> dict[str, Platform]:
    platforms: dict[str, Platform] = {}
    for name, entry in vocabulary("platforms").items():
        platform = Platform(str(name), entry["source"], entry["paid"], entry["organic"], entry.get("part_of", name))
        for spelling in (name, entry["source"], *(entry.get("also") or ())):
            other = platforms.setdefault(fold(str(spelling)), platform)
            if other is not platform:
                raise ConfigurationError(
                    f"mappings/vocabularies/platforms.yaml: {spelling!r} stands for {other.name!r} and for {name!r}"
                )
    return platforms
