"""Mapping: a stored event becomes a lead in canonical fields, as `mappings/sources/<slug>.yaml` declares.

A mapping is compiled into closures, once per version of its file: no lead pays for the reading of YAML. Values are
converted here (`as: …`), given their one spelling in `normalization`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from connectors.kit.paths import compile_path
from connectors.kit.sources.declarations import Connector
from pipeline.canonical import CANONICAL_FIELDS, IDENTIFYING_FIELDS, default_conversion
from pipeline.errors import RecordError
from pipeline.records import LEAD, NOT_A_LEAD, Activity, EarlierTouch, Lead, Parked, RawEvent, Stage, Suppressed
from pipeline.stages.destination_mapping.mapping import (
    DestinationMapping,
    load_destination_mapping,
    map_merged,
    map_person,
)
from pipeline.stages.mapping.bodies import ROW
from pipeline.stages.mapping.consents import add_browser_signal, compile_consent_rule, read_consent_list
from pipeline.stages.mapping.contents import Contents, reading_of
from pipeline.stages.mapping.decided_paths import DecidedPaths, bounded_custom
from pipeline.stages.mapping.drift import drift_paths
from pipeline.stages.mapping.earlier_touches import read_touch_list
from pipeline.stages.mapping.language import SourceDeclaration
from pipeline.stages.mapping.reader import read_source
from pipeline.stages.mapping.rules import (
    NO_ORDERS,
    Apply,
    MappedFields,
    canonical_names,
    compile_canonical,
    compile_earlier_touch_rule,
    compile_field,
    compile_suppress,
    flag,
    put,
)
from pipeline.stages.mapping.says import CONSENT, compile_details, compile_says
from pipeline.stages.mapping.shapes import Headers, Renames, compile_list, rename, row_titles
from pipeline.stages.mapping.stored_records import read_record
from pipeline.stages.mapping.undecided import rest_of
from pipeline.stages.reloading import Reloading
from pipeline.values.conversions import CONVERSIONS
from pipeline.values.normalized import is_empty
from pipeline.values.personal_data import redactor_of
from pipeline.values.yaml_files import mapping_file

__all__ = [
    "SOURCE_MAPPINGS",
    "DestinationMapping",
    "MappedFields",
    "SourceMapping",
    "load_destination_mapping",
    "load_source_mapping",
    "map_event",
    "map_merged",
    "map_person",
    "read_source_mapping",
    "undecided",
]

ASSUMED = "assumed"  # flag of a region that stands in the mapping, not in the record: settings may overrule it


class SourceMapping:
    """One source's mapping, compiled. `version` goes with every lead: `<slug>@<version>+<hash of the content>`."""

    def __init__(self, declaration: SourceDeclaration) -> None:
        self.declaration = declaration
        self.source = declaration.source
        self.version = declaration.version
        self.contents = Contents(reading_of(declaration))  # which records say the same
        self.names = canonical_names(declaration) if declaration.canonical else {}  # key -> canonical field
        opened = [rule.at for rule in declaration.lists]
        self.decided = self.decided_with(())
        self.kept = DecidedPaths(declaration.kept)
        self._read = DecidedPaths(
            declaration.read_paths(), names=self.names, containers=declaration.flatten, opened=opened
        )
        self._headers = Headers(declaration.headers) if declaration.headers else None
        self._titles = Headers(row_titles(declaration, self.names))
        self._lists = [compile_list(rule) for rule in declaration.lists]
        canonical = [compile_canonical(self.names, declaration.flatten)] if declaration.canonical else []
        rules = [(rule.name, compile_field(rule)) for rule in declaration.fields]
        self._rules: list[Apply] = [*canonical, *(apply for _, apply in rules)]
        self._identity = [*canonical, *(apply for name, apply in rules if name in IDENTIFYING_FIELDS)]
        self._consents = [compile_consent_rule(rule) for rule in declaration.consents]
        self._consent_lists = [compile_path(path) for path in declaration.consent_lists]
        self._earlier_touches = [compile_earlier_touch_rule(rule) for rule in declaration.earlier_touches]
        self._touch_lists = [compile_path(path) for path in declaration.touch_lists]
        self._suppress = [compile_suppress(rule) for rule in declaration.suppress]
        self.says = compile_says(declaration.says)  # what a shaped record says
        self.details = compile_details(declaration.says)  # what is kept of one that is told of somebody

    def shape(self, record: dict[str, Any], *, is_row: bool = False) -> dict[str, Any]:
        """The record as the rules' paths see it: `headers` renamed, `lists` read by name. All below wants it so.

        `is_row`: of a table, whose titles are compared without case, accents and punctuation.
        """
        record = rename(record, self.renames(record, is_row=is_row))
        for flatten in self._lists:
            record = flatten(record)
        return record

    def renames(self, record: dict[str, Any], *, is_row: bool = False) -> Renames:
        """Columns of a record as it came that the rules know by another name: {column: name}."""
        headers = self._titles if is_row else self._headers
        return headers.renames(record) if headers is not None else {}

    def reads(self, columns: Iterable[str]) -> bool:
        """Whether any rule reads any of a table's columns: if none does, it is another source's table."""
        return self.count_read(columns) > 0

    def count_read(self, columns: Iterable[str]) -> int:
        """How many of a table's columns rules read."""
        table = self.shape(dict.fromkeys(columns, "filled"), is_row=True)
        return len(table) - len(self._read.rest(table))

    def decided_with(self, read_elsewhere: Iterable[str]) -> DecidedPaths:
        """What this mapping decides about, and these paths, which something else than a rule reads."""
        return DecidedPaths(
            [*self.declaration.decided_paths(), *read_elsewhere],
            names=self.names,
            containers=self.declaration.flatten,
            opened=[rule.at for rule in self.declaration.lists],
        )

    def count_found(self, record: dict[str, Any]) -> int:
        """How many of the paths that rules read hold something in a record."""
        shaped = self.shape(record)
        paths = [*self.declaration.read_paths(), *self.names]
        return sum(not is_empty(compile_path(path)(shaped)) for path in paths)

    def earlier_touch(self, number: int, record: dict[str, Any]) -> EarlierTouch | None:
        """What one rule of `earlier_touches` makes of a shaped record."""
        touches: list[EarlierTouch] = []
        self._earlier_touches[number](record, touches, {}, {}, NO_ORDERS)
        return touches[0] if touches else None

    def suppression(self, record: dict[str, Any]) -> str | None:
        """Why this shaped record must not become a lead (one of SUPPRESSION_REASONS), or None."""
        for reason, applies in self._suppress:
            if applies(record):
                return reason
        return None

    def identifies(self, record: dict[str, Any]) -> bool:
        """Whether a shaped record says anything by which a person could be known. Reads no more than that."""
        mapped = MappedFields()
        for apply in self._identity:
            apply(record, mapped)
            if any(mapped.fields.get(name) for name in IDENTIFYING_FIELDS):
                return True
        return False

    def map_record(self, record: dict[str, Any], date_orders: Mapping[str, str] = NO_ORDERS) -> MappedFields:
        """The record's fields. `date_orders`: column -> dmy, mdy or ymd. Raises RecordError `missing_required`."""
        mapped = MappedFields(date_orders=date_orders)
        for apply in self._rules:
            apply(record, mapped)
        for read in self._consents:
            read(record, mapped.consents, mapped.flags, date_orders)
        for get in self._consent_lists:
            is_own = self.declaration.own_consents
            read_consent_list(get(record), mapped.consents, mapped.flags, mapped.raw, is_own=is_own)
        for read_touch in self._earlier_touches:
            read_touch(record, mapped.earlier_touches, mapped.flags, mapped.raw, date_orders)
        for get in self._touch_lists:
            read_touch_list(get(record), mapped.earlier_touches, mapped.flags)
        rest = rest_of(self.decided, record)
        if rest.paths:
            mapped.custom, is_cut = bounded_custom(rest.values)
            if is_cut or rest.is_cut:
                flag(mapped, "custom", ["truncated"])
            unknown = [path for path in rest.paths if not self.kept.covers(path)]
            mapped.undecided = drift_paths(unknown, redactor_of(mapped.fields)) if unknown else []
        if self.declaration.region and "region" not in mapped.fields:
            mapped.fields["region"] = self.declaration.region
            flag(mapped, "region", [ASSUMED])
        return mapped


