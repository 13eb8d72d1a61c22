"""Is what a source answers about our subscription understood?"""

from __future__ import annotations

import copy
from typing import Any

from connectors.kit.conformance.cases import TYPICAL, Case
from connectors.kit.errors import RecordError
from connectors.kit.paths import get_path
from connectors.kit.sources.fetching.subscriptions import Subscription, subscription_of

_OURS = "https://leads.example.org/in/default/"
_OTHER = "https://elsewhere.example.org/in/default/"


def subscription_is_understood(case: Case) -> list[str]:
    """The answer that knows our address is an active hook; the same without hooks, with another address, switched off
    or without what it must hold is none."""
    subscription, typical = subscription_of(case.connector), case.sample(TYPICAL)
    if subscription is None or typical is None:
        return []
    place = f"samples/{case.source}/{TYPICAL}.hooks.json"
    if typical.hooks is None:
        return [
            f"{place} is missing: the source's answer when it is asked for our subscription at {_OURS}{case.source}"
        ]
    try:
        state = subscription.state_of(typical.hooks, _OURS + case.source)
    except RecordError as error:
        return [f"{place} cannot be read: {error.message}"]
    if state != "active":
        return [f"{place} is read as {state}; it must be an active hook at {_OURS}{case.source}"]
    return [
        f"{place} {what} is read as active; it must not be"
        for what, answer, address in _spoiled(subscription, typical.hooks, case.source)
        if subscription.state_of(answer, address) == "active"
    ]


def _spoiled(subscription: Subscription, answer: Any, source: str) -> list[tuple[str, Any, str]]:
    """(what was done to it, the answer, our address)"""
    ours = _OURS + source
    spoiled: list[tuple[str, Any, str]] = [("without hooks", _without(subscription, answer), ours)]
    if subscription.url_at is not None:
        spoiled.append(("with another address", answer, _OTHER + source))
        spoiled.append(("of another source", answer, f"{ours}_other"))
    paths = filter(None, (subscription.active_at, *subscription.holds))
    return [*spoiled, *((f"without its {path}", _changed(subscription, answer, path), ours) for path in paths)]


def _without(subscription: Subscription, answer: Any) -> Any:
    empty = copy.deepcopy(answer)
    hooks = empty if subscription.records_at is None else get_path(empty, subscription.records_at)
    if isinstance(hooks, list):
        hooks.clear()
        return empty
    return {}


def _changed(subscription: Subscription, answer: Any, path: str) -> Any:
    """With that emptied in every hook."""
    changed = copy.deepcopy(answer)
    hooks = changed if subscription.records_at is None else get_path(changed, subscription.records_at)
    above, _, key = path.rpartition(".")
    for hook in hooks if isinstance(hooks, list) else [hooks]:
        holder = get_path(hook, above) if above else hook
        if isinstance(holder, dict):
            holder[key] = None
    return changed
