"""How a source that posts is asked what it has posted: with which proof, at which address; and why it is not."""

from __future__ import annotations

from connectors.kit.sources.auth import Access
from connectors.kit.sources.declarations import Poll
from pipeline.access.sources import auth_in_force, how_to_let_in, keys_of, poll_access
from pipeline.errors import ConfigurationError
from pipeline.settings.loading import Settings
from pipeline.settings.reconciled_sources import ReconciledSource


def why_not_asked(known: Settings, source: ReconciledSource) -> str | None:
    """A sentence with what to do; None for one that is asked. Raises ConfigurationError for a secret that cannot be
    read."""
    if source.why_not is not None or source.brand is None:
        return source.why_not
    poll = source.reconcile.poll
    auth = auth_in_force(known, source.slug, source.brand, poll)
    if auth is None:
        return None
    variable = keys_of(known, source.slug, source.brand, source.connector, auth).missing()
    return None if variable is None else f"it is not let in: {how_to_let_in(source.slug, variable, poll)}"


def reconcile_access(known: Settings, source: ReconciledSource, poll: Poll) -> Access | None:
    """What its list is asked with. Raises ConfigurationError."""
    if source.brand is None:
        raise ConfigurationError(f"source {source.slug}: {source.why_not}")
    return poll_access(known, source.slug, source.brand, source.connector, poll)
