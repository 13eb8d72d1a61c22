"""Answers of a CRM, spoiled without knowing the CRM: in JSON the longest list of objects holds the results, in
multipart/mixed the parts do."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import orjson

from connectors.kit.conformance.destinations.line import LineAnswer
from connectors.kit.multipart import boundary_of

_MOST_DEPTH = 6


def shuffled(answer: LineAnswer) -> LineAnswer:
    """The results in another order than before, and than the opposite one."""
    return _with_results(answer, lambda results: results[2:] + results[:2])


def shortened(answer: LineAnswer) -> LineAnswer:
    """Without the last result."""
    return _with_results(answer, lambda results: results[:-1])


def emptied(answer: LineAnswer) -> LineAnswer:
    """As many results as none."""
    return _with_results(answer, lambda _: [])


def without_ids(ids: Collection[str]) -> Callable[[LineAnswer], LineAnswer]:
    """Without any of the CRM's own ids that the caller knows."""

    def spoil(answer: LineAnswer) -> LineAnswer:
        try:
            body = orjson.dumps(_blanked(orjson.loads(answer.body), set(ids)))
        except orjson.JSONDecodeError:
            body = answer.body
            for name in ids:
                body = body.replace(name.encode(), b"")
        return LineAnswer(answer.status, answer.headers, body)

    return spoil


def _blanked(value: Any, ids: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _blanked(inner, ids) for name, inner in value.items()}
    if isinstance(value, list):
        return [_blanked(inner, ids) for inner in value]
    return None if isinstance(value, str | int) and str(value) in ids else value


def _with_results(answer: LineAnswer, change: Callable[[list[Any]], list[Any]]) -> LineAnswer:
    content_type = next((value for name, value in answer.headers.items() if name.lower() == "content-type"), "")
    boundary = boundary_of(content_type)
    if boundary is not None:
        return LineAnswer(answer.status, answer.headers, _changed_parts(answer.body, boundary.encode("ascii"), change))
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return answer
    if isinstance(body, list):
        body = change(body)
    else:
        found = _longest_list(body)
        if found is None:
            return answer
        found[:] = change(list(found))
    return LineAnswer(answer.status, answer.headers, orjson.dumps(body))


def _longest_list(value: Any, depth: int = 0) -> list[Any] | None:
    """The longest list of objects in an object, so far as it is not nested deeper than anybody nests results."""
    if depth > _MOST_DEPTH or not isinstance(value, dict | list):
        return None
    inner = value.values() if isinstance(value, dict) else value
    found = [known for known in (_longest_list(entry, depth + 1) for entry in inner) if known is not None]
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        found.append(value)
    return max(found, key=len, default=None)


def _changed_parts(body: bytes, boundary: bytes, change: Callable[[list[Any]], list[Any]]) -> bytes:
    delimiter = b"--" + boundary
    _, *parts = body.split(delimiter)
    parts = [part for part in parts if not part.startswith(b"--")]
    return b"".join(delimiter + part for part in change(parts)) + delimiter + b"--\r\n"
