"""Whether afluente.yaml makes sense: keys, types, ranges, regions, names and references, all that is wrong at once.

The declarations say what is allowed; what they cannot say (a region is a country) stands here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from pipeline.errors import ConfigurationError
from pipeline.lanes import LANES
from pipeline.settings.consent_settings import problems_of_consent, problems_of_need, problems_of_watched
from pipeline.settings.declarations import SettingsFile
from pipeline.settings.edges.residency import problems_of_residency
from pipeline.settings.networks import EVERYBODY, fault_of_network
from pipeline.settings.retention_settings import problems_of_retention
from pipeline.settings.secret_settings import problems_of_secrets
from pipeline.settings.secrets import reference
from pipeline.settings.sign_in_settings import problems_of_accounts, problems_of_sign_in
from pipeline.settings.type_checks import Problem, problems_of_type, shown_value, type_info
from pipeline.settings.webhook_checks import problems_of_policy, problems_of_webhook
from pipeline.values.dates.lengths import length_of
from pipeline.values.nearest import unknown_name
from pipeline.values.places.country_codes import COUNTRY_CODES

_SLUG = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_VARIABLE = re.compile(r"^[A-Z][A-Z0-9_]*$")
_MANY = 20  # problems that are listed; who has more begins with these


def find_problems(content: Any) -> list[str]:
    """Each mistake of a parsed settings file as a sentence that begins with its place. Empty if there is none."""
    problems = list(problems_of_type(content if content is not None else {}, type_info(SettingsFile), ""))
    if isinstance(content, dict):
        problems += _of_sense(content)
    return [f"{place}: {what}" if place else what for place, what in problems]


def told(path: object, problems: Iterable[str]) -> str:
    """Problems of a file as one error: a single one on the file's line, several below it."""
    listed = list(problems)
    if len(listed) == 1:
        return f"{path}: {listed[0]}"
    more = [f"  and {len(listed) - _MANY} more"] if len(listed) > _MANY else []
    return "\n".join(
        [f"{path}: {len(listed)} things are wrong", *(f"  {problem}" for problem in listed[:_MANY]), *more]
    )


def doubled_keys(node: yaml.Node | None, place: str = "") -> Iterator[str]:
    """Keys that stand twice in one object: YAML would silently keep the last."""
    if isinstance(node, yaml.SequenceNode):
        for number, entry in enumerate(node.value):
            yield from doubled_keys(entry, f"{place}[{number}]")
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            inside = f"{place}.{name}".strip(".")
            if name in seen and name != "<<":
                yield f"{inside}: stands twice (line {key.start_mark.line + 1}): YAML would take the last"
            seen.add(name)
            yield from doubled_keys(value, inside)


def _of_sense(content: Mapping[str, Any]) -> Iterator[Problem]:
    """What types cannot tell. Whatever is of a wrong type has its own complaint and is passed over."""
    brands = _objects(content, "brands")
    known = set(brands) or {"default"}
    for section in ("brands", "sources", "destinations"):
        for name, entry in _objects(content, section).items():
            place = f"{section}.{name}"
            if isinstance(name, str) and not _SLUG.match(name):
                yield place, "names are lower-case letters, digits and _, and begin with a letter"
            yield from _of_entry(entry, place, known)
    for name, entry in _objects(content, "webhooks").items():
        yield from problems_of_webhook(name, entry, known)
    yield from problems_of_policy(_objects(content, "hooks"), "hooks")
    yield from problems_of_secrets(_objects(content, "secrets"))
    yield from problems_of_consent(content)
    mail = _objects(_objects(content, "consent"), "mail")
    if isinstance(mail.get("password"), str):
        yield from _of_reference(mail["password"], "consent.mail.password")
    proxies = _objects(content, "receiver").get("trusted_proxies")
    yield from _of_networks(proxies, "receiver.trusted_proxies", also=EVERYBODY)
    yield from _of_networks(_objects(content, "outgoing").get("networks"), "outgoing.networks")
    yield from problems_of_residency(content)
    yield from problems_of_sign_in(_objects(_objects(content, "access"), "sign_in"), known)
    yield from problems_of_accounts(_objects(content, "access"), known)
    yield from problems_of_retention(content.get("retention"), known)
    flower = _objects(content, "flower")
    yield from ((f"flower.{key}", unknown_name(str(key), ("auth",))) for key in flower if key != "auth")
    if isinstance(flower.get("auth"), str):
        yield from _of_reference(flower["auth"], "flower.auth")


