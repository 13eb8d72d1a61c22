"""Events through the pure stages once more: what the current mapping and normalization make of a raw event.

Normalized fields of an event are kept nowhere (a person's golden record keeps the winners only). So exports, `explain`
and previews compute them, which also shows what a replay would do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pipeline.inspection.field_rows import FieldRow, field_rows

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from connectors.kit import Connector
    from pipeline.records import Lead, Parked, RawEvent, Suppressed
    from pipeline.stages.mapping.source_mapping import SourceMapping


@dataclass(frozen=True)
class Recomputed:
    """One event tried. `readable` is what could be read of one that does not go on, normalized; None if nothing.
    `mapping` is None where there is none that can be read (any more)."""

    raw: RawEvent
    mapping: SourceMapping | None
    readable: Lead | None
    decided: Lead | Parked | Suppressed
    connector: Connector | None = None

    @property
    def lead(self) -> Lead | None:
        """The normalized lead, whether it goes on or not."""
        from pipeline.records import Lead

        return self.decided if isinstance(self.decided, Lead) else self.readable

    @property
    def rule(self) -> str | None:
        """The rule of mappings/validation.yaml that suppresses it, if one does."""
        from pipeline.records import Suppressed

        return self.decided.rule if isinstance(self.decided, Suppressed) else None

    @property
    def verdict(self) -> str:
        """What becomes of it, in words."""
        from pipeline.records import Activity, Lead, Parked

        if isinstance(self.decided, Lead):
            return "goes on"
        if isinstance(self.decided, Activity):
            return f"no lead: {self.decided.told}"
        if isinstance(self.decided, Parked):
            return f"quarantined: {self.decided.code}: {self.decided.message}"
        rule = f", by the rule {self.decided.rule}" if self.decided.rule else ", by its source's mapping"
        return f"suppressed: {self.decided.reason}{rule}"

    def fields(self) -> list[FieldRow]:
        """Each value before and after; empty if the body cannot be read."""
        from pipeline.errors import RecordError
        from pipeline.stages.mapping.bodies import ROW
        from pipeline.stages.mapping.stored_records import read_record

        if self.mapping is None:
            return []

        try:
            record = read_record(self.raw, self.connector)
        except RecordError:
            return []
        return field_rows(self.mapping, record, self.lead, is_row=self.raw.envelope.content_type == ROW)


def recompute(connection: Connection, event_ids: Sequence[UUID]) -> dict[UUID, Recomputed]:
    """Stored events through the current mapping, with the patches of `quarantine fix`. Two statements."""
    from pipeline.store.events import events, quarantine

    patches = quarantine.read_patches(connection, list(event_ids))
    return {
        raw.event_id: recompute_event(raw, patches.get(raw.event_id))
        for raw in events.read_events(connection, list(event_ids))
    }


def recompute_event(
    raw: RawEvent,
    patch: dict[str, Any] | None = None,
    *,
    mapping: SourceMapping | None = None,
    connector: Connector | None = None,
) -> Recomputed:
    """One event through map and normalize. A bug in them is this event's own `bug`, as it is in the pipeline.

    `mapping` and `connector` are given where they are not the source's own yet: proposed ones.
    """
    from pipeline.errors import ConfigurationError
    from pipeline.records import Activity, Lead, Parked, Stage
    from pipeline.replay import connector_in_force, connector_of, decide_event
    from pipeline.settings.loading import settings
    from pipeline.stages.mapping.source_mapping import load_source_mapping

    try:
        mapping = mapping or load_source_mapping(connector_of(raw.source))
    except ConfigurationError as error:  # of one source: the others are as readable as before
        return Recomputed(raw, None, None, Parked(raw.event_id, Stage.MAP_FIELDS, "mapping_unreadable", str(error)))
    connector = connector or connector_in_force(raw)
    region = settings().region_for(raw.source, raw.brand)
    readable: Lead | None = None
    try:
        decided = decide_event(raw, mapping, region=region, patch=patch, connector=connector)
        if isinstance(decided, Activity):
            readable = decided.lead
        elif not isinstance(decided, Lead):
            readable = _readable(raw, mapping, connector, region=region, patch=patch)
    except Exception as error:  # noqa: BLE001 - one event's bug must not end an export of a million
        decided = Parked(raw.event_id, Stage.UNKNOWN, "bug", type(error).__name__)
    return Recomputed(raw, mapping, readable, decided, connector)


def _readable(
    raw: RawEvent,
    mapping: SourceMapping,
    connector: Connector | None,
    *,
    region: str | None,
    patch: dict[str, Any] | None,
) -> Lead | None:
    """Of an event that does not go through: its values as far as they can be read, to show what stops it."""
    from msgspec.structs import replace

    from pipeline.records import Lead, Suppressed
    from pipeline.stages.mapping.source_mapping import map_event
    from pipeline.stages.normalization import show_normalized

    mapped = map_event(raw, patch=patch, mapping=mapping, connector=connector)
    if isinstance(mapped, Suppressed):  # a mapping's rule stops it unread; released, it would be read
        mapped = map_event(replace(raw, is_released=True), patch=patch, mapping=mapping, connector=connector)
    return show_normalized(mapped, default_region=region) if isinstance(mapped, Lead) else None
