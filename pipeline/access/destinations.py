"""The secrets that a CRM is shown: the newest, and for a while the former where the CRM does not take that yet."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from functools import cache

from pipeline.errors import ConfigurationError
from pipeline.settings.loading import Settings
from pipeline.settings.secrets import Reference, reference


def secrets_for(known: Settings, destination: str) -> dict[str, str]:
    """By name. Raises ConfigurationError naming a reference that leads nowhere."""
    refused = _refused()[destination]
    found = {}
    for name, place in _references(known, destination).items():
        values = place.values(known.environ)
        found[name] = next((value for value in values if _digest(value) not in refused), values[0])
    return found


def has_others(known: Settings, destination: str) -> bool:
    """Whether a CRM that did not take what it was shown can be shown something else: what the store has by now, or what
    it had before. Asks the store once a minute at most, and may wait seconds for it. Raises nothing."""
    places = _references(known, destination)
    if not any(place.is_kept for place in places.values()):
        return False
    refused = _refused()[destination]
    try:
        shown = secrets_for(known, destination)
        for place in places.values():
            place.renew(known.environ)
        refused.update(_digest(value) for value in shown.values())
        others = secrets_for(known, destination)
    except ConfigurationError:
        return False
    if any(_digest(value) not in refused for value in others.values()):
        return True
    refused.clear()  # all were tried: it begins anew with the newest
    return False


def _references(known: Settings, destination: str) -> dict[str, Reference]:
    return {
        name: reference(text, f"destinations.{destination}.secrets.{name}")
        for name, text in known.destinations[destination].secrets.items()
    }


@cache
def _refused() -> defaultdict[str, set[bytes]]:
    """Digests of what each destination did not take of late, in this process."""
    return defaultdict(set)


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()
