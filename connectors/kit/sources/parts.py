"""The records of a body: where each stands in it, and what stands beside the list.

A body `{"webinar": {…}, "registrants": [{…}, {…}]}` with `records_at="registrants"` has two records. Under the key `^`
each sees the object that it stands in, without the list itself, so `^.webinar.title` is a path in it; `^.^` is the
object around that one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from connectors.kit.errors import RecordError
from connectors.kit.paths import Every, Turn, many_turns, path_below, take_step

BESIDE = "^"  # the key, in a record, of what stands beside it
OWN_BESIDE = "\\^"  # where a record's own key of that name goes
RecordsAt = str | Sequence[str] | None
Prepare = Callable[..., dict[str, Any]]

_MISSING = object()


class Beside(dict[str, Any]):
    """The object that records stand in, without them: shared by all of them, so it is read and never changed.

    `memo` is for whoever reads it for many records. What comes with each page of a poll `is_transport`: nobody has to
    decide about it.
    """

    __slots__ = ("is_transport", "memo")

    def __init__(self, *content: Any, is_transport: bool = False) -> None:
        super().__init__(*content)
        self.is_transport = is_transport
        self.memo: dict[Any, Any] = {}


@dataclass(frozen=True, slots=True)
class Part:
    """A record as it came. `place` is its path in the body, empty for the body itself; `value` may be anything."""

    place: str
    value: Any = field(repr=False)
    beside: Beside | None = field(default=None, repr=False)


class RecordsMissingError(RecordError):
    """Nothing stands where the source's records should."""


def as_paths(records_at: RecordsAt) -> tuple[str, ...]:
    """A declaration's `records_at` as paths; none where the body itself is the record."""
    if records_at is None:
        return ()
    return (records_at,) if isinstance(records_at, str) else tuple(records_at)


def take_apart(document: Any, records_at: RecordsAt) -> list[Part]:
    """The records of a body in their order, each place once; lists in lists are gone through.

    An object in which a record of another path stands is none itself: the path "" is the body, where no other has a
    record. An empty list holds none, and so does null.
    Raises RecordsMissingError if there is nothing at any of the paths.
    """
    paths = as_paths(records_at)
    whole = _Way("", document, ())
    if not paths:
        return [Part(way.place, way.value) for way in _spread(whole)]
    search = _Search()
    for path in paths:
        search.follow(whole, many_turns(path) if path else ())
    if not search.is_found:
        raise RecordsMissingError("records_missing", message=f"the body has nothing at {' or '.join(paths)}")
    views = _Views(search.ways)
    parts = {
        way.place: Part(way.place, way.value, views.of(way.above)) for way in search.ways if not views.leads(way.value)
    }
    return list(parts.values())


def with_beside(record: dict[str, Any], beside: Beside | None) -> dict[str, Any]:
    """The record as paths see it: a copy with `^`, or itself where nothing stands beside it."""
    if not beside:
        return record
    seen = {**record, BESIDE: beside}
    if BESIDE in record:
        seen[OWN_BESIDE] = record[BESIDE]
    return seen


def beside_of(content: dict[str, Any], outer: Beside | None) -> Beside:
    """An object as it stands beside a record, itself with what stands beside it."""
    beside = Beside(content)
    if BESIDE in beside:
        beside[OWN_BESIDE] = beside.pop(BESIDE)
    if outer:
        beside[BESIDE] = outer
    return beside


def prepare_part(prepare: Prepare | None, part: Part) -> dict[str, Any]:
    """The record of a part, passed through a connector's `prepare`, without what stands beside it.

    Raises RecordError `not_an_object` for a part that is no record, and whatever `prepare` raises.
    """
    if not isinstance(part.value, dict):
        place = f"{part.place}: " if part.place else ""
        raise RecordError(
            "not_an_object", message=f"{place}one JSON object per lead is expected, not {kind_of_value(part.value)}"
        )
    if prepare is None:
        return part.value
    record = deepcopy(part.value)  # it may change what it is given, and the body is read more than once
    prepared = prepare(record, list(_outwards(part.beside))) if takes_parents(prepare) else prepare(record)
    if not isinstance(prepared, dict):
        raise RecordError(
            "not_an_object", message=f"the connector's prepare gave {kind_of_value(prepared)}, not a record"
        )
    return prepared


def small_beside(document: Any, records_at: RecordsAt, *, limit: int) -> dict[str, Any]:
    """What stands beside the one list of an answer, in its order, as far as `limit` bytes of JSON go."""
    paths = as_paths(records_at)
    if len(paths) != 1 or not isinstance(document, dict):
        return {}
    search = _Search()
    search.follow(_Way("", document, ()), many_turns(paths[0]))
    view = _Views(search.ways).of(search.ways[0].above) if search.ways else None
    kept: dict[str, Any] = {}
    for name, value in (view or {}).items():
        size = len(name) + _size(value)
        if size <= limit:
            kept[name] = value
            limit -= size
    return kept


