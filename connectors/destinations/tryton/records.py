"""What a person's flat fields are in Tryton: a party with its contact mechanisms, and an opportunity.

`name`, or `first_name` and `last_name`: the party's name. `email`, `phone` and the others of MECHANISMS: one contact
mechanism of the party each. `party.X`: the party's field X, as it comes. `comment` and `comment.Label`: a text, and
lines `Label: value`, in the opportunity's comment above a mark; what people write below it stays. Any other name is
that of a field of the opportunity, as it comes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.kit import Record

MECHANISMS = ("email", "phone", "mobile", "fax", "website", "skype", "sip", "irc", "jabber", "other")
SET_BY_WRITER = {"id", "party", "company", "reference", "number", "state", "party.id", "party.code", "party.name"} | {
    "party.contact_mechanisms"
}
OPEN_STATES = ("lead", "opportunity")  # the others' fields are closed by Tryton
KEPT = "Kept by Afluente"  # begins the comment of each mechanism that is ours to change
_KEPT_COMMENT = f"{KEPT}: a change made here is overwritten."
_MARK = "-- Kept by Afluente. Write below this line. --"
_LINE = re.compile(r"([^:\n]{1,60}): (.*)")
_PHONES = ("phone", "mobile", "fax")


@dataclass(slots=True)
class Wanted:
    """A record's fields, sorted. `name` is None where no field says anything of it; of the others None empties."""

    key: str
    name: str | None = None
    mechanisms: dict[str, str | None] = field(default_factory=dict, repr=False)
    party: dict[str, Any] = field(default_factory=dict, repr=False)
    opportunity: dict[str, Any] = field(default_factory=dict, repr=False)
    lines: dict[str, str | None] = field(default_factory=dict, repr=False)
    text: str | None = None
    has_text: bool = False


def sort_fields(record: Record) -> Wanted:
    wanted = Wanted(record.key)
    names = {}
    for name, value in record.fields.items():
        if name in ("name", "first_name", "last_name"):
            names[name] = _one_line(value) or ""
        elif name in MECHANISMS:
            wanted.mechanisms[name] = _one_line(value)
        elif name.startswith("party."):
            wanted.party[name.removeprefix("party.")] = value
        elif name == "comment":
            wanted.text, wanted.has_text = (None if value is None else str(value)), True
        elif name.startswith("comment."):
            wanted.lines[_label(name)] = _one_line(value)
        elif name == "description":
            wanted.opportunity[name] = _one_line(value)  # Tryton refuses a second line there
        else:
            wanted.opportunity[name] = value
    if names:
        wanted.name = names.get("name") or f"{names.get('first_name', '')} {names.get('last_name', '')}".strip()
    return wanted


def fields_of_parties(wanted: Sequence[Wanted], *, prefix: str = "") -> list[str]:
    own = {name for person in wanted for name in person.party}
    mechanisms = [f"contact_mechanisms.{name}" for name in ("type", "value", "value_compact", "comment")]
    return [f"{prefix}{name}" for name in ("code", "name", "active", "replaced_by", *sorted(own), *mechanisms)]


def fields_of_opportunities(wanted: Sequence[Wanted]) -> list[str]:
    own = {name for person in wanted for name in person.opportunity}
    return ["reference", "state", "party", "comment", *sorted(own), *fields_of_parties(wanted, prefix="party.")]


def read_fields(names: Sequence[str], opportunity: dict[str, Any]) -> dict[str, Any]:
    """What Tryton has, by the names that a mapping uses; a name that it does not have is None."""
    related = opportunity.get("party.")
    party: dict[str, Any] = related if isinstance(related, dict) else {}
    mechanisms = {str(known.get("type")): known.get("value") for known in party.get("contact_mechanisms.") or []}
    mechanisms |= {
        str(known.get("type")): known.get("value")
        for known in party.get("contact_mechanisms.") or []
        if str(known.get("comment") or "").startswith(KEPT)
    }
    lines, text = _ours_of(str(opportunity.get("comment") or ""))
    name = str(party.get("name") or "")
    first, _, last = name.partition(" ") if "first_name" in names else ("", "", name)
    known_names = {"name": name, "first_name": first, "last_name": last if last or "first_name" not in names else name}
    found: dict[str, Any] = {}
    for wanted in names:
        if wanted in known_names:
            found[wanted] = known_names[wanted] or None
        elif wanted in MECHANISMS:
            found[wanted] = mechanisms.get(wanted)
        elif wanted.startswith("party."):
            found[wanted] = party.get(wanted.removeprefix("party."))
        elif wanted == "comment":
            found[wanted] = text or None
        elif wanted.startswith("comment."):
            found[wanted] = lines.get(_label(wanted))
        else:
            found[wanted] = opportunity.get(wanted)
    return found


def is_erased(party: dict[str, Any]) -> bool:
    """What Tryton's own way to forget a person leaves: an archived party without a name."""
    return party.get("active") in (False, 0) and not party.get("name")


