"""What nobody decided about of a record and of what stands beside it, which many records share.

Beside is looked through once for all of them, and only a little of it is kept with each lead: all of it is in the
stored body. Otherwise a list of a thousand people beside a long text would be a thousand long texts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from connectors.kit.sources.parts import BESIDE, Beside
from pipeline.stages.mapping.decided_paths import DecidedPaths

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
    if not isinstance(beside, Beside):
        rest = decided.rest(record)
        return Rest(rest, list(rest))
    own = decided.rest({key: value for key, value in record.items() if key != BESIDE})
    if beside.is_transport:
        return Rest(own, list(own))
    shared = beside.memo.get(decided)
    if shared is None:
        shared = beside.memo[decided] = _bounded(decided.rest({BESIDE: beside}))
    return Rest({**own, **shared.values}, [*own, *shared.paths])


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
