"""What checks play: answers of a source within this process, and documents made for a path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from requests.models import PreparedRequest

from connectors.kit.bounded_http import with_content


def answer_to(
    request: PreparedRequest, status: int, content: bytes = b"", headers: Mapping[str, str] | None = None
) -> requests.Response:
    """An answer as an adapter of requests gives it."""
    response = requests.Response()
    response.request = request
    response.url = str(request.url)
    response.status_code = status
    response.headers.update(headers or {})
    return with_content(response, content)


def nested(path: str | None, value: Any) -> Any:
    """A document that has `value` at a dotted path; at `[*]` of it each entry of `value`."""
    listed, _, inside = (path or "").partition("[*]")
    if inside:
        value = [nested(inside.removeprefix("."), entry) for entry in value]
    for key in reversed(listed.split(".") if listed else []):
        value = {key: value}
    return value


def merged(document: Any, more: Any) -> Any:
    """`more` put into `document`: objects key by key, anything else in its place."""
    if not (isinstance(document, dict) and isinstance(more, dict)):
        return more
    return {**document, **{key: merged(document.get(key), value) for key, value in more.items()}}
