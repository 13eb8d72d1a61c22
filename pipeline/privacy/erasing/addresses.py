"""Addresses and numbers that stand in any text, in the forms in which they are compared: whatever a mapping makes of
the text, and also where none can read it.

For bodies that nobody filed evidence of: what waits in quarantine, what was no lead. A false find costs a look.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

import orjson
from sqlalchemy import Connection

from connectors.kit.paths import leaves
from pipeline.identity.matching.evidence import EMAIL, PHONE
from pipeline.identity.screening import known_digests
from pipeline.settings.loading import settings
from pipeline.store.erasures.events import brands_of_events
from pipeline.store.suppressions.suppressions import is_any_erased
from pipeline.values.emails.emails import normalize_email
from pipeline.values.emails.matching import match_form
from pipeline.values.phones.matching import match_forms
from pipeline.values.phones.phones import normalize_phone

_EMAIL = re.compile(r"[^\s<>()\[\]\"',;:=&|?\\]{1,64}@[^\s<>()\[\]\"',;:=&|?/\\]{1,255}")
_NUMBER = re.compile(r"\+?\(?\d[\d\s().\-/]{4,24}\d")
_LEAST_DIGITS = 6


def email_form(text: str) -> str | None:
    """An address in the form in which it is compared; None for what is no address."""
    email = normalize_email(text).value if "@" in text else None
    return match_form(email) if isinstance(email, str) else None


def phone_forms(text: str, regions: Iterable[str]) -> list[str]:
    """A number as it may be meant: with its own prefix, or in one of these markets."""
    if sum(char.isdigit() for char in text) < _LEAST_DIGITS or "@" in text:
        return []
    numbers = [normalize_phone(text, (region,)).value for region in regions]
    numbers.append(normalize_phone(text).value)
    return list(dict.fromkeys(match_forms(number)[0] for number in numbers if isinstance(number, str)))


def regions_of(brand: str) -> tuple[str, ...]:
    """The markets of a brand and of all sources: a number without a prefix may be meant in any."""
    known = settings()
    own = known.brands.get(brand)
    regions = [own.region if own else None, *(source.region for source in known.sources.values())]
    return tuple(dict.fromkeys(region for region in regions if region))


def digests_in(content: bytes, brand: str) -> set[bytes]:
    """The digests of all addresses and numbers that stand in a body, of whatever type it is."""
    regions = regions_of(brand)
    found: set[bytes] = set()
    for text in _texts(content):
        forms = [(EMAIL, form) for form in _emails(text)]
        for match in _NUMBER.findall(text):
            forms += [(PHONE, form) for form in phone_forms(match.strip(), regions)]
        found |= {digest for form in forms for digest in known_digests(brand, *form)}
    return found


def finder_of(digests: Mapping[str, Collection[bytes]]) -> Callable[[str], bool]:
    """Says of a text whether one of these addresses stands in it, given by brand."""

    def is_theirs(text: str) -> bool:
        content = text.encode("utf-8", "surrogatepass")
        return any(not digests_in(content, brand).isdisjoint(of_brand) for brand, of_brand in digests.items())

    return is_theirs


def finder_of_erased(connection: Connection, event_ids: Collection[UUID]) -> Callable[[str], bool]:
    """Says of a text whether an address of anybody who was erased stands in it, in a brand of these events. Two
    statements where one stands in it, the first of them once."""
    brands: list[str] = []

    def is_theirs(text: str) -> bool:
        content = text.encode("utf-8", "surrogatepass")
        if "@" not in text and sum(char.isdigit() for char in text) < _LEAST_DIGITS:
            return False
        if not brands:
            brands.extend(brands_of_events(connection, event_ids))
        return any(is_any_erased(connection, brand, digests_in(content, brand)) for brand in brands)

    return is_theirs


def _emails(text: str) -> set[str]:
    return {form for match in _EMAIL.findall(text) if (form := email_form(match.strip(".")))}


def _texts(content: bytes) -> Iterator[str]:
    """The values of JSON, each by itself, for escapes are read then; else the whole, also as forms are written."""
    try:
        document: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        text = content.decode("utf-8", "replace")
        yield text
        if "%" in text:
            yield unquote_plus(text)
        return
    yield from (str(value) for value in leaves(document) if value is not None and not isinstance(value, bool))
