"""JSON Schemas of the files in `mappings/`, so that editors complete and check them. Made of the reader's own tables.

Draft 7: what editors know best. What no schema can say (the file's name, a path that no rule reads, a word
that stands for two things) only `afluente mapping check` tells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from connectors.kit import SUBJECTS
from connectors.kit.paths import KEY_PATTERN, SELECTOR_PATTERN
from pipeline.canonical import (
    CANONICAL_FIELDS,
    CONSENT_FACTS,
    CUSTOM_NAME,
    DESTINATION_SOURCES,
    LEAD_FIELDS,
    SOURCES_OF,
    TOUCH_FIELDS,
    default_conversion,
)
from pipeline.errors import UsageError
from pipeline.stages.attribution.click_ids import click_ids
from pipeline.stages.destination_mapping import declarations as destination
from pipeline.stages.destination_mapping.names import touch_names
from pipeline.stages.mapping.consent_rules import consent_schema
from pipeline.stages.mapping.language import (
    CUSTOM_CONVERSIONS,
    DATE_ORDERS,
    DECIMAL_SIGNS,
    EARLIER_TOUCH_KEYS,
    FIELD_KEYS,
    LIST_KEYS,
    OPTION_TYPES,
    SOURCE_KEYS,
    SUPPRESS_KEYS,
    SUPPRESS_REASONS,
)
from pipeline.stages.mapping.says import SCHEMA as SAYS_SCHEMA
from pipeline.values.conversions import CONVERSION_NAMES
from pipeline.values.vocabularies import word_tables

Schema = dict[str, Any]
KINDS = ("source", "destination")

_PATH: Schema = {
    "type": "string",
    "pattern": rf"^(?:{KEY_PATTERN}|{SELECTOR_PATTERN})(?:\.{KEY_PATTERN}|\.?(?:{SELECTOR_PATTERN}))*$",
    "description": "key.key, list[0], list[-1], list[key=value], a column's title as it is; a\\.b: one key",
}
_TEXT: Schema = {"type": "string", "pattern": r"\S"}
_FLAG: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "number"}
_LENGTH: Schema = {"type": "integer", "minimum": 1}


def schema_text(kind: str) -> str:
    """The schema of `source` or `destination` mappings as it stands in `mappings/schema/<kind>.json`.

    Raises UsageError for another kind.
    """
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of mapping; allowed: {', '.join(KINDS)}")
    schema = source_schema() if kind == "source" else destination_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def source_schema() -> Schema:
    """Of `mappings/sources/*.yaml`."""
    fields = {"lead": LEAD_FIELDS, "touch": TOUCH_FIELDS}
    sections = {name: _object({field: _field(field) for field in allowed}) for name, allowed in fields.items()}
    properties: Schema = {
        "source": _named("the source's slug, which is the file's name", {"type": "string", "pattern": "^[a-z0-9_]+$"}),
        "version": _named("count it up when the meaning of something changes", _LENGTH),
        "canonical": _named("the source sends canonical names already", _FLAG),
        "flatten": _named("objects to look for canonical names in as well", _REF("paths")),
        "aliases": _named("other names for canonical fields", {"type": "object", "additionalProperties": _CANONICAL}),
        "region": _named("where numbers without a country code belong", {"type": "string", "pattern": "^[A-Z]{2}$"}),
        "headers": _named(
            "titles a column may have, by the name that rules use",
            {"type": "object", "additionalProperties": _REF("texts")},
        ),
        "lists": _named("lists of {name, values} that rules read by name", _list(_list_rule())),
        **{name: _named(f"canonical {name} fields", section) for name, section in sections.items()},
        "custom": _named("fields of your own, which destinations read as custom.NAME", _custom_fields()),
        "earlier_touches": _named("contacts before this one that the record remembers", _list(_earlier_touch())),
        "consent": _named("statements of consent", {"type": "object", "additionalProperties": consent_schema()}),
        "own_consents": _named("its consents[] are what we took ourselves, confirmations among them", _FLAG),
        "suppress": _named("leads that must not go on", _object(dict.fromkeys(SUPPRESS_REASONS, _suppressions()))),
        "says": _named("what a record says: a lead, or something of somebody known", SAYS_SCHEMA),
        "kept": _named("decided: stays under `custom`", _REF("paths")),
        "ignored": _named("decided: not kept", _REF("paths")),
    }
    canonical = {"required": ["canonical"], "properties": {"canonical": {"const": True}}}
    return {
        **_head("source"),
        **_object(_in_order(SOURCE_KEYS, properties), required=("source", "version")),
        "anyOf": [canonical, *({"required": [name], "properties": {name: {"minProperties": 1}}} for name in fields)],
        "dependencies": {"flatten": canonical, "aliases": canonical},
        "definitions": {
            "path": _PATH,
            "paths": _one_or_several(_PATH),
            "texts": _one_or_several(_TEXT),
            "vocabulary": {"enum": word_tables()},
            "zone": {"enum": _zones()},
            **{f"{conversion}_field": _field_of(conversion) for conversion in CONVERSION_NAMES},
        },
    }


def destination_schema() -> Schema:
    """Of `mappings/destinations/*.yaml`."""
    rule = {**_object(_in_order(destination.DESTINATION_KEYS, _destination_options())), **_destination_conditions()}
    of_others = (name for known in SOURCES_OF.values() for name in known)
    names = dict.fromkeys((*DESTINATION_SOURCES, *touch_names(), *of_others, *click_ids()))
    del names[destination.MERGED_INTO]
    sources = {"anyOf": [{"enum": list(names)}, *_own_sources()]}
    rules: Schema = {"type": "object", "minProperties": 1, "additionalProperties": {"anyOf": [_REF("sources"), rule]}}
    links = {"type": "object", "additionalProperties": {"enum": ["person", "company"]}}
    entry = _object({"of": {"enum": list(SUBJECTS)}, "links": links, "fields": rules}, required=("of", "fields"))
    properties: Schema = {
        "destination": {"type": "string", "pattern": "^[a-z0-9_]+$"},
        "version": _named("count it up when the meaning of something changes", _LENGTH),
        "fields": _named("the record of a person", rules),
        "objects": _named("several objects of the CRM", {"type": "object", "additionalProperties": entry}),
    }
    return {
        **_head("destination"),
        **_object(properties, required=("destination", "version")),
        "oneOf": [{"required": ["fields"]}, {"required": ["objects"]}],
        "definitions": {"sources": _one_or_several(sources), "texts": _one_or_several(_TEXT)},
    }


def _own_sources() -> list[Schema]:
    """Names in `from` that no list holds."""
    step = rf"{KEY_PATTERN}\."
    facts = "|".join(CONSENT_FACTS)
    return [
        {"type": "string", "pattern": rf"^custom\.{CUSTOM_NAME}$"},
        {"type": "string", "pattern": rf"^consent\.{step}{KEY_PATTERN}(?:\.(?:{facts}))?$"},
    ]


def _custom_fields() -> Schema:
    conversions = {"properties": {"as": {"enum": list(CUSTOM_CONVERSIONS)}}}
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^{CUSTOM_NAME}$", "not": _CANONICAL},
        "additionalProperties": {"allOf": [_REF("text_field"), conversions]},
    }


def _destination_options() -> Schema:
    """What a rule of a destination's field may say, by its name."""
    return {
        "from": _named(
            "fields of the person; the first that is not empty",
            {"anyOf": [_REF("sources"), {"const": destination.MERGED_INTO}]},
        ),
        "constant": _named("this value, whatever the person says", {}),
        "default": _named("this value where the person says nothing", {}),
        "required": _named("without it the person waits in quarantine", _FLAG),
        "as": _named("the CRM's type", {"enum": list(destination.TYPES)}),
        "max": _named("characters the CRM takes", _LENGTH),
        "too_long": _named("what becomes of a longer value", {"enum": list(destination.TOO_LONG)}),
        "digits": _named("digits before the decimal point", _LENGTH),
        "at_least": _NUMBER,
        "at_most": _NUMBER,
        "separator": _named("between the entries of a list", {"type": "string", "minLength": 1}),
        "values": _named("our words and the CRM's for them", {"type": "object"}),
        "picklist": _named("the values the CRM knows", _REF("texts")),
        "unlisted": _named("what becomes of another value", {"enum": list(destination.UNLISTED)}),
        "write": _named("whose value stays in the CRM", {"enum": list(destination.WRITE)}),
        "when_empty": _named("clear: the CRM's value is emptied with ours", {"enum": list(destination.WHEN_EMPTY)}),
    }


