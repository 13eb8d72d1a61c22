"""Reads `mappings/destinations/<kind>.yaml` into a checked declaration: the CRM's fields with types and limits.

Every error is a ConfigurationError that names file, path in the file, the value found and what is allowed there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from connectors.kit import SUBJECTS
from pipeline.canonical import CONSENT as CONSENT_NAMES
from pipeline.stages.destination_mapping.names import problem_of
from pipeline.stages.rule_reader import Reader, unknown_name
from pipeline.values.folding import fold

PERSON, COMPANY, TOUCH, CONSENT = SUBJECTS
# Whose record what stands for a subject may be linked to.
LINKS = {PERSON: (COMPANY,), COMPANY: (), TOUCH: (PERSON, COMPANY), CONSENT: (PERSON,)}
DESTINATION_KEYS = (
    "from",
    "constant",
    "default",
    "required",
    "as",
    "max",
    "too_long",
    "digits",
    "at_least",
    "at_most",
    "separator",
    "values",
    "picklist",
    "unlisted",
    "write",
    "when_empty",
)
TYPES = ("text", "number", "integer", "boolean", "date", "datetime", "email", "phone", "url", "list", "picklist")
TOO_LONG = ("refuse", "truncate")
UNLISTED = ("quarantine", "leave_out", "default")
ALWAYS, ONCE, FILL_IF_EMPTY, CRM_WINS = WRITE = ("always", "once", "fill_if_empty", "crm_wins")
WHEN_EMPTY = ("leave_out", "clear")
MERGED_INTO = "merged_into"  # the person it turned out to be; its field is all that is written of a merged person
# Option -> the types beside which it may stand.
OPTION_TYPES: dict[str, tuple[str, ...]] = {
    "max": ("text", "email", "phone", "url", "list", "picklist"),
    "too_long": ("text", "list"),  # half an address or number is none
    "digits": ("number", "integer"),
    "at_least": ("number", "integer"),
    "at_most": ("number", "integer"),
    "separator": ("list",),
    "picklist": ("picklist", "list"),
    "unlisted": ("picklist", "list"),
}


@dataclass(frozen=True, slots=True)
class DestinationRule:
    """One CRM field. `write`: "once", what a human changed in the CRM is left alone until our value changes;
    "fill_if_empty", whatever the CRM has is left alone; "crm_wins", it is sent when the record is made. `clears`: where
    the person has no value, the CRM's is emptied too.

    `max_length` counts characters, `digits` those before the decimal point. `picklist` None: any value will do.
    """

    name: str
    sources: tuple[str, ...] = ()
    constant: Any = None
    default: Any = None
    required: bool = False
    kind: str = "text"
    max_length: int | None = None
    truncates: bool = False
    digits: int | None = None
    at_least: float | None = None
    at_most: float | None = None
    separator: str = "; "
    values: dict[str, Any] = field(default_factory=dict)
    picklist: tuple[str, ...] | None = None
    unlisted: str = "quarantine"
    write: str = ALWAYS
    clears: bool = False

    @property
    def is_once(self) -> bool:
        return self.write == ONCE

    @property
    def is_mark(self) -> bool:
        """Whether it says into whom the person was merged."""
        return self.sources == (MERGED_INTO,)


@dataclass(frozen=True, slots=True)
class DestinationDeclaration:
    """A file of `mappings/destinations/`, checked: the record of a person, and `others`, each its own declaration.

    `object`: the CRM's name of it; None: as the destination's options have it. `links`: field or association -> whose
    record it leads to, "person" or "company".
    """

    destination: str
    version: str
    fields: tuple[DestinationRule, ...]
    object: str | None = None
    subject: str = PERSON
    links: tuple[tuple[str, str], ...] = ()
    others: tuple[DestinationDeclaration, ...] = ()

    @property
    def consent_fields(self) -> frozenset[str]:
        """Names of those that say what was agreed to."""
        return frozenset(
            rule.name
            for rule in self.fields
            if any(source.startswith(CONSENT_NAMES) for source in rule.sources)
            or (self.subject == CONSENT and "state" in rule.sources)
        )


def read_destination(path: Path) -> DestinationDeclaration:
    """The checked content of a destination mapping. Raises ConfigurationError."""
    reader = Reader(path)
    content = reader.object("", reader.content, ("destination", "version", "fields", "objects"))
    name = reader.text("destination", content.get("destination"))
    if name != path.stem:
        reader.fail("destination", f"{name!r} must be the file's name, {path.stem!r}")
    version = reader.version(name)
    if "objects" not in content:
        return _object(reader, "", content, DestinationDeclaration(name, version, ()))
    if "fields" in content:
        reader.fail("fields", "stands beside `objects`: put it into the object of persons, `of: person`")
    declared = [
        _object(reader, f"objects.{target}.", entry, DestinationDeclaration(name, version, (), object=target))
        for target, entry in reader.object("objects", content["objects"]).items()
    ]
    people = [declaration for declaration in declared if declaration.subject == PERSON]
    if len(people) != 1:
        reader.fail("objects", f"has {len(people)} objects `of: person`; allowed: one, whose record a person is")
    if sum(declaration.subject == CONSENT for declaration in declared) > 1:
        reader.fail("objects", f"has several objects `of: {CONSENT}`; allowed: one")
    others = tuple(declaration for declaration in declared if declaration.subject != PERSON)
    _check_links(reader, declared)
    return replace(people[0], others=others)


def _object(reader: Reader, place: str, entry: Any, blank: DestinationDeclaration) -> DestinationDeclaration:
    """One object; `place` is where it stands, with a dot behind it; "" of a file that has that of persons alone."""
    declared = entry if not place else reader.object(place.rstrip("."), entry, ("of", "fields", "links"))
    subject = reader.one_of(f"{place}of", declared.get("of"), SUBJECTS) if place else PERSON
    rules = tuple(
        _rule(reader, f"{place}fields.{target}", target, rule, subject)
        for target, rule in reader.object(f"{place}fields", declared.get("fields")).items()
    )
    if not rules:
        reader.fail(f"{place}fields", "maps no field")
    links = {
        role: reader.one_of(f"{place}links.{role}", to, LINKS[subject])
        for role, to in reader.object(f"{place}links", declared.get("links")).items()
    }
    for role in links:
        if any(rule.name == role for rule in rules):
            reader.fail(f"{place}links.{role}", "stands among the fields too")
    if subject == TOUCH and PERSON not in links.values():
        reader.fail(f"{place}links", "names no `person`: nobody would know whose contact it was")
    return replace(blank, subject=subject, fields=rules, links=tuple(links.items()))


def _check_links(reader: Reader, declared: list[DestinationDeclaration]) -> None:
    """What is linked to must be made too."""
    subjects = [declaration.subject for declaration in declared]
    for declaration in declared:
        for role, to in declaration.links:
            if subjects.count(to) != 1:
                found = "no object" if to not in subjects else "several objects"
                reader.fail(f"objects.{declaration.object}.links.{role}", f"there is {found} `of: {to}` to link it to")


def _rule(reader: Reader, place: str, target: str, entry: Any, subject: str = PERSON) -> DestinationRule:
    declared = reader.object(place, entry if isinstance(entry, dict) else {"from": entry}, DESTINATION_KEYS)
    sources = reader.texts(f"{place}.from", declared.get("from"))
    for source in sources:
        problem = problem_of(source, subject)
        if problem is not None:
            reader.fail(f"{place}.from", problem)
    if not sources and "constant" not in declared:
        reader.fail(place, "says neither `from` nor `constant`")
    kind = reader.one_of(f"{place}.as", declared.get("as", "text"), TYPES)
    for option, types in OPTION_TYPES.items():
        if option in declared and kind not in types:
            beside = " or ".join(f"`as: {type_name}`" for type_name in types)
            reader.fail(f"{place}.{option}", f"is allowed only with {beside}, not with `as: {kind}`")
    rule = DestinationRule(
        name=target,
        sources=sources,
        constant=declared.get("constant"),
        default=declared.get("default"),
        required=reader.flag(f"{place}.required", declared.get("required", False)),
        kind=kind,
        max_length=_length(reader, f"{place}.max", declared.get("max")),
        truncates=reader.one_of(f"{place}.too_long", declared.get("too_long", "refuse"), TOO_LONG) == "truncate",
        digits=_length(reader, f"{place}.digits", declared.get("digits")),
        at_least=_number(reader, f"{place}.at_least", declared.get("at_least")),
        at_most=_number(reader, f"{place}.at_most", declared.get("at_most")),
        separator=_separator(reader, f"{place}.separator", declared.get("separator", "; ")),
        values=reader.object(f"{place}.values", declared.get("values")),
        picklist=reader.texts(f"{place}.picklist", declared["picklist"]) if "picklist" in declared else None,
        unlisted=reader.one_of(f"{place}.unlisted", declared.get("unlisted", "quarantine"), UNLISTED),
        write=reader.one_of(f"{place}.write", declared.get("write", ALWAYS), WRITE),
        clears=reader.one_of(f"{place}.when_empty", declared.get("when_empty", "leave_out"), WHEN_EMPTY) == "clear",
    )
    _check_emptiness(reader, place, rule)
    _check_picklist(reader, place, rule, says_unlisted="unlisted" in declared)
    if rule.write != ALWAYS and rule.required:
        reader.fail(
            f"{place}.write", f"{rule.write!r} cannot be said of a required field: a later call would be refused"
        )
    if rule.write in (FILL_IF_EMPTY, CRM_WINS) and rule.clears:
        reader.fail(
            f"{place}.write", f"{rule.write!r} cannot stand beside `when_empty: clear`: it never empties a field"
        )
    if rule.truncates and rule.max_length is None:
        reader.fail(f"{place}.too_long", "needs a `max` to cut at")
    return rule


def _check_emptiness(reader: Reader, place: str, rule: DestinationRule) -> None:
    if rule.clears and (rule.required or rule.default is not None or rule.constant is not None):
        reader.fail(f"{place}.when_empty", "'clear' cannot be said of a field that is never empty")
    if MERGED_INTO not in rule.sources:
        return
    if not rule.is_mark:
        reader.fail(f"{place}.from", f"{MERGED_INTO} must stand alone: it is all that a merged person's record gets")
    if not rule.clears or rule.write != ALWAYS:
        reader.fail(place, f"`from: {MERGED_INTO}` needs `when_empty: clear` and no `write`, else a mark would stay")


def _check_picklist(reader: Reader, place: str, rule: DestinationRule, *, says_unlisted: bool) -> None:
    if rule.picklist is None:
        if rule.kind == "picklist":
            reader.fail(place, "says `as: picklist` but no `picklist`: name the CRM's values")
        if says_unlisted:
            reader.fail(f"{place}.unlisted", "needs a `picklist`")
        return
    if not rule.picklist:
        reader.fail(f"{place}.picklist", "names no value")
    allowed = {fold(value) for value in rule.picklist}
    mine = [(f"{place}.values.{word}", value) for word, value in rule.values.items() if value not in ("", None)]
    mine += [(f"{place}.{key}", value) for key, value in (("default", rule.default), ("constant", rule.constant))]
    for where, value in mine:
        if value is not None and fold(str(value)) not in allowed:
            reader.fail(where, unknown_name(str(value), rule.picklist))
    if rule.unlisted == "default" and rule.default is None:
        reader.fail(f"{place}.unlisted", "'default' needs a `default`")


def _length(reader: Reader, place: str, value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        reader.fail(place, f"{value!r} is not a length; allowed: 1, 2, 3, …")
    return value


def _number(reader: Reader, place: str, value: Any) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        reader.fail(place, f"{value!r} is not a number")
    return value


def _separator(reader: Reader, place: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        reader.fail(place, f'{value!r} is not a text, such as ";"')
    return value
