"""The record of an id that came, once it was read: how a mapping sees the two together."""

from __future__ import annotations

from typing import Any

from connectors.kit.sources.declarations import Connector
from connectors.kit.sources.fetching.fetch import fetch_of
from connectors.kit.sources.parts import Part, Prepare, beside_of


def with_fetched(part: Part, fetched: dict[str, Any], *, into: str | None = None) -> Part:
    """What was read in the place of what came, which stands beside it (`^.`); or in it, under the key `into`."""
    arrived = part.value if isinstance(part.value, dict) else {}
    if into is not None:
        return Part(part.place, {**arrived, into: fetched}, part.beside)
    return Part(part.place, fetched, beside_of(arrived, part.beside))


def arrival_prepare(connector: Connector) -> Prepare | None:
    """What passes a record through as it comes in. `prepare` of a source that sends ids is for what is read by them."""
    return None if fetch_of(connector) is not None else connector.prepare
