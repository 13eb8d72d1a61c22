"""Takes what is personal out of the texts a touch keeps in clear: links hold addresses, numbers and names.

What cannot be told from a campaign's name by its look (a first name alone) is known by this very lead: a text that
equals a name, an address or a number of the lead goes too.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from pipeline.values.folding import fold
from pipeline.values.redaction import REDACTED, looks_personal, redact
from pipeline.values.vocabularies import vocabulary

_WORDS = ("full_name", "first_name", "last_name", "email", "other_emails")
_NUMBERS = ("phone", "other_phones", "whatsapp_id")
_TAIL = 8  # digits by which a number is known however it is written: with prefix, with zero, with neither
_OPAQUE = 64  # a text as long as this, in one word, is a platform's id, no name
_TELLING = 8  # letters by which a family name among other words is no chance: shorter ones are seasons and towns

_SPELLED_AT = re.compile(r"(?<=\w) ?[(\[{] ?(?:at|arroba) ?[)\]}] ?(?=\w)", re.IGNORECASE)
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_NOT_DIGITS = re.compile(r"\D+")
_PARAMETER = re.compile(r"(^|[?&;#\s])([A-Za-z_-]{2,24})=([^?&;#]*)")
_BASE64 = re.compile(r"[A-Za-z0-9_+/-]{12,344}={0,2}")

Redact = Callable[[str], str]


class _Own(NamedTuple):
    """Folded texts that name a lead, those of several words among them, and the last digits of its numbers."""

    words: set[str]
    names: list[str]
    tails: list[str]
    surname: str


def redactor_of(fields: Mapping[str, Any]) -> Redact:
    """A function that takes out addresses, numbers, personal parameters, and whatever names the lead of `fields`."""
    own: _Own | None = None

    def redact_text(text: str) -> str:
        nonlocal own
        text = _without_addresses(text)
        if own is None:
            own = _own(fields)
        words, names, tails, surname = own
        is_long = len(text) > _OPAQUE
        if not words or (is_long and " " not in text):
            return text
        folded = fold(text) if is_long else _folded(text)
        if folded in words or (" " in folded and any(f" {name} " in f" {folded} " for name in names)):
            return REDACTED
        if surname and surname in folded and surname in folded.split():
            return REDACTED
        if tails and len(text) >= _TAIL and not text.isalpha():
            digits = _NOT_DIGITS.sub("", text)
            if len(digits) >= _TAIL and any(tail in digits for tail in tails):
                return REDACTED
        return text

    return redact_text


def redact_path(path: str, redact_text: Redact) -> str:
    """A path with its personal segments replaced; the others stay as they came, encoding and all."""
    return "/".join([_redacted_segment(segment, redact_text) if segment else "" for segment in path.split("/")])


def _redacted_segment(segment: str, redact_text: Redact) -> str:
    plain = segment
    for _ in range(3):
        if "%" not in plain or not _ENCODED.search(plain):
            break
        plain = unquote(plain)
    return segment if redact_text(plain) == plain else REDACTED


@lru_cache(maxsize=8192)
def _without_addresses(text: str) -> str:
    """What can be told without knowing the lead. Links repeat themselves: most answers come from the cache."""
    if "=" in text:
        text = _PARAMETER.sub(_without_value, text)
    text = redact(without_spelled_at(text))
    # Letters of an address in base64 are never all small ones.
    if len(text) >= 12 and not text.islower() and _hides_address(text):
        return REDACTED
    return text


def without_spelled_at(text: str) -> str:
    """`ada(at)example.org` as an address is; any other text as it is."""
    if not any(bracket in text for bracket in "([{"):
        return text
    written = _SPELLED_AT.sub("@", text)
    return written if written != text and looks_personal(written) else text


def _without_value(match: re.Match[str]) -> str:
    before, name, _ = match.groups()
    if name.lower().replace("-", "").replace("_", "") not in _personal_parameters():
        return match.group()
    return f"{before}{name}={REDACTED}"


def _hides_address(text: str) -> bool:
    for token in _BASE64.findall(text):
        bare = token.rstrip("=").replace("+", "-").replace("/", "_")
        try:
            plain = urlsafe_b64decode(bare + "=" * (-len(bare) % 4)).decode("ascii")
        except ValueError:
            continue
        if "@" in plain and looks_personal(plain):
            return True
    return False


def _own(fields: Mapping[str, Any]) -> _Own:
    words = {fold(text) for name in _WORDS if (value := fields.get(name)) for text in _texts(value)}
    first, last = fields.get("first_name"), fields.get("last_name")
    if first and last:
        first, last = fold(str(first)), fold(str(last))
        words |= {f"{first} {last}", f"{last} {first}", first + last}
    words.discard("")
    surname = fold(str(last)) if last else ""
    tails = []
    for name in _NUMBERS:
        for text in _texts(fields.get(name) or ()):
            digits = _NOT_DIGITS.sub("", text)
            words.add(digits)
            if len(digits) >= _TAIL:
                tails.append(digits[-_TAIL:])
    words.discard("")
    return _Own(words, [word for word in words if " " in word], tails, surname if len(surname) >= _TELLING else "")


def _texts(value: Any) -> list[str] | tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return [str(entry) for entry in value] if isinstance(value, list | tuple) else ()


@lru_cache(maxsize=8192)
def _folded(text: str) -> str:
    return fold(text)


@cache
def _personal_parameters() -> frozenset[str]:
    return frozenset(str(name).lower() for name in vocabulary("personal_parameters"))
