"""Finds a value in a record by its path: `data.lead.email`, `answers[0].email`, `fields[name=email].values[0]`.

A dot inside a key is written `\\.` (`1\\.3`). Absent and null are the same to a caller that gives no default.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from connectors.kit.errors import ConfigurationError

_STEP = re.compile(r"(?P<key>(?:\\.|[^.\[\]\\])+)|\[(?P<index>-?\d+)\]|\[(?P<name>[^\]=]+)=(?P<value>[^\]]*)\]")


@cache
def parse_path(path: str) -> tuple[str | int | tuple[str, str], ...]:
    """The steps of a path: a key, an index, or (key, value) for the first list entry where the two agree.

    Raises ConfigurationError where the path cannot be read.
    """
    steps: list[str | int | tuple[str, str]] = []
    position = 0
    while position < len(path):
        if path[position] == "." and steps:
            position += 1
        match = _STEP.match(path, position)
        if match is None:
            raise ConfigurationError(
                f"the path {path!r} cannot be read at character {position + 1}: write it like a.b, a[0].b or a[k=v].b"
            )
        if match["key"] is not None:
            steps.append(re.sub(r"\\(.)", r"\1", match["key"]))
        elif match["index"] is not None:
            steps.append(int(match["index"]))
        else:
            steps.append((match["name"], match["value"]))
        position = match.end()
    return tuple(steps)


def get_path(record: Any, path: str | None, default: Any = None) -> Any:
    """The value at `path`, or `default` where any step of it is missing. None as path gives the record itself."""
    if path is None:
        return record
    found = record
    for step in parse_path(path):
        if isinstance(step, str):
            if not isinstance(found, dict) or step not in found:
                return default
            found = found[step]
        elif not isinstance(found, list):
            return default
        elif isinstance(step, int):
            if not -len(found) <= step < len(found):
                return default
            found = found[step]
        else:
            key, wanted = step
            found = next((entry for entry in found if isinstance(entry, dict) and str(entry.get(key)) == wanted), None)
            if found is None:
                return default
    return found
