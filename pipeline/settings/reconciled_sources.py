"""Which sources that post are asked afterwards what they have posted, how, and why one is not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from connectors.kit.destinations.options import Option, checked_options
from connectors.kit.sources.declarations import Connector
from connectors.kit.sources.reconciling.declared import Reconcile, reconcile_of
from pipeline.errors import ConfigurationError
from pipeline.settings.fetched_sources import PACE
from pipeline.settings.loading import Settings
from pipeline.settings.set_up_sources import set_up_sources

MOST_DAYS = 90
# Of every source that can be asked, in place of what its declaration says.
EVERY, DAYS, GRACE = (
    Option("every_seconds", "integer", at_least=60, at_most=86_400),
    Option("window_days", "integer", at_least=1, at_most=MOST_DAYS),
    Option("grace_seconds", "integer", at_least=0, at_most=86_400),
)


class ReconciledSource(msgspec.Struct, frozen=True):
    """A source that can be asked, with its brand. `why_not`: a sentence if it is not asked, with what to do, else None;
    then `brand` may be None. `fault`: what is wrong with its settings; then nothing is asked either."""

    slug: str
    brand: str | None
    connector: Connector
    reconcile: Reconcile
    options: Mapping[str, Any]
    every_seconds: int
    window_days: int
    grace_seconds: int
    calls_per_second: float
    why_not: str | None = None
    fault: str | None = None


def reconciled_sources(known: Settings, connectors: Mapping[str, Connector]) -> list[ReconciledSource]:
    """Every declared source that can be asked, in a stable order. Whether its secrets are set is not looked at."""
    found = []
    for slug, connector in set_up_sources(known, connectors).items():
        reconcile = reconcile_of(connector)
        if reconcile is not None:
            found.append(reconciled_source(known, slug, connector, reconcile))
    return found


def reconciled_source(known: Settings, slug: str, connector: Connector, reconcile: Reconcile) -> ReconciledSource:
    entry = known.source(slug)
    brands = entry.brands or sorted(known.brands)
    fault, options = None, {}
    try:
        options = _options(known, slug, reconcile)
    except ConfigurationError as error:
        fault = str(error)
    return ReconciledSource(
        slug=slug,
        brand=brands[0] if len(brands) == 1 else None,
        connector=connector,
        reconcile=reconcile,
        options=options,
        every_seconds=options.pop(EVERY.name, None) or reconcile.every_seconds,
        window_days=options.pop(DAYS.name, None) or reconcile.window_days,
        grace_seconds=options.pop(GRACE.name, reconcile.grace_seconds),
        calls_per_second=float(options.pop(PACE.name, None) or reconcile.poll.rate_per_second),
        why_not=None if fault else _why_not(known, slug, reconcile, brands, options),
        fault=fault,
    )


def _why_not(
    known: Settings, slug: str, reconcile: Reconcile, brands: list[str], options: Mapping[str, Any]
) -> str | None:
    """Where there are several brands, one list would be taken for the leads of each."""
    entry = known.source(slug)
    if not entry.enabled:
        return f"it is switched off: sources.{slug}.enabled is false"
    if entry.reconcile is False:
        return f"it is switched off: sources.{slug}.reconcile is off"
    if len(brands) > 1:
        own = f"a source of its own for each brand (`connector: {entry.connector or slug}`, `brands: [ONE]`)"
        return f"it takes leads of several brands ({', '.join(brands)}), and its list tells none: set up {own}"
    if reconcile.needs_address is not None and entry.url is None:
        return f"it is not set up: set sources.{slug}.url to its own address, such as {reconcile.needs_address}"
    missing = [option for option in reconcile.options if option.name not in options]
    if missing:
        help_ = f" ({missing[0].help})" if missing[0].help else ""
        return f"it is not set up: set sources.{slug}.reconcile.{missing[0].name}{help_}"
    return None


def _options(known: Settings, slug: str, reconcile: Reconcile) -> dict[str, Any]:
    """Those set for this or for the source as a whole, the others with their default. Raises ConfigurationError."""
    entry = known.source(slug)
    given = entry.reconcile if isinstance(entry.reconcile, dict) else {}
    found = checked_options(f"sources.{slug}.reconcile", (*reconcile.options, EVERY, DAYS, GRACE, PACE), given)
    names = {option.name for option in reconcile.options} - given.keys()
    shared = {name: value for name, value in entry.options.items() if name in names}
    return {**found, **checked_options(f"sources.{slug}.options", _named(reconcile.options, shared), shared)}


def _named(options: Iterable[Option], names: Collection[str]) -> list[Option]:
    return [option for option in options if option.name in names]
