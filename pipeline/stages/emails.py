"""E-mail addresses in one spelling: trimmed, bare, domain in lower-case IDNA, local part in lower case."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from pipeline.stages.text import clean_line, raw_excerpt
from pipeline.stages.values import NOTHING, Normalized

# RFC 5321 limits: 64 octets before the @, 254 in all
_PLAIN = re.compile(
    r"(?=.{6,254}\Z)(?=[^@]{1,64}@)"
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{2,59})\Z"
)
_TOP_LEVEL = re.compile(r"\.(?:[a-z]{2,63}|xn--[a-z0-9-]{2,59})\Z")
_ANGLE = re.compile(r"<([^<>]*@[^<>]*)>")
_SEPARATORS = re.compile(r"[;,|/]")
_LABEL = re.compile(r"^(?:e-?mail|mail|correo|courriel)\s*:\s*|\s*\([^()@]*\)$", re.IGNORECASE)
_AROUND_SIGNS = re.compile(r"\s*([@])\s*|\s+(?=\.)|(?<=\.)\s+")
_WRAPPING = "\"'<>()[]{},;: \u201c\u201d\u2018\u2019`"
_CELL_LIMIT = 2_000  # characters of a cell that are looked at
_ADDRESS_LIMIT = 20  # addresses taken from one cell


def normalize_email(text: str) -> Normalized:
    """The address in one spelling; others of the same cell in `others`. Not an address: None, `invalid_email`."""
    found = _normalize(text) if len(text) <= _CELL_LIMIT else _normalize(text[:_CELL_LIMIT])
    if found.value == text:
        return found
    return found if found is NOTHING else found._replace(raw=raw_excerpt(text))


@lru_cache(maxsize=8192)
def _normalize(text: str) -> Normalized:
    lowered = text.strip().lower()
    if _PLAIN.match(lowered):
        return Normalized(lowered)
    clean = _LABEL.sub("", clean_line(text.replace("\uff20", "@")))
    if not clean:
        return NOTHING if not text else Normalized(None, ("invalid_email",))
    found: list[str] = []
    for candidate in _candidates(clean):
        address = _address(candidate)
        if address and address not in found:
            found.append(address)
    if not found:
        return Normalized(None, ("invalid_email",))
    return Normalized(found[0], ("several_values",) if len(found) > 1 else (), None, tuple(found[1:]))


def _candidates(clean: str) -> list[str]:
    """What may be an address: what stands in angle brackets, else the whole cell, else its words."""
    angled = _ANGLE.findall(clean)
    if angled:
        return angled[:_ADDRESS_LIMIT]
    if clean.count("@") == 1:
        return [clean]
    found: list[str] = []
    for part in _SEPARATORS.split(clean):
        words = part.split()
        # Words are addresses of their own only if all of them are: of `john smith@x.org` none is.
        found += words if all("@" in word for word in words) else [part]
    return found[:_ADDRESS_LIMIT]


def _address(text: str) -> str | None:
    text = text.strip(_WRAPPING) if not text.startswith('"') else text.strip()
    if text[:7].lower() == "mailto:":
        text = text[7:].partition("?")[0]
    text = _AROUND_SIGNS.sub(r"\1", text).rstrip(".").strip(_WRAPPING if not text.startswith('"') else None)
    lowered = text.lower()
    if _PLAIN.match(lowered):
        return lowered
    return _international(text)


def _international(text: str) -> str | None:
    """Addresses beyond plain ASCII, and quoted local parts, by the rules of the library made for them."""
    if not 6 <= len(text) <= 254 or "@" not in text:
        return None
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(
            text, check_deliverability=False, allow_quoted_local=True, globally_deliverable=False, strict=True
        )
    except (EmailNotValidError, ValueError):
        return None
    domain = found.ascii_domain.lower()
    if not _TOP_LEVEL.search(domain):
        return None
    address = f"{unicodedata.normalize('NFC', found.local_part.lower())}@{domain}"
    return address if len(address) <= 254 else None
