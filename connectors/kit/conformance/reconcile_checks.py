"""Is what a source lists afterwards known by what it has posted, and nothing else taken for it?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from connectors.kit.conformance.cases import TYPICAL, Case
from connectors.kit.errors import AfluenteError
from connectors.kit.paths import get_path
from connectors.kit.sources.fetching.fetch import fetch_of
from connectors.kit.sources.idempotency import event_id_of, occurred_at_of
from connectors.kit.sources.reconciling.asking import polls_of_window, pushed_body
from connectors.kit.sources.reconciling.declared import Reconcile, Window, reconcile_of
from connectors.kit.sources.records import UnreadableBody
from connectors.kit.sources.samples import Pulled, Sample

Record = dict[str, Any]
_A_MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


def lists_name_what_was_posted(case: Case) -> list[str]:
    """Each record of the listed sample is, by its id, its time and what it says, one of the typical sample."""
    reconcile, typical = reconcile_of(case.connector), case.sample(TYPICAL)
    if reconcile is None or typical is None:
        return []
    place = f"samples/{case.source}/pulled/{TYPICAL}.json"
    pulled = next((pulled for pulled in case.pulled if pulled.name == TYPICAL), None)
    if pulled is None:
        return [f"{place} is missing: write down how the source lists the records of the typical sample"]
    posted = {event_id_of(case.connector, record): record for record in case.records(typical)}
    problems, named = [], set()
    for number, entry in enumerate(_entries(reconcile, pulled)):
        try:
            made = _made(case, reconcile, entry, pulled)
        except _NoPostError as error:
            problems.append(f"{place}: record {number}: {error}")
            continue
        if made is not None:
            name = event_id_of(case.connector, made[1])
            named.add(name)
            own = posted.get(name)
            problems += [
                f"{place}: record {number}: {why}" for why in _differences(case, made, own, typical, list(posted))
            ]
    if missing := [name for name in posted if name not in named]:
        problems.append(f"{place} lists none that is known by the id {missing[0]}, as the typical sample has it")
    return problems


def what_has_no_id_is_not_named(case: Case) -> list[str]:
    """A record of the list without an id, or with an odd one, gets none: such ones would hide each other. The hostile
    list is survived."""
    reconcile = reconcile_of(case.connector)
    if reconcile is None:
        return []
    problems = []
    for pulled in case.pulled:
        for entry in _entries(reconcile, pulled):
            if pulled.name != TYPICAL or not isinstance(entry, dict):
                problems += _crash(case, reconcile, entry, pulled)
                continue
            for spoiled in ({}, dict.fromkeys(entry), {name: {"odd": [1]} for name in entry}):
                try:
                    made = _made(case, reconcile, spoiled, pulled)
                except _NoPostError:
                    continue
                if made is not None and (name := event_id_of(case.connector, made[1])) is not None:
                    problems.append(f"a record of the list without an id is known by {name!r}: give what stands there")
    return list(dict.fromkeys(problems))


def _entries(reconcile: Reconcile, pulled: Pulled) -> list[Any]:
    given = pulled.parents[-1] if pulled.parents and isinstance(pulled.parents[-1], dict) else {}
    options = {option.name: option.default or option.name for option in reconcile.options} | given
    (poll, _), *_ = polls_of_window(reconcile, Window(_A_MOMENT, _A_MOMENT), options)
    path = (poll.streams[0].records_at if poll.streams else None) or poll.records_at
    found = get_path(pulled.answer, path)
    return found if isinstance(found, list) else []


class _NoPostError(Exception):
    """No post can be made of a listed record. The text says why."""


def _made(case: Case, reconcile: Reconcile, entry: Any, pulled: Pulled) -> tuple[Sample, Record] | None:
    """The post of a listed record, as a sample and as intake sees its one record; None for one that would not have been
    posted. Raises _NoPostError."""
    if not isinstance(entry, dict):
        raise _NoPostError("is no record")
    try:
        body = pushed_body(reconcile, entry, pulled.parents)
        again = pushed_body(reconcile, entry, pulled.parents)
        post = Sample(case.source, TYPICAL, "application/json", orjson.dumps(body), None)
        records = [] if body is None else case.records(post)
    except (AfluenteError, UnreadableBody) as error:
        raise _NoPostError(f"no post can be made of it: {error}") from error
    except Exception as error:  # a bug of the connector's: intake puts the record into quarantine
        raise _NoPostError(f"no post can be made of it: {type(error).__name__}") from error
    if body != again:
        raise _NoPostError("pushed gives another body for it each time: it must be pure")
    if body is None:
        return None
    if len(records) != 1:
        raise _NoPostError(f"pushed gives a body of {len(records)} records; it must hold this one alone")
    return post, records[0]


def _differences(
    case: Case, made: tuple[Sample, Record], own: Record | None, typical: Sample, names: list[Any]
) -> list[str]:
    post, record = made
    if own is None:
        return [
            f"is known by the id {event_id_of(case.connector, record)!r}, which no record of the typical sample has"
        ]
    problems = []
    if occurred_at_of(case.connector, record) != occurred_at_of(case.connector, own):
        problems.append("is of another time than its post: it would be counted for another day")
    fetch = fetch_of(case.connector)
    if fetch is not None:
        if fetch.applies_to(record) != fetch.applies_to(own):
            problems.append("is not read by its id, as its post is: does `when` apply to it?")
        return problems
    trial, wanted = case.trials(post)[0], case.trials(typical)[names.index(event_id_of(case.connector, own))]
    if wanted.lead is None:
        return problems
    if trial.lead is None:
        return [*problems, f"stops with {trial.stopped}: {trial.message}; its post gives a lead"]
    return problems + [
        f"{name} is {value!r}; of its post it is {wanted.lead.get(name)!r}"
        for name, value in sorted(trial.lead.items())
        if value != wanted.lead.get(name)
    ]


def _crash(case: Case, reconcile: Reconcile, entry: Any, pulled: Pulled) -> list[str]:
    try:
        made = _made(case, reconcile, entry, pulled)
    except _NoPostError:
        return []
    try:
        _ = made and case.trials(made[0])
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        place = f"samples/{case.source}/pulled/{pulled.name}.json"
        return [f"{place}: {type(error).__name__} instead of a lead or a reason"]
    return []
