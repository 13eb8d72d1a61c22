"""Which sources there are, and how the leads of each come."""

from __future__ import annotations

from pathlib import Path

import msgspec

from connectors.kit import Connector, Webhook
from connectors.kit.folders import overridden_files
from connectors.kit.registry import broken_sources, sources
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
    overridden: list[str]  # paths at which a file of the company takes the place of a shipped one


def list_sources() -> list[KnownSource]:
    """Every declared source, by name."""
    overridden = overridden_files()
    return [_known(connector, overridden) for _, connector in sorted(sources().items())]


def list_broken() -> dict[str, str]:
    """The company's files that declare no source, by name, and why."""
    return broken_sources()


def _known(connector: Connector, overridden: list[str]) -> KnownSource:
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
        overridden=[path for path in overridden if connector.source in (Path(path).stem, Path(path).parent.name)],
    )
