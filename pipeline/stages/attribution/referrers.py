"""What a referring host is: a search engine, a social network, an AI assistant or another site.

Lists: matomo-org/searchengine-and-social-list (CC0), in `mappings/vocabularies/`; `{}` there stands for a country.
Apps (android-app://PACKAGE) and hosts that visitors only pass through have lists of their own there.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, NamedTuple

from pipeline.values.vocabularies import source_categories, vocabulary


class Referrer(NamedTuple):
    """Source and medium that a visit from this host has."""

    source: str
    medium: str


@lru_cache(maxsize=4096)
def is_passing(host: str) -> bool:
    """Whether a visitor only passes through this host, to pay or to sign in: it is no source."""
    return any(parent in _passing_hosts() for parent in _parents(host))


def classify_referrer(host: str, path: str | None = None) -> Referrer:
    """`organic` for search engines, `email` for webmail, `social` for networks GA4 does not list, else `referral`.

    `path` tells an assistant that lives on a page of something else (x.com/i/grok); nothing of it is kept.
    """
    if path is not None and host in _assistants_on_pages():
        for start, name in _assistants_on_pages()[host]:
            if path.startswith(start):
                return Referrer(name, "referral")
    return _classify(host)


@lru_cache(maxsize=4096)
def _classify(host: str) -> Referrer:
    app = vocabulary("android_apps").get(host)
    if app is not None:
        return Referrer(app["source"], app["medium"])
    parents = _parents(host)
    for parent in parents:
        if parent in _webmail():
            return Referrer(_webmail()[parent], "email")
    for parent in parents:
        if parent in _assistants():
            return Referrer(_assistants()[parent], "referral")
    for spelling in (host, *_without_country(host)):
        # Only the very host: google.com searches, mail.google.com and docs.google.com do not.
        if spelling in _engines():
            return Referrer(_engines()[spelling], "organic")
    for parent in parents:
        network = _networks().get(parent)
        if network is not None:
            # GA4 knows most networks by name and puts videos apart; the medium speaks only for those it does not know.
            return Referrer(network, "referral" if network in source_categories() else "social")
    return Referrer(host, "referral")


def _parents(host: str) -> list[str]:
    """The host and everything it is part of: l.facebook.com, facebook.com."""
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(max(len(labels) - 1, 1))]


def _without_country(host: str) -> list[str]:
    """The host with its country taken out, one label or two: google.co.uk is google.{}."""
    labels = host.split(".")
    return [".".join([*labels[:-size], "{}"]) for size in (1, 2) if len(labels) > size]


@cache
def _engines() -> dict[str, str]:
    engines: dict[str, str] = {}
    for name, entries in vocabulary("search_engines").items():
        for entry in entries:
            _add(engines, entry.get("urls") or (), str(name))
    return engines


@cache
def _networks() -> dict[str, str]:
    networks: dict[str, str] = {}
    for name, hosts in vocabulary("social_networks").items():
        _add(networks, hosts, str(name))
    return networks


@cache
def _assistants() -> dict[str, str]:
    assistants: dict[str, str] = {}
    for name, hosts in vocabulary("ai_assistants").items():
        _add(assistants, hosts, str(name))
    return assistants


@cache
def _assistants_on_pages() -> dict[str, list[tuple[str, str]]]:
    """Host -> (start of the path, assistant) of those without a host of their own."""
    pages: dict[str, list[tuple[str, str]]] = {}
    for name, hosts in vocabulary("ai_assistants").items():
        for host, slash, path in (str(address).lower().partition("/") for address in hosts):
            if slash:
                pages.setdefault(host, []).append((f"/{path}", str(name).lower()))
    return pages


@cache
def _webmail() -> dict[str, str]:
    webmail: dict[str, str] = {}
    for name, hosts in vocabulary("webmail_hosts").items():
        _add(webmail, hosts, str(name))
    return webmail


@cache
def _passing_hosts() -> frozenset[str]:
    return frozenset(str(host) for host in vocabulary("passing_hosts"))


def _add(names: dict[str, str], hosts: Any, name: str) -> None:
    for host in hosts:
        if "/" not in str(host):  # a page of a site that is more than that: x.com/i/grok
            names.setdefault(str(host).lower().removeprefix("www."), name.lower())
