"""Destination mappings: a person's golden values become the CRM's fields, checked before any call is made."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from pipeline.errors import RecordError
from pipeline.stages.destination_mapping.declarations import (
    ALWAYS,
    COMPANY,
    CRM_WINS,
    FILL_IF_EMPTY,
    ONCE,
    PERSON,
    TOUCH,
    DestinationDeclaration,
    DestinationRule,
    read_destination,
)
from pipeline.stages.destination_mapping.names import named_in
from pipeline.stages.destination_mapping.types import TYPES, UnfitError, cut
from pipeline.stages.reloading import Reloading
from pipeline.values.derived import RULES as DERIVED
from pipeline.values.folding import fold
from pipeline.values.normalized import is_empty

_BY_NEED = (COMPANY, PERSON, TOUCH)  # what others are linked to first
_ID_OF = {PERSON: "person_id", COMPANY: "company_id", TOUCH: "event_id"}


class MappedPerson(NamedTuple):
    """What a CRM gets of a person, a company or a touch. `truncated` names the fields that were cut to fit.

    `once_digest` tells the values of the fields written once apart from other values of them, and is None where there
    are none. `leaves_out_once`: they were confirmed already, so `fields` is without them. `content` is all that the
    mapping makes of the person, whatever the CRM was told before: two mappings that make the same give the same bytes.
    `fills`: fields that are to be sent only where the CRM has none of its own.
    """

    fields: dict[str, Any]
    truncated: tuple[str, ...] = ()
    once_digest: bytes | None = None
    leaves_out_once: bool = False
    content: bytes = b""
    fills: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<MappedPerson: {len(self.fields)} fields>"


class DestinationMapping:
    """One CRM's mapping, checked: of the record of a person, and `others`, each a mapping of its own. `objects` are all
    of the same file, also of one of the others, in the order in which they are needed. `version` is
    `<name>@<version>+<hash of the content>`; `named` is what has to be read for it beside a person's own row."""

    def __init__(self, declaration: DestinationDeclaration, whole: DestinationMapping | None = None) -> None:
        self.declaration = declaration
        self.destination = declaration.destination
        self.version = declaration.version
        self.object, self.subject, self.links = declaration.object, declaration.subject, declaration.links
        self._whole = whole or self
        self.others = tuple(DestinationMapping(other, self) for other in declaration.others)
        self.named = named_in(name for rule in declaration.fields for name in rule.sources)
        self.derived = tuple(
            dict.fromkeys(name for rule in declaration.fields for name in rule.sources if name in DERIVED)
        )
        self.tables = {
            rule.name: {fold(key): value for key, value in rule.values.items()} for rule in declaration.fields
        }
        self.picklists = {
            rule.name: {fold(value): value for value in rule.picklist}
            for rule in declaration.fields
            if rule.picklist is not None
        }

    @property
    def objects(self) -> tuple[DestinationMapping, ...]:
        return tuple(sorted((self._whole, *self._whole.others), key=lambda mapping: _BY_NEED.index(mapping.subject)))


def load_destination_mapping(name: str) -> DestinationMapping:
    """The mapping of a kind of CRM as last read. Raises ConfigurationError saying what is wrong and where."""
    return DESTINATION_MAPPINGS.get(name)


def read_destination_mapping(path: Path) -> DestinationMapping:
    """The mapping in this file. Raises ConfigurationError."""
    return DestinationMapping(read_destination(path))


DESTINATION_MAPPINGS = Reloading("destinations", read_destination_mapping, missing="no mapping for")


def map_person(
    mapping: DestinationMapping,
    person_id: UUID,
    values: dict[str, Any],
    attribution: dict[str, Any],
    *,
    confirmed: bytes | None = None,
    emptied: Collection[str] = (),
    is_there: bool = False,
) -> MappedPerson:
    """The CRM's fields of one person, from golden `values` and `attribution`, with what is read as `mapping.named`; or
    of a company or a touch, from what is known of it.

    Both may lack any name. Empty values are left out and clear nothing that the CRM holds, except where the rule says
    so or the value is one of `emptied`: names whose value was taken back since. Fields written once are left out too
    where `confirmed`, the digest the CRM last confirmed, is that of their values, and those that are the CRM's to keep
    where the record `is_there`. Raises RecordError
    (`too_long`, `missing_required`, `wrong_type`, `invalid_email`, `out_of_range`, `unlisted`) for what the CRM would
    refuse, before any call.
    """
    known = _known(mapping, person_id, values, attribution)
    fields: dict[str, Any] = {}
    once: dict[str, Any] = {}
    once_cleared: dict[str, Any] = {}
    taken: dict[str, Any] = {}
    made: dict[str, Any] = {}  # sent when the record is made, and never again
    fills: list[str] = []
    truncated: list[str] = []
    taken_back = set(emptied)
    if "email" in taken_back:
        taken_back.add("email_local_part")
    for rule in mapping.declaration.fields:
        value = _value(mapping, rule, known)
        if value is None or is_empty(value):
            if rule.required:
                raise RecordError(
                    "missing_required", field=rule.name, message=f"{rule.name} has neither value nor default"
                )
            if rule.clears:
                (once_cleared if rule.is_once else fields)[rule.name] = None
            elif rule.write in (ALWAYS, ONCE) and not taken_back.isdisjoint(rule.sources):
                (once_cleared if rule.is_once else taken)[rule.name] = None
            continue
        fitted, is_cut = _fitted(rule, value)
        if is_cut:
            truncated.append(rule.name)
        if rule.write == FILL_IF_EMPTY:
            fills.append(rule.name)
        (once if rule.is_once else made if rule.write == CRM_WINS else fields)[rule.name] = fitted
    digest = _digest(person_id, once) if once else None
    content = msgspec.json.encode({**fields, **once}, order="sorted")
    fields |= taken if is_there else {**taken, **made}
    is_confirmed = digest is not None and digest == confirmed
    if not is_confirmed:
        fields |= {**once, **(once_cleared if once else {})}
    cut_fields = tuple(name for name in truncated if name in fields)
    return MappedPerson(fields, cut_fields, digest, is_confirmed, content, tuple(fills) if is_there else ())


