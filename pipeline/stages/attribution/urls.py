"""Addresses a visitor came by: host, path and tracking parameters, read without trusting a character of them."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus, urlsplit

from pipeline.canonical import EXTRA_UTM_FIELDS, UTM_FIELDS
from pipeline.stages.attribution.click_ids import link_parameters
from pipeline.values.text.text import clean_line

_ADDRESS_LIMIT = 2_048
_PARAMETER_LIMIT = 200
_VALUE_LIMIT = 255
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_HOST = re.compile(r"^[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9])?$")
# A link copied out of HTML, or out of HTML twice.
_ESCAPED_AMPERSAND = re.compile(r"&(?:amp;|#0{0,5}38;|#x0{0,5}26;)+", re.IGNORECASE)
_WRONG_SEPARATOR = re.compile(r"[?;](?=utm_[a-z_]+=)", re.IGNORECASE)  # …?utm_source=a?utm_medium=b


class Address(NamedTuple):
    """`host` in lower case without `www.`, `path` without query; both None if there is none.

    `parameters` are the tracking parameters, by canonical name: UTMs and click ids. No other parameter is kept.
    """

    host: str | None
    path: str | None
    parameters: dict[str, str]


NO_ADDRESS = Address(None, None, {})


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address:
    """The parts of a URL; of android-app://… the package is the host. Never raises."""
    text = clean_line(text[:_ADDRESS_LIMIT])
    if "://" not in text[:64]:
        if "%3a%2f%2f" in text[:64].lower():  # the whole address was encoded as if it were a parameter
            text = unquote(text)
        if "://" not in text[:64]:
            is_host = text.startswith("//") or "." in text.partition("/")[0]
            text = ("//" if is_host else "///") + text.lstrip("/")
    if "&" in text:
        text = _ESCAPED_AMPERSAND.sub("&", text)
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
    known_host = host if _HOST.match(host) else None
    path = parts.path or "/" if known_host or parts.path else None
    if parts.scheme == "file":  # a page on somebody's disk: its path names the owner
        path = None
    return Address(known_host, path, _parameters(parts.query, parts.fragment))


def decode_value(text: str, *, rounds: int = 2) -> str:
    """A tracking value as it was meant: percent-encoding, also doubled, undone; cleaned; at most 255 characters."""
    for _ in range(rounds):
        if "%" not in text or text.startswith("%%") or not _ENCODED.search(text):  # %%CAMPAIGN%% was to be filled in
            break
        text = _unquoted(text)
    return clean_line(text)[:_VALUE_LIMIT].rstrip()


def _unquoted(text: str) -> str:
    """UTF-8, or what Windows programs write where it is not: %E9t%E9."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return unquote(text, encoding="cp1252", errors="replace")


def _parameters(query: str, fragment: str) -> dict[str, str]:
    """Tracking parameters by canonical name; the first that is not empty wins. A fragment may carry them too."""
    parameters: dict[str, str] = {}
    for part in (query, fragment.partition("?")[2] or fragment):
        for pair in _pairs(part):
            key, _, value = pair.partition("=")
            name = _canonical_name(key)
            if name is not None and value and name not in parameters:
                decoded = decode_value(value.replace("+", " "), rounds=3)
                if decoded:
                    parameters[name] = decoded
    return parameters


def _pairs(part: str) -> list[str]:
    if "=" not in part:
        if "%3d" not in part.lower():
            return []
        part = unquote(part)  # encoded as a whole
    if "?" in part or ";" in part:
        part = _WRONG_SEPARATOR.sub("&", part)
    return part.split("&", _PARAMETER_LIMIT)[:_PARAMETER_LIMIT]


@lru_cache(maxsize=2048)
def _canonical_name(key: str) -> str | None:
    return _tracked().get(unquote_plus(key).strip().lower().removeprefix("amp;"))


@cache
def _tracked() -> dict[str, str]:
    return {**{name: name for name in (*UTM_FIELDS, *EXTRA_UTM_FIELDS)}, **link_parameters()}