def load_source_mapping(slug: str) -> SourceMapping:
    """The mapping of a source as last read. Raises ConfigurationError saying what is wrong and where."""
    return SOURCE_MAPPINGS.get(slug)


def has_source_mapping(slug: str) -> bool:
    """Whether there is a file for this source, right or wrong."""
    return mapping_file(f"sources/{slug}.yaml").exists()


def read_source_mapping(path: Path) -> SourceMapping:
    """The mapping in this file, compiled anew. Raises ConfigurationError."""
    return SourceMapping(read_source(path))


SOURCE_MAPPINGS = Reloading("sources", read_source_mapping, missing="no mapping for the source")


def map_event(
    raw: RawEvent,
    *,
    patch: dict[str, Any] | None = None,
    mapping: SourceMapping | None = None,
    connector: Connector | None = None,
) -> Lead | Activity | Parked | Suppressed:
    """The lead that a stored event holds, or what it says of somebody known. Raises nothing for bad data: an event that
    cannot be mapped is Parked.

    `patch` are canonical fields an operator set by hand (`quarantine fix --set`); they replace what the source said.
    `mapping` is given where the event's source is an instance of another connector; `connector` has its `prepare`.
    Raises ConfigurationError if the mapping itself is wrong.
    """
    mapping = mapping or load_source_mapping(raw.source)
    try:
        body = read_record(raw, connector)
        record = mapping.shape(body, is_row=raw.envelope.content_type == ROW)
        reason = mapping.suppression(record)
        if reason is not None and not raw.is_released:
            return Suppressed(raw.event_id, reason)
        said = mapping.says(record)
        if said.says == NOT_A_LEAD and not raw.is_released:
            return Suppressed(raw.event_id, NOT_A_LEAD)
        is_lead = said.says in (LEAD, NOT_A_LEAD)  # an operator has said of the latter that it is one
        mapped = mapping.map_record(record, _date_orders(mapping, raw, body))
        add_browser_signal(raw.envelope.headers, mapped.consents)
        _say_region(mapped, raw.envelope.origin.get("region"))
        _apply_patch(mapped, patch)
        if is_lead:
            _check_required(mapping, mapped)
    except RecordError as error:
        return Parked(raw.event_id, Stage.MAP_FIELDS, error.code, error.message, error.field)
    lead = _lead(raw, mapping, mapped)
    if is_lead:
        lead.also = said.also
        lead.details = mapping.details(record) if lead.also or lead.later else {}
        return lead
    rule = mapping.declaration.says
    wait_days = None if rule is None or said.says == CONSENT else rule.wait_days
    return Activity(
        raw.event_id, said.says, kind=said.kind, wait_days=wait_days, details=mapping.details(record), lead=lead
    )


