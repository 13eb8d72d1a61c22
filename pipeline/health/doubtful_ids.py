"""Sources whose ids come with ever other content, so that they may be ids of no record."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from connectors.kit import Connector
from connectors.kit.registry import sources
from connectors.kit.sources.idempotency import FIRST
from pipeline.replay import connector_of
from pipeline.settings.loading import settings
from pipeline.settings.set_up_sources import set_up_sources
from pipeline.store.events.revisions import ManyRevisions, many_revisions


def doubtful_ids(connection: Connection) -> dict[str, ManyRevisions]:
    """By source. Where the first delivery stands (a conversation), further ones are what is expected."""
    known = {**sources(), **set_up_sources(settings())}
    return {source: many for source, many in many_revisions(connection).items() if not _goes_on(known, source)}


def _goes_on(known: Mapping[str, Connector], source: str) -> bool:
    connector = known.get(source) or known.get(connector_of(source))
    return connector is not None and connector.revisions == FIRST
