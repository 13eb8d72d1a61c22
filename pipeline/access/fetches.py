"""How the records of a source are read that sends ids: at which address, with which options, proof and pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.kit import Connector
from connectors.kit.sources.auth import Access
from connectors.kit.sources.fetching.fetch import Fetch
from pipeline.access.sources import REHEARSAL, auth_in_force, how_to_let_in, keys_of
from pipeline.errors import ConfigurationError
from pipeline.settings.fetched_sources import PACE, fetch_options
from pipeline.settings.loading import Settings


@dataclass(frozen=True, slots=True)
class FetchSetup:
    """A declaration with what afluente.yaml says of this source. `base` replaces scheme and host of its address,
    `access` marks what is asked (None: nothing does), `account` is whose quota a call takes."""

    fetch: Fetch
    options: Mapping[str, Any]
    base: str | None
    access: Access | None = field(repr=False)
    rate: float
    account: str


def fetch_setup(known: Settings, slug: str, fetch: Fetch, connector: Connector, *, brand: str) -> FetchSetup:
    """Raises ConfigurationError for an option that there is not or that is wrong, and without a secret it needs."""
    options = fetch_options(known, slug, fetch, connector)
    base, access = known.source(slug).url, None
    auth = auth_in_force(known, slug, brand, connector.intake)
    if auth is not None:
        keys = keys_of(known, slug, brand, connector, auth)
        access = auth.access(keys)
        if (variable := keys.missing()) is not None:
            # Without a CRM of one's own the sandbox plays the source as well: only for one that nobody set up, so
            # nobody finds invented leads among his own unasked.
            if not known.uses_sandbox or slug in known.sources:
                why = how_to_let_in(slug, variable, connector.intake)
                raise ConfigurationError(f"source {slug}: its records cannot be read: {why}")
            base = f"{known.destinations['sandbox'].base_url.rstrip('/')}/providers/{connector.source}"
            access = REHEARSAL
    rate = float(options.get(PACE.name) or fetch.rate_per_second)
    return FetchSetup(fetch, options, base, access, rate, f"source:{slug}")
