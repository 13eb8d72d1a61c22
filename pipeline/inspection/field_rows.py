"""Each field of a record before and after: where it stood, what stood there, its canonical name, what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.records import Lead
    from pipeline.stages.mapping.source_mapping import SourceMapping


class FieldRow(msgspec.Struct, frozen=True):
    """One value before and after. `path` and `raw` are None where the record has none, `field` is `custom` where nobody
    decided about it. Its repr shows no value: they are a person's."""

    path: str | None
    raw: Any
    field: str
    normalized: Any
    flags: list[str]

    def __repr__(self) -> str:
        return f"<FieldRow {self.field}>"


def field_rows(
    mapping: SourceMapping, record: dict[str, Any], lead: Lead | None, *, is_row: bool = False
) -> list[FieldRow]:
    """A row for every value that the mapping looked at, then for canonical fields that have no value in the record
    (defaults, parts of a full name), then what nobody decided about (`custom`), then the values derived from the lead,
    flagged `derived`.

    `lead` None: the record did not become a lead; its values are shown all the same. `is_row`: it is of a table.
    """
    from pipeline.stages.mapping.undecided import rest_of
    from pipeline.values.derived import derive

    columns = {name: column for column, name in mapping.renames(record, is_row=is_row).items()}
    record = mapping.shape(record, is_row=is_row)
    fields = {**_shown_fields(lead), **_touch_fields(mapping, record, lead)} if lead else {}
    flags: dict[str, list[str]] = {**lead.flags, **_touch_flags(mapping, lead, fields)} if lead else {}
    shown: set[str] = set()
    rows = []
    gathered = {rule.name: set(rule.paths) for rule in mapping.declaration.fields if rule.gathers}
    in_lists = {path for paths in gathered.values() for path in paths}
    for field, path, raw in _mapped_values(mapping, record):
        is_gathered = path in gathered.get(field, ())
        if field in shown and not is_gathered and path in in_lists:
            continue  # shown where it is read
        path = columns.get(path, path)  # noqa: PLW2901 - as the file has it
        if field in shown:  # an earlier path had a value already
            rows.append(_row(path, raw, field, None, ["in the list"] if is_gathered else ["not used"]))
        else:
            rows.append(_row(path, raw, field, fields.get(field), flags.get(field, [])))
        shown.add(field)
    rows += [
        _row(None, None, field, value, flags.get(field, [])) for field, value in fields.items() if field not in shown
    ]
    rows += [_row(path, raw, "custom", None, []) for path, raw in rest_of(mapping.decided, record).values.items()]
    derived = derive(lead.fields) if lead else {}
    rows += [_row(None, None, field, value, ["derived"]) for field, value in derived.items()]
    return rows


def _shown_fields(lead: Lead) -> dict[str, Any]:
    """Fields by name, with the time and the consents that a lead keeps apart from them.

    A time that is only the time of arrival is not shown: the record does not have it.
    """
    answers = {None: "not answered", True: "granted", False: "denied"}  # as a CRM is told
    shown = dict(lead.fields)
    if lead.occurred_at != lead.received_at:
        shown["occurred_at"] = lead.occurred_at
    for consent in lead.consents:
        shown[f"consent {consent.purpose} ({consent.channel})"] = answers[consent.granted]
    return shown


def _touch_fields(mapping: SourceMapping, record: dict[str, Any], lead: Lead) -> dict[str, Any]:
    """What became of earlier touches: those of the mapping's rules first, by the rule's number, then those of lists."""
    of_rules = [mapping.earlier_touch(number, record) for number in range(len(mapping.declaration.earlier_touches))]
    others = [touch for touch in lead.earlier_touches if touch not in of_rules]
    fields: dict[str, Any] = {}
    for number, touch in enumerate([*of_rules, *others], start=1):
        if touch is not None and touch in lead.earlier_touches:
            fields |= {_touch_name(number, name): value for name, value in {"at": touch.at, **touch.fields}.items()}
    return fields


def _touch_flags(mapping: SourceMapping, lead: Lead, fields: dict[str, Any]) -> dict[str, list[str]]:
    """What was noticed about earlier touches stands beside the time of those that there are not."""
    flags = lead.flags.get("earlier_touches", [])
    names = [_touch_name(number, "at") for number in range(1, len(mapping.declaration.earlier_touches) + 1)]
    return {name: flags for name in names if name not in fields}


def _touch_name(number: int, field: str) -> str:
    return f"earlier touch {number}: {field}"


def _mapped_values(mapping: SourceMapping, record: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(canonical field, path, raw value) of the paths that hold something; of several paths all, as they may differ."""
    from connectors.kit.paths import compile_path
    from pipeline.values.normalized import is_empty

    declaration = mapping.declaration
    if declaration.canonical:
        yield from _canonical_values(mapping, record)
    rules = [(rule.name, rule.paths) for rule in declaration.fields]
    rules += [(f"consent {rule.purpose} ({rule.channel})", rule.granted.paths) for rule in declaration.consents]
    rules += [
        (_touch_name(number, field.name), field.paths)
        for number, touch in enumerate(declaration.earlier_touches, start=1)
        for field in (touch.at, *touch.fields)
    ]
    for name, paths in rules:
        for path in paths:
            value = compile_path(path)(record)
            if value is not None and not is_empty(value):
                yield name, path, value


def _canonical_values(mapping: SourceMapping, record: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Of a mapping that takes canonical names as they are: those names before their aliases, outer before inner."""
    from connectors.kit.paths import compile_path
    from pipeline.canonical import CANONICAL_FIELDS
    from pipeline.values.normalized import is_empty

    declaration = mapping.declaration
    names = {**{name: name for name in CANONICAL_FIELDS}, **declaration.aliases}
    values = []
    for container in ("", *declaration.flatten):
        level = compile_path(container)(record) if container else record
        for key, value in (level if isinstance(level, dict) else {}).items():
            if key in names and not is_empty(value):
                values.append((names[key], f"{container}.{key}".strip("."), value))
    return sorted(values, key=lambda value: value[1].rpartition(".")[2] != value[0])


def _row(path: str | None, raw: Any, field: str, normalized: Any, flags: list[str]) -> FieldRow:
    return FieldRow(path, raw, field, normalized, list(flags))
