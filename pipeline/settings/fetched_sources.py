"""Which sources send ids, and the options that their records are read with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.kit.destinations.options import Option, checked_options
from connectors.kit.sources.declarations import Connector
from connectors.kit.sources.fetching.fetch import Fetch, fetch_of
from connectors.kit.sources.fetching.subscriptions import subscription_of
from connectors.kit.sources.reconciling.declared import reconcile_of
from pipeline.settings.loading import Settings
from pipeline.settings.set_up_sources import connector_name

# Of every source that sends ids, in place of the pace that its declaration has.
PACE = Option("calls_per_second", "number", at_least=0.01, at_most=1_000)


def fetch_options(known: Settings, slug: str, fetch: Fetch, connector: Connector) -> dict[str, Any]:
    """The options of its address, those that are not set with their default. Raises ConfigurationError."""
    declared = (*fetch.options, PACE)
    elsewhere = {*connector.settings, *_asked_with(connector)}
    found = checked_options(f"sources.{slug}.options", declared, known.source(slug).options, elsewhere=elsewhere)
    return {option.name: found.get(option.name) for option in declared}


def _asked_with(connector: Connector) -> set[str]:
    """Names of the options that the other questions to it take: what it has posted, whether it knows our address."""
    reconcile, subscription = reconcile_of(connector), subscription_of(connector)
    options = (*(reconcile.options if reconcile else ()), *(subscription.ask.options if subscription else ()))
    return {option.name for option in options}


def fetching_sources(known: Settings, connectors: Mapping[str, Connector]) -> dict[str, Connector]:
    """Every source that sends ids, by name, as declared or set up."""
    named = {slug: connectors.get(connector_name(known, slug)) for slug in sorted({*connectors, *known.sources})}
    return {slug: connector for slug, connector in named.items() if connector is not None and fetch_of(connector)}
