"""Websites and LinkedIn profiles in one spelling, and the registrable domain that is a company's own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pipeline.values.emails.domains import domain_flags
from pipeline.values.emails.emails import domain_of
from pipeline.values.normalized import NOTHING, Normalized
from pipeline.values.text.text import URL_LIMIT, clean_line, is_blank, raw_excerpt
from pipeline.values.vocabularies import vocabulary
from pipeline.values.web.sites import site_of

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_PLAIN = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}(?:/[!-~]*)?\Z")
# http//, http:/, htttp://, https://https:// and the like are slips of the finger
_SCHEME = re.compile(r"(?:h?tt+ps?|htps?|https?)(?::+[/\\]*|[/\\]{2,})", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(?:[/\\]{2}|(?!\d))", re.IGNORECASE)
_ADDRESS = re.compile(r"([^/?#\\]*)(.*)", re.DOTALL)
_LABEL = re.compile(r"(?:xn--)?[^\W_](?:[\w-]{0,61}[^\W_])?\Z")
_LAST_LABEL = re.compile(r"[^\W\d_]{2,63}\Z|xn--[a-z0-9-]{2,59}\Z")
_ASCII_HOST = re.compile(r"[a-z0-9_.-]{1,253}\Z")
_IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}\Z")
_PORT = re.compile(r":(\d{0,5})\Z")
_EMAIL = re.compile(r"[^\s@/]+@[^\s@/]+\.[^\s@/]+\Z")
_WRAPPING = "\"'<>()[]{},;\u201c\u201d\u2018\u2019`"
_SEVERAL = re.compile(r"[\s,;|]+")
_PROFILE = re.compile(
    r"(?:^|://|[\s(<\"',;|])(?:[a-z]{1,5}\.)?linkedin\.(?:com|cn)/+(?:mwlite/|m/|comm/)?in/+([^/?#\s,;|\"'<>()]+)",
    re.IGNORECASE,
)
_BARE_PROFILE = re.compile(r"/?in/([^/?#\s]+)/?\Z", re.IGNORECASE)
_SLUG = re.compile(r"[\w\u200c\u200d.~&*'\u2019+-]{2,150}\Z")
# Pages of LinkedIn's own, the same for everybody, and what forms and examples put there.
_NOBODY = frozenset(
    ("me", "edit", "unavailable", "undefined", "null", "username", "yourname", "your-name", "yourprofile")
)
_ASSIGNED_LENGTH = 2  # uk.com, br.com, com.de: sold as country domains are


@lru_cache(maxsize=8192)
def normalize_website(text: str) -> Normalized:
    """The address of a site: as written, but host and scheme in small letters and slips in the scheme repaired.

    One without scheme stays so. Of several the first is taken (`several_values`). `social_page`: a page at a network or
    a link list. Left empty: `email_as_website`, `not_a_website`.
    """
    if _PLAIN.match(text) and len(text) <= URL_LIMIT:
        return Normalized(text, _flags_of_host(text.split("/", 3)[2]))
    clean = clean_line(text).strip(_WRAPPING).strip()
    if not clean or is_blank(clean):
        return NOTHING if not text else Normalized(None, ("blank",), raw_excerpt(text))
    parts = [part for part in _SEVERAL.split(clean) if part.strip(_WRAPPING)]
    addresses = [address for part in parts if (address := _address(part.strip(_WRAPPING))) is not None]
    if not addresses or len(clean) > URL_LIMIT:
        is_email = any(_EMAIL.match(part.removeprefix("mailto:").strip(_WRAPPING)) for part in parts)
        return Normalized(None, ("email_as_website" if is_email else "not_a_website",), raw_excerpt(text))
    flags: tuple[str, ...] = ("several_values",) if len(set(addresses)) > 1 else ()
    flags += ("text_removed",) if len(addresses) < len(parts) else ()
    flags += _flags_of_host(_host(addresses[0]) or "")
    return Normalized(addresses[0], flags, None if addresses[0] == text else raw_excerpt(text))


@lru_cache(maxsize=8192)
def normalize_linkedin_url(text: str) -> Normalized:
    """A person's profile as `https://linkedin.com/in/name`: small letters, no country host, language, query or slash.

    Anything else, a company's page above all, is left empty and flagged `not_a_profile`: it tells no person apart.
    """
    clean = clean_line(text)
    if not clean or is_blank(clean):
        return NOTHING if not text else Normalized(None, ("blank",), raw_excerpt(text))
    bare = _BARE_PROFILE.match(clean[:URL_LIMIT])
    names = [bare[1]] if bare else _PROFILE.findall(clean[:URL_LIMIT])
    slugs = list(dict.fromkeys(slug for name in names if (slug := _slug(name)) is not None))
    if not slugs:
        return Normalized(None, ("not_a_profile",), raw_excerpt(text))
    profile = f"https://linkedin.com/in/{slugs[0]}"
    flags = ("several_values",) if len(slugs) > 1 else ()
    return Normalized(profile, flags, None if profile == text else raw_excerpt(text))


def company_domain(values: Mapping[str, Any]) -> str | None:
    """The registrable domain of a company's website, else of a work e-mail, from a lead's or person's fields.

    None for free, throw-away and mistyped mail domains, for pages at networks and link lists, and under a site
    builder's name (`acme.wixsite.com`).
    """
    website = values.get("website")
    if isinstance(website, str):
        host = _host(website)
        domain = _own_domain(host) if host and not _flags_of_host(host) else None
        if domain is not None:
            return domain
    others = values.get("other_emails")
    for email in (values.get("email"), *(others if isinstance(others, list | tuple) else ())):
        if isinstance(email, str) and "@" in email:
            domain = _of_email(domain_of(email))
            if domain is not None:
                return domain
    return None


@lru_cache(maxsize=8192)
def _of_email(domain: str) -> str | None:
    return None if domain_flags(domain) else _own_domain(domain)


@lru_cache(maxsize=8192)
def _own_domain(host: str) -> str | None:
    """The registrable name, unless it is a public suffix, an address in numbers or lent by a site builder."""
    domain = site_of(host)
    if "." not in domain or _IP.match(domain) or site_of(f"x.{domain}") != domain:
        return None
    hosts = vocabulary("web_hosts")
    if domain in hosts["builders"]:
        return None
    suffix = domain.partition(".")[2]
    if suffix in hosts["builders"]:
        return None
    first = suffix.partition(".")[0]
    is_lent = (
        len(first) > _ASSIGNED_LENGTH and suffix not in hosts["sold"] and _assigned().privatesuffix(domain) != domain
    )
    return None if is_lent else domain


@lru_cache(maxsize=4096)
def _flags_of_host(host: str) -> tuple[str, ...]:
    not_own = _not_own()
    while "." in host:  # de-de.facebook.com, facebook.com
        if host in not_own:
            return ("social_page",)
        host = host.partition(".")[2]
    return ()


@cache
def _not_own() -> frozenset[str]:
    networks: set[str] = {
        host.partition("/")[0] for hosts in vocabulary("social_networks").values() for host in hosts if "{" not in host
    }
    return frozenset(networks.union(vocabulary("web_hosts")["not_own"]))


@cache
def _assigned() -> PublicSuffixList:
    """The list without its private part: what registries give out. 25 ms and 2 MB, at the first need."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(only_icann=True)


