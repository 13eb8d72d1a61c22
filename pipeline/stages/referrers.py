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
    for candidate in _candidates(host):
        if candidate in _assistants():
            return Referrer(candidate, "referral")
        engine = _engines().get(candidate)
        if engine is not None:
            return Referrer(engine, "organic")
        network = _networks().get(candidate)
        if network is not None:
            # GA4 knows most networks by name and puts videos apart; the medium speaks only for those it does not know.
            return Referrer(network, "referral" if network in source_categories() else "social")
        if candidate in source_categories():
            return Referrer(candidate, "referral")
    return Referrer(host, "referral")


def _candidates(host: str) -> list[str]:
    """The host, its parents, and each with the country taken out: m.google.co.uk -> google.{}."""
    labels = host.split(".")
    found = []
    for start in range(max(len(labels) - 1, 1)):
        found.append(".".join(labels[start:]))
        found += [".".join([*labels[start:-size], "{}"]) for size in (1, 2) if len(labels) - start > size]
    return found


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
