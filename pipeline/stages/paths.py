"""Paths into a record: `answers.email`, `items[0].name`, `field_data[name=email].values[0]`.

A key that equals the whole path, or what is left of it, wins: the column `Tel. 1` and the question `utm.source` in
`field_data` are written as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from pipeline.values.normalized import is_empty

Getter = Callable[[Any], Any]

_STEP = re.compile(r"\[(?:(\d+)|([^\[\]=]+)=([^\[\]]*))\]|([^.\[\]]+)")


class Selector(NamedTuple):
    """`[key=value]`: the first item of a list whose `key` reads `value`."""

    key: str
    value: str


Step = str | int | Selector


def parse_path(path: str) -> tuple[Step, ...]:
    """The steps of a path. Raises ValueError saying what is wrong with it."""
    steps: list[Step] = []
    position = 0
    while position < len(path):
        if steps and path[position] == ".":
            position += 1
        match = _STEP.match(path, position)
        if match is None or (steps and match[4] is not None and path[position - 1] != "."):
            raise ValueError(
                f"not a path at character {position + 1}; allowed are key.key, list[0] and list[key=value]"
            )
        index, key, value, name = match.groups()
        steps.append(int(index) if index is not None else Selector(key, value) if key is not None else name)
        position = match.end()
    if not steps or path.endswith("."):
        raise ValueError("a path may not be empty or end with a dot")
    return tuple(steps)


def compile_path(path: str) -> Getter:
    """A function record -> value at `path`, or None. Never raises, whatever the record holds."""
    steps = parse_path(path)
    if len(steps) == 1 and isinstance(steps[0], str):
        key = steps[0]
        return lambda record: record.get(key) if isinstance(record, dict) else None

    ways = tuple(zip(steps, _rests(path, steps), strict=True))

    def get(record: Any) -> Any:
        value = record
        for step, rest in ways:
            if rest is not None and isinstance(value, dict) and rest in value:
                return value[rest]
            value = _take(value, step)
            if value is None:
                return None
        return value

    return get


def _rests(path: str, steps: tuple[Step, ...]) -> list[str | None]:
    """Before each step, what of the path is left, if that could be a single key and is not just the step."""
    rests: list[str | None] = [path]
    for place in range(1, len(steps)):
        left = steps[place:]
        rests.append(".".join(map(str, left)) if len(left) > 1 and all(isinstance(one, str) for one in left) else None)
    return rests


def compile_first(paths: list[str]) -> Getter:
    """A function record -> the first value at `paths` that is not empty, or None."""
    parsed = [parse_path(path) for path in paths]
    if all(len(steps) <= 2 and all(isinstance(step, str) for step in steps) for steps in parsed):
        return _first_of_plain([(path, *steps, None)[:3] for path, steps in zip(paths, parsed, strict=True)])
    getters = [compile_path(path) for path in paths]

    def get(record: Any) -> Any:
        for getter in getters:
            value = getter(record)
            if value is not None and not is_empty(value):
                return value
        return None

    return get


def _first_of_plain(paths: list[tuple[Any, ...]]) -> Getter:
    """As above for `key` and `key.key`, which nearly all paths are: in one frame, three times as fast."""

    def get(record: Any) -> Any:
        if not isinstance(record, dict):
            return None
        for path, first, second in paths:
            value = record.get(path)
            if value is None and second is not None:
                inner = record.get(first)
                if isinstance(inner, dict):
                    value = inner.get(second)
            if value is not None and not is_empty(value):
                return value
        return None

    return get


def _take(value: Any, step: Step) -> Any:
    if isinstance(step, str):
        return value.get(step) if isinstance(value, dict) else None
    if not isinstance(value, list):
        return None
    if isinstance(step, int):
        return value[step] if step < len(value) else None
    for item in value:
        if isinstance(item, dict) and str(item.get(step.key)) == step.value:
            return item
    return None
