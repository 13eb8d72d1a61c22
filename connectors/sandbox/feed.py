"""A polled source: `GET /feed/leads?page=&limit=&updated_after=` gives `{"leads": […], "page", "has_more"}`.

It holds the leads of samples/json_feed/typical.json and whatever a test posts to `/feed/_add`.
"""

from __future__ import annotations

from typing import Any

import orjson

from connectors.kit.sources.samples import served_samples
from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.records import SandboxRecords

_MAX_LIMIT = 1_000


def fill_feed(records: SandboxRecords) -> None:
    """The leads of the samples. Doing it again changes nothing."""
    for sample in served_samples("json_feed"):
        records.add_to_feed(orjson.loads(sample.body)["leads"])


def answer_feed(request: Request, records: SandboxRecords) -> Reply | None:
    """None where the feed has no such route."""
    if request.path == "/feed/leads" and request.method == "GET":
        return _read(request, records)
    if request.path == "/feed/_add" and request.method == "POST":
        return _add(request, records)
    return None


def _read(request: Request, records: SandboxRecords) -> Reply:
    route = "GET feed/leads"
    try:
        page = int(request.query.get("page", "1"))
        limit = int(request.query.get("limit", "100"))
    except ValueError:
        return json_reply(400, {"error": "page and limit are whole numbers"}, route)
    if page < 1 or not 1 <= limit <= _MAX_LIMIT:
        return json_reply(400, {"error": f"page begins at 1, limit lies between 1 and {_MAX_LIMIT}"}, route)
    after = request.query.get("updated_after", "")
    leads = records.read_feed(after=after, offset=(page - 1) * limit, limit=limit + 1)
    return json_reply(200, {"leads": leads[:limit], "page": page, "has_more": len(leads) > limit}, route)


def _add(request: Request, records: SandboxRecords) -> Reply:
    route = "POST feed/_add"
    try:
        posted: Any = orjson.loads(request.body)
        leads = posted["leads"] if isinstance(posted, dict) else posted
        records.add_to_feed(leads)
    except (ValueError, TypeError, KeyError):
        return json_reply(400, {"error": "post a list of leads, each with id and updated_at"}, route)
    return json_reply(200, {"added": len(leads)}, route)
