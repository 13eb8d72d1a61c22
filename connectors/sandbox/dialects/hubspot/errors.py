"""How HubSpot words what it refuses."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import orjson

from connectors.sandbox.dialects.dialect import Reply, json_reply
from connectors.sandbox.dialects.hubspot.properties import Issue


class CallRefusedError(Exception):
    """A call that is refused as a whole."""

    def __init__(self, status: int, category: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = error(category, message, **more)


def error(category: str, message: str, **more: Any) -> dict[str, Any]:
    return {
        "status": "error",
        "message": message,
        "correlationId": str(uuid.uuid4()),
        "category": category,
        **more,
    }


def error_reply(status: int, category: str, message: str, route: str = "", **more: Any) -> Reply:
    return json_reply(status, error(category, message, **more), route)


def not_valid(issues: Sequence[Issue]) -> dict[str, Any]:
    listed = orjson.dumps([issue.shown() for issue in issues]).decode()
    return error("VALIDATION_ERROR", f"Property values were not valid: {listed}")


def gone(kind: str) -> str:
    return f"Could not get some {kind.upper()} objects, they may be deleted or not exist. Check that ids are valid."


def already_there(contact_id: str) -> dict[str, Any]:
    known = f" Existing ID: {contact_id}" if contact_id else ""
    return error("CONFLICT", f"Contact already exists.{known}")
