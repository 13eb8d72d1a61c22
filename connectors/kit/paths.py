r"""The one language of paths, of connectors and mappings: `data.email`, `items[-1].name`, `fields[name=email].values`.

`key.key` goes into objects, `[0]` takes an entry of a list, `[-1]` its last, `[key=value]` the first entry whose `key`
reads `value`, as JSON writes it (`[primary=true]`, `[rank=1]`, `[end=null]`). A key that equals the whole path, or all
that is left of it, wins: the column `Tel. 1` is written as it is. A backslash takes the meaning from the `.`, `[`, `]`
or backslash after it: `1\.3` is one key; before anything else it is itself. Where several places are meant
(`records_at`), `[*]` takes every entry of a list: `entry[*].changes[*]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from connectors.kit.errors import ConfigurationError

# As JSON Schema reads patterns too: editors check paths by them. No text matches in two ways, so none costs seconds.
_PLAIN = r"[^.\[\]\\]"
_BACKSLASH = r"\\(?:[.\[\]\\]|(?![.\[\]\\]))"
KEY_PATTERN = rf"(?:{_PLAIN}|{_BACKSLASH}){_PLAIN}*(?:{_BACKSLASH}{_PLAIN}*)*"
SELECTOR_PATTERN = r"\[-?[0-9]{1,9}\]|\[[^\[\]=]+=[^\[\]]*\]"

_STEP = re.compile(rf"\[(?:(-?[0-9]{{1,9}})|([^\[\]=]+)=([^\[\]]*)|(\*))\]|({KEY_PATTERN})")
_PLAIN_KEY = re.compile(rf"{_PLAIN}+")
_SIGN = re.compile(r"[.\[\]\\]")
_ESCAPED = re.compile(r"\\([.\[\]\\])")
_LONGEST = 2_000  # characters; each step looks at all that is left
_PATHS_KEPT = 1_024  # those of all connectors, and more
_MISSING = object()


class Selector(NamedTuple):
    """`[key=value]`: the first item of a list whose `key` reads `value`."""

    key: str
    value: str

    def takes(self, entry: Any) -> bool:
        """Whether an entry of a list reads so: as JSON writes its value, or as Python does."""
        if not isinstance(entry, dict):
            return False
        value = entry.get(self.key)
        return str(value) == self.value or (
            not isinstance(value, str) and self.key in entry and _json_text(value) == self.value
        )


class Every(NamedTuple):
    """`[*]`: each entry of a list."""


EVERY = Every()
Step = str | int | Selector
Getter = Callable[[Any], Any]


class Turn(NamedTuple):
    """A step, and what of the path is left there as it is written, if that could be a key and is not just the step."""

    step: Step | Every
    rest: str | None


def parse_path(path: str) -> tuple[Step, ...]:
    """The steps of a path. Raises ConfigurationError saying where it cannot be read."""
    if _PLAIN_KEY.fullmatch(path):  # most are
        return (path,)
    return tuple(_read_steps(path))


def compile_path(path: str) -> Getter:
    """A function record -> value at `path`, or None. It never raises, whatever the record holds.

    Raises ConfigurationError for what is no path.
    """
    turns = _turns(path, _read_steps)
    if len(turns) == 1 and turns[0].step == path:
        return lambda record: record.get(path) if isinstance(record, dict) else None

    def get(record: Any) -> Any:
        value = record
        for step, rest in turns:
            if rest is not None and isinstance(value, dict) and rest in value:
                return value[rest]
            value = _take(value, step)
            if value is _MISSING:
                return None
        return value

    return get


def get_path(record: Any, path: str | None, default: Any = None) -> Any:
    """The value at `path`, or `default` where any step of it is missing. None as path gives the record itself.

    Absent and null are the same to a caller that gives no default. Raises ConfigurationError for what is no path.
    """
    if path is None:
        return record
    value = record
    for step, rest in _declared_turns(path):
        if rest is not None and isinstance(value, dict) and rest in value:
            return value[rest]
        value = _take(value, step)
        if value is _MISSING:
            return default
    return value


@lru_cache(maxsize=_PATHS_KEPT)
def many_turns(path: str) -> tuple[Turn, ...]:
    """The steps of a declared path that may name several places by `[*]`. Raises ConfigurationError for what is no
    path."""
    return _turns(path, _read_any_steps)


def path_problem(place: str, path: str | None, *, many: bool = False) -> list[str]:
    """What is wrong with a declared path, as a sentence that begins with its place; empty if nothing is. None and ""
    are the record itself; `many`: it may name several places by `[*]`."""
    try:
        if path:
            many_turns(path) if many else parse_path(path)
    except ConfigurationError as error:
        return [f"{place}: {error}"]
    return []


def take_step(value: Any, step: Step, default: Any = None) -> Any:
    """What one step leads to, or `default`."""
    taken = _take(value, step)
    return default if taken is _MISSING else taken


def escaped_key(key: str) -> str:
    """A key as a path writes it."""
    return _SIGN.sub(r"\\\g<0>", key)


def path_below(path: str, key: str) -> str:
    """The path of a key in the object at `path`; "" is the record itself."""
    return f"{path}.{escaped_key(key)}" if path else escaped_key(key)


# Of declared paths only, as `many_turns`. Those that `compile_path` and `parse_path` read may be made of the keys of
# records.
@lru_cache(maxsize=_PATHS_KEPT)
def _declared_turns(path: str) -> tuple[Turn, ...]:
    return _turns(path, _read_steps)


def _turns(path: str, read: Callable[[str, list[int]], Sequence[Step | Every]]) -> tuple[Turn, ...]:
    starts: list[int] = []
    steps = read(path, starts)
    return tuple(Turn(step, _rest(path, place, starts[place], steps)) for place, step in enumerate(steps))


def _read_steps(path: str, starts: list[int] | None = None) -> list[Step]:
    """The steps of a path to one place; where they stand in the text is added to `starts`."""
    steps: list[Step] = []
    for step in _read_any_steps(path, starts):
        if isinstance(step, Every):
            raise ConfigurationError(
                f"the path {path[:200]!r} takes every entry of a list, and one value is wanted here: say which, as"
                " list[0], list[-1] or list[key=value]; [*] is for records_at"
            )
        steps.append(step)
    return steps


def _read_any_steps(path: str, starts: list[int] | None = None) -> list[Step | Every]:
    if len(path) > _LONGEST:
        raise ConfigurationError(f"a path is longer than {_LONGEST} characters: {path[:40]!r}…")
    steps: list[Step | Every] = []
    position = 0
    while position < len(path) or not steps:
        if steps and path[position] == ".":
            position += 1
        match = _STEP.match(path, position)
        if match is None or (steps and match[5] is not None and path[position - 1] != "."):
            raise ConfigurationError(
                f"the path {path[:200]!r} cannot be read at character {position + 1}: allowed are key.key, list[0],"
                r" list[-1] and list[key=value], and a backslash before a dot or bracket within a key: a\.b"
            )
        if starts is not None:
            starts.append(position)
        steps.append(_step(match))
        position = match.end()
    return steps


def _step(match: re.Match[str]) -> Step | Every:
    index, name, value, every, key = match.groups()
    if key is not None:
        return _ESCAPED.sub(r"\1", key) if "\\" in key else key
    if every is not None:
        return EVERY
    return int(index) if index is not None else Selector(name, value)


def _rest(path: str, place: int, start: int, steps: Sequence[Step | Every]) -> str | None:
    is_key = place == 0 or all(isinstance(step, str) for step in steps[place:])
    return path[start:] if is_key and path[start:] != steps[place] else None


def _take(value: Any, step: Step | Every) -> Any:
    if isinstance(step, str):
        return value.get(step, _MISSING) if isinstance(value, dict) else _MISSING
    if not isinstance(value, list) or isinstance(step, Every):
        return _MISSING
    if isinstance(step, int):
        return value[step] if -len(value) <= step < len(value) else _MISSING
    for item in value:
        if step.takes(item):
            return item
    return _MISSING


def _json_text(value: Any) -> str:
    """A word or number as JSON writes it: `true`, `null`, 1.0 as `1` too, for few who write JSON tell them apart."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def leaves(value: Any) -> Iterator[Any]:
    """Every value in it that holds no others, from first to last."""
    if isinstance(value, Mapping):
        for entry in value.values():
            yield from leaves(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from leaves(entry)
    else:
        yield value