def _destination_conditions() -> Schema:
    """Which options a rule of a destination's field needs, and which of them go together."""
    return {
        "anyOf": [{"required": ["from"]}, {"required": ["constant"]}],
        "dependencies": _beside(destination.OPTION_TYPES, default="text"),
        "allOf": [
            _if({"as": {"const": "picklist"}}, {"required": ["picklist"]}),
            _if({"unlisted": True}, {"required": ["picklist"]}),
            _if({"unlisted": {"const": "default"}}, {"required": ["default"]}),
            _if({"too_long": {"const": "truncate"}}, {"required": ["max"]}),
            _if({"write": {"const": "once"}}, {"properties": {"required": {"const": False}}}),
            _if(
                {"when_empty": {"const": "clear"}},
                {
                    "properties": {"required": {"const": False}},
                    "not": {"anyOf": [{"required": [name]} for name in ("default", "constant")]},
                },
            ),
            _if(
                {"from": {"const": destination.MERGED_INTO}},
                {
                    "required": ["when_empty"],
                    "properties": {"when_empty": {"const": "clear"}, "write": {"const": "always"}},
                },
            ),
        ],
    }


def _REF(name: str) -> Schema:  # noqa: N802 - reads as what it makes: {"$ref": …}
    return {"$ref": f"#/definitions/{name}"}


