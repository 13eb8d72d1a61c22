"""What a referring host is: a search engine, a social network, an AI assistant or another site.

Lists: matomo-org/searchengine-and-social-list (CC0), in `mappings/vocabularies/`; `{}` there stands for a country.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, NamedTuple

from pipeline.stages.vocabularies import source_categories, vocabulary


class Referrer(NamedTuple):
    """Source and medium that a visit from this host has."""

    source: str
    medium: str


@lru_cache(maxsize=4096)
def classify_referrer(host: str) -> Referrer:
    """`organic` for search engines, `social` for networks GA4 does not list, else `referral`."""
    parents = _parents(host)
    if any(parent in _assistants() for parent in parents):
        return Referrer(host, "referral")
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
    found: dict[str, str] = {}
    for name, entries in vocabulary("search_engines").items():
        for entry in entries:
            _add(found, entry.get("urls") or (), str(name))
    return found


@cache
def _networks() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, hosts in vocabulary("social_networks").items():
        _add(found, hosts, str(name))
    return found


@cache
def _assistants() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, hosts in vocabulary("ai_assistants").items():
        _add(found, hosts, str(name))
    return found


def _add(found: dict[str, str], hosts: Any, name: str) -> None:
    for host in hosts:
        if "/" not in str(host):  # a page of a site that is more than that: x.com/i/grok
            found.setdefault(str(host).lower().removeprefix("www."), name.lower())
