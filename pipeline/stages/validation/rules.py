"""The rules of `mappings/validation.yaml`, checked when they are read: which there are, and how severe each is.

Every error is a ConfigurationError that names file, path in the file, the value found and what is allowed there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.records import SUPPRESSION_REASONS
from pipeline.stages.rule_reader import Reader
from pipeline.values.yaml_files import mapping_file

SEVERITIES = ("flag", "quarantine", "suppress", "skip")
FLAG, QUARANTINE, SUPPRESS, SKIP = SEVERITIES
NOTHING_TO_IDENTIFY = "nothing_to_identify"

# Rule -> its options beside severity and reason: "count" is a number from 1 on, "words" a list of texts. The order is
# the order of judgement: the first rule that stops a lead is the one that is named.
_OPTIONS: dict[str, dict[str, str]] = {
    "test_marker": {"ids": "words", "texts": "words"},
    "test_lead": {"words": "words", "fillers": "words", "names": "words"},
    "link_stuffed": {"links": "count", "text": "count"},
    "link_repeated": {},
    NOTHING_TO_IDENTIFY: {},
    "test_like": {},
    "many_links": {"links": "count"},
    "link_in_name": {},
    "random_name": {},
    "foreign_script": {"markets": "words"},
}
RULES = tuple(_OPTIONS)


@dataclass(frozen=True, slots=True)
class Rule:
    """How one rule is judged. `reason` is one of SUPPRESSION_REASONS where the severity is `suppress`."""

    name: str
    severity: str
    reason: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules in the order of judgement, and what is different for a source."""

    rules: tuple[Rule, ...]
    by_source: dict[str, tuple[Rule, ...]]

    def of(self, source: str) -> tuple[Rule, ...]:
        return self.by_source.get(source, self.rules)


@cache
def load_rules() -> RuleBook:
    """The installation's rules, read once per process. Raises ConfigurationError."""
    return read_rules(mapping_file("validation.yaml"))


def read_rules(path: Path) -> RuleBook:
    """The checked content of a file of rules. Every rule must be there. Raises ConfigurationError."""
    reader = Reader(path)
    content = reader.object("", reader.content, ("version", "rules", "sources"))
    reader.version("validation")
    entries = reader.object("rules", content.get("rules"), RULES)
    rules = []
    for name in RULES:
        if name not in entries:
            reader.fail(f"rules.{name}", "is missing; to switch a rule off, say `severity: skip`")
        rules.append(_rule(reader, name, entries[name]))
    by_source = {}
    for source, changes in reader.object("sources", content.get("sources")).items():
        place = f"sources.{source}"
        severities = reader.object(place, changes, RULES)
        by_source[source] = tuple(_changed(reader, place, rule, severities.get(rule.name)) for rule in rules)
    return RuleBook(tuple(rules), by_source)


def _rule(reader: Reader, name: str, entry: Any) -> Rule:
    place = f"rules.{name}"
    options = _OPTIONS[name]
    declared = reader.object(place, entry, ("severity", "reason", *options))
    severity = _severity(reader, f"{place}.severity", name, declared.get("severity"))
    reason = declared.get("reason")
    if reason is not None or severity == SUPPRESS:
        reason = reader.one_of(f"{place}.reason", reason, SUPPRESSION_REASONS)
    counts = {
        name: _count(reader, f"{place}.{name}", declared.get(name)) for name, kind in options.items() if kind == "count"
    }
    words = {
        name: reader.texts(f"{place}.{name}", declared.get(name)) for name, kind in options.items() if kind == "words"
    }
    return Rule(name, severity, reason, counts, words)


def _changed(reader: Reader, place: str, rule: Rule, severity: Any) -> Rule:
    if severity is None:
        return rule
    severity = _severity(reader, f"{place}.{rule.name}", rule.name, severity)
    if severity == SUPPRESS and rule.reason is None:
        reader.fail(f"{place}.{rule.name}", f"a lead is suppressed for a reason: give rules.{rule.name} one first")
    return Rule(rule.name, severity, rule.reason, rule.counts, rule.words)


def _severity(reader: Reader, place: str, name: str, value: Any) -> str:
    # Without anything to identify a person there is no evidence of who it is: each lead would be a person of its own.
    return reader.one_of(place, value, (QUARANTINE, SUPPRESS) if name == NOTHING_TO_IDENTIFY else SEVERITIES)


def _count(reader: Reader, place: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        reader.fail(place, f"{value!r} is not a number; allowed: 1, 2, 3, …")
    return value