def _host(address: str) -> str | None:
    """The host of a normalized website, in IDNA, without `www.` and port."""
    host = address.split("://", 1)[-1]
    for sign in "/?#":
        host = host.partition(sign)[0]
    host = _PORT.sub("", host).lower().rstrip(".").removeprefix("www.")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    return host if _ASCII_HOST.match(host) else None


def _address(text: str) -> str | None:
    """One address in its spelling, or None."""
    scheme = ""
    while (slip := _SCHEME.match(text)) is not None:
        scheme = "https://" if "s" in slip[0].lower() else "http://"
        text = text[slip.end() :].lstrip("/\\")
    if not scheme and _OTHER_SCHEME.match(text) and not _PORT.search(text.partition("/")[0]):
        return None
    text = text.removeprefix("//")
    authority, rest = _ADDRESS.match(text).groups()  # type: ignore[union-attr]  # matches any text
    if "@" in authority:
        if not scheme or ":" not in authority:
            return None
        authority = authority.rpartition("@")[2]  # a password is nobody's business
    port = _PORT.search(authority)
    host = unicodedata.normalize("NFC", (authority[: port.start()] if port else authority).lower()).rstrip(".")
    labels = host.split(".")
    is_host = len(labels) > 1 and _LAST_LABEL.match(labels[-1]) and all(_LABEL.match(label) for label in labels)
    if (not is_host and not _IP.match(host)) or labels == ["www", labels[-1]] or len(host) > 253:
        return None
    return f"{scheme}{host}{f':{port[1]}' if port and port[1] else ''}{rest}"


def _slug(name: str) -> str | None:
    """The name of a profile: percent-encoding undone, small letters."""
    for _ in range(2):
        if "%" in name:
            name = unquote(name, errors="replace")
    slug = unicodedata.normalize("NFC", unicodedata.normalize("NFC", clean_line(name)).lower())
    return slug if slug not in _NOBODY and _SLUG.match(slug) and "\ufffd" not in slug else None