def new_party(wanted: Wanted) -> dict[str, Any]:
    made = [_new_mechanism(kind, value) for kind, value in wanted.mechanisms.items() if value]
    mechanisms = {"contact_mechanisms": [["create", made]]} if made else {}
    return {"code": wanted.key, "name": wanted.name or "", **_given(wanted.party), **mechanisms}


def new_opportunity(wanted: Wanted, party: int) -> dict[str, Any]:
    comment = _comment(wanted, "")
    return {
        "reference": wanted.key,
        "party": party,
        **_given(wanted.opportunity),
        **({"comment": comment} if comment else {}),
    }


def party_changes(wanted: Wanted, party: dict[str, Any]) -> dict[str, Any]:
    """The values to write; none where Tryton has them already."""
    values = _differing(wanted.party, party)
    if wanted.name and wanted.name != party.get("name"):
        values["name"] = wanted.name
    changes = _mechanism_changes(wanted, party.get("contact_mechanisms.") or [])
    return {**values, "contact_mechanisms": changes} if changes else values


def opportunity_changes(wanted: Wanted, opportunity: dict[str, Any]) -> dict[str, Any]:
    values = _differing(wanted.opportunity, opportunity)
    had = str(opportunity.get("comment") or "")
    comment = _comment(wanted, had)
    return {**values, "comment": comment} if comment != had else values


def _mechanism_changes(wanted: Wanted, known: list[dict[str, Any]]) -> list[list[Any]]:
    """Ours are known by their comment. Where somebody else wrote the same value already, it is not written again."""
    changes: list[list[Any]] = []
    known = sorted(known, key=lambda mechanism: int(mechanism["id"]))
    for kind, value in wanted.mechanisms.items():
        ours, same = [], []
        for mechanism in known:
            if mechanism.get("type") == kind:
                ours += [mechanism["id"]] if str(mechanism.get("comment") or "").startswith(KEPT) else []
                same += [mechanism["id"]] if value is not None and _is_same(kind, value, mechanism) else []
        if value is None or same:
            over = [mechanism for mechanism in ours if mechanism not in same]
            changes += [["delete", over]] if over else []
        elif ours:
            changes.append(["write", ours[:1], {"value": value}])
        else:
            changes.append(["create", [_new_mechanism(kind, value)]])
    return changes


def _is_same(kind: str, value: str, mechanism: dict[str, Any]) -> bool:
    """Tryton may have formatted it: a number with blanks, a domain in lower case."""
    return any(
        _plain(kind, str(mechanism.get(name) or "")) == _plain(kind, value) for name in ("value", "value_compact")
    )


def _plain(kind: str, value: str) -> str:
    digits = re.sub(r"[^\d+]", "", value) if kind in _PHONES else ""
    return digits or value.strip().casefold()


def _new_mechanism(kind: str, value: str) -> dict[str, Any]:
    return {"type": kind, "value": value, "comment": _KEPT_COMMENT}


def _comment(wanted: Wanted, had: str) -> str:
    """The comment with our part made anew: lines, a blank one, the text, the mark. What the record does not say of our
    part stays as it was, and so does all below the mark."""
    if not wanted.lines and not wanted.has_text:
        return had
    ours, mark, theirs = had.replace("\r\n", "\n").partition(_MARK)
    if not mark:
        ours, theirs = "", f"\n{ours}" if ours else ""
    lines, text = _parts_of(ours)
    lines |= wanted.lines
    text = (wanted.text or "") if wanted.has_text else text
    head = "\n".join(f"{label}: {value}" for label, value in lines.items() if value)
    text = text.replace("\r\n", "\n").replace(_MARK, "").strip()
    if not head and not text:
        return theirs.lstrip("\n")
    made = f"{head}\n\n{text}\n{_MARK}{theirs}" if text else f"{head}\n\n{_MARK}{theirs}"
    return had if made.split() == had.split() else made


def _ours_of(comment: str) -> tuple[dict[str, str | None], str]:
    """Lines by label and the text, of what stands above the mark."""
    ours, mark, _ = comment.replace("\r\n", "\n").partition(_MARK)
    lines, text = _parts_of(ours if mark else "")
    return lines, text.strip()


def _parts_of(ours: str) -> tuple[dict[str, str | None], str]:
    head, _, text = ours.partition("\n\n")
    lines = {found[1]: found[2] for line in head.split("\n") if (found := _LINE.fullmatch(line)) is not None}
    return dict(lines), text


def _label(name: str) -> str:
    """Of a line, from the mapping's `comment.Label`."""
    return name.removeprefix("comment.").replace(":", " ").strip()[:60]


def _differing(wanted: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if (known.get(name) or None) != (value or None)}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _one_line(value: Any) -> str | None:
    return None if value is None else " ".join(str(value).split()) or None