def _size(value: Any) -> int:
    try:
        return len(orjson.dumps(value))
    except TypeError:  # nested too deeply
        return 1 << 62


def kind_of_value(value: Any) -> str:
    """What stands where an object should, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "a number"


@lru_cache(maxsize=256)
def takes_parents(prepare: Callable[..., Any]) -> bool:
    """Whether a connector's function also wants what stands around a record."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(prepare).parameters.values()
    except (TypeError, ValueError):  # a callable that Python cannot look into
        return False
    return sum(parameter.kind in positional and parameter.default is parameter.empty for parameter in parameters) > 1


def _outwards(beside: Beside | None) -> Iterator[dict[str, Any]]:
    view: Any = beside
    while isinstance(view, dict):
        yield view
        view = view.get(BESIDE)


@dataclass(frozen=True, slots=True)
class _Way:
    """How to a record: the objects gone through, outermost first, each with the key that leads on."""

    place: str
    value: Any
    above: tuple[tuple[dict[str, Any], str], ...]


class _Search:
    """Follows paths through a document and gathers where they end."""

    def __init__(self) -> None:
        self.ways: list[_Way] = []
        self.is_found = False

    def follow(self, way: _Way, turns: tuple[Turn, ...]) -> None:
        """Take the turns that are left from where `way` has come to."""
        if not turns:
            self.is_found = True
            self.ways += _spread(way)
            return
        (step, rest), left, value = turns[0], turns[1:], way.value
        if rest is not None and isinstance(value, dict) and rest in value:
            self._go_down(way, rest, ())
        elif isinstance(step, str):
            if isinstance(value, dict) and step in value:
                self._go_down(way, step, left)
        elif isinstance(step, Every):
            self._go_through(way, left)
        else:
            entry = take_step(value, step, _MISSING)
            if entry is not _MISSING:
                index = next(at for at, one in enumerate(value) if one is entry)
                self.follow(_Way(f"{way.place}[{index}]", entry, way.above), left)

    def _go_down(self, way: _Way, key: str, left: tuple[Turn, ...]) -> None:
        below = way.value[key]
        if below is None:  # how some write an empty list
            self.is_found = True
            return
        self.follow(_Way(path_below(way.place, key), below, (*way.above, (way.value, key))), left)

    def _go_through(self, way: _Way, left: tuple[Turn, ...]) -> None:
        self.is_found = True
        entries = way.value if isinstance(way.value, list) else [way.value]  # one alone may stand without a list
        for number, entry in enumerate(entries):
            inner = _Way(f"{way.place}[{number}]" if entries is way.value else way.place, entry, way.above)
            if isinstance(entry, list | dict):
                self.follow(inner, left)
            else:
                self.ways.append(inner)


def _spread(way: _Way) -> Iterator[_Way]:
    """A value, or each entry of a list however deep, in order; without recursion: bodies may nest to any depth."""
    rest = [(way.place, way.value)]
    while rest:
        place, value = rest.pop()
        if isinstance(value, list):
            rest += [(f"{place}[{number}]", entry) for number, entry in reversed(list(enumerate(value)))]
        else:
            yield _Way(place, value, way.above)


class _Views:
    """What stands beside records, made once for each object however many records stand in it."""

    def __init__(self, ways: Sequence[_Way]) -> None:
        self._led: dict[int, set[str]] = {}  # keys of an object behind which there are records
        self._made: dict[tuple[int, str], Beside] = {}
        for way in ways:
            for node, key in way.above:
                self._led.setdefault(id(node), set()).add(key)

    def leads(self, value: Any) -> bool:
        """Whether there are records in this object."""
        return isinstance(value, dict) and id(value) in self._led

    def of(self, above: tuple[tuple[dict[str, Any], str], ...]) -> Beside | None:
        view: Beside | None = None
        for node, key in above:
            made = self._made.get((id(node), key))
            if made is None:
                made = self._made[id(node), key] = beside_of(self._without_records(node, key), view)
            view = made
        return view

    def _without_records(self, node: dict[str, Any], way: str | None) -> dict[str, Any]:
        led = self._led.get(id(node), set())
        kept: dict[str, Any] = {}
        for key, value in node.items():
            if key not in led:
                kept[key] = value
            elif key != way and isinstance(value, dict) and id(value) in self._led:
                kept[key] = self._without_records(value, None)
        return kept