def _lead(raw: RawEvent, mapping: SourceMapping, mapped: MappedFields) -> Lead:
    return Lead(
        event_id=raw.event_id,
        brand=raw.brand,
        source=raw.source,
        lane=raw.lane,
        received_at=raw.received_at,
        occurred_at=raw.occurred_at or raw.received_at,
        mapping_version=mapping.version,
        fields=mapped.fields,
        custom=mapped.custom,
        raw=mapped.raw,
        flags=mapped.flags,
        consents=mapped.consents,
        earlier_touches=mapped.earlier_touches,
        undecided=mapped.undecided,
        is_released=raw.is_released,
        record_id=raw.record_id,
        adds=raw.adds,
        later=mapping.declaration.says.later if mapping.declaration.says else None,
    )


def undecided(
    mapping: SourceMapping, record: dict[str, Any], *, is_row: bool = False, read_elsewhere: Iterable[str] = ()
) -> list[str]:
    """Paths of the record that the mapping neither uses, keeps nor ignores: somebody has to decide about them.

    `read_elsewhere` are read by something else than the mapping, so that there is nothing to decide about.
    """
    decided = mapping.decided_with(read_elsewhere) if read_elsewhere else mapping.decided
    rest = rest_of(decided, mapping.shape(record, is_row=is_row)).paths
    return [path for path in rest if not mapping.kept.covers(path)]


def _say_region(mapped: MappedFields, region: object) -> None:
    """What was said when the file was imported beats what its mapping assumes, not what the row itself says."""
    assumed = mapped.flags.get("region", [])
    if isinstance(region, str) and ("region" not in mapped.fields or ASSUMED in assumed):
        mapped.fields["region"] = region
        if ASSUMED in assumed:
            mapped.flags.pop("region")


def _date_orders(mapping: SourceMapping, raw: RawEvent, body: dict[str, Any]) -> Mapping[str, str]:
    """How columns write dates, by the names the rules know them under."""
    order_of_column: Mapping[str, str] | None = raw.envelope.origin.get("dates")
    if not order_of_column:
        return NO_ORDERS
    renames = mapping.renames(body, is_row=raw.envelope.content_type == ROW)
    return {renames.get(column, column): order for column, order in order_of_column.items()}


def _apply_patch(mapped: MappedFields, patch: dict[str, Any] | None) -> None:
    for name, value in (patch or {}).items():
        if name not in CANONICAL_FIELDS:
            mapped.custom[name] = value
            continue
        for known in (mapped.fields, mapped.flags, mapped.raw):
            known.pop(name, None)
        if not is_empty(value):
            put(mapped, name, value, CONVERSIONS[default_conversion(name)])


def _check_required(mapping: SourceMapping, mapped: MappedFields) -> None:
    for rule in mapping.declaration.fields:
        if rule.required and is_empty(mapped.fields.get(rule.name)):
            flags = mapped.flags.get(rule.name)
            is_wrong = bool(flags and "wrong_type" in flags)
            missing = f"and nothing that it could be stands at {' or '.join(rule.paths)}"
            raise RecordError(
                "wrong_type" if is_wrong else "missing_required",
                field=rule.name,
                message=f"the mapping of {mapping.source} requires {rule.name}, {missing}",
            )
