"""Reads the section `consent` of a source's mapping into checked rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pipeline.records import CONSENT_MOMENTS, CONSENT_TEXTS
from pipeline.stages.mapping.consents import consent_channel, consent_purpose
from pipeline.stages.mapping.language import CONSENT_KEYS, CONSENT_TIME_KEYS, DATE_ORDERS, ConsentRule, FieldRule
from pipeline.stages.rule_reader import Reader
from pipeline.values.conversions import CONVERSION_NAMES
from pipeline.values.vocabularies import vocabulary

ReadField = Callable[[Reader, str, str, Any, str], FieldRule]
Dated = dict[str, FieldRule]


def read_consent_rules(reader: Reader, content: Any, dated: Dated, *, read_field: ReadField) -> Iterable[ConsentRule]:
    """A rule for each entry. `dated`: the rules that read paths as dates, by path. Raises ConfigurationError."""
    for name, entry in reader.object("consent", content).items():
        place = f"consent.{name}"
        declared = reader.object(place, entry if isinstance(entry, dict) else {"from": entry}, CONSENT_KEYS)
        granted = {key: declared[key] for key in ("from", "as", "values") if key in declared}

        def times(fact: str, place: str = place, declared: dict[str, Any] = declared) -> tuple[FieldRule, ...]:
            return tuple(_times(reader, f"{place}.{fact}", declared[fact], dated, read_field))

        yield ConsentRule(
            purpose=consent_purpose(reader.text(f"{place}.purpose", declared.get("purpose", name))),
            channel=consent_channel(reader.text(f"{place}.channel", declared.get("channel", "any"))),
            granted=read_field(reader, place, name, granted, "boolean"),
            at=times("at") if "at" in declared else (),
            policy_version=reader.paths(f"{place}.policy_version", declared.get("policy_version")),
            withdrawal=_withdrawal(reader, f"{place}.withdrawal", declared.get("withdrawal", False)),
            confirmed=reader.flag(f"{place}.confirmed", declared.get("confirmed", False)),
            texts=tuple(
                read_field(reader, f"{place}.{fact}", fact, declared[fact], "text")
                for fact in CONSENT_TEXTS
                if fact in declared
            ),
            moments=tuple((fact, times(fact)) for fact in CONSENT_MOMENTS if fact in declared),
        )


def _times(reader: Reader, place: str, entry: Any, dated: Dated, read_field: ReadField) -> Iterator[FieldRule]:
    """A rule for each path; without options of its own, those of the rule that reads the same path as a date."""
    time_rule = reader.object(place, entry if isinstance(entry, dict) else {"from": entry}, CONSENT_TIME_KEYS)
    declared = read_field(reader, place, "at", time_rule, "date")
    for path in declared.paths:
        known = declared if len(time_rule) > 1 else dated.get(path, declared)
        yield FieldRule("at", (path,), conversion="date", formats=known.formats, zone=known.zone, order=known.order)


def _withdrawal(reader: Reader, place: str, entry: Any) -> bool | frozenset[str]:
    if isinstance(entry, bool):
        return entry
    words = entry if isinstance(entry, list) else [entry]
    if not words or not all(isinstance(word, str) and word.strip() for word in words):
        reader.fail(place, f"{entry!r} is neither true nor the words that take a consent back, as [unsubscribe, spam]")
    return frozenset(word.strip().lower() for word in words)


def consent_schema() -> dict[str, Any]:
    """The JSON Schema of an entry; paths, texts, zones and fields are defined in that of mappings."""
    paths, flag = {"$ref": "#/definitions/paths"}, {"type": "boolean"}
    own = {"type": "string", "pattern": r"\S"}
    time = _entry(
        CONSENT_TIME_KEYS,
        {
            "from": paths,
            "formats": {"description": "strptime formats, tried first", "allOf": [{"$ref": "#/definitions/texts"}]},
            "zone": {
                "description": "of times without one, such as Europe/Madrid",
                "allOf": [{"$ref": "#/definitions/zone"}],
            },
            "order": {"description": "of day, month and year", "enum": list(DATE_ORDERS)},
        },
    )
    properties = {
        "from": paths,
        "as": {"enum": list(CONVERSION_NAMES)},
        "values": {"type": "object"},
        "purpose": {"anyOf": [{"enum": list(vocabulary("consent_purposes"))}, own]},
        "channel": {"anyOf": [{"enum": list(vocabulary("consent_channels"))}, own]},
        "at": time,
        "policy_version": paths,
        "withdrawal": {
            "description": "a refusal is an explicit withdrawal: always, or where the source says one of these words",
            "anyOf": [flag, {"$ref": "#/definitions/texts"}],
        },
        "confirmed": {"description": "whoever grants has confirmed it (double opt-in)", **flag},
        **{name: {"$ref": "#/definitions/text_field"} for name in CONSENT_TEXTS},
        **dict.fromkeys(CONSENT_MOMENTS, time),
    }
    return _entry(CONSENT_KEYS, properties)


def _entry(keys: tuple[str, ...], properties: dict[str, Any]) -> dict[str, Any]:
    """A path alone, or an object of exactly the reader's keys: one without a schema here is a KeyError."""
    shown = {"type": "object", "additionalProperties": False, "properties": {key: properties[key] for key in keys}}
    return {"anyOf": [properties["from"], {**shown, "required": ["from"]}]}
