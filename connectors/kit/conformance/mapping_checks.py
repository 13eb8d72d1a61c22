"""Does the mapping say of every field what becomes of it, and does it survive what senders send?"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from connectors.kit.conformance.cases import HOSTILE, ROW, TYPICAL, Case, Trial
from connectors.kit.paths import get_path, parse_path
from connectors.kit.sources.records import UnreadableBody

_MISSING = object()
_DOT = re.compile(r"(?<!\\)\.")  # one that ends a key
_HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    10**30,
    "",
    "\x00",
    "x" * 100_000,
    "🧨\u202e\ufeff",
    "=1+1",
    [],
    [[[]]],
    [None, 1, {}],
    {},
    {"a": {"b": [1]}},
)


def mapping_is_sound(case: Case) -> list[str]:
    """It can be read, and names only canonical fields."""
    return [case.mapping_problem] if case.mapping_problem else []


def every_field_is_decided(case: Case) -> list[str]:
    """Each field of the samples is mapped, kept or ignored: nothing is lost because nobody looked."""
    sample_of_path = {
        path: sample.name
        for sample in case.ordinary_samples()
        for trial in case.trials(sample)
        for path in trial.undecided
    }
    return [
        f"the field {path} of the sample {name} is undecided: map it, or list it under kept or ignored"
        for path, name in sample_of_path.items()
    ]


def every_mapped_path_occurs(case: Case) -> list[str]:
    """Each mapped field is found in some sample: a misspelt path would never be noticed otherwise."""
    records = [case.shape(record) for sample in case.ordinary_samples() for record in case.mapped(sample)]
    return [
        f"{rule.field} is mapped from {' or '.join(rule.paths)}, which no sample has"
        for rule in case.rules
        if rule.paths and not any(_has(record, path) for record in records for path in rule.paths)
    ]


def typical_lead_is_as_expected(case: Case) -> list[str]:
    """Map and normalize give exactly the lead that was written down, for as many records as were written down."""
    typical = case.sample(TYPICAL)
    if typical is None or not typical.expected:
        return []
    problems = []
    trials = case.trials(typical)
    if len(trials) < len(typical.expected):
        problems.append(f"{len(typical.expected)} leads are expected, the sample has {len(trials)}")
    for number, (trial, expected) in enumerate(zip(trials, typical.expected, strict=False)):
        if trial.lead is None:
            problems.append(f"record {number} stops with {trial.stopped}: {trial.message}")
            continue
        problems += [
            f"record {number}: {name} is {trial.lead.get(name, _ABSENT)!r}; expected is {expected.get(name, _ABSENT)!r}"
            for name in sorted({*trial.lead, *expected})
            if trial.lead.get(name) != expected.get(name)
        ]
    if problems:
        problems.append(
            f"if that is how it should be now: `afluente source check {case.source} --accept` rewrites"
            f" samples/{case.source}/{typical.name}.expected.json"
        )
    return problems


def missing_required_field_is_parked(case: Case) -> list[str]:
    """Without a required field a record waits in quarantine with a reason."""
    typical = case.sample(TYPICAL)
    if typical is None:
        return []
    problems = []
    for rule in (rule for rule in case.rules if rule.is_required):
        for record in case.mapped(typical)[:1]:
            poorer = copy.deepcopy(case.shape(record))
            for path in rule.paths:
                _remove(poorer, path)
            trial = case.try_record(poorer, _kind(case))
            if trial.lead is not None or not trial.message:
                problems.append(f"a record without {rule.field} goes on, or stops without a message")
    return problems


def hostile_payload_is_survived(case: Case) -> list[str]:
    """Wrong types, huge texts, NUL and emoji give a lead or a reason, never a crash."""
    problems = []
    hostile = case.sample(HOSTILE)
    if hostile is not None:
        try:
            records = case.mapped(hostile)
        except UnreadableBody:
            records = []
        problems += [problem for record in records for problem in _crash(case, record, "the hostile sample")]
    typical = case.sample(TYPICAL)
    for record in case.mapped(typical)[:1] if typical else []:
        for path, spoiled in _spoiled(record):
            problems += _crash(case, spoiled, f"odd values at {path}")
    return list(dict.fromkeys(problems))


_ABSENT = "(absent)"


def _crash(case: Case, record: dict[str, Any], what: str) -> list[str]:
    try:
        trial: Trial = case.try_record(record, _kind(case))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return [f"{what}: {type(error).__name__} instead of a lead or a reason"]
    if trial.lead is None and not trial.stopped:
        return [f"{what}: neither a lead nor a reason"]
    return []


def _kind(case: Case) -> str:
    typical = case.sample(TYPICAL)
    return ROW if typical is not None and typical.content_type == "text/csv" else "application/json"


def _spoiled(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in record.items():
        for odd in _HOSTILE_VALUES:
            yield f"{prefix}{key}", {**record, key: odd}
        if isinstance(value, dict):
            for path, inner in _spoiled(value, f"{prefix}{key}."):
                yield path, {**record, key: inner}


def _has(record: dict[str, Any], path: str) -> bool:
    """Whether there is something at `path`, be it null."""
    return get_path(record, path, _MISSING) is not _MISSING


def _remove(record: dict[str, Any], path: str) -> None:
    if path in record:
        del record[path]
        return
    *above, key = _DOT.split(path)
    parent = get_path(record, ".".join(above) or None)
    if isinstance(parent, dict):
        parent.pop(parse_path(key)[0], None)
