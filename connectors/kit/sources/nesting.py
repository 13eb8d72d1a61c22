"""How deep JSON may stand inside itself: one such record must not cost the others that came with it."""

from __future__ import annotations

import re
from typing import Any

MOST_LEVELS = 200  # what writes JSON takes 254, and a record is put into other things on its way
_READ_LEVELS = 400  # below this a document is cut: readers of JSON end at about a thousand
_PIECE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)
_CUT = b'"(nested too deeply)"'


def is_too_deep(value: Any) -> bool:
    """Whether objects and lists stand more than `MOST_LEVELS` deep in each other, of which `value` is the first."""
    level = [value]
    for _ in range(MOST_LEVELS):
        containers = [node.values() if type(node) is dict else node for node in level]
        level = [inner for inside in containers for inner in inside if type(inner) is dict or type(inner) is list]
        if not level:
            return False
    return True


def without_depths(document: bytes) -> bytes:
    """The same JSON, with what stands deeper than readers go replaced by a text: it can be read, and is still too
    deep."""
    parts: list[bytes] = []
    depth = kept_to = 0
    for match in _PIECE.finditer(document):
        mark = match[0][:1]
        if mark in b"[{":
            depth += 1
            if depth == _READ_LEVELS:
                parts.append(document[kept_to : match.start()])
        elif mark in b"]}":
            if depth == _READ_LEVELS:
                parts.append(_CUT)
                kept_to = match.end()
            depth -= 1
    return b"".join([*parts, document[kept_to:]]) if parts and depth <= 0 else document
