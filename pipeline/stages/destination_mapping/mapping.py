"""Destination mappings: a person's golden values become the CRM's fields, checked before any call is made."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from pipeline.canonical import CONSENT as CONSENTS
from pipeline.errors import RecordError
from pipeline.stages.destination_mapping.declarations import (
    ALWAYS,
    COMPANY,
    CONSENT,
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
from pipeline.stages.destination_mapping.types import TAKEN_AS_TEXT, TYPES, UnfitError, cut
from pipeline.stages.reloading import Reloading
from pipeline.values.derived import RULES as DERIVED
from pipeline.values.folding import fold
from pipeline.values.normalized import is_empty

_BY_NEED = (CONSENT, COMPANY, PERSON, TOUCH)  # what somebody withdrew, then what others are linked to
_ID_OF = {PERSON: "person_id", COMPANY: "company_id", TOUCH: "event_id", CONSENT: "consent_id"}


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


class _Plan:
    """A rule as it is gone by for each person: what can be looked up beforehand has been."""

    __slots__ = (
        "constant", "default", "is_found", "is_listed", "is_missed", "is_text", "max_length", "name", "picklist",
        "rule", "sources", "table", "write",
    )  # fmt: skip

    def __init__(self, rule: DestinationRule) -> None:
        self.rule = rule
        self.name, self.sources, self.write, self.max_length = rule.name, rule.sources, rule.write, rule.max_length
        self.constant, self.default = rule.constant, rule.default
        self.table = {fold(key): value for key, value in rule.values.items()}
        self.picklist = None if rule.picklist is None else {fold(value): value for value in rule.picklist}
        self.is_listed = bool(self.table) or self.picklist is not None
        self.is_found = self.constant is None and self.default is None  # never a word of the mapping's own
        self.is_missed = rule.required or rule.clears  # where there is no value
        self.is_text = rule.kind in TAKEN_AS_TEXT


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
        self.plans = tuple(_Plan(rule) for rule in declaration.fields)

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
    taken_back = _taken_back(emptied)
    for plan in mapping.plans:
        value = _value(plan, known)
        if value is None:
            if (plan.is_missed or taken_back) and _is_cleared(plan.rule, taken_back):
                (once_cleared if plan.write == ONCE else fields if plan.rule.clears else taken)[plan.name] = None
            continue
        if not plan.is_text or value.__class__ is not str:
            value = _typed(plan.rule, value)
        if plan.max_length is not None and value.__class__ is str and len(value) > plan.max_length:
            value = _shortened(plan.rule, value, plan.max_length)
            truncated.append(plan.name)
        if plan.write == ALWAYS:
            fields[plan.name] = value
            continue
        if plan.write == FILL_IF_EMPTY:
            fills.append(plan.name)
        (once if plan.write == ONCE else made if plan.write == CRM_WINS else fields)[plan.name] = value
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
    return MappedPerson({rule.name: _fitted(rule, value) for rule in mapping.declaration.fields if rule.is_mark})


def consents_of(mapping: DestinationMapping, mapped: MappedPerson) -> MappedPerson:
    """Of what a person was mapped to only what says what they agree to. It counts as no content: whatever else there is
    goes out when it may."""
    named = {
        rule.name
        for rule in mapping.declaration.fields
        if rule.sources and all(name.startswith(CONSENTS) for name in rule.sources)
    }
    return MappedPerson({name: value for name, value in mapped.fields.items() if name in named})


def _taken_back(emptied: Collection[str]) -> set[str]:
    """With what is derived of them."""
    return {*emptied, "email_local_part"} if "email" in emptied else set(emptied)


def _is_cleared(rule: DestinationRule, taken_back: set[str]) -> bool:
    """Whether the CRM's field is emptied, as there is nothing for it. Raises RecordError where it is required."""
    if rule.required:
        raise RecordError("missing_required", field=rule.name, message=f"{rule.name} has neither value nor default")
    return rule.clears or (rule.write in (ALWAYS, ONCE) and not taken_back.isdisjoint(rule.sources))


def _value(plan: _Plan, known: dict[str, Any]) -> Any:
    """What the rule finds, in the CRM's words; None: nothing."""
    value = plan.constant
    if value is None:
        for source in plan.sources:
            value = known.get(source)
            if value is None:  # most facts of most people are not known
                continue
            if (value and not value.isspace()) if value.__class__ is str else not is_empty(value):
                break
        else:
            value = plan.default
            if value is None:
                return None
    if plan.is_listed:
        value = _worded(plan, value)
    elif plan.is_found:  # and looked at
        return value
    return None if is_empty(value) else value


def _worded(plan: _Plan, value: Any) -> Any:
    if not isinstance(value, list):
        return _listed(plan.rule, plan.table, plan.picklist, value)
    entries = [_listed(plan.rule, plan.table, plan.picklist, entry) for entry in value]
    return [entry for entry in entries if not is_empty(entry)]


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


def _typed(rule: DestinationRule, value: Any) -> Any:
    """The value as a field of this type takes it."""
    try:
        return TYPES[rule.kind](value, rule)
    except UnfitError as error:
        raise RecordError(error.code, field=rule.name, message=f"{rule.name} {error}") from None


def _shortened(rule: DestinationRule, text: str, most: int) -> str:
    """A text that is longer than `most` characters, cut where the rule allows it."""
    if not rule.truncates:
        raise RecordError(
            "too_long",
            field=rule.name,
            message=f"{rule.name} takes {most} characters, there are {len(text)}",
        )
    return cut(text, most, rule)


def _fitted(rule: DestinationRule, value: Any) -> Any:
    """The value as the CRM takes it."""
    fitted = _typed(rule, value)
    most = rule.max_length
    if most is not None and isinstance(fitted, str) and len(fitted) > most:
        return _shortened(rule, fitted, most)
    return fitted


def _digest(person_id: UUID, once: dict[str, Any]) -> bytes:
    """SHA-256 over names and values; the person's id in it keeps equal values of two people apart."""
    return hashlib.sha256(person_id.bytes + msgspec.json.encode(once, order="sorted")).digest()
