"""A destination's mapping against the fields that its CRM describes: what would be refused, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches

from connectors.kit.destinations.capabilities import DescribedField
from pipeline.stages.destination_mapping.declarations import DestinationRule
from pipeline.stages.destination_mapping.mapping import DestinationMapping

_TEXTUAL = {"text", "email", "phone", "url", "list", "picklist", "date", "datetime"}
# What the CRM calls a field -> the types of a mapping whose values it takes. Other words are not judged.
_TAKES = {
    "text": _TEXTUAL,
    "email": _TEXTUAL,
    "phone": _TEXTUAL,
    "url": _TEXTUAL,
    "picklist": {"text", "picklist"},
    "list": {"text", "picklist", "list"},
    "number": {"number", "integer"},
    "integer": {"integer"},
    "boolean": {"boolean"},
    "date": {"date"},
    "datetime": {"date", "datetime"},
}
_MOST_NAMED = 8  # words of a picklist in a sentence
_LIKENESS = 0.75  # of a name that may have been meant
MADE_BY_SETUP = ("missing", "no_key")


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing that does not fit. `place` is the path in the mapping's file, "" where it is about no line of it.
    `code`: missing, not_writable, type, too_short, picklist, required or no_key. `near`: a name that may be meant."""

    code: str
    field: str
    place: str
    problem: str
    remedy: str
    near: str | None = None

    @property
    def what(self) -> str:
        return f"{self.place}: {self.problem}" if self.place else self.problem

    @property
    def sentence(self) -> str:
        return f"{self.what}: {self.remedy}"


def find_misfits(
    mapping: DestinationMapping,
    described: Iterable[DescribedField],
    *,
    key: str | None = None,
    links_are_fields: bool = False,
) -> list[Misfit]:
    """In the order of the file, then what the CRM asks for beside it. `key`: what its records are known by;
    `links_are_fields`: the mapping's links are names of fields, which the CRM describes too."""
    known = {field.name: field for field in described}
    found = [
        misfit for role, _ in mapping.links if links_are_fields and known for misfit in _of_name(role, known, "links")
    ]
    found += [misfit for rule in mapping.declaration.fields for misfit in _of_rule(rule, known)]
    below = "" if mapping.object is None else f"objects.{mapping.object}."
    mapped = {rule.name for rule in mapping.declaration.fields} | {role for role, _ in mapping.links}
    found += [
        Misfit("required", name, f"fields.{name}", "the CRM requires it and the mapping does not send it", "add a line")
        for name, field in known.items()
        if field.is_required and not field.is_key and name not in mapped
    ]
    if known and not any(field.is_key for field in known.values()):
        problem = f"the CRM has no field that keeps our id and has each value once{f' ({key})' if key else ''}"
        found.append(Misfit("no_key", "", "", problem, "make it there, or name another in the destination's options"))
    return [replace(misfit, place=f"{below}{misfit.place}") if misfit.place else misfit for misfit in found]


def _of_name(name: str, known: dict[str, DescribedField], below: str) -> Iterator[Misfit]:
    """Of a field, or a link, that is not there or not ours to write; `below`: the part of the file that names it."""
    place, field = f"{below}.{name}", known.get(name)
    if field is None:
        near = get_close_matches(name, known, 1, _LIKENESS)
        close = f" (did you mean {near[0]}?)" if near else ""
        problem, remedy = f"the CRM has no such field{close}", "make it there, or take the line out"
        yield Misfit("missing", name, place, problem, remedy, near[0] if near else None)
    elif not field.is_writable:
        problem, remedy = "the CRM does not let us write it", "give us the right to, or take the line out"
        yield Misfit("not_writable", name, place, problem, remedy)


def _of_rule(rule: DestinationRule, known: dict[str, DescribedField]) -> Iterator[Misfit]:
    place = f"fields.{rule.name}"
    field = known.get(rule.name)
    if field is None or not field.is_writable:
        yield from _of_name(rule.name, known, "fields")
        return
    takes = None if field.converts else _TAKES.get(field.kind)
    if takes is not None and rule.kind not in takes:
        problem = f"is {rule.kind}, the CRM has {field.kind}"
        yield Misfit("type", rule.name, f"{place}.as", problem, f"say as: {' or '.join(sorted(takes))}")
        return
    yield from _of_length(rule, field, place)
    if field.values is not None and field.kind != "boolean":
        yield from _of_words(rule, field.values, place)
    if field.is_required and not (rule.required or rule.default is not None or rule.constant is not None):
        problem = "the CRM requires it, and a person may have none"
        yield Misfit("required", rule.name, place, problem, "say required: true and a default")


def _of_length(rule: DestinationRule, field: DescribedField, place: str) -> Iterator[Misfit]:
    most = field.max_length
    if most is None:
        return
    if rule.max_length is not None and rule.max_length > most:
        problem = f"is {rule.max_length}, the CRM takes {most} characters"
        yield Misfit("too_short", rule.name, f"{place}.max", problem, f"say max: {most}, or make the field longer")
    for option, value in (("constant", rule.constant), ("default", rule.default)):
        if isinstance(value, str) and len(value) > most:
            problem = f"has {len(value)} characters, the CRM takes {most}"
            yield Misfit("too_short", rule.name, f"{place}.{option}", problem, "say it shorter")


def _of_words(rule: DestinationRule, allowed: tuple[str, ...], place: str) -> Iterator[Misfit]:
    said = [(f"{place}.picklist", word) for word in rule.picklist or ()]
    said += [(f"{place}.values.{word}", value) for word, value in rule.values.items()]
    said += [(f"{place}.constant", rule.constant), (f"{place}.default", rule.default)]
    told: set[str] = set()
    for where, value in said:
        word = str(value)
        if value in ("", None) or word in allowed or word in told:
            continue
        told.add(word)
        near = get_close_matches(word, allowed, 1)
        remedy = f"did you mean {near[0]}?" if near else f"name one of {_named(allowed)}, or add it there"
        yield Misfit("picklist", rule.name, where, f"{word!r} is no value of the CRM's field", remedy)
    if rule.sources and rule.picklist is None and not rule.values:
        problem = f"the CRM takes {_named(allowed)} only, and the mapping sends what comes"
        remedy = "say what each word means in values" if rule.kind == "integer" else "say as: picklist, and name them"
        yield Misfit("picklist", rule.name, place, problem, remedy)


def _named(words: tuple[str, ...]) -> str:
    more = len(words) - _MOST_NAMED
    return ", ".join(words[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