def _of_entry(entry: Any, place: str, brands: set[str]) -> Iterator[Problem]:
    if not isinstance(entry, dict):
        return
    yield from _of_region(entry.get("region"), f"{place}.region")
    named = entry.get("brands")
    unknown = {name for name in named if isinstance(name, str)} - brands if isinstance(named, list) else ()
    for name in sorted(unknown):
        yield f"{place}.brands", f"{name} is not among brands ({', '.join(sorted(map(str, brands)))})"
    lane = entry.get("lane")
    if isinstance(lane, str) and lane not in LANES:
        yield f"{place}.lane", unknown_name(lane, LANES)
    for key in ("url", "base_url", "redirect_url"):
        address = entry.get(key)
        if isinstance(address, str) and "://" not in address:
            yield (
                f"{place}.{key}",
                f"{shown_value(address, key)} is no address; it begins with https:// or another scheme",
            )
    if place.startswith("destinations."):
        yield from _of_account(entry, place)
        yield from problems_of_need(entry.get("needs_consent"), f"{place}.needs_consent", brands)
        yield from problems_of_watched(entry.get("reads_consent"), f"{place}.reads_consent")
    if place.startswith("sources."):
        yield from _of_secret_names(entry.get("secrets"), place, brands)
        yield from _of_networks(entry.get("allow_from"), f"{place}.allow_from")
        yield from _of_silence(entry.get("silence"), f"{place}.silence")
    yield from _of_references(entry, place)


def _of_silence(silence: Any, place: str) -> Iterator[Problem]:
    after = silence.get("after") if isinstance(silence, dict) else None
    if isinstance(after, str) and length_of(after) is None:
        yield f"{place}.after", f"{after!r} is no length of time; write it as 90m, 6h, 3d or 2w"


def _of_account(entry: Mapping[str, Any], place: str) -> Iterator[Problem]:
    """Names by which workers share a quota."""
    windows = entry.get("windows")
    named = [("account", entry.get("account"))]
    named += [(f"windows.{name}", name) for name in (windows if isinstance(windows, dict) else ())]
    for key, name in named:
        if isinstance(name, str) and not _SLUG.match(name):
            yield f"{place}.{key}", "names are lower-case letters, digits and _, and begin with a letter"


def _of_secret_names(secrets: Any, place: str, brands: set[str]) -> Iterator[Problem]:
    """A source's secrets are named by brand, or by the variable of a secret that its connector declares, which may then
    be told apart by brand."""
    known = ", ".join(sorted(map(str, brands)))
    for key, given in secrets.items() if isinstance(secrets, dict) else ():
        is_variable = _VARIABLE.match(str(key)) is not None
        if key not in brands and not is_variable:
            yield f"{place}.secrets.{key}", f"is neither a brand ({known}) nor the variable of a secret"
        for brand in given if isinstance(given, dict) else ():
            if not is_variable:
                yield f"{place}.secrets.{key}", "of a brand this is the signing secret itself, a reference or a list"
            elif brand not in brands:
                yield f"{place}.secrets.{key}.{brand}", f"is not among brands ({known})"


def _of_networks(networks: Any, place: str, *, also: str | None = None) -> Iterator[Problem]:
    for number, text in enumerate(networks if isinstance(networks, list) else ()):
        if isinstance(text, str) and text != also and (fault := fault_of_network(text)):
            yield f"{place}[{number}]", fault


def _of_region(region: Any, place: str) -> Iterator[Problem]:
    if not isinstance(region, str) or (len(region) == 2 and region.upper() in COUNTRY_CODES):
        return
    from pipeline.values.places.countries import country_code

    code = country_code(region)
    advice = f"write {code}" if code else "write a country's two letters (ISO 3166-1 alpha-2), as US or ES"
    yield place, f"{region!r} is not the code of a country: {advice}"


def _of_references(entry: Mapping[str, Any], place: str) -> Iterator[Problem]:
    for key in ("secret", "token", "secrets"):
        given = entry.get(key)
        if key == "secrets" or not isinstance(given, dict):
            yield from _of_reference_or_many(given, f"{place}.{key}")


def _of_reference_or_many(given: Any, place: str) -> Iterator[Problem]:
    if isinstance(given, str):
        yield from _of_reference(given, place)
    elif isinstance(given, list):
        for text in given:
            yield from _of_reference_or_many(text, place)
    elif isinstance(given, dict):
        for key, text in given.items():
            yield from _of_reference_or_many(text, f"{place}.{key}")


def _of_reference(text: str, place: str) -> Iterator[Problem]:
    try:
        reference(text, place)
    except ConfigurationError as error:
        yield place, str(error).removeprefix(f"{place}: ")


def _objects(content: Mapping[str, Any], section: str) -> dict[Any, Any]:
    entries = content.get(section)
    return entries if isinstance(entries, dict) else {}
