"""The mapping language: what a file in `mappings/` may say, checked when it is read (docs/mapping.md).

Every error is a ConfigurationError that names file, path in the file, the value found and what is allowed there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.records import SUPPRESSION_REASONS
from pipeline.stages.canonical import (
    CANONICAL_FIELDS,
    DESTINATION_SOURCES,
    LEAD_FIELDS,
    TOUCH_FIELDS,
    default_conversion,
)
from pipeline.stages.conversions import CONVERSION_NAMES
from pipeline.stages.countries import country_code
from pipeline.stages.mapping_reader import Reader, unknown_name


@dataclass(frozen=True, slots=True)
class FieldRule:
    """How one canonical field is read: the first of `paths` that is not empty, else `constant`, else `default`."""

    name: str
    paths: tuple[str, ...] = ()
    constant: Any = None
    default: Any = None
    required: bool = False
    conversion: str = "text"
    formats: tuple[str, ...] = ()
    zone: str = "UTC"
    values: dict[str, Any] = field(default_factory=dict)
    region_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """One statement of consent. An absent or empty answer is no statement: never a refusal, never a grant."""

    purpose: str
    channel: str
    granted: FieldRule
    at: tuple[str, ...] = ()
    policy_version: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SuppressRule:
    """A lead that must not go on: `paths` filled (`when: filled`), true (`when: true`) or a number below `below`."""

    reason: str
    paths: tuple[str, ...]
    when: str = "filled"
    below: float | None = None


@dataclass(frozen=True, slots=True)
class SourceDeclaration:
    """A file of `mappings/sources/`, checked."""

    source: str
    version: str
    canonical: bool
    flatten: tuple[str, ...]
    aliases: dict[str, str]
    region: str | None
    fields: tuple[FieldRule, ...]
    consents: tuple[ConsentRule, ...]
    consent_lists: tuple[str, ...]
    suppress: tuple[SuppressRule, ...]
    kept: tuple[str, ...]
    ignored: tuple[str, ...]

    def decided_paths(self) -> list[str]:
        """Every path somebody has decided about."""
        paths = [path for rule in self.fields for path in (*rule.paths, *rule.region_from)]
        for consent in self.consents:
            paths += [*consent.granted.paths, *consent.at, *consent.policy_version]
        for suppress in self.suppress:
            paths += suppress.paths
        return [*paths, *self.consent_lists, *self.ignored]


@dataclass(frozen=True, slots=True)
class DestinationRule:
    """One CRM field. Longer than `max_length` is cut only with `too_long: truncate`, else the record is refused."""

    name: str
    sources: tuple[str, ...] = ()
    constant: Any = None
    default: Any = None
    required: bool = False
    kind: str = "text"
    max_length: int | None = None
    truncates: bool = False
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DestinationDeclaration:
    """A file of `mappings/destinations/`, checked."""

    destination: str
    version: str
    fields: tuple[DestinationRule, ...]


SOURCE_KEYS = {
    "source",
    "version",
    "canonical",
    "flatten",
    "aliases",
    "region",
    "lead",
    "touch",
    "consent",
    "suppress",
    "kept",
    "ignored",
}
FIELD_KEYS = {"from", "constant", "default", "required", "as", "formats", "zone", "values", "region_from"}
CONSENT_KEYS = {"from", "as", "values", "purpose", "channel", "at", "policy_version"}
DESTINATION_KEYS = ("from", "constant", "default", "required", "as", "max", "too_long", "values")
_DESTINATION_KINDS = ("text", "number", "boolean", "list")


def read_source(path: Path) -> SourceDeclaration:
    """The checked content of a source mapping. Raises ConfigurationError."""
    reader = Reader(path)
    content = reader.object("", reader.content, SOURCE_KEYS)
    source = reader.text("source", content.get("source"))
    if source != path.stem:
        reader.fail("source", f"{source!r} must be the file's name, {path.stem!r}")
    is_canonical = reader.flag("canonical", content.get("canonical", False))
    for key in ("flatten", "aliases"):
        if key in content and not is_canonical:
            reader.fail(key, "is allowed only beside `canonical: true`")
    region = content.get("region")
    if region is not None and (not isinstance(region, str) or country_code(region) != region):
        reader.fail("region", f"{region!r} is not an ISO 3166-1 alpha-2 code, such as US")
    rules = [*_field_rules(reader, content, "lead", LEAD_FIELDS), *_field_rules(reader, content, "touch", TOUCH_FIELDS)]
    flatten = reader.paths("flatten", content.get("flatten"))
    if not rules and not is_canonical:
        reader.fail("lead", "maps no field; name at least one, or say `canonical: true`")
    return SourceDeclaration(
        source=source,
        version=reader.version(source),
        canonical=is_canonical,
        flatten=flatten,
        aliases=_aliases(reader, content.get("aliases")),
        region=region,
        fields=tuple(rules),
        consents=tuple(_consent_rules(reader, content.get("consent"))),
        # A list of statements in canonical form may stand wherever canonical fields may.
        consent_lists=("consents", *(f"{container}.consents" for container in flatten)) if is_canonical else (),
        suppress=_suppress_rules(reader, content.get("suppress")),
        kept=reader.paths("kept", content.get("kept")),
        ignored=reader.paths("ignored", content.get("ignored")),
    )


def read_destination(path: Path) -> DestinationDeclaration:
    """The checked content of a destination mapping. Raises ConfigurationError."""
    reader = Reader(path)
    content = reader.object("", reader.content, ("destination", "version", "fields"))
    name = reader.text("destination", content.get("destination"))
    if name != path.stem:
        reader.fail("destination", f"{name!r} must be the file's name, {path.stem!r}")
    rules = []
    for target, entry in reader.object("fields", content.get("fields")).items():
        place = f"fields.{target}"
        said = reader.object(place, entry if isinstance(entry, dict) else {"from": entry}, DESTINATION_KEYS)
        sources = reader.texts(f"{place}.from", said.get("from"))
        for found in sources:
            if found not in DESTINATION_SOURCES:
                reader.fail(f"{place}.from", unknown_name(found, DESTINATION_SOURCES))
        if not sources and "constant" not in said:
            reader.fail(place, "says neither `from` nor `constant`")
        limit = said.get("max")
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            reader.fail(f"{place}.max", f"{limit!r} is not a length; allowed: 1, 2, 3, …")
        rules.append(
            DestinationRule(
                name=target,
                sources=sources,
                constant=said.get("constant"),
                default=said.get("default"),
                required=reader.flag(f"{place}.required", said.get("required", False)),
                kind=reader.one_of(f"{place}.as", said.get("as", "text"), _DESTINATION_KINDS),
                max_length=limit,
                truncates=reader.one_of(f"{place}.too_long", said.get("too_long", "refuse"), ("refuse", "truncate"))
                == "truncate",
                values=reader.object(f"{place}.values", said.get("values")),
            )
        )
    if not rules:
        reader.fail("fields", "maps no field")
    return DestinationDeclaration(name, reader.version(name), tuple(rules))


def _field_rules(reader: Reader, content: dict[str, Any], section: str, allowed: dict[str, str]) -> Iterable[FieldRule]:
    for name, entry in reader.object(section, content.get(section)).items():
        place = f"{section}.{name}"
        if name not in allowed:
            reader.fail(place, unknown_name(name, allowed))
        yield _field_rule(reader, place, name, entry, default_conversion(name))


def _field_rule(reader: Reader, place: str, name: str, entry: Any, conversion: str) -> FieldRule:
    said = reader.object(place, entry if isinstance(entry, dict) else {"from": entry}, FIELD_KEYS)
    paths = reader.paths(f"{place}.from", said.get("from"))
    if bool(paths) == ("constant" in said):
        reader.fail(place, "says both `from` and `constant`" if paths else "says neither `from` nor `constant`")
    named = reader.one_of(f"{place}.as", said.get("as", conversion), CONVERSION_NAMES)
    for option in ("formats", "zone"):
        if option in said and named != "date":
            reader.fail(f"{place}.{option}", f"is allowed only with `as: date`, not with `as: {named}`")
    zone = reader.text(f"{place}.zone", said.get("zone", "UTC"))
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        reader.fail(f"{place}.zone", f"{zone!r} is not a time zone, such as Europe/Madrid")
    if "region_from" in said and named not in ("phone", "list"):
        reader.fail(f"{place}.region_from", "is allowed only for phone numbers")
    return FieldRule(
        name=name,
        paths=paths,
        constant=said.get("constant"),
        default=said.get("default"),
        required=reader.flag(f"{place}.required", said.get("required", False)),
        conversion=named,
        formats=reader.texts(f"{place}.formats", said.get("formats")),
        zone=zone,
        values=reader.object(f"{place}.values", said.get("values")),
        region_from=reader.paths(f"{place}.region_from", said.get("region_from")),
    )


def _consent_rules(reader: Reader, content: Any) -> Iterable[ConsentRule]:
    for name, entry in reader.object("consent", content).items():
        place = f"consent.{name}"
        said = reader.object(place, entry if isinstance(entry, dict) else {"from": entry}, CONSENT_KEYS)
        granted = {key: said[key] for key in ("from", "as", "values") if key in said}
        yield ConsentRule(
            purpose=reader.text(f"{place}.purpose", said.get("purpose", name)),
            channel=reader.text(f"{place}.channel", said.get("channel", "any")),
            granted=_field_rule(reader, place, name, granted, "boolean"),
            at=reader.paths(f"{place}.at", said.get("at")),
            policy_version=reader.paths(f"{place}.policy_version", said.get("policy_version")),
        )


def _suppress_rules(reader: Reader, content: Any) -> tuple[SuppressRule, ...]:
    rules = []
    for reason, entries in reader.object("suppress", content, SUPPRESSION_REASONS).items():
        if not isinstance(entries, list):
            reader.fail(f"suppress.{reason}", "is not a list of rules")
        for number, entry in enumerate(entries):
            place = f"suppress.{reason}[{number}]"
            said = reader.object(place, entry, ("from", "when", "below"))
            below = said.get("below")
            if below is not None and (isinstance(below, bool) or not isinstance(below, int | float)):
                reader.fail(f"{place}.below", f"{below!r} is not a number")
            when = "true" if said.get("when") is True else said.get("when", "filled")
            rules.append(
                SuppressRule(
                    reason=reason,
                    paths=reader.paths(f"{place}.from", said.get("from")),
                    when=reader.one_of(f"{place}.when", when, ("filled", "true")),
                    below=below,
                )
            )
            if not rules[-1].paths:
                reader.fail(place, "says no `from`")
    return tuple(rules)


def _aliases(reader: Reader, content: Any) -> dict[str, str]:
    found = reader.object("aliases", content)
    for name, target in found.items():
        if target not in CANONICAL_FIELDS:
            reader.fail(f"aliases.{name}", unknown_name(str(target), CANONICAL_FIELDS))
    return found
