"""Does a declaration hold what its words may be: the values of its fields against their types, all the way down."""

from __future__ import annotations

import collections.abc
import inspect
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from connectors.kit.sources.declarations import Connector

_UNIONS = (typing.Union, types.UnionType)
_types: dict[type, dict[str, Any]] = {}
_SHOWN = 60  # characters of a value


def wrong_types(connector: Connector) -> list[str]:
    """A sentence for each field that holds what it may not: where it is, what is there, what is allowed."""
    return list(_wrong(connector, "CONNECTOR"))


def _wrong(declared: object, place: str) -> Iterator[str]:
    for name, wanted in _types_of(type(declared)).items():
        value, where = getattr(declared, name), f"{place}.{name}"
        if not _fits(value, wanted):
            yield f"{where} is {_told(value)}; allowed: {_allowed(wanted)}"
            continue
        parts = enumerate(value) if isinstance(value, tuple) else [(None, value)]
        for number, part in parts:
            if is_dataclass(part) and not isinstance(part, type):
                yield from _wrong(part, where if number is None else f"{where}[{number}]")


def _types_of(declared: type) -> dict[str, Any]:
    """The types of its fields by name. Some stand in modules that import each other: those names are looked up late."""
    if (known := _types.get(declared)) is not None:
        return known
    scope = {**_words(), **vars(sys.modules[declared.__module__])}
    found = _types[declared] = {field.name: _evaluated(field.type, scope) for field in fields(declared)}
    return found


def _evaluated(annotation: Any, scope: dict[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, scope)  # noqa: S307 - an annotation of the kit's own
    except NameError:
        return Any


@cache
def _words() -> dict[str, Any]:
    from connectors import kit
    from connectors.kit.sources.collected.kinds import Collected

    return {**{name: getattr(kit, name) for name in kit.__all__}, "Collected": Collected}


def _fits(value: Any, wanted: Any) -> bool:
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted is Any or wanted is None:
        return wanted is Any or value is None
    if origin in _UNIONS:
        return any(_fits(value, each) for each in args)
    return _is_a(value, wanted) if origin is None else _fits_generic(value, origin, args)


def _fits_generic(value: Any, origin: Any, args: tuple[Any, ...]) -> bool:
    if origin is typing.Literal:
        return value in args
    if origin is collections.abc.Callable:
        return callable(value)
    if origin is tuple and args[1:] == (...,):
        return isinstance(value, tuple) and all(_fits(part, args[0]) for part in value)
    return not isinstance(origin, type) or isinstance(value, origin)


def _is_a(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, type):
        return True  # a type variable and the like: nothing is known of it
    if _is_protocol(wanted):
        return not isinstance(value, type) and all(hasattr(value, name) for name in _members(wanted))
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, wanted)


def _is_protocol(wanted: type) -> bool:
    return bool(getattr(wanted, "_is_protocol", False))


@cache
def _members(protocol: type) -> frozenset[str]:
    return frozenset(
        name
        for base in protocol.__mro__
        if _is_protocol(base) and base is not typing.Protocol
        for name in (*vars(base), *vars(base).get("__annotations__", {}))
        if not name.startswith("_")
    )


def _told(value: Any) -> str:
    """What stands there: plain values as they are, declarations by their kind. No secret can be in either."""
    if value is None or isinstance(value, str | int | float | bool):
        text = repr(value)
        return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    if isinstance(value, type):
        return f"the class {value.__name__} itself"
    return f"a {type(value).__name__}"


def _allowed(wanted: Any) -> str:
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in _UNIONS:
        return ", ".join(dict.fromkeys(_allowed(each) for each in args))
    if origin is typing.Literal:
        return ", ".join(repr(each) for each in args)
    if origin is tuple:
        return f"a tuple of {_allowed(args[0])}"
    if isinstance(wanted, type) and _is_protocol(wanted):
        known = [name for name, each in _words().items() if _is_kind_of(each, wanted)]
        return f"{wanted.__name__} ({', '.join(sorted(known))})" if known else wanted.__name__
    return _PLAIN.get(origin or wanted, getattr(wanted, "__name__", str(wanted)))


def _is_kind_of(known: Any, protocol: type) -> bool:
    is_class = inspect.isclass(known) and not _is_protocol(known)
    return is_class and all(hasattr(known, name) for name in _members(protocol))


_PLAIN: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    type: "a class",
    type(None): "None",
    collections.abc.Callable: "a function",
    collections.abc.Mapping: "a dict",
}
