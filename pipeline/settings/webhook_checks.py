"""Whether what afluente.yaml says of outgoing webhooks makes sense: addresses, events, fields, secrets by reference."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from connectors.kit.public_addresses import fault_of_url
from pipeline.canonical import ATTRIBUTION_NAMES, DERIVED_FIELDS, PERSON_FIELDS
from pipeline.errors import ConfigurationError
from pipeline.records.webhooks import HOOK_PREFIX, WEBHOOK_EVENTS
from pipeline.settings.secrets import is_reference, reference
from pipeline.values.nearest import unknown_name

WEBHOOK_FIELDS = (*PERSON_FIELDS, *ATTRIBUTION_NAMES, *DERIVED_FIELDS)
_SECRET = "signing"  # noqa: S105 - the name of a key, not its value
_MOST_SECRETS = 2  # the new one and the one that it replaces
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_CONSENT = re.compile(r"[^.\s]+\.[^.\s]+")

Problem = tuple[str, str]


def problems_of_webhook(name: Any, entry: Any, brands: Collection[str]) -> Iterator[Problem]:
    """What types cannot tell of `webhooks.NAME`, as (place, what is wrong there)."""
    place = f"webhooks.{name}"
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.startswith(HOOK_PREFIX):
        yield (
            place,
            f"names are lower-case letters, digits and _, begin with a letter, and not with {HOOK_PREFIX}",
        )
    if not isinstance(entry, dict):
        return
    yield from _of_url(entry, place)
    yield from _of_names(entry.get("events"), f"{place}.events", WEBHOOK_EVENTS)
    if entry.get("events") == []:
        yield f"{place}.events", f"is empty; name some of {', '.join(WEBHOOK_EVENTS)}"
    yield from _of_names(entry.get("brands"), f"{place}.brands", sorted(map(str, brands)))
    yield from _of_secrets(entry.get("secrets"), f"{place}.secrets")
    yield from problems_of_policy(entry, place)


def problems_of_policy(entry: dict[Any, Any], place: str) -> Iterator[Problem]:
    """Of the keys that `webhooks.NAME` and `hooks` share."""
    yield from _of_names(entry.get("fields"), f"{place}.fields", WEBHOOK_FIELDS)
    consent = entry.get("consent")
    if isinstance(consent, str) and not _CONSENT.fullmatch(consent):
        yield f"{place}.consent", f"{consent!r} names no question; write PURPOSE.CHANNEL, as marketing.email"


def _of_url(entry: dict[Any, Any], place: str) -> Iterator[Problem]:
    url, allow_private = entry.get("url"), entry.get("allow_private") is True
    if not isinstance(url, str) or is_reference(url):
        return
    if fault := fault_of_url(url, allow_private=allow_private):
        is_own = not allow_private and ("private" in fault or url.startswith("http://"))
        own = f"; for one of your own network set {place}.allow_private: true" if is_own else ""
        yield f"{place}.url", f"{fault}{own}"


def _of_names(named: Any, place: str, allowed: Collection[str]) -> Iterator[Problem]:
    for number, name in enumerate(named if isinstance(named, list) else ()):
        if isinstance(name, str) and name not in allowed:
            yield f"{place}[{number}]", unknown_name(name, allowed)


def _of_secrets(secrets: Any, place: str) -> Iterator[Problem]:
    if not isinstance(secrets, dict):
        return
    for key in secrets:
        if key != _SECRET:
            yield f"{place}.{key}", unknown_name(str(key), (_SECRET,))
    if _SECRET not in secrets:
        yield place, f"{_SECRET} is missing: a reference to the secret that messages are signed with"
        return
    given = secrets[_SECRET]
    references = given if isinstance(given, list) else [given]
    if not 1 <= len(references) <= _MOST_SECRETS:
        yield f"{place}.{_SECRET}", f"holds {len(references)} secrets; one, or two while one is replaced"
    for text in references:
        if isinstance(text, str):
            try:
                reference(text, f"{place}.{_SECRET}")
            except ConfigurationError as error:
                yield f"{place}.{_SECRET}", str(error).removeprefix(f"{place}.{_SECRET}: ")
