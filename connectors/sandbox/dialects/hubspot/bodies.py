"""Bodies of HubSpot's calls: read as objects, and the answer to a batch."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from connectors.sandbox.dialects.dialect import Reply, json_reply
from connectors.sandbox.dialects.hubspot.errors import CallRefusedError


def read_object(body: bytes) -> dict[str, Any]:
    try:
        call = orjson.loads(body)
    except orjson.JSONDecodeError:
        call = None
    if not isinstance(call, dict):
        raise CallRefusedError(400, "VALIDATION_ERROR", "Invalid input JSON on line 1, column 1")
    return call


def batch_reply(
    results: list[dict[str, Any]],
    errors: list[dict[str, Any]],
    route: str,
    *,
    status: int = 200,
    counts: Mapping[str, int] | None = None,
) -> Reply:
    """Results in any order, as HubSpot gives them."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    random.shuffle(results)
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return json_reply(207 if errors else status, body, route, counts=counts or {})


def as_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
