"""Takes personal values out of texts that a CRM wrote about a record.

What was sent is known, so every word of it goes, and all that is quoted or a long number: an error needs no id to be
understood. The pipeline's `values/redaction.py` is for texts that must stay whole, campaigns and paths: it knows no
values and takes out what looks like an address or a phone number, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_MAX_LENGTH = 300
_READ_LENGTH = 4_000  # of a message: nobody reads more
_GAP = "…"
_CLOSING = {"'": "'", '"': '"', "“": "”", "„": "“", "‘": "’", "«": "»", "»": "«", "`": "`"}
_OPENING = re.compile("['\"“„‘«»`]")
_WORD_WITH_SIGNS = re.compile(r"\S+")
_LONG_NUMBER = re.compile(r"(?<!\w)[+(]?\d(?:[\s().\-/]*\d){4,}")
# "data value too large: Some very long na… (max length=80)": what stands between is the value, perhaps cut short.
_ECHOED = re.compile(
    r"((?:too large|invalid[\w ]{0,80}|bad value[\w ]{0,80}|not valid|restricted picklist[\w ]{0,80}):)\s*[^(\[]*",
    re.I,
)
_WORD = re.compile(r"\w+")
_SHORTEST_WORD = 2  # Li, Wu, Bo
_LONG_TEXT_WORDS = 6
_SHORT_PARTICLE = 4


def without_values(message: str, values: Iterable[Any]) -> str:
    """`message` without quoted parts, addresses, long numbers, and any word of two letters or more that occurs in one
    of `values`; at most 300 characters. The particles of a long text (`we`, `with`) stay, else no reason would be left
    to read."""
    message = message[:_READ_LENGTH]
    message = _ECHOED.sub(rf"\1 {_GAP} ", _without_quoted(message))
    message = _WORD_WITH_SIGNS.sub(lambda word: _GAP if "@" in word[0] else word[0], message)
    message = _LONG_NUMBER.sub(_GAP, message)
    personal = {word.casefold() for value in _texts(values) for word in _telling_words(value)}
    message = _WORD.sub(lambda match: _GAP if _is_personal(match[0], personal) else match[0], message)
    return re.sub(rf"(?:{_GAP}\s*)+{_GAP}", _GAP, " ".join(message.split()))[:_MAX_LENGTH].strip()


def _without_quoted(message: str) -> str:
    """What stands in quotes becomes a gap. A sign that is never closed is looked for once, however often it stands."""
    kept: list[str] = []
    open_for_good: set[str] = set()
    place = 0
    for opening in _OPENING.finditer(message):
        sign = opening[0]
        if opening.start() < place or sign in open_for_good:
            continue
        end = message.find(_CLOSING[sign], opening.end())
        if end < 0:
            open_for_good.add(sign)
            continue
        kept += (message[place : opening.start()], _GAP)
        place = end + 1
    return "".join((*kept, message[place:]))


def _texts(values: Iterable[Any]) -> Iterable[str]:
    return (str(value) for value in values if isinstance(value, str | int | float) and not isinstance(value, bool))


def _telling_words(value: str) -> list[str]:
    words = _WORD.findall(value)
    if len(words) <= _LONG_TEXT_WORDS:
        return words
    return [word for word in words if len(word) > _SHORT_PARTICLE or not word.islower()]


def _is_personal(word: str, personal: set[str]) -> bool:
    return len(word) >= _SHORTEST_WORD and word.casefold() in personal
