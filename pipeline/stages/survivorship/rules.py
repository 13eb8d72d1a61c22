"""Which value of a field survives when leads of one person meet: `mappings/survivorship.yaml`, read and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.canonical import CUSTOM, CUSTOM_NAME, PERSON_FIELDS
from pipeline.stages.rule_reader import Reader, unknown_name
from pipeline.values.yaml_files import mapping_file

# Addresses: one is golden, every other one ever seen is kept beside it.
ADDRESSES = {"email": "other_emails", "phone": "other_phones"}
SINGLE_FIELDS = tuple(name for name in PERSON_FIELDS if name not in ADDRESSES and name not in ADDRESSES.values())
STRATEGIES = ("newest", "oldest", "longest", "most_complete", "most_frequent", "best_spelled")
VOTED = ("most_frequent", "best_spelled")  # these need to know what else was said
CUSTOM_STRATEGIES = ("newest", "oldest")  # of values that may be anything, lists too
TEXT_STRATEGIES = ("longest", "most_complete", "best_spelled")
# Kinds of address that are golden only where a person has no other.
LAST_RESORTS = {"email": ("role", "placeholder", "disposable", "misspelled"), "phone": ("landline",)}
_NOT_TEXT = ("employee_count",)
_KEYS = ("keep", "source_priority", "last_resort")
_LOCKED = (
    "'locked_by_crm' needs values read back from the CRM, which Afluente does not do yet; `write: once` in the"
    " destination's mapping keeps what a human changed there"
)


@dataclass(frozen=True, slots=True)
class GoldenRule:
    """How one field's golden value is chosen. `sources`: rank of each by priority, 0 first; others come after all."""

    keep: str = "newest"
    sources: dict[str, int] = field(default_factory=dict)
    last_resort: tuple[str, ...] = ()

    @property
    def is_voted(self) -> bool:
        return self.keep in VOTED

    @property
    def is_plain(self) -> bool:
        """The newest, whatever it is and whoever says it."""
        return self.keep == "newest" and not self.sources and not self.last_resort


@dataclass(frozen=True, slots=True)
class SurvivorshipRules:
    """`version` is `survivorship@<version>+<hash of the content>`; `fields` has a rule for each golden field, and for
    those custom ones that the file names; `custom` is that of the others."""

    version: str
    fields: dict[str, GoldenRule]
    custom: GoldenRule = GoldenRule()

    def of(self, name: str) -> GoldenRule:
        """The rule of a field, a custom one maybe."""
        return self.fields.get(name, self.custom)


@cache
def survivorship_rules() -> SurvivorshipRules:
    """The rules in force. Raises ConfigurationError saying what is wrong in the file, and where."""
    return read_survivorship(mapping_file("survivorship.yaml"))


def read_survivorship(path: Path) -> SurvivorshipRules:
    """The rules in this file, checked. Raises ConfigurationError."""
    reader = Reader(path)
    content = reader.object("", reader.content, ("version", "default", "fields"))
    default = GoldenRule(_strategy(reader, "default", content.get("default", "newest")))
    if default.keep in TEXT_STRATEGIES:
        reader.fail("default", f"{default.keep!r} is for texts only: say it of the fields it is meant for")
    names = (*SINGLE_FIELDS, *ADDRESSES)
    declared = reader.object("fields", content.get("fields"))
    for name in declared:
        if name in ADDRESSES.values():
            main = next(main for main, others in ADDRESSES.items() if others == name)
            reader.fail(f"fields.{name}", f"every address is kept; say of `{main}` which one is golden")
        if name not in names and not _is_custom(name):
            reader.fail(f"fields.{name}", unknown_name(name, names))
    rules = {name: _rule(reader, name, entry, default) for name, entry in declared.items()}
    return SurvivorshipRules(
        reader.version("survivorship"),
        {**rules, **{name: rules.get(name, default) for name in names}},
        GoldenRule(default.keep if default.keep in CUSTOM_STRATEGIES else "newest"),
    )


def _is_custom(name: str) -> bool:
    return name.startswith(CUSTOM) and re.fullmatch(CUSTOM_NAME, name.removeprefix(CUSTOM)) is not None


def _rule(reader: Reader, name: str, entry: Any, default: GoldenRule) -> GoldenRule:
    place = f"fields.{name}"
    declared = reader.object(place, entry if isinstance(entry, dict) else {"keep": entry}, _KEYS)
    keep = _strategy(reader, f"{place}.keep", declared.get("keep", default.keep))
    if keep in TEXT_STRATEGIES and (name in ADDRESSES or name in _NOT_TEXT):
        allowed = ", ".join(strategy for strategy in STRATEGIES if strategy not in TEXT_STRATEGIES)
        reader.fail(f"{place}.keep", f"{keep!r} is for names and other texts; allowed: {allowed}")
    if _is_custom(name) and keep not in CUSTOM_STRATEGIES:
        if "keep" in declared:
            reader.fail(f"{place}.keep", f"{keep!r} is not for custom fields; allowed: {', '.join(CUSTOM_STRATEGIES)}")
        keep = "newest"
    sources = reader.texts(f"{place}.source_priority", declared.get("source_priority"))
    if "source_priority" in declared and not sources:
        reader.fail(f"{place}.source_priority", "names no source")
    if len(set(sources)) < len(sources):
        reader.fail(f"{place}.source_priority", "names a source twice")
    resorts = reader.texts(f"{place}.last_resort", declared.get("last_resort"))
    if resorts and name not in LAST_RESORTS:
        reader.fail(f"{place}.last_resort", f"is known of {' and '.join(LAST_RESORTS)} only")
    for number, resort in enumerate(resorts):
        reader.one_of(f"{place}.last_resort[{number}]", resort, LAST_RESORTS[name])
    return GoldenRule(keep, {source: rank for rank, source in enumerate(sources)}, resorts)


def _strategy(reader: Reader, place: str, value: Any) -> str:
    if value == "locked_by_crm":
        reader.fail(place, _LOCKED)
    return reader.one_of(place, value, STRATEGIES)
