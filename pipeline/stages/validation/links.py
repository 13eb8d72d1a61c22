"""Links in what people type: how many there are, to whom they lead, and how much is said beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pipeline.values.emails.emails import domain_of

_LINK = re.compile(r"(https?://|\bwww\.)([^\s<>\"'\[\]()|]{3,2000})", re.IGNORECASE)
_BBCODE = re.compile(r"\[(?:url|link)(?:=|\])\s*[\"']?\s*(?:https?://|www\.)", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{1,2000}>|\[/?(?:url|link|b|i|img)\b[^\[\]]{0,2000}\]", re.IGNORECASE)


class Link(NamedTuple):
    """`address` is host and path without `www.` and closing marks, to compare by."""

    address: str
    has_scheme: bool


def links_of(text: str, given: Mapping[str, Any]) -> Iterator[Link]:
    """The links of a text, but for those to the lead's own site and to the site whose form it filled in.

    `given` are the lead's fields, of which `website`, `email` and `page_url` name such sites.
    """
    own: tuple[str, ...] | None = None
    for start, rest in _LINK.findall(text):
        address = rest.lower().removeprefix("www.").rstrip(".,;:!?/")
        host = re.split(r"[/?#:]", address, maxsplit=1)[0].rpartition("@")[2]
        if own is None:
            own = tuple(_own_hosts(given))
        if "." in host and not any(host == site or host.endswith(f".{site}") for site in own):
            yield Link(address, "://" in start)


def count_foreign_links(text: str, given: Mapping[str, Any]) -> int:
    """How many links lead to strangers."""
    return sum(1 for _ in links_of(text, given))


def has_bbcode_link(text: str) -> bool:
    """`[url=http…` or `[link]http…`: forums read it, forms for leads never did, robots write it everywhere."""
    return _BBCODE.search(text) is not None


def text_beside_links(text: str) -> int:
    """How many letters are left when links and tags are taken away."""
    return sum(map(str.isalpha, _TAG.sub(" ", _LINK.sub(" ", text))))


def _own_hosts(given: Mapping[str, Any]) -> Iterator[str]:
    for name in ("website", "page_url"):
        value = given.get(name)
        if isinstance(value, str):
            host = re.split(r"[/?#:]", value.strip().lower().partition("://")[2] or value.strip().lower(), maxsplit=1)[
                0
            ]
            yield from (own_host for own_host in (host.removeprefix("www."),) if "." in own_host)
    email = given.get("email")
    if isinstance(email, str) and "@" in email:
        domain = domain_of(email.strip())
        if "." in domain:
            yield domain
