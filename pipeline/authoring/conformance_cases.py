"""Every source as the conformance kit wants to see it: with what map and normalize make of a record."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import orjson

from connectors.kit.conformance import Case, Rule, Trial
from connectors.kit.registry import sources
from connectors.kit.sources.declarations import Connector, Poll
from connectors.kit.sources.idempotency import occurred_at_of, own_paths
from connectors.kit.sources.parts import BESIDE
from connectors.kit.sources.samples import pulled_of, samples_of
from pipeline.errors import ConfigurationError
from pipeline.records import Envelope, Lead, Parked, RawEvent, new_id
from pipeline.replay import decide_event
from pipeline.stages.mapping.bodies import nest_form_keys
from pipeline.stages.mapping.language import SourceDeclaration
from pipeline.stages.mapping.source_mapping import SourceMapping, load_source_mapping, undecided
from pipeline.stages.mapping.stored_records import read_record
from pipeline.values.dates.times import instant_text

_UNKNOWN = "no mapping could be read"


def discover_cases(slug: str | None = None) -> list[Case]:
    """A case for every declared source, or for one. Raises ConfigurationError for a slug that nobody declared."""
    known = sources()
    if slug is not None and slug not in known:
        raise ConfigurationError(f"there is no source {slug!r}; there are {', '.join(sorted(known))}")
    return [make_case(known[name]) for name in ([slug] if slug else sorted(known))]


def make_case(connector: Connector) -> Case:
    """The case of one source; a mapping that cannot be read is a finding, not an error."""
    mapping, problem = None, None
    try:
        mapping = load_source_mapping(connector.source)
    except ConfigurationError as error:
        problem = str(error)
    declared = mapping.declaration if mapping else None
    return Case(
        source=connector.source,
        connector=connector,
        samples=tuple(samples_of(connector.source)),
        mapping_source=declared.source if declared else None,
        mapping_problem=problem,
        rules=_rules(declared) if declared else (),
        try_record=partial(_try_record, connector, mapping),
        shape=partial(_shape, mapping),
        pulled=tuple(pulled_of(connector.source)),
    )


def _shape(mapping: SourceMapping | None, record: dict[str, Any]) -> dict[str, Any]:
    nested = nest_form_keys(record)
    return mapping.shape(nested) if mapping else nested


def _rules(declared: SourceDeclaration) -> tuple[Rule, ...]:
    """Whatever the mapping reads, so that each path of it must occur in some sample."""
    rules = [Rule(rule.name, rule.paths, rule.required) for rule in declared.fields]
    rules += [Rule(f"consent {rule.purpose}", rule.granted.paths) for rule in declared.consents]
    rules += [Rule(f"the list {rule.at}", (rule.at,)) for rule in declared.lists]
    rules += [Rule(f"the column {name}", (name,)) for name in declared.headers]
    for number, touch in enumerate(declared.earlier_touches):
        place = f"earlier_touches[{number}]"
        rules += [Rule(f"{place}.{field.name}", field.paths) for field in (touch.at, *touch.fields)]
    return tuple(rules)


def _try_record(
    connector: Connector, mapping: SourceMapping | None, record: dict[str, Any], content_type: str
) -> Trial:
    if mapping is None:
        return Trial(stopped="configuration", message=_UNKNOWN)
    body = orjson.dumps(record) if _fits(record) else msgspec.json.encode(record)
    raw = RawEvent(
        event_id=new_id(),
        brand="default",
        source=connector.source,
        lane=connector.lane,
        received_at=datetime.now(UTC),
        occurred_at=occurred_at_of(connector, record),
        envelope=Envelope(content_type, body),
    )
    decided = decide_event(raw, mapping, region=None)
    if isinstance(decided, Lead):
        rest = undecided(mapping, read_record(raw), read_elsewhere=own_paths(connector))
        if isinstance(connector.intake, Poll):  # what stands beside the list says how pages go on
            rest = [path for path in rest if not path.startswith(f"{BESIDE}.")]
        return Trial(_shown(decided), undecided=tuple(rest))
    if isinstance(decided, Parked):
        return Trial(stopped=decided.code, message=decided.message)
    return Trial(stopped=decided.reason, message=f"suppressed as {decided.reason}")


def _fits(record: Any) -> bool:
    try:
        orjson.dumps(record)
    except TypeError:  # an integer beyond 64 bits
        return False
    return True


def _shown(lead: Lead) -> dict[str, Any]:
    """The lead as `NAME.expected.json` writes it."""
    shown = dict(lead.fields)
    if lead.occurred_at != lead.received_at:
        shown["occurred_at"] = instant_text(lead.occurred_at)
    if lead.consents:
        shown["consents"] = [
            {name: value for name, value in consent.named().items() if value is not None} for consent in lead.consents
        ]
    if lead.earlier_touches:
        shown["earlier_touches"] = [{"at": instant_text(touch.at), **touch.fields} for touch in lead.earlier_touches]
    return shown
