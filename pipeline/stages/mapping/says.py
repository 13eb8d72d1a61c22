"""What a record says: that there is a lead, or something of somebody who is known already (docs/activities.md)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from connectors.kit.paths import compile_path
from pipeline.records import LEAD, NOT_A_LEAD, TOLD_OF_SOMEBODY
from pipeline.stages.mapping.language import Said, SaysRule
from pipeline.stages.paths import compile_first
from pipeline.stages.rule_reader import Reader
from pipeline.values.conversions import excerpt
from pipeline.values.normalized import is_empty

KEYS = ("from", "words", "else", "wait_days", "later", "details")
NOTHING = "nothing"
CONSENT = "consent"  # what a record says that only changes what somebody agrees to
WAIT_DAYS, MOST_DAYS = 7, 3650
_NAME = "[a-z][a-z0-9_]{0,39}"
_TOLD = rf"(?:{'|'.join(TOLD_OF_SOMEBODY)})(?::{_NAME})?"
# A word of the language: lead, nothing, consent, activity, order; the last two also with a kind, `activity:attended`. A
# lead may be something else as well: `lead+order`.
MEANING = rf"^(?:{NOTHING}|{LEAD}(?:\+{_TOLD})?|{_TOLD})$"
_DETAIL_LIMIT = 255  # characters of one
_DETAILS_LIMIT = 30

# Of the JSON Schema of mappings; paths and texts are defined there.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["from", "words"],
    "properties": {
        "from": {"$ref": "#/definitions/paths"},
        "words": {"type": "object", "minProperties": 1, "additionalProperties": {"pattern": MEANING}},
        "else": {"description": "of other words: nothing, unless said otherwise", "pattern": MEANING},
        "wait_days": {"description": "for its person", "type": "integer", "minimum": 0, "maximum": MOST_DAYS},
        "later": {"description": "a lead of a record known before is this too", "pattern": rf"^activity:{_NAME}$"},
        "details": {
            "description": "what is kept of it, by names of your own",
            "type": "object",
            "propertyNames": {"pattern": f"^{_NAME}$"},
            "additionalProperties": {"$ref": "#/definitions/path"},
        },
    },
}


IS_LEAD = Said(LEAD, LEAD)
Says = Callable[[dict[str, Any]], Said]


def read_says(reader: Reader, content: Any) -> SaysRule | None:
    """The checked section `says`. Raises ConfigurationError."""
    if content is None:
        return None
    declared = reader.object("says", content, KEYS)
    paths = reader.paths("says.from", declared.get("from"))
    if not paths:
        reader.fail("says", "says no `from`: the path of the word that tells what a record is")
    words = {
        word.strip().lower(): _meaning(reader, f"says.words.{word}", meaning)
        for word, meaning in reader.object("says.words", declared.get("words")).items()
    }
    if not words:
        reader.fail("says.words", "names no word, such as `booking.created: lead`")
    days = declared.get("wait_days", WAIT_DAYS)
    if isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= MOST_DAYS:
        reader.fail("says.wait_days", f"{days!r} is not a number of days; allowed: 0 to {MOST_DAYS}")
    return SaysRule(
        paths,
        words,
        _meaning(reader, "says.else", declared.get("else", NOTHING)),
        days,
        _later(reader, declared.get("later")),
        _details(reader, declared.get("details")),
    )


def _meaning(reader: Reader, place: str, meaning: Any) -> Said:
    if not isinstance(meaning, str) or not re.match(MEANING, meaning):
        reader.fail(
            place,
            f"{meaning!r} is nothing that a record may say; allowed: lead, nothing, consent, order, activity:KIND (such"
            " as activity:attended), lead+order",
        )
    if meaning.startswith(f"{LEAD}+"):
        also = meaning.removeprefix(f"{LEAD}+")
        return Said(LEAD, also, also)
    says, _, kind = meaning.partition(":")
    return Said(NOT_A_LEAD if says == NOTHING else says, kind or says)


def _later(reader: Reader, later: Any) -> str | None:
    if later is None:
        return None
    meant = _meaning(reader, "says.later", later)
    if meant.says != "activity":
        reader.fail("says.later", f"{later!r} is no activity; allowed: activity:KIND, such as activity:message")
    return meant.kind


def _details(reader: Reader, content: Any) -> tuple[tuple[str, str], ...]:
    declared = reader.object("says.details", content)
    if len(declared) > _DETAILS_LIMIT:
        reader.fail("says.details", f"names {len(declared)}; at most {_DETAILS_LIMIT} are kept")
    for name in declared:
        if not re.fullmatch(_NAME, name):
            reader.fail(f"says.details.{name}", "is no name; allowed: small letters, digits and _, at most 40")
    return tuple((name, reader.path(f"says.details.{name}", path)) for name, path in declared.items())


def compile_says(rule: SaysRule | None) -> Says:
    """A function that tells what a shaped record says. One without the word is a lead."""
    if rule is None:
        return _say_lead
    get = compile_first(list(rule.paths))
    words, unlisted = rule.words, rule.unlisted

    def say(record: dict[str, Any]) -> Said:
        value = get(record)
        if value is None:
            return IS_LEAD
        return words.get(str(value).strip().lower(), unlisted)

    return say


def _say_lead(_record: dict[str, Any]) -> Said:
    return IS_LEAD


def compile_details(rule: SaysRule | None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function that gives what is kept of a shaped record, JSON-ready: bounded texts, numbers, yes and no."""
    getters = [(name, compile_path(path)) for name, path in rule.details] if rule is not None else []

    def read(record: dict[str, Any]) -> dict[str, Any]:
        found = {name: value for name, get in getters if not is_empty(value := get(record))}
        return {
            name: value if isinstance(value, bool | float) else excerpt(value)[:_DETAIL_LIMIT]
            for name, value in found.items()
        }

    return read
