"""Which sources there are, and how the leads of each come."""

from __future__ import annotations

import msgspec

from connectors.kit import Connector, Webhook
from connectors.kit.registry import sources
from pipeline.settings.loading import settings


class KnownSource(msgspec.Struct, frozen=True):
    """A declared source as it is set up here. `secret`: the variable whose value signs its requests."""

    source: str
    title: str
    intake: str
    lane: str
    tier: str
    secret: str | None
    enabled: bool
    owner: str
    docs_url: str


def list_sources() -> list[KnownSource]:
    """Every declared source, by name."""
    return [_known(connector) for _, connector in sorted(sources().items())]


def _known(connector: Connector) -> KnownSource:
    entry = settings().source(connector.source)
    signature = connector.intake.signature if isinstance(connector.intake, Webhook) else None
    return KnownSource(
        source=connector.source,
        title=connector.title,
        intake=type(connector.intake).__name__.lower(),
        lane=entry.lane or connector.lane,
        tier=connector.tier,
        secret=signature.secret.name if signature else None,
        enabled=entry.enabled,
        owner=connector.owner,
        docs_url=connector.docs_url,
    )
