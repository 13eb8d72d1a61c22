"""Where the calls of a source or a destination may go, as the settings say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from connectors.kit.reach import Reach
from pipeline.settings.declarations import DestinationSettings, SourceSettings
from pipeline.settings.edges.declared import OutgoingSettings


class Known(Protocol):
    """What is asked of the settings."""

    @property
    def outgoing(self) -> OutgoingSettings: ...
    @property
    def sources(self) -> Mapping[str, SourceSettings]: ...
    @property
    def destinations(self) -> Mapping[str, DestinationSettings]: ...


def reach_of_source(known: Known, slug: str) -> Reach:
    """Of its polls, the reading of its ids, its token server, and what it is asked beside."""
    entry = known.sources.get(slug)
    return _reach(known.outgoing, f"sources.{slug}", is_allowed=entry is not None and entry.allow_private)


def reach_of_destination(known: Known, name: str) -> Reach:
    return _reach(known.outgoing, f"destinations.{name}", is_allowed=known.destinations[name].allow_private)


def _reach(outgoing: OutgoingSettings, place: str, *, is_allowed: bool) -> Reach:
    return Reach(
        private="allow" if is_allowed else outgoing.private_networks,
        networks=tuple(outgoing.networks),
        setting=f"{place}.allow_private: true in afluente.yaml",
    )
