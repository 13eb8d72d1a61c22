"""`/form.js`: the script of a website's forms (form.js beside this file), as the receiver serves it."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

_FRESH_SECONDS = 3_600  # a website has a new version within the hour; asking again costs a 304


class FormScript(NamedTuple):
    """The script as it is sent: without comments, and the same packed by gzip."""

    text: bytes
    packed: bytes
    etag: str


@cache
def form_script() -> FormScript:
    """Read once in a process."""
    source = Path(__file__).with_name("form.js").read_text(encoding="utf-8")
    lines = (line.strip() for line in source.splitlines())
    text = "\n".join(line for line in lines if line and not line.startswith("//")).encode()
    return FormScript(text, gzip.compress(text, mtime=0), f'"{hashlib.sha256(text).hexdigest()[:20]}"')


def answer_script(request: Request) -> Response:
    """The script; 304 for a browser that has this version."""
    script = form_script()
    headers = {
        "Cache-Control": f"public, max-age={_FRESH_SECONDS}",
        "ETag": script.etag,
        "Vary": "Accept-Encoding",
        "Access-Control-Allow-Origin": "*",  # so that a page may name its hash (`integrity`)
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
    }
    known = request.headers.get("if-none-match", "")
    if known == "*" or script.etag in known:  # also as W/"…", as proxies that pack it spell it
        return Response(status_code=304, headers=headers)
    is_packed = "gzip" in request.headers.get("accept-encoding", "")
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    return Response(script.packed if is_packed else script.text, 200, headers, "text/javascript")
