"""Reads `mappings/sources/<slug>.yaml` into a checked declaration.

Every error is a ConfigurationError that names file, path in the file, the value found and what is allowed there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from connectors.kit.paths import parse_path
from pipeline.canonical import CANONICAL_FIELDS, CUSTOM, CUSTOM_NAME, LEAD_FIELDS, TOUCH_FIELDS, default_conversion
from pipeline.stages.mapping.consent_rules import read_consent_rules
from pipeline.stages.mapping.language import (
    CUSTOM_CONVERSIONS,
    DATE_OPTIONS,
    DATE_ORDERS,
    DECIMAL_SIGNS,
    EARLIER_TOUCH_KEYS,
    FIELD_KEYS,
    LIST_KEYS,
    OPTION_TYPES,
    SOURCE_KEYS,
    SUPPRESS_KEYS,
    SUPPRESS_REASONS,
    EarlierTouchRule,
    FieldRule,
    ListRule,
    SourceDeclaration,
    SuppressRule,
)
from pipeline.stages.mapping.says import read_says
from pipeline.stages.rule_reader import Reader, unknown_name
from pipeline.values.conversions import CONVERSION_NAMES, exact_key
from pipeline.values.dates.formats import check_format
from pipeline.values.folding import fold
from pipeline.values.places.countries import country_code


def read_source(path: Path) -> SourceDeclaration:
    """The checked content of a source mapping. Raises ConfigurationError."""
    reader = Reader(path)
    content = reader.object("", reader.content, SOURCE_KEYS)
    source = reader.text("source", content.get("source"))
    if source != path.stem:
        reader.fail("source", f"{source!r} must be the file's name, {path.stem!r}")
    is_canonical = reader.flag("canonical", content.get("canonical", False))
    for key in ("flatten", "aliases"):
        if key in content and not is_canonical:
            reader.fail(key, "is allowed only beside `canonical: true`")
    region = content.get("region")
    if region is not None and (not isinstance(region, str) or country_code(region) != region):
        reader.fail("region", f"{region!r} is not an ISO 3166-1 alpha-2 code, such as US")
    rules = [*_field_rules(reader, content, "lead", LEAD_FIELDS), *_field_rules(reader, content, "touch", TOUCH_FIELDS)]
    own = tuple(_custom_rules(reader, content.get("custom")))
    touches = tuple(_earlier_touches(reader, content.get("earlier_touches")))
    dated = {
        path: rule for rule in (*rules, *(touch.at for touch in touches)) if _is_dated(rule) for path in rule.paths
    }
    flatten = reader.paths("flatten", content.get("flatten"))
    if not rules and not is_canonical:
        reader.fail("lead", "maps no field; name at least one, or say `canonical: true`")
    # Lists of statements and of touches in canonical form may stand wherever canonical fields may.
    containers = ("", *(f"{container}." for container in flatten)) if is_canonical else ()
    declaration = SourceDeclaration(
        source=source,
        version=reader.version(source),
        canonical=is_canonical,
        flatten=flatten,
        aliases=_aliases(reader, content.get("aliases")),
        region=region,
        headers=_headers(reader, content.get("headers")),
        lists=tuple(_list_rules(reader, content.get("lists"))),
        fields=(*rules, *own),
        earlier_touches=touches,
        consents=tuple(read_consent_rules(reader, content.get("consent"), dated, read_field=_field_rule)),
        consent_lists=tuple(f"{container}consents" for container in containers),
        touch_lists=tuple(f"{container}earlier_touches" for container in containers),
        suppress=_suppress_rules(reader, content.get("suppress")),
        kept=reader.paths("kept", content.get("kept")),
        ignored=reader.paths("ignored", content.get("ignored")),
        says=read_says(reader, content.get("says")),
        own_consents=reader.flag("own_consents", content.get("own_consents", False)),
    )
    _check_headers_are_read(reader, declaration)
    _check_lists_are_read_by_name(reader, declaration)
    return declaration


def _field_rules(reader: Reader, content: dict[str, Any], section: str, allowed: dict[str, str]) -> Iterator[FieldRule]:
    for name, entry in reader.object(section, content.get(section)).items():
        place = f"{section}.{name}"
        if name not in allowed:
            reader.fail(
                place, f"{unknown_name(name, allowed)}; a field of your own stands under `custom`, beside `lead`"
            )
        yield _field_rule(reader, place, name, entry, default_conversion(name))


def _custom_rules(reader: Reader, content: Any) -> Iterator[FieldRule]:
    """Fields of one's own: a destination's mapping reads them as `custom.NAME`."""
    for name, entry in reader.object("custom", content).items():
        place = f"custom.{name}"
        if not re.fullmatch(CUSTOM_NAME, name):
            reader.fail(place, f"{name!r} is no name; allowed: small letters, digits and _, a letter first, at most 63")
        if name in CANONICAL_FIELDS:
            section = "touch" if name in TOUCH_FIELDS else "lead"
            reader.fail(place, f"{name} is a field of ours: say it under `{section}`")
        rule = _field_rule(reader, place, f"{CUSTOM}{name}", entry, "text")
        reader.one_of(f"{place}.as", rule.conversion, CUSTOM_CONVERSIONS)
        yield rule


def _field_rule(reader: Reader, place: str, name: str, entry: Any, conversion: str) -> FieldRule:
    declared = reader.object(place, entry if isinstance(entry, dict) else {"from": entry}, FIELD_KEYS)
    if conversion == "text" and (CANONICAL_FIELDS.get(name) == "time" or name.startswith(CUSTOM)):
        conversion = "date" if not DATE_OPTIONS.isdisjoint(declared) else conversion  # said by saying how it is written
    named = reader.one_of(f"{place}.as", declared.get("as", conversion), CONVERSION_NAMES)
    paths = _paths(reader, place, declared, named)
    for option, types in OPTION_TYPES.items():
        if option in declared and named not in types:
            beside = " or ".join(f"`as: {conversion_name}`" for conversion_name in types)
            reader.fail(f"{place}.{option}", f"is allowed only with {beside}, not with `as: {named}`")
    return FieldRule(
        name=name,
        paths=paths,
        constant=declared.get("constant"),
        default=declared.get("default"),
        required=reader.flag(f"{place}.required", declared.get("required", False)),
        conversion=named,
        formats=_formats(reader, f"{place}.formats", declared.get("formats")),
        zone=_zone(reader, f"{place}.zone", declared.get("zone", "UTC")),
        order=reader.one_of(f"{place}.order", declared["order"], DATE_ORDERS) if "order" in declared else None,
        decimal=reader.one_of(f"{place}.decimal", declared["decimal"], DECIMAL_SIGNS)
        if "decimal" in declared
        else None,
        separator=_separator(reader, f"{place}.separator", declared["separator"]) if "separator" in declared else None,
        values=_value_table(reader, place, declared),
        region_from=reader.paths(f"{place}.region_from", declared.get("region_from")),
        gathers="all_of" in declared,
    )


def _paths(reader: Reader, place: str, declared: dict[str, Any], conversion: str) -> tuple[str, ...]:
    """Where a field is read: one of `from`, `all_of` and `constant` says it."""
    gathered = reader.paths(f"{place}.all_of", declared.get("all_of"))
    paths = reader.paths(f"{place}.from", declared.get("from"))
    said = [name for name, value in (("from", paths), ("all_of", gathered)) if value]
    said += ["constant"] if "constant" in declared else []
    if len(said) > 1:
        reader.fail(place, f"says both `{said[0]}` and `{said[1]}`")
    if not said:
        reader.fail(place, "says neither `from` nor `constant`")
    if gathered and conversion != "list":
        lists = ", ".join(name for name in CANONICAL_FIELDS if default_conversion(name) == "list")
        reader.fail(f"{place}.all_of", f"is allowed only for lists: {lists}, or with `as: list`")
    return paths or gathered


def _formats(reader: Reader, place: str, declared: Any) -> tuple[str, ...]:
    formats = reader.texts(place, declared)
    for pattern in formats:
        try:
            check_format(pattern)
        except ValueError as error:
            reader.fail(place, f"{pattern!r} {error}")
    return formats


def _zone(reader: Reader, place: str, declared: Any) -> str:
    zone = reader.text(place, declared)
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        reader.fail(place, f"{zone!r} is not a time zone, such as Europe/Madrid")
    return zone


def _separator(reader: Reader, place: str, declared: Any) -> str:
    if not isinstance(declared, str) or not declared:  # white space alone may well separate
        reader.fail(place, f'{declared!r} is not a text, such as "|"')
    return declared


def _value_table(reader: Reader, place: str, declared: dict[str, Any]) -> dict[str, Any]:
    if "vocabulary" not in declared:
        table = reader.object(f"{place}.values", declared.get("values"))
        known: dict[str, str] = {}
        for key in declared.get("values") or ():
            first = known.setdefault(exact_key(key), repr(key))
            if first != repr(key):
                reader.fail(f"{place}.values", f"{key!r} and {first} are the same word: a value has one meaning")
        return table
    if "values" in declared:
        reader.fail(place, "says both `values` and `vocabulary`")
    return dict(reader.vocabulary(f"{place}.vocabulary", declared["vocabulary"]))


def _list_rules(reader: Reader, content: Any) -> Iterator[ListRule]:
    for place, declared in reader.objects("lists", content, LIST_KEYS):
        for key in ("at", "name", "values"):
            if key not in declared:
                reader.fail(
                    place, f"says no `{key}`; a list is declared as {{at: field_data, name: name, values: values}}"
                )
        at = reader.path(f"{place}.at", declared["at"])
        if not all(isinstance(step, str) for step in parse_path(at)):
            reader.fail(f"{place}.at", f"{at!r} goes through a list itself; allowed are key and key.key")
        yield ListRule(
            at=at,
            names=reader.paths(f"{place}.name", declared["name"]),
            values=reader.paths(f"{place}.values", declared["values"]),
            ignored=reader.texts(f"{place}.ignored", declared.get("ignored")),
        )


def _headers(reader: Reader, content: Any) -> dict[str, tuple[str, ...]]:
    headers = {
        name: reader.texts(f"headers.{name}", titles) for name, titles in reader.object("headers", content).items()
    }
    known: dict[str, str] = {}
    for name, titles in headers.items():
        for title in (name, *titles):
            key = fold(title)
            if not key:
                reader.fail(f"headers.{name}", f"{title!r} has neither letters nor digits")
            if known.setdefault(key, name) != name:
                reader.fail(f"headers.{name}", f"{title!r} stands for {known[key]!r} already")
    return headers


def _check_headers_are_read(reader: Reader, declaration: SourceDeclaration) -> None:
    read = {*declaration.decided_paths(), *declaration.kept}
    if declaration.canonical:
        read |= {*CANONICAL_FIELDS, *declaration.aliases}
    for name in declaration.headers:
        if name not in read:
            reader.fail(f"headers.{name}", f"no rule reads it: {unknown_name(name, read)}")


def _check_lists_are_read_by_name(reader: Reader, declaration: SourceDeclaration) -> None:
    for path in (*declaration.decided_paths(), *declaration.kept):
        for rule in declaration.lists:
            if path.startswith(f"{rule.at}["):
                reader.fail("lists", f"{rule.at} is read by name: write {rule.at}.NAME, not {path}")


def _earlier_touches(reader: Reader, content: Any) -> Iterator[EarlierTouchRule]:
    for place, declared in reader.objects("earlier_touches", content, EARLIER_TOUCH_KEYS):
        if "at" not in declared:
            reader.fail(place, "says no `at`: a touch without a time has no place among the others")
        fields = [
            _field_rule(reader, f"{place}.{name}", name, declared[name], default_conversion(name))
            for name in declared
            if name != "at"
        ]
        if not any(rule.paths for rule in fields):
            reader.fail(place, "reads no evidence, such as utm_source, page_url or referrer")
        at = _field_rule(reader, f"{place}.at", "at", declared["at"], "date")
        if not at.paths:
            reader.fail(f"{place}.at", "says no `from`: a time is read, never made up")
        yield EarlierTouchRule(at, tuple(fields))


def _is_dated(rule: FieldRule) -> bool:
    """Whether a rule says how its dates are written."""
    return rule.conversion == "date" and (bool(rule.formats) or rule.order is not None or rule.zone != "UTC")


def _suppress_rules(reader: Reader, content: Any) -> tuple[SuppressRule, ...]:
    rules = []
    for reason, entries in reader.object("suppress", content, SUPPRESS_REASONS).items():
        for place, declared in reader.objects(f"suppress.{reason}", entries, SUPPRESS_KEYS):
            below = declared.get("below")
            if below is not None and (isinstance(below, bool) or not isinstance(below, int | float)):
                reader.fail(f"{place}.below", f"{below!r} is not a number")
            if len(said := [key for key in ("when", "below", "is", "is_not") if key in declared]) > 1:
                reader.fail(place, f"says {' and '.join(said)}; a rule says one of when, below, is and is_not")
            when = "true" if declared.get("when") is True else declared.get("when", "filled")
            rules.append(
                SuppressRule(
                    reason=reason,
                    paths=reader.paths(f"{place}.from", declared.get("from")),
                    when=reader.one_of(f"{place}.when", when, ("filled", "true")),
                    below=below,
                    is_one_of=reader.texts(f"{place}.is", declared.get("is")),
                    is_none_of=reader.texts(f"{place}.is_not", declared.get("is_not")),
                )
            )
            if not rules[-1].paths:
                reader.fail(place, "says no `from`")
    return tuple(rules)


def _aliases(reader: Reader, content: Any) -> dict[str, str]:
    names = reader.object("aliases", content)
    for name, target in names.items():
        if not isinstance(target, str) or target not in CANONICAL_FIELDS:
            reader.fail(f"aliases.{name}", unknown_name(str(target), CANONICAL_FIELDS))
    return names
