"""Finds connectors by looking into their folders: adding a file adds a source, nothing else is edited."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from connectors.kit.destinations.declarations import DestinationType
from connectors.kit.errors import ConfigurationError
from connectors.kit.sources.declarations import Connector


def _modules(package: str) -> list[str]:
    parent = importlib.import_module(package)
    return sorted(module.name for module in pkgutil.iter_modules(parent.__path__) if not module.name.startswith("_"))


@cache
def sources() -> dict[str, Connector]:
    """Every declared source by slug. A module's name and its connector's `source` must be the same word."""
    found: dict[str, Connector] = {}
    for slug in _modules("connectors.sources"):
        connector = getattr(importlib.import_module(f"connectors.sources.{slug}"), "CONNECTOR", None)
        if not isinstance(connector, Connector):
            raise ConfigurationError(f"connectors/sources/{slug}.py: has no constant CONNECTOR of type Connector")
        if connector.source != slug:
            raise ConfigurationError(
                f"connectors/sources/{slug}.py: CONNECTOR.source is {connector.source!r}; it must be {slug!r}"
            )
        found[slug] = connector
    return found


@cache
def destination_types() -> dict[str, DestinationType]:
    """Every declared kind of CRM by name."""
    found: dict[str, DestinationType] = {}
    for kind in _modules("connectors.destinations"):
        declared = getattr(importlib.import_module(f"connectors.destinations.{kind}"), "DESTINATION", None)
        if not isinstance(declared, DestinationType) or declared.kind != kind:
            raise ConfigurationError(
                f"connectors/destinations/{kind}.py: needs a constant DESTINATION of type DestinationType"
                f" whose kind is {kind!r}"
            )
        found[kind] = declared
    return found
