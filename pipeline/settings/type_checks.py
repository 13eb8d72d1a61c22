"""Whether what a settings file says is of the types that a declaration wants: each mistake with its place.

Works on any declaration that msgspec can inspect: that of afluente.yaml, and of a connector's options.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from pipeline.values.nearest import unknown_name

_LONGEST_SHOWN = 60
_SECRET_KEYS = {
    "secret",
    "token",
    "secrets",
    "auth",
    "client_secret",
}  # a value there is not repeated: it may be the secret itself
_OBJECTS = (msgspec.inspect.StructType, msgspec.inspect.DataclassType)

Problem = tuple[str, str]  # where, as `destinations.crm.base_url`, and what is wrong there

# What a declaration allows. It takes longer to look at that of afluente.yaml than to read and check a short file.
type_info = lru_cache(maxsize=32)(msgspec.inspect.type_info)


def problems_of_type(value: Any, wanted: msgspec.inspect.Type, place: str) -> Iterator[Problem]:
    """Unknown keys, wrong types and numbers out of range, wherever they stand."""
    if isinstance(wanted, _OBJECTS):
        yield from _of_struct(value, wanted, place)
    elif isinstance(wanted, msgspec.inspect.DictType):
        yield from _of_dict(value, wanted, place)
    elif isinstance(wanted, msgspec.inspect.UnionType):
        yield from _of_union(value, wanted, place)
    elif isinstance(wanted, msgspec.inspect.ListType):
        if not isinstance(value, list):
            yield place, _mismatch(value, [wanted], place)
        else:
            for number, entry in enumerate(value):
                yield from problems_of_type(entry, wanted.item_type, f"{place}[{number}]")
    else:
        yield from _of_scalar(value, wanted, place)


def _of_union(value: Any, wanted: msgspec.inspect.UnionType, place: str) -> Iterator[Problem]:
    taking = [kind for kind in wanted.types if _takes(kind, value)]
    tagged = {kind.tag: kind for kind in taking if isinstance(kind, msgspec.inspect.StructType) and kind.tag_field}
    if tagged:
        yield from _of_tagged(value, tagged, place)
    elif taking:
        yield from problems_of_type(value, taking[0], place)
    else:
        yield place, _mismatch(value, wanted.types, place)


def _of_scalar(value: Any, wanted: msgspec.inspect.Type, place: str) -> Iterator[Problem]:
    if isinstance(wanted, msgspec.inspect.LiteralType):
        if value not in wanted.values:
            yield place, unknown_name(str(value), map(str, wanted.values))
    elif not _takes(wanted, value):
        yield place, _mismatch(value, [wanted], place)
    elif isinstance(wanted, msgspec.inspect.StrType):
        if wanted.min_length and not value.strip():
            yield place, "is empty"
    elif isinstance(wanted, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        yield from _of_range(value, wanted, place)


def _of_tagged(value: dict[str, Any], kinds: Mapping[Any, msgspec.inspect.StructType], place: str) -> Iterator[Problem]:
    """Of an object that is one of several kinds, which one of its keys names."""
    field = str(next(iter(kinds.values())).tag_field)
    named = value.get(field)
    if field not in value:
        yield place, f"{field} is missing; allowed: {', '.join(map(str, kinds))}"
    elif not isinstance(named, str) or named not in kinds:
        yield f"{place}.{field}", unknown_name(str(named), map(str, kinds))
    else:
        yield from _of_struct({key: entry for key, entry in value.items() if key != field}, kinds[named], place)


def _of_struct(
    value: Any, wanted: msgspec.inspect.StructType | msgspec.inspect.DataclassType, place: str
) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield place, _mismatch(value, [wanted], place)
        return
    known = {field.name: field for field in wanted.fields}
    for key, entry in value.items():
        inside = f"{place}.{key}".strip(".")
        if key in known:
            yield from problems_of_type(entry, known[key].type, inside)
        else:
            yield inside, unknown_name(str(key), known)
    for name, field in known.items():
        if field.required and name not in value:
            yield place, f"{name} is missing"


def _of_dict(value: Any, wanted: msgspec.inspect.DictType, place: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield place, _mismatch(value, [wanted], place)
        return
    for key, entry in value.items():
        if not isinstance(key, str):
            yield f"{place}.{key}", f"{key!r} is not a name; in quotes it is one"
        yield from problems_of_type(entry, wanted.value_type, f"{place}.{key}")


def _of_range(
    value: float, wanted: msgspec.inspect.IntType | msgspec.inspect.FloatType, place: str
) -> Iterator[Problem]:
    low, above, high = wanted.ge, wanted.gt, wanted.le
    if not math.isfinite(value):
        yield place, f"{value} is not a number that can be counted to"
    elif above is not None and not value > above:
        yield place, f"{value} is too small; it must be more than {above}"
    elif low is not None and not value >= low:
        yield place, f"{value} is too small; at least {low}"
    elif high is not None and not value <= high:
        yield place, f"{value} is too large; at most {high}"


def _takes(wanted: msgspec.inspect.Type, value: Any) -> bool:
    if isinstance(wanted, msgspec.inspect.AnyType):
        return True
    if isinstance(value, bool):
        return isinstance(wanted, msgspec.inspect.BoolType)
    kinds: tuple[tuple[type | tuple[type, ...], type | tuple[type, ...]], ...] = (
        (msgspec.inspect.StrType, str),
        (msgspec.inspect.IntType, int),
        (msgspec.inspect.FloatType, (int, float)),
        (msgspec.inspect.ListType, list),
        (msgspec.inspect.DictType, dict),
        (_OBJECTS, dict),
        (msgspec.inspect.NoneType, type(None)),
    )
    return any(isinstance(wanted, kind) and isinstance(value, plain) for kind, plain in kinds)


_WORDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (msgspec.inspect.StrType, "a text"),
    (msgspec.inspect.IntType, "a whole number"),
    (msgspec.inspect.FloatType, "a number"),
    (msgspec.inspect.BoolType, "true or false"),
    (msgspec.inspect.ListType, "a list"),
    (msgspec.inspect.DictType, "an object of `name: value`"),
    (_OBJECTS, "an object of `key: value`"),
)


def _mismatch(value: Any, wanted: Iterable[msgspec.inspect.Type], place: str) -> str:
    words = [word for allowed in wanted for kind, word in _WORDS if isinstance(allowed, kind)]
    advice = ""
    if "a text" in words and isinstance(value, bool | int | float):
        advice = ": put it in quotes"  # NO is false to YAML, 0123 a number
    elif isinstance(value, str) and value.strip().lstrip("-").replace(".", "", 1).isdigit():
        advice = ": leave the quotes out"
    return f"{shown_value(value, place)} is not {' or '.join(words)}{advice}"


def shown_value(value: Any, place: str) -> str:
    if _SECRET_KEYS & set(re.split(r"[.\[]", place)):
        return "what stands there"
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
