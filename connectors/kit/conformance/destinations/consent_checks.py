"""Is a consent what holds of it by now, above all where it was taken back?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

from connectors.kit.conformance.destinations.workbenches import Consents, NotApplicable, Workbench, wrong_results
from connectors.kit.destinations.declarations import Record


def withdrawal_is_never_behind(bench: Workbench) -> list[str]:
    """Once a write that has a withdrawal in it has returned, the CRM says so: whatever else was in the batch, and
    though it was granted before. The record stays, and the same batch again leaves it withdrawn."""
    consents = _consents(bench)
    taken_back, granted, other = (Record(str(uuid4()), consents.fields_of(number)) for number in range(3))
    withdrawn = _with(taken_back, consents.withdrawn)
    with bench.writer(object=consents.object, subject="consent", fields=consents.sent_fields) as writer:
        first = [_with(taken_back, consents.granted), _with(granted, consents.granted)]
        problems = wrong_results(first, writer.write(first), "written")
        batch = [_with(other, consents.granted), withdrawn]
        for _ in range(2):
            results = {result.key: result for result in writer.write(batch)}
            if results[withdrawn.key].state != "written":
                problems.append("a withdrawal is not written where others of its batch are")
            if not _is_told(bench, consents, withdrawn, consents.withdrawn):
                problems.append("a withdrawn consent is not withdrawn at the CRM, in one record")
        if not _is_told(bench, consents, granted, consents.granted):
            problems.append("what somebody else granted is not granted any more")
    return problems


def _is_told(bench: Workbench, consents: Consents, record: Record, state: Mapping[str, object]) -> bool:
    if consents.seen is not None:
        found = consents.seen(record)
    else:
        found = [row.fields for row in bench.seen_by_key([record], consents.object)[record.key]]
    return [{name: fields.get(name) for name in state} for fields in found] == [dict(state)]


def _consents(bench: Workbench) -> Consents:
    if bench.consents is None:
        raise NotApplicable("its workbench names no object that consents are told by (consents)")
    return bench.consents


def _with(record: Record, state: Mapping[str, object]) -> Record:
    return replace(record, fields={**record.fields, **state})
