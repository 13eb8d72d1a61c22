"""HTML in a cell or a message: elements removed, entities read. What only looks like it (`a < b`, `<rd@x.org>`) stays.

Only elements that HTML has are removed, and only entities that end in a semicolon are read.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

_BLOCKS = (
    "address|article|aside|blockquote|br|caption|center|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|form"
    "|h[1-6]|header|hr|li|main|nav|ol|p|pre|section|summary|table|tbody|tfoot|thead|tr|ul"
)
_CELLS = "td|th|option"
_INLINE = (
    "a|abbr|acronym|area|audio|b|base|basefont|bdi|bdo|big|body|button|canvas|cite|code|col|colgroup|data|datalist|del"
    "|dfn|dialog|em|embed|font|frame|frameset|head|html|i|iframe|img|input|ins|kbd|label|legend|link|map|mark|meta"
    "|meter|noscript|object|optgroup|output|param|picture|progress|q|rp|rt|ruby|s|samp|script|select|small|source|span"
    "|strike|strong|style|sub|sup|svg|template|textarea|time|title|track|tt|u|var|video|wbr"
)
_ATTRIBUTE = (
    r"\s++(?:[a-z_:@][\w:.-]*+\s*+=\s*+(?:\"[^\"<>]*+\"|'[^'<>]*+'|[^\s\"'<>=]++)"
    r"|disabled|checked|required|selected|hidden|readonly|nowrap|noshade|controls|autoplay|async|defer)"
)
_ELEMENT = re.compile(
    rf"</?(?:({_BLOCKS})|({_CELLS})|{_INLINE})(?:{_ATTRIBUTE}){{0,40}}+\s*+/?>", re.IGNORECASE | re.ASCII
)
# Not what a reader would see; a browser, too, takes what is never closed to go on to the end.
_UNSEEN = re.compile(
    rf"<(script|style)(?:{_ATTRIBUTE}){{0,40}}+\s*+>.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<!doctype[^<>]*>",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_AMPERSANDS = re.compile(r"&(?:(?:amp|#38|#x26);)+", re.IGNORECASE)  # escaped again and again
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE | re.ASCII)


def may_hold_markup(text: str) -> bool:
    """False where `remove_markup` would change nothing, told in a tenth of a microsecond."""
    return "<" in text or ("&" in text and ";" in text)


def remove_markup(text: str) -> str:
    """The text that a browser would show: a line break for a block, no scripts, styles or comments, entities read."""
    if "<" in text:
        text = _ELEMENT.sub(_shown, _UNSEEN.sub("", text))
    if "&" in text:
        text = _ENTITY.sub(_character, _AMPERSANDS.sub("&", text))
    return text


def _character(entity: re.Match[str]) -> str:
    """`&notit;` is no entity, although `unescape` would read a `&not` in it."""
    name = entity[0][1:]
    return html.unescape(entity[0]) if name[0] == "#" or name in html5 else entity[0]


def _shown(element: re.Match[str]) -> str:
    if element[1]:
        return "\n"
    return " " if element[2] else ""
