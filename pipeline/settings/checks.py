"""Whether afluente.yaml makes sense: keys, types, ranges, regions, names and references, all that is wrong at once.

The declarations say what is allowed; what they cannot say (a region is a country) stands here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import yaml

from pipeline.errors import ConfigurationError
from pipeline.lanes import LANES
from pipeline.settings.declarations import SettingsFile
from pipeline.settings.networks import EVERYBODY, fault_of_network
from pipeline.settings.secrets import reference
from pipeline.settings.webhook_checks import problems_of_policy, problems_of_webhook
from pipeline.values.nearest import unknown_name
from pipeline.values.places.country_codes import COUNTRY_CODES

_SLUG = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_VARIABLE = re.compile(r"^[A-Z][A-Z0-9_]*$")
_LONGEST_SHOWN = 60
_SECRET_KEYS = {"secret", "token", "secrets", "auth"}  # a value there is not repeated: it may be the secret itself
_MANY = 20  # problems that are listed; who has more begins with these

Problem = tuple[str, str]  # where, as `destinations.crm.base_url`, and what is wrong there


def find_problems(content: Any) -> list[str]:
    """Each mistake of a parsed settings file as a sentence that begins with its place. Empty if there is none."""
    problems = list(_of_type(content if content is not None else {}, msgspec.inspect.type_info(SettingsFile), ""))
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


def _of_type(value: Any, wanted: msgspec.inspect.Type, place: str) -> Iterator[Problem]:
    """Unknown keys, wrong types and numbers out of range, wherever they stand."""
    if isinstance(wanted, msgspec.inspect.StructType):
        yield from _of_struct(value, wanted, place)
    elif isinstance(wanted, msgspec.inspect.DictType):
        yield from _of_dict(value, wanted, place)
    elif isinstance(wanted, msgspec.inspect.UnionType):
        taking = [kind for kind in wanted.types if _takes(kind, value)]
        if taking:
            yield from _of_type(value, taking[0], place)
        else:
            yield place, _mismatch(value, wanted.types, place)
    elif isinstance(wanted, msgspec.inspect.ListType):
        if not isinstance(value, list):
            yield place, _mismatch(value, [wanted], place)
        else:
            for number, entry in enumerate(value):
                yield from _of_type(entry, wanted.item_type, f"{place}[{number}]")
    elif not _takes(wanted, value):
        yield place, _mismatch(value, [wanted], place)
    elif isinstance(wanted, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        yield from _of_range(value, wanted, place)


def _of_struct(value: Any, wanted: msgspec.inspect.StructType, place: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield place, _mismatch(value, [wanted], place)
        return
    known = {field.name: field for field in wanted.fields}
    for key, entry in value.items():
        inside = f"{place}.{key}".strip(".")
        if key in known:
            yield from _of_type(entry, known[key].type, inside)
        else:
            yield inside, unknown_name(str(key), known)
    for name, field in known.items():
        if field.required and name not in value:
            yield place, f"{name} is missing"


def _of_dict(value: Any, wanted: msgspec.inspect.DictType, place: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield place, _mismatch(value, [wanted], place)
        return
    for key, entry in value.items():
        if not isinstance(key, str):
            yield f"{place}.{key}", f"{key!r} is not a name; in quotes it is one"
        yield from _of_type(entry, wanted.value_type, f"{place}.{key}")


def _of_range(
    value: float, wanted: msgspec.inspect.IntType | msgspec.inspect.FloatType, place: str
) -> Iterator[Problem]:
    low, above, high = wanted.ge, wanted.gt, wanted.le
    if not math.isfinite(value):
        yield place, f"{value} is not a number that can be counted to"
    elif above is not None and not value > above:
        yield place, f"{value} is too small; it must be more than {above}"
    elif low is not None and not value >= low:
        yield place, f"{value} is too small; at least {low}"
    elif high is not None and not value <= high:
        yield place, f"{value} is too large; at most {high}"


def _takes(wanted: msgspec.inspect.Type, value: Any) -> bool:
    if isinstance(wanted, msgspec.inspect.AnyType):
        return True
    if isinstance(value, bool):
        return isinstance(wanted, msgspec.inspect.BoolType)
    kinds: tuple[tuple[type, type | tuple[type, ...]], ...] = (
        (msgspec.inspect.StrType, str),
        (msgspec.inspect.IntType, int),
        (msgspec.inspect.FloatType, (int, float)),
        (msgspec.inspect.ListType, list),
        (msgspec.inspect.DictType, dict),
        (msgspec.inspect.StructType, dict),
        (msgspec.inspect.NoneType, type(None)),
    )
    return any(isinstance(wanted, kind) and isinstance(value, plain) for kind, plain in kinds)


_WORDS: tuple[tuple[type, str], ...] = (
    (msgspec.inspect.StrType, "a text"),
    (msgspec.inspect.IntType, "a whole number"),
    (msgspec.inspect.FloatType, "a number"),
    (msgspec.inspect.BoolType, "true or false"),
    (msgspec.inspect.ListType, "a list"),
    (msgspec.inspect.DictType, "an object of `name: value`"),
    (msgspec.inspect.StructType, "an object of `key: value`"),
)


def _mismatch(value: Any, wanted: Iterable[msgspec.inspect.Type], place: str) -> str:
    words = [word for allowed in wanted for kind, word in _WORDS if isinstance(allowed, kind)]
    advice = ""
    if "a text" in words and isinstance(value, bool | int | float):
        advice = ": put it in quotes"  # NO is false to YAML, 0123 a number
    elif isinstance(value, str) and value.strip().lstrip("-").replace(".", "", 1).isdigit():
        advice = ": leave the quotes out"
    return f"{_shown(value, place)} is not {' or '.join(words)}{advice}"


def _shown(value: Any, place: str) -> str:
    if _SECRET_KEYS & set(re.split(r"[.\[]", place)):
        return "what stands there"
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


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
    proxies = _objects(content, "receiver").get("trusted_proxies")
    yield from _of_networks(proxies, "receiver.trusted_proxies", also=EVERYBODY)
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
            yield f"{place}.{key}", f"{_shown(address, key)} is no address; it begins with https:// or another scheme"
    if place.startswith("destinations."):
        yield from _of_account(entry, place)
    if place.startswith("sources."):
        yield from _of_secret_names(entry.get("secrets"), place, brands)
        yield from _of_networks(entry.get("allow_from"), f"{place}.allow_from")
    yield from _of_references(entry, place)


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
