"""What nobody decided about of a record and of what stands beside it, which many records share.

Beside is looked through once for all of them, and only a little of it is kept with each lead: all of it is in the
stored body. Otherwise a list of a thousand people beside a long text would be a thousand long texts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from connectors.kit.sources.parts import BESIDE, Beside
from pipeline.stages.mapping.decided_paths import DecidedPaths
from pipeline.values.normalized import is_empty

_KEPT_BYTES = 2_000  # of values beside a record, as JSON
_PATHS_LIMIT = 100  # of what stands beside


class Rest(NamedTuple):
    """`values`: path -> value of what is kept; `paths`: all that is undecided, of which some may not be kept."""

    values: dict[str, Any]
    paths: list[str]

    @property
    def is_cut(self) -> bool:
        return len(self.paths) > len(self.values)


def rest_of(decided: DecidedPaths, record: dict[str, Any]) -> Rest:
    """Of a shaped record. What comes with each page of a poll is nobody's to decide about, and not kept."""
    beside = record.get(BESIDE)
    if not isinstance(beside, dict):
        rest = decided.rest(record)
        return Rest(rest, list(rest))
    own = decided.rest({key: value for key, value in record.items() if key != BESIDE})
    if isinstance(beside, Beside):
        if beside.is_transport:
            return Rest(own, list(own))
        shared = beside.memo.get(decided)
        if shared is None:
            shared = beside.memo[decided] = _bounded(_rest_beside(decided, beside))
    else:
        shared = _bounded(_rest_beside(decided, beside))
    return Rest({**own, **shared.values}, [*own, *shared.paths])


def _rest_beside(decided: DecidedPaths, beside: dict[str, Any]) -> dict[str, Any]:
    """One by one, also where no rule reads any of it: `^` alone would not say what there is to decide about."""
    rest: dict[str, Any] = {}
    waiting = list(decided.rest({BESIDE: beside}).items())
    while waiting:
        path, value = waiting.pop(0)
        if path.rpartition(".")[2] == BESIDE and isinstance(value, dict):
            waiting += [(f"{path}.{key}", entry) for key, entry in value.items() if not is_empty(entry)]
        else:
            rest[path] = value
    return rest


def _bounded(rest: dict[str, Any]) -> Rest:
    values: dict[str, Any] = {}
    size = 0
    paths = list(rest)[:_PATHS_LIMIT]
    for path in paths:
        try:
            size += len(path) + len(msgspec.json.encode(rest[path]))
        except (RecursionError, UnicodeEncodeError, ValueError):
            break
        if size > _KEPT_BYTES:
            break
        values[path] = rest[path]
    return Rest(values, paths)
