"""A source mapping's rules compiled into closures: each takes a record and adds what it finds to the mapped fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec

from connectors.kit.paths import compile_path
from pipeline.canonical import CANONICAL_FIELDS, default_conversion
from pipeline.records import Consent, EarlierTouch
from pipeline.stages.mapping.earlier_touches import ReadTime, ReadTouch, compile_earlier_touch
from pipeline.stages.mapping.language import EarlierTouchRule, FieldRule, SourceDeclaration, SuppressRule
from pipeline.stages.paths import compile_first
from pipeline.values.conversions import (
    CONVERSIONS,
    Conversion,
    date_conversion,
    table_conversion,
    to_count,
    to_list,
    to_money,
    to_number,
)
from pipeline.values.normalized import Normalized, is_empty
from pipeline.values.places.countries import country_code

NO_ORDERS: Mapping[str, str] = MappingProxyType({})


class MappedFields(msgspec.Struct):
    """What one record says, in canonical names; the rest as in `records.Lead`."""

    fields: dict[str, Any] = {}
    custom: dict[str, Any] = {}
    raw: dict[str, Any] = {}
    flags: dict[str, list[str]] = {}
    consents: list[Consent] = []
    earlier_touches: list[EarlierTouch] = []
    undecided: list[str] = []
    date_orders: Mapping[str, str] = NO_ORDERS  # of this record's columns, decided over the whole file it stood in

    def __repr__(self) -> str:
        return f"<MappedFields: {len(self.fields)} fields>"


Apply = Callable[[dict[str, Any], MappedFields], None]


def compile_field(rule: FieldRule) -> Apply:
    """A function that reads one declared field."""
    name = rule.name
    if rule.constant is not None:
        constant = rule.constant

        def apply_constant(_record: dict[str, Any], mapped: MappedFields) -> None:
            mapped.fields[name] = constant

        return apply_constant
    if rule.conversion == "date" and not rule.values:
        return _compile_date(rule)
    if rule.gathers:
        return _compile_all(rule)
    get = compile_first(list(rule.paths))
    convert = _conversion(rule)
    default = rule.default
    get_region = compile_first(list(rule.region_from)) if rule.region_from else None

    def apply(record: dict[str, Any], mapped: MappedFields) -> None:
        value = get(record)
        if value is None:
            if default is not None:
                mapped.fields.setdefault(name, default)
            return
        put(mapped, name, value, convert)
        if get_region is not None and "region" not in mapped.fields:
            region = country_code(str(get_region(record) or ""))
            if region:
                mapped.fields["region"] = region

    return apply


def _compile_all(rule: FieldRule) -> Apply:
    """A list of what stands at all of the paths, each text once, in the order of the paths."""
    name, default = rule.name, rule.default
    getters = [compile_path(path) for path in rule.paths]
    convert = _conversion(rule)

    def apply(record: dict[str, Any], mapped: MappedFields) -> None:
        found = [value for value in (get(record) for get in getters) if not is_empty(value)]
        for value in found:
            put(mapped, name, value, convert)
        if not found and default is not None:
            mapped.fields.setdefault(name, default)

    return apply


def _compile_date(rule: FieldRule) -> Apply:
    """As any field, but the order of day and month may be known for the column that the value stands in."""
    name, default = rule.name, rule.default
    getters = [(path, compile_path(path)) for path in rule.paths]
    convert = date_conversion(formats=rule.formats, zone=rule.zone, order=rule.order)

    def apply(record: dict[str, Any], mapped: MappedFields) -> None:
        for path, get in getters:
            value = get(record)
            if value is not None and not is_empty(value):
                order = mapped.date_orders.get(path)
                put(mapped, name, value, convert if order is None else partial(convert, order=order))
                return
        if default is not None:
            mapped.fields.setdefault(name, default)

    return apply


def compile_canonical(names: dict[str, str], containers: Sequence[str]) -> Apply:
    """`canonical: true`: keys of the record, and of the objects at `containers`, are looked up in `names`.

    A canonical name beats an alias, what stands further out what stands further in, an alias those declared after it.
    """
    ranks = {key: (name, 0 if key == name else place + 1) for place, (key, name) in enumerate(names.items())}
    conversions = {name: CONVERSIONS[default_conversion(name)] for name in CANONICAL_FIELDS}
    getters = [compile_path(path) for path in containers]
    to_date = date_conversion()

    def apply(record: dict[str, Any], mapped: MappedFields) -> None:
        best: dict[str, tuple[int, Any, str]] = {}
        orders = mapped.date_orders
        for level in (record, *(get(record) for get in getters)):
            if isinstance(level, dict):
                for key, value in level.items():
                    ranked = ranks.get(key)
                    if ranked is not None and not is_empty(value):
                        name, rank = ranked
                        if name not in best or rank < best[name][0]:
                            best[name] = (rank, value, key)
        for name, (_, value, key) in best.items():
            order = orders.get(key) if orders and CANONICAL_FIELDS[name] == "time" else None
            put(mapped, name, value, conversions[name] if order is None else partial(to_date, order=order))

    return apply


def canonical_names(declaration: SourceDeclaration) -> dict[str, str]:
    """Key in the record -> canonical field, for a mapping that says `canonical: true`."""
    return {**{name: name for name in CANONICAL_FIELDS}, **declaration.aliases}


def compile_earlier_touch_rule(rule: EarlierTouchRule) -> ReadTouch:
    """A function that adds the earlier touch one rule declares."""
    evidence = {field.name: _reading(field) for field in rule.fields if field.paths}
    unsaid = {field.name: field.default if field.constant is None else field.constant for field in rule.fields}
    return compile_earlier_touch(
        _dated(rule.at), evidence, {name: value for name, value in unsaid.items() if value is not None}
    )


def _dated(rule: FieldRule) -> ReadTime:
    """How to get a time, in the order of the column that it stands in."""
    getters = [(path, compile_path(path)) for path in rule.paths]
    convert = _conversion(rule)
    is_date = rule.conversion == "date" and not rule.values
    dated = date_conversion(formats=rule.formats, zone=rule.zone, order=rule.order) if is_date else None

    def read(record: dict[str, Any], orders: Mapping[str, str]) -> tuple[Any, Any]:
        for path, get in getters:
            value = get(record)
            if not is_empty(value):
                return value, (dated(value, orders.get(path)) if dated is not None else convert(value)).value
        return None, None

    return read


def _reading(rule: FieldRule) -> tuple[Callable[[Any], Any], Conversion]:
    """How to get a value and what to make of it, for rules that fill no canonical field."""
    return compile_first(list(rule.paths)), _conversion(rule)


def _conversion(rule: FieldRule) -> Conversion:
    convert = _CONVERSION_WITH_OPTIONS.get(rule.conversion, _plain_conversion)(rule)
    return table_conversion(convert, rule.values) if rule.values else convert


def _plain_conversion(rule: FieldRule) -> Conversion:
    return CONVERSIONS[rule.conversion]


def _date_conversion(rule: FieldRule) -> Conversion:
    return date_conversion(formats=rule.formats, zone=rule.zone, order=rule.order)


def _list_conversion(rule: FieldRule) -> Conversion:
    separator = rule.separator
    if separator is None:
        return to_list

    def to_separated(value: Any) -> Normalized:
        """`separator` alone splits: a comma inside a choice stays."""
        return to_list([part.strip() for part in value.split(separator)] if isinstance(value, str) else value)

    return to_separated


def _decimal_conversion(rule: FieldRule) -> Conversion:
    convert = _WITH_DECIMAL_SIGN[rule.conversion]
    return convert if rule.decimal is None else partial(convert, decimal=rule.decimal)


_WITH_DECIMAL_SIGN: dict[str, Callable[..., Normalized]] = {"number": to_number, "count": to_count, "money": to_money}
_CONVERSION_WITH_OPTIONS: dict[str, Callable[[FieldRule], Conversion]] = {
    "date": _date_conversion,
    "list": _list_conversion,
    **dict.fromkeys(_WITH_DECIMAL_SIGN, _decimal_conversion),
}


def put(mapped: MappedFields, name: str, value: Any, convert: Conversion) -> None:
    """Convert a value and keep what came of it: the value, flags, the raw text, further values of the same cell."""
    converted = convert(value)
    known = mapped.fields.get(name)
    if isinstance(known, list) and isinstance(converted.value, list):  # of another path, or of the main field's cell
        known.extend(value for value in converted.value if value not in known)
    elif converted.value is not None:
        mapped.fields[name] = converted.value
    if converted.flags:
        flag(mapped, name, converted.flags)
    if converted.raw is not None:
        mapped.raw.setdefault(name, converted.raw)
    if converted.others:
        others = mapped.fields.setdefault("other_phones" if name == "phone" else "other_emails", [])
        others.extend(converted.others)


def flag(mapped: MappedFields, name: str, flags: Sequence[str]) -> None:
    """Note something about a field."""
    mapped.flags.setdefault(name, []).extend(flags)


def compile_suppress(rule: SuppressRule) -> tuple[str, Callable[[dict[str, Any]], bool]]:
    """The reason, and a function that tells whether a record is suppressed for it."""
    get = compile_first(list(rule.paths))
    is_true = CONVERSIONS["boolean"]
    below, wanted, unwanted = rule.below, _words(rule.is_one_of), _words(rule.is_none_of)

    def applies(record: dict[str, Any]) -> bool:
        value = get(record)
        if value is None:
            return False
        if below is not None:
            number = to_number(value).value
            return number is not None and 0 < number < below  # zero: the form did not measure
        if wanted or unwanted:
            word = str(value).strip().lower()
            return word in wanted if wanted else word not in unwanted
        return rule.when == "filled" or is_true(value).value is True

    return rule.reason, applies


def _words(words: Sequence[str]) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in words)
