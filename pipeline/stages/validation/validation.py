"""Validation: rules over the whole lead. Is there anybody to reach, is it a test, is it spam?

`mappings/validation.yaml` says how severe each rule is, for all sources and for single ones. What suppresses by default
asks for certainty: a flag too many costs a glance, a person suppressed by mistake costs a customer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from pipeline.stages.validation.checks import CHECKS, Fields, Screen, TestWords
from pipeline.stages.validation.rules import NOTHING_TO_IDENTIFY, QUARANTINE, SKIP, SUPPRESS, Rule, load_rules


class Verdict(NamedTuple):
    """`flags` are (field, rule) pairs. `rule` is the one that stops the lead, None if it goes on; `field` its field.

    `reason` is a suppression's reason; with a `rule` and no reason the lead goes to quarantine.
    """

    flags: tuple[tuple[str, str], ...] = ()
    rule: str | None = None
    field: str | None = None
    reason: str | None = None


Judge = Callable[[Fields, Fields, bool], Verdict]
_GOES_ON = Verdict()


def judge(source: str, given: Fields, fields: Fields, *, is_released: bool = False) -> Verdict:
    """What the rules for `source` say of a lead: `given` as the mapping named its fields, `fields` normalized.

    `is_released`: an operator has said that this lead is real, so what would stop it is a flag. There must be something
    to identify a person by all the same.
    """
    return _rules_of(source)(given, fields, is_released)


@cache
def _rules_of(source: str) -> Judge:
    """A source's rules, compiled. There are as many sources as the settings name: the cache is bounded."""
    return compile_rules(load_rules().of(source))


def compile_rules(rules: tuple[Rule, ...]) -> Judge:
    """One function that asks every rule in order and ends at the first that stops the lead; skipped ones it leaves out.

    Most leads hold no link and no word for a test. So what a rule needs to be worth asking is looked for once, and
    the rules are sorted beforehand by what was found.
    """
    words = TestWords(next((rule.words for rule in rules if rule.name == "test_lead"), {}))
    asked = [(rule, *CHECKS[rule.name]) for rule in rules if rule.severity != SKIP]
    worth_asking = [
        [(rule, make(rule, words)) for rule, screen, make in asked if screen is None or signs & screen]
        for signs in range(1 << len(Screen))
    ]
    screens = Screen.of(words)

    def judge_lead(given: Fields, fields: Fields, is_released: bool) -> Verdict:  # noqa: FBT001 - on every lead's way
        flags: list[tuple[str, str]] = []
        for rule, check in worth_asking[screens(given, fields)]:
            field = check(given, fields)
            if field is None:
                continue
            stops = rule.severity in (SUPPRESS, QUARANTINE)
            if stops and (not is_released or rule.name == NOTHING_TO_IDENTIFY):
                reason = rule.reason if rule.severity == SUPPRESS else None
                return Verdict(tuple(flags), rule.name, field or None, reason)
            flags.append((field, rule.name))
        return Verdict(tuple(flags)) if flags else _GOES_ON

    return judge_lead
