"""Forms as browsers post them, within bounds."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

_MOST_BYTES = 262_144  # a logout token with many groups in it
_MOST_FIELDS = 50


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, of each name the last. Empty for what is no form, or too large: it then lacks the mark that
    every form of ours carries."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                return {}
        if kind != "application/x-www-form-urlencoded":
            return {}
        text = body.decode("utf-8")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except (ClientDisconnect, ValueError):
        return {}
