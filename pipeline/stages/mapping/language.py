"""The mapping language: which words a file in `mappings/` may say, and what a checked file is (docs/mapping.md).

`source_declarations` and `destination_declarations` read files into these types; `mapping_schema` makes of the same
tables what editors complete from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.canonical import TOUCH_FIELDS
from pipeline.records import CONSENT_MOMENTS, CONSENT_TEXTS, NOT_A_LEAD, SUPPRESSION_REASONS

# The first line of a source mapping: by it editors find the schema, wherever the repository lies.
SCHEMA_LINE = "# yaml-language-server: $schema=../schema/source.json"
SOURCE_KEYS = (
    "source",
    "version",
    "canonical",
    "flatten",
    "aliases",
    "region",
    "headers",
    "lists",
    "lead",
    "touch",
    "custom",
    "earlier_touches",
    "consent",
    "own_consents",
    "suppress",
    "says",
    "kept",
    "ignored",
)
FIELD_KEYS = (
    "from",
    "all_of",
    "constant",
    "default",
    "required",
    "as",
    "formats",
    "zone",
    "order",
    "decimal",
    "separator",
    "values",
    "vocabulary",
    "region_from",
)
# What a field of one's own may be: no address, number or price, which are several values or belong to somebody.
CUSTOM_CONVERSIONS = ("text", "number", "count", "boolean", "list", "id", "date")
LIST_KEYS = ("at", "name", "values", "ignored")
EARLIER_TOUCH_KEYS = ("at", *TOUCH_FIELDS)
CONSENT_KEYS = (
    *("from", "as", "values", "purpose", "channel", "at", "policy_version", "withdrawal", "confirmed"),
    *CONSENT_TEXTS,
    *CONSENT_MOMENTS,
)
CONSENT_TIME_KEYS = ("from", "formats", "zone", "order")
SUPPRESS_REASONS = (*SUPPRESSION_REASONS, NOT_A_LEAD)
SUPPRESS_KEYS = ("from", "when", "below", "is", "is_not")

DATE_ORDERS = ("dmy", "mdy", "ymd")
DECIMAL_SIGNS = (".", ",")
# Option -> the types (`as`) beside which it may stand; `region_from` is asked of phones whatever their type is.
OPTION_TYPES: dict[str, tuple[str, ...]] = {
    "formats": ("date",),
    "zone": ("date",),
    "order": ("date",),
    "decimal": ("number", "count", "money"),
    "separator": ("list",),
    "region_from": ("phone", "list"),
}
DATE_OPTIONS = frozenset(option for option, types in OPTION_TYPES.items() if types == ("date",))


@dataclass(frozen=True, slots=True)
class FieldRule:
    """How one field is read: the first of `paths` that is not empty, else `constant`, else `default`.

    `gathers` (`all_of` in the file): not the first of `paths` but all of them, as one list.
    `values` is the value table, a vocabulary's spellings among them. `order`, `decimal` and `separator` are None where
    the mapping leaves them open.
    """

    name: str
    paths: tuple[str, ...] = ()
    constant: Any = None
    default: Any = None
    required: bool = False
    conversion: str = "text"
    formats: tuple[str, ...] = ()
    zone: str = "UTC"
    order: str | None = None
    decimal: str | None = None
    separator: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    region_from: tuple[str, ...] = ()
    gathers: bool = False


@dataclass(frozen=True, slots=True)
class ListRule:
    """A list of `{name, values}` at `at` that rules read as an object. `names` and `values` are paths in an entry."""

    at: str
    names: tuple[str, ...]
    values: tuple[str, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EarlierTouchRule:
    """A contact before this one that the record remembers; without a readable `at` there is none."""

    at: FieldRule
    fields: tuple[FieldRule, ...]


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """One statement of consent. An absent or empty answer is no statement: never a refusal, never a grant.

    `at` has a rule for each path, in order: the same column may be read as a date elsewhere, and is read here likewise.
    `withdrawal`: a refusal is an explicit one, always, or where the source says one of these words, in small letters.
    `confirmed`: whoever grants has confirmed it. `texts` and `moments` are further facts, by name.
    """

    purpose: str
    channel: str
    granted: FieldRule
    at: tuple[FieldRule, ...] = ()
    policy_version: tuple[str, ...] = ()
    withdrawal: bool | frozenset[str] = False
    confirmed: bool = False
    texts: tuple[FieldRule, ...] = ()
    moments: tuple[tuple[str, tuple[FieldRule, ...]], ...] = ()

    def read_paths(self) -> Iterator[str]:
        """What is read beside the answer itself."""
        for rule in (*self.at, *self.texts, *(rule for _, rules in self.moments for rule in rules)):
            yield from rule.paths
        yield from self.policy_version


@dataclass(frozen=True, slots=True)
class SuppressRule:
    """A lead that must not go on: `paths` filled (`when: filled`), true (`when: true`), a number below `below`, one of
    the words `is`, or filled with none of the words `is_not`."""

    reason: str
    paths: tuple[str, ...]
    when: str = "filled"
    below: float | None = None
    is_one_of: tuple[str, ...] = ()
    is_none_of: tuple[str, ...] = ()


class Said(NamedTuple):
    """`says`: lead, not_a_lead, or one of TOLD_OF_SOMEBODY, then of this `kind`. `also`: what a lead is besides."""

    says: str
    kind: str
    also: str | None = None


@dataclass(frozen=True, slots=True)
class SaysRule:
    """What a record says: the word at the first filled one of `paths` tells.

    `words` are in small letters; `unlisted` is for others. `wait_days`: how long what is told waits for its person.
    `later`: the kind of activity that a lead is too where its record was known before. `details`: (name, path) of what
    is kept of it.
    """

    paths: tuple[str, ...]
    words: dict[str, Said]
    unlisted: Said
    wait_days: int
    later: str | None = None
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDeclaration:
    """A file of `mappings/sources/`, checked."""

    source: str
    version: str
    canonical: bool
    flatten: tuple[str, ...]
    aliases: dict[str, str]
    region: str | None
    headers: dict[str, tuple[str, ...]]
    lists: tuple[ListRule, ...]
    fields: tuple[FieldRule, ...]
    earlier_touches: tuple[EarlierTouchRule, ...]
    consents: tuple[ConsentRule, ...]
    consent_lists: tuple[str, ...]
    touch_lists: tuple[str, ...]
    suppress: tuple[SuppressRule, ...]
    kept: tuple[str, ...]
    ignored: tuple[str, ...]
    says: SaysRule | None = None
    own_consents: bool = False  # its `consents[]` are what we took ourselves: they may say that a grant was confirmed

    def read_paths(self) -> list[str]:
        """Every path that something is read from."""
        paths = [path for rule in self._field_rules() for path in (*rule.paths, *rule.region_from)]
        for consent in self.consents:
            paths += consent.read_paths()
        for suppress in self.suppress:
            paths += suppress.paths
        if self.says is not None:
            paths += [*self.says.paths, *(path for _, path in self.says.details)]
        return [*paths, *self.consent_lists, *self.touch_lists]

    def decided_paths(self) -> list[str]:
        """Every path somebody has decided about, `kept` aside."""
        return [*self.read_paths(), *self.ignored]

    def _field_rules(self) -> Iterator[FieldRule]:
        yield from self.fields
        yield from (consent.granted for consent in self.consents)
        for touch in self.earlier_touches:
            yield touch.at
            yield from touch.fields
