"""Addresses a visitor came by: host, path and tracking parameters, read without trusting a character of them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from pipeline.stages.canonical import CLICK_IDS, UTM_FIELDS
from pipeline.stages.text import clean_line

_TRACKED = frozenset((*UTM_FIELDS, *CLICK_IDS)) - {"ctwa_clid"}  # that one comes in messages only, never in a URL
_PARAMETER_LIMIT = 200
_VALUE_LIMIT = 255
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_HOST = re.compile(r"^[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9])?$")
# Country domains under which one label more is the registrable name: example.co.uk, example.com.br.
_SECOND_LEVEL = frozenset(
    ("ac", "co", "com", "edu", "gob", "gov", "gub", "ind", "net", "nom", "or", "org", "ltd", "plc")
)


class Address(NamedTuple):
    """`host` in lower case without `www.`, `path` without query; both None if there is none."""

    host: str | None
    path: str | None
    parameters: dict[str, str]


NO_ADDRESS = Address(None, None, {})


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address:
    """The parts of a URL; of android-app://… the package is the host. Never raises."""
    text = clean_line(text[:2_048])
    if "://" not in text[:64]:
        is_host = text.startswith("//") or "." in text.partition("/")[0]
        text = ("//" if is_host else "///") + text.lstrip("/")
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return NO_ADDRESS
    if host and not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return NO_ADDRESS
    host = host.removeprefix("www.")
    found = host if _HOST.match(host) else None
    return Address(found, parts.path or "/" if found or parts.path else None, _parameters(parts.query, parts.fragment))


def decode_value(text: str) -> str:
    """A tracking value as it was meant: percent-encoding, also doubled, undone; cleaned; at most 255 characters."""
    for _ in range(2):
        if not _ENCODED.search(text):
            break
        text = unquote(text, errors="replace")
    return clean_line(text)[:_VALUE_LIMIT].rstrip()


def site_of(host: str) -> str:
    """The registrable name of a host, well enough to tell whether two pages are of one site."""
    labels = host.split(".")
    has_second_level = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3:] if has_second_level else labels[-2:])


def _parameters(query: str, fragment: str) -> dict[str, str]:
    """Tracking parameters by canonical name; the first that is not empty wins. A fragment may carry them too."""
    found: dict[str, str] = {}
    for part in (query, fragment.partition("?")[2] or fragment):
        if "=" not in part:
            continue
        try:
            pairs = parse_qsl(part.replace("&amp;", "&"), errors="replace", max_num_fields=_PARAMETER_LIMIT)
        except ValueError:
            continue
        for key, value in pairs:
            name = key.strip().lower()
            if name in _TRACKED and name not in found:
                decoded = decode_value(value)
                if decoded:
                    found[name] = decoded
    return found