def _known(
    mapping: DestinationMapping, person_id: UUID, values: dict[str, Any], attribution: dict[str, Any]
) -> dict[str, Any]:
    """All that the rules may name, derived values as far as they do."""
    known = {**values, **attribution, **_ids(mapping, person_id)}
    email = values.get("email")
    if isinstance(email, str):
        known["email_local_part"] = email.rpartition("@")[0]
    for name in mapping.derived:
        if name not in known:
            known[name] = DERIVED[name](values)
    return known


def _ids(mapping: DestinationMapping, subject_id: UUID) -> dict[str, str]:
    return {_ID_OF[mapping.subject]: str(subject_id)}


def map_merged(mapping: DestinationMapping, merged_into: UUID) -> MappedPerson:
    """What the record of a person who is one with another now gets: the mark alone; the rest stays as it was.

    Without fields where the mapping knows no field `from: merged_into`.
    """
    value = str(merged_into)
    return MappedPerson({rule.name: _fitted(rule, value)[0] for rule in mapping.declaration.fields if rule.is_mark})


def _value(mapping: DestinationMapping, rule: DestinationRule, known: dict[str, Any]) -> Any:
    value = _first(rule, known)
    if value is None:
        return None
    table = mapping.tables[rule.name]
    picklist = mapping.picklists.get(rule.name)
    if not table and picklist is None:
        return value
    if not isinstance(value, list):
        return _listed(rule, table, picklist, value)
    entries = [_listed(rule, table, picklist, entry) for entry in value]
    return [entry for entry in entries if not is_empty(entry)]


def _first(rule: DestinationRule, known: dict[str, Any]) -> Any:
    if rule.constant is not None:
        return rule.constant
    for source in rule.sources:
        value = known.get(source)
        if value is not None and not is_empty(value):  # most facts of most people are not known
            return value
    return rule.default


def _listed(rule: DestinationRule, table: dict[str, Any], picklist: dict[str, str] | None, value: Any) -> Any:
    """The CRM's word for a value: by the table, then as the picklist spells it."""
    if table and isinstance(value, str):
        value = table.get(fold(value), value)
    if picklist is None or is_empty(value):
        return value
    word = picklist.get(fold(str(value)))
    if word is not None or rule.unlisted == "leave_out":
        return word
    if rule.unlisted == "default":
        return picklist[fold(str(rule.default))]
    raise RecordError(
        "unlisted",
        field=rule.name,
        message=f"{rule.name} takes one of {len(picklist)} values and this is none: add it to the CRM and to the"
        " mapping's `picklist`, or say what it means in `values`",
    )


def _fitted(rule: DestinationRule, value: Any) -> tuple[Any, bool]:
    """The value as the CRM takes it, and whether it was cut."""
    try:
        fitted = TYPES[rule.kind](value, rule)
    except UnfitError as error:
        raise RecordError(error.code, field=rule.name, message=f"{rule.name} {error}") from None
    if rule.max_length is None or not isinstance(fitted, str) or len(fitted) <= rule.max_length:
        return fitted, False
    if not rule.truncates:
        raise RecordError(
            "too_long",
            field=rule.name,
            message=f"{rule.name} takes {rule.max_length} characters, there are {len(fitted)}",
        )
    return cut(fitted, rule.max_length, rule), True


def _digest(person_id: UUID, once: dict[str, Any]) -> bytes:
    """SHA-256 over names and values; the person's id in it keeps equal values of two people apart."""
    return hashlib.sha256(person_id.bytes + msgspec.json.encode(once, order="sorted")).digest()
