"""How the records of a source are read that sends ids: at which address, with which options, token and pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.kit.destinations.options import Option
from connectors.kit.sources.declarations import Connector
from connectors.kit.sources.fetching.fetch import Fetch, fetch_of
from pipeline.errors import ConfigurationError
from pipeline.settings.loading import Settings

# Of every source that sends ids, in place of the pace that its declaration has.
PACE = Option("calls_per_second", "number", at_least=0.01, at_most=1_000)
_REHEARSAL_TOKEN = "rehearsal"  # noqa: S105 - the sandbox takes any


@dataclass(frozen=True, slots=True)
class FetchSetup:
    """A declaration with what afluente.yaml says of this source. `base` replaces scheme and host of its address;
    `account` is whose quota a call takes."""

    fetch: Fetch
    options: Mapping[str, Any]
    base: str | None
    token: str | None = field(repr=False)
    rate: float
    account: str


def fetch_setup(known: Settings, slug: str, fetch: Fetch, connector: Connector, *, brand: str) -> FetchSetup:
    """Raises ConfigurationError for an option that there is not or that is wrong, and without the token it needs."""
    options = fetch_options(known, slug, fetch, connector)
    token = fetch_token(known, slug, fetch, brand=brand)
    base = known.source(slug).url
    if fetch.token is not None and token is None:
        if not is_rehearsed(known, slug, fetch, brand=brand):
            raise ConfigurationError(f"source {slug}: its records cannot be read: {token_remedy(slug, fetch)}")
        base, token = (
            f"{known.destinations['sandbox'].base_url.rstrip('/')}/providers/{connector.source}",
            _REHEARSAL_TOKEN,
        )
    return FetchSetup(
        fetch,
        options,
        base,
        token,
        float(options.get(PACE.name) or fetch.rate_per_second),
        f"source:{slug}",
    )


def fetch_token(known: Settings, slug: str, fetch: Fetch, *, brand: str) -> str | None:
    """The token in force: `sources.NAME.token`, the source's own secret of that name, or its variable."""
    if fetch.token is None:
        return None
    return next(iter(known.source_tokens(slug, fetch.token.name, brand=brand)), None)


def fetch_options(known: Settings, slug: str, fetch: Fetch, connector: Connector) -> dict[str, Any]:
    """The options of its address, those that are not set with their default. Raises ConfigurationError."""
    declared = {option.name: option for option in (*fetch.options, PACE)}
    given = known.source(slug).options
    for name, value in given.items():
        if name not in declared and name not in connector.settings:
            allowed = ", ".join(sorted({*declared, *connector.settings})) or "none"
            raise ConfigurationError(f"sources.{slug}.options: {name} is not known; allowed: {allowed}")
        if name in declared and (problem := declared[name].problem(value)) is not None:
            raise ConfigurationError(f"sources.{slug}.options.{name} {problem}")
    return {name: given.get(name, option.default) for name, option in declared.items()}


def is_rehearsed(known: Settings, slug: str, fetch: Fetch, *, brand: str) -> bool:
    """Without a CRM of one's own the sandbox plays the source as well: only for one that nobody set up, so nobody finds
    invented leads among his own unasked."""
    is_set_up = slug in known.sources or fetch_token(known, slug, fetch, brand=brand) is not None
    return known.uses_sandbox and not is_set_up


def token_remedy(slug: str, fetch: Fetch) -> str:
    name = fetch.token.name if fetch.token is not None else "its token"
    return f"set {name}, or sources.{slug}.token to env:NAME or file:PATH"


def fetching_sources(known: Settings, connectors: Mapping[str, Connector]) -> dict[str, Connector]:
    """Every source that sends ids, by name, as declared or set up."""
    named = {
        slug: connectors.get(known.source(slug).connector or slug) for slug in sorted({*connectors, *known.sources})
    }
    return {slug: connector for slug, connector in named.items() if connector is not None and fetch_of(connector)}
