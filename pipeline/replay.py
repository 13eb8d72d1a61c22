"""Stored events through map and normalize by the rules of now: the one place that chains, recomputation, previews and
stories go through, so that what `explain` tells is what a worker would do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from connectors.kit import Connector, sources
from connectors.kit.registry import broken_sources
from pipeline.errors import ConfigurationError
from pipeline.records import AS_IT_CAME, PENDING, STORED, Activity, Consent, Lead, Parked, RawEvent, Stage, Suppressed
from pipeline.settings.consent_settings import asks_by
from pipeline.settings.loading import settings
from pipeline.settings.set_up_sources import connector_name, mapping_name, set_up_source
from pipeline.stages.mapping.source_mapping import (
    SourceMapping,
    has_source_mapping,
    load_source_mapping,
    map_event,
)
from pipeline.stages.mappings_in_force import refresh_source_mappings
from pipeline.stages.normalization import normalize_activity, normalize_lead
from pipeline.store.events import events, quarantine
from pipeline.store.events.connectors import note_connector, remembered_connector

Decided = Lead | Activity | Parked | Suppressed

_EVENTS_AT_ONCE = 200  # bodies held open in memory


def decide_event(
    raw: RawEvent,
    mapping: SourceMapping,
    *,
    region: str | None,
    patch: dict[str, Any] | None = None,
    connector: Connector | None = None,
) -> Decided:
    """Map and normalize one event by a given mapping. `region`: the market of leads that name none (ISO alpha-2).

    `connector` is given where it is not the one in force for the event's source.
    """
    mapped = map_event(raw, patch=patch, mapping=mapping, connector=connector or connector_in_force(raw))
    if isinstance(mapped, Activity):
        return normalize_activity(mapped, default_region=region)
    return normalize_lead(mapped, default_region=region) if isinstance(mapped, Lead) else mapped


def map_raw_event(raw: RawEvent, patch: dict[str, Any] | None, slug: str | None = None) -> Decided:
    """Name the fields of one event by its source's mapping in force; parked if that mapping cannot be read.

    `slug`: what `connectors_of` gives of its source. Who maps many events asks once for all: it looks for
    files.
    """
    slug = slug or connector_of(raw.source)
    try:
        mapping = load_source_mapping(slug)
    except ConfigurationError as error:
        return Parked(raw.event_id, Stage.MAP_FIELDS, "mapping_unreadable", str(error))
    broken = why_unloadable(raw.source, slug)
    if broken is not None and raw.envelope.origin.get(STORED) == AS_IT_CAME:  # it may prepare its records
        return Parked(raw.event_id, Stage.MAP_FIELDS, "source_broken", broken)
    return map_event(raw, patch=patch, mapping=mapping, connector=connector_in_force(raw, slug))


def normalize_mapped(mapped: Lead | Activity) -> Decided:
    """One spelling per meaning, in the market that settings give the source and brand."""
    lead = mapped.lead if isinstance(mapped, Activity) else mapped
    region = settings().region_for(lead.source, lead.brand)
    if isinstance(mapped, Activity):
        return normalize_activity(mapped, default_region=region)
    decided = normalize_lead(lead, default_region=region)
    return with_pending(decided) if isinstance(decided, Lead) else decided


def with_pending(lead: Lead) -> Lead:
    """The lead with its ticks pending, where its source wants each confirmed; what was confirmed there is granted."""
    if lead.consents and asks_by(settings().source(lead.source).double_opt_in) is not None:
        lead.consents = [_pending(consent) for consent in lead.consents]
    return lead


def _pending(consent: Consent) -> Consent:
    if consent.granted is not True or consent.act is not None:
        return consent
    return msgspec.structs.replace(consent, granted=None, act=PENDING)


def decide_again(raw: RawEvent, patch: dict[str, Any] | None, slug: str | None = None) -> Decided:
    """Map and normalize one event by the mapping in force. `slug` as above."""
    mapped = map_raw_event(raw, patch, slug)
    return normalize_mapped(mapped) if isinstance(mapped, Lead | Activity) else mapped


def recompute_leads(
    connection: Connection, event_ids: Sequence[UUID], *, with_superseded: bool = False
) -> Iterator[Lead]:
    """Stored events through map and normalize once more, in the order of their ids. What stops there is left out, and
    what a revision took the place of, unless `with_superseded`. Two statements for each 200 events.
    """
    for start in range(0, len(event_ids), _EVENTS_AT_ONCE):
        page = event_ids[start : start + _EVENTS_AT_ONCE]
        patches = quarantine.read_patches(connection, page)
        raw_events = events.read_events(connection, page, with_superseded=with_superseded)
        slugs = connectors_of(raw_events)
        for raw in raw_events:
            decided = decide_again(raw, patches.get(raw.event_id), slugs[raw.source])
            if isinstance(decided, Lead):
                yield decided


def require_mappings(connection: Connection, event_ids: Sequence[UUID]) -> None:
    """Raises ConfigurationError if these events give no lead because a mapping is wrong. One that is gone may be so."""
    raw_events = events.read_events(connection, event_ids, with_requests=False)
    slugs = set(connectors_of(raw_events).values())
    refresh_source_mappings(slugs)
    for slug in sorted(slugs):
        if has_source_mapping(slug):
            load_source_mapping(slug)


def connector_in_force(raw: RawEvent, slug: str | None = None) -> Connector | None:
    """The connector that reads this event, as it was declared when this process began; None if there is none. `slug` as
    above."""
    known = settings()
    if raw.source in known.sources:
        try:
            return set_up_source(known, raw.source)
        except ConfigurationError:  # its options are wrong: what came in is read as its mapping says, unprepared
            return None
    return sources().get(slug or connector_of(raw.source))


def why_unloadable(source: str, slug: str) -> str | None:
    """What is wrong with the company's file of a source's connector; None: nothing. `slug` as above: of a source that
    was taken out of the settings its connector is known by that alone."""
    broken = broken_sources()
    return broken.get(connector_name(settings(), source)) or broken.get(slug)


def connector_of(source: str) -> str:
    """The name of the mapping that reads a source's events: that of its connector, unless settings say another.

    Of a source that was taken out of the settings, the one that read it last.
    """
    if source in settings().sources or has_source_mapping(source):
        return mapping_name(settings(), source)
    return remembered_connector(source) or source


def connectors_of(raws: Iterable[RawEvent]) -> dict[str, str]:
    """`connector_of` for each source of these events: {source: slug}."""
    return {source: connector_of(source) for source in {raw.source for raw in raws}}


def note_connectors(raws: Iterable[RawEvent]) -> None:
    """Keep which connectors read these events, where a source is not called as its connector."""
    for source in {raw.source for raw in raws}:
        mapping = mapping_name(settings(), source)
        if mapping != source:
            note_connector(source, mapping)
