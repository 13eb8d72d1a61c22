"""Takes the markup of a page apart, in time that grows with its length alone, whatever is left open in it.

The standard library's parser looks again and again to the end of the page for a tag, a quotation mark or a comment that
never ends. Here what has no end ends the page, as in a browser.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]{0,40})")
# Possessive throughout: what does not fit is looked at once.
_BETWEEN = re.compile(r"[\s/=]*+")
_ATTRIBUTE = re.compile(r"""([^\s/>=]++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|(["'])|([^\s>"'][^\s>]*+)))?""")
_SILENT_ENDS = {
    name: re.compile(f"</{name}(?=[\\s/>])", re.IGNORECASE) for name in ("script", "style", "textarea", "title")
}
_LONG_NUMBER = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")


class Token(NamedTuple):
    """A tag that opens ("open") or closes ("close"), with its name in small letters, or text ("text")."""

    kind: str
    text: str
    attributes: dict[str, str]


def tokens(page: str) -> Iterator[Token]:
    """Tags and texts of a page in their order; character references are read, comments and scripts left out."""
    place, end = 0, len(page)
    while place < end:
        begin = page.find("<", place)
        if begin < 0:
            begin = end
        if begin > place:
            yield Token("text", _read(page[place:begin]), {})
        if begin == end:
            return
        tag = _TAG.match(page, begin)
        if tag is None:
            if page[begin + 1 : begin + 2] in ("!", "?", "/"):
                place = _behind(page, begin)
            else:
                yield Token("text", "<", {})
                place = begin + 1
            continue
        attributes, place = _attributes(page, tag.end())
        if place < 0:
            return
        name = tag[2].lower()
        yield Token("close" if tag[1] else "open", name, attributes)
        if not tag[1] and name in _SILENT_ENDS:
            closing = _SILENT_ENDS[name].search(page, place)
            place = closing.start() if closing else end


def _behind(page: str, begin: int) -> int:
    """Where a comment, a declaration or other markup without a name ends; the end of the page if it has no end."""
    mark = "-->" if page.startswith("<!--", begin) else ">"
    found = page.find(mark, begin + 2)
    return len(page) if found < 0 else found + len(mark)


def _attributes(page: str, place: int) -> tuple[dict[str, str], int]:
    """(attributes, place behind the tag) of a tag whose name ends at `place`; place -1 if the page ends in it."""
    attributes: dict[str, str] = {}
    while True:
        place = _BETWEEN.match(page, place).end()  # type: ignore[union-attr]  # matches nothing, too
        found = _ATTRIBUTE.match(page, place)
        if found is None:
            is_closed = page.startswith(">", place)
            return (attributes, place + 1) if is_closed else ({}, -1)
        if found[4]:  # a quotation mark that never closes takes in the rest
            return {}, -1
        attributes.setdefault(found[1].lower(), _read(found[2] or found[3] or found[5] or ""))
        place = found.end()


def _read(text: str) -> str:
    return html.unescape(_LONG_NUMBER.sub("\ufffd", text)) if "&" in text else text