_CANONICAL: Schema = {"enum": list(CANONICAL_FIELDS)}


def _field(name: str) -> Schema:
    return _REF(f"{default_conversion(name)}_field")


def _field_of(conversion: str) -> Schema:
    """A field whose type, unless it says otherwise, is `conversion`."""
    rule = _object(
        _in_order(
            FIELD_KEYS,
            {
                "from": _REF("paths"),
                "all_of": _named("all of these paths, as one list", _REF("paths")),
                "constant": _named("this value, whatever the source says", {"not": {"type": "null"}}),
                "default": _named("this value where the source says nothing", {}),
                "required": _named("without it the lead waits in quarantine", _FLAG),
                "as": _named(f"{conversion}, unless said otherwise", {"enum": list(CONVERSION_NAMES)}),
                "formats": _named("strptime formats, tried first", _REF("texts")),
                "zone": _named("of times without one, such as Europe/Madrid", _REF("zone")),
                "order": _named("of day, month and year", {"enum": list(DATE_ORDERS)}),
                "decimal": _named("the decimal sign", {"enum": list(DECIMAL_SIGNS)}),
                "separator": _named("what alone splits a list", {"type": "string", "minLength": 1}),
                "values": _named("the source's words and yours for them", {"type": "object"}),
                "vocabulary": _named("a table of mappings/vocabularies", _REF("vocabulary")),
                "region_from": _named("path of a country, for phone numbers", _REF("paths")),
            },
        )
    )
    rule |= {
        "oneOf": [{"required": [name]} for name in ("from", "all_of", "constant")],
        "dependencies": {
            **_beside({**OPTION_TYPES, "all_of": ("list",)}, default=conversion),
            "vocabulary": {"not": {"required": ["values"]}},
        },
    }
    return {"anyOf": [_REF("paths"), rule]}


def _list_rule() -> Schema:
    at: Schema = {"type": "string", "pattern": rf"^{KEY_PATTERN}(?:\.{KEY_PATTERN})*$"}
    properties = {"at": at, "name": _REF("paths"), "values": _REF("paths"), "ignored": _REF("texts")}
    return _object(_in_order(LIST_KEYS, properties), required=("at", "name", "values"))


def _earlier_touch() -> Schema:
    properties = {"at": _REF("date_field"), **{name: _field(name) for name in TOUCH_FIELDS}}
    return {**_object(_in_order(EARLIER_TOUCH_KEYS, properties), required=("at",)), "minProperties": 2}


def _zones() -> list[str]:
    """Names of time zones, from the tzdata package: the same list whatever the machine has."""
    return sorted(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def _suppressions() -> Schema:
    properties = {
        "from": _REF("paths"),
        "when": _named("filled unless said otherwise", {"enum": ["filled", "true", True]}),
        "below": _named("a number smaller than this, and more than 0", _NUMBER),
        "is": _named("one of these words, whatever their case", _REF("texts")),
        "is_not": _named("filled with something else than these words", _REF("texts")),
    }
    return _list(_object(_in_order(SUPPRESS_KEYS, properties), required=("from",)))


def _head(kind: str) -> Schema:
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"Mapping of a {kind}",
        "description": f"Made by `afluente mapping schema {kind} > mappings/schema/{kind}.json`. See docs/mapping.md.",
    }


def _object(properties: Mapping[str, Schema], *, required: Iterable[str] = ()) -> Schema:
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": dict(properties)}
    return {**schema, "required": list(required)} if required else schema


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _one_or_several(item: Schema) -> Schema:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def _named(description: str, schema: Schema) -> Schema:
    return {"description": description, **({"allOf": [schema]} if "$ref" in schema else schema)}


def _in_order(keys: Iterable[str], properties: Mapping[str, Schema]) -> Schema:
    """Exactly the reader's keys: one without a schema here is a KeyError, not a key editors do not know."""
    return {key: properties[key] for key in keys}


def _beside(options: Mapping[str, tuple[str, ...]], *, default: str) -> Schema:
    """Each option only beside its types; `as` may be left out where the default is one of them."""
    return {
        option: {"properties": {"as": {"enum": list(types)}}, **({} if default in types else {"required": ["as"]})}
        for option, types in options.items()
    }


def _if(properties: Schema, then: Schema) -> Schema:
    return {"if": {"properties": properties, "required": list(properties)}, "then": then}
