"""Is a record what was wanted, however often it is written?"""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from connectors.kit.conformance.destinations.workbenches import (
    NotApplicable,
    Workbench,
    not_alone,
    wrong_results,
)
from connectors.kit.destinations.declarations import Link, Record

_EMPTY = (None, "", False)


def created_then_updated_by_one_key(bench: Workbench) -> list[str]:
    """The first write makes a record, the second changes it: one record, one id of the CRM's."""
    people = bench.people(3)
    with bench.writer() as writer:
        first = writer.write(people)
        changed = [bench.changed(record) for record in people]
        second = writer.write(changed)
    problems = wrong_results(people, first, "written") + wrong_results(people, second, "written")
    if problems:
        return problems
    if any(result.created is False for result in first) or any(result.created for result in second):
        problems.append("created does not say that the first write made the records and the second did not")
    if any(not result.crm_id for result in first):
        problems.append("a result names no crm_id: the CRM's own id of the record")
    if [result.crm_id for result in first] != [result.crm_id for result in second]:
        problems.append("the second write names other ids than the first")
    problems += not_alone(people, bench)
    seen = bench.seen_by_key(people)
    for place, record in enumerate(changed):
        wrong = _differing(record, seen[record.key][0].fields if seen[record.key] else {})
        if wrong:
            problems.append(f"record {place} has not what was sent: {', '.join(wrong)}")
    return problems


def same_batch_twice_changes_nothing(bench: Workbench) -> list[str]:
    """A call is made again whenever its answer was lost."""
    people = bench.people(3)
    with bench.writer() as writer:
        first = writer.write(people)
        before = bench.seen_by_key(people)
        second = writer.write(people)
    problems = wrong_results(people, [*second], "written")
    if [result.crm_id for result in first] != [result.crm_id for result in second]:
        problems.append("the same batch again gives other ids")
    if bench.seen_by_key(people) != before:
        problems.append("the same batch again leaves other records than before")
    return problems + not_alone(people, bench)


def field_not_sent_is_left_alone(bench: Workbench) -> list[str]:
    """What a record does not name stays as the CRM has it."""
    name = bench.optional_field()
    people = bench.people(1)
    [record] = people
    with bench.writer() as writer:
        writer.write(people)
        before = bench.seen_by_key(people)
        fewer = {known: value for known, value in record.fields.items() if known != name}
        writer.write([replace(record, fields=fewer)])
    return [] if bench.seen_by_key(people) == before else [f"{name} was not sent, and was changed"]


def none_clears_a_field(bench: Workbench) -> list[str]:
    """None empties a field that the CRM has, and does no harm to one that is empty."""
    name = bench.optional_field()
    people = bench.people(2)
    cleared = [replace(record, fields={**record.fields, name: None}) for record in people]
    with bench.writer() as writer:
        writer.write(people[:1])
        problems = wrong_results(cleared, writer.write(cleared), "written")
    for found in bench.seen_by_key(people).values():
        if any(seen.fields.get(name) not in _EMPTY for seen in found):
            problems.append(f"{name} was sent as None, and is not empty")
    return problems + not_alone(people, bench)


def known_id_is_updated_and_not_made_anew(bench: Workbench) -> list[str]:
    """A record that is handed over with the CRM's own id is that record."""
    people = bench.people(2)
    with bench.writer() as writer:
        known = [
            replace(bench.changed(record), crm_id=result.crm_id)
            for record, result in zip(people, writer.write(people), strict=True)
        ]
        results = writer.write(known)
    problems = wrong_results(known, results, "written")
    if [result.crm_id for result in results] != [record.crm_id for record in known]:
        problems.append("a record with a known crm_id is written under another")
    seen = bench.seen_by_key(people)
    problems += [
        f"record {place} with a known crm_id has not what was sent: {', '.join(wrong)}"
        for place, record in enumerate(known)
        if seen[record.key] and (wrong := _differing(record, seen[record.key][0].fields))
    ]
    return problems + not_alone(people, bench)


def update_only_makes_no_record(bench: Workbench) -> list[str]:
    """A mark on a record that the CRM has not (any more) makes none; on one that is there it is written."""
    if bench.destination.merge != "mark":
        raise NotApplicable('declares merge="none": no record comes with update_only')
    there, gone = bench.people(2)
    name = bench.optional_field()
    marks = [Record(record.key, {name: "Evora"}, update_only=True) for record in (there, gone)]
    with bench.writer() as writer:
        writer.write([there])
        results = [*writer.write(marks[:1]), *writer.write(marks[1:])]
    problems = wrong_results(marks, results, "written")
    if not problems and results[1].code != "record_gone":
        problems.append(f"a record that is not there gives the code {results[1].code!r}; due: record_gone")
    seen = bench.seen_by_key([there, gone])
    if seen[gone.key]:
        problems.append("update_only made a record")
    if not seen[there.key] or seen[there.key][0].fields.get(name) != "Evora":
        problems.append("update_only did not write to a record that is there")
    return problems


def links_are_kept(bench: Workbench) -> list[str]:
    """A record leads to the one that its link names, and still does after a write without the link."""
    linked = bench.linked
    if linked is None:
        if bench.destination.objects:
            raise NotApplicable("its workbench names no object that leads to another (linked)")
        raise NotApplicable("declares no objects beside the record of a person")
    target = Record(str(uuid4()), dict(linked.to_fields))
    with bench.writer(object=linked.to, subject=linked.to_subject) as writer:
        [led_to] = writer.write([target])
    record = Record(str(uuid4()), dict(linked.fields))
    with bench.writer(object=linked.object, subject=linked.subject, links=(linked.role,)) as writer:
        link = Link(linked.role, linked.to, str(led_to.crm_id))
        results = [*writer.write([replace(record, links=(link,))]), *writer.write([record])]
    problems = wrong_results([record, record], results, "written")
    found = bench.seen_by_key([record], linked.object)[record.key]
    if [linked.leads_to(seen.fields) for seen in found] != [led_to.crm_id]:
        problems.append(f"{linked.role} does not lead to the record that the link names")
    return problems


def links_are_undone(bench: Workbench) -> list[str]:
    """A link without an id: the record leads to none any more; where it never did, nothing is wrong."""
    linked = bench.linked
    if linked is None:
        raise NotApplicable("its workbench names no object that leads to another (linked)")
    with bench.writer(object=linked.to, subject=linked.to_subject) as writer:
        [led_to] = writer.write([Record(str(uuid4()), dict(linked.to_fields))])
    made, never = (Record(str(uuid4()), dict(linked.fields)) for _ in range(2))
    link = Link(linked.role, linked.to, str(led_to.crm_id))
    with bench.writer(object=linked.object, subject=linked.subject, links=(linked.role,)) as writer:
        first = writer.write([replace(made, links=(link,)), never])
        undone = [
            replace(record, crm_id=result.crm_id, links=(replace(link, crm_id=None),))
            for record, result in zip((made, never), first, strict=True)
        ]
        problems = wrong_results(undone, writer.write(undone), "written")
    seen = bench.seen_by_key([made, never], linked.object)
    left, untouched = (len(seen[record.key]) for record in (made, never))
    if (left, untouched) != (1, 1):
        problems.append(f"records after their link was undone: {left} and {untouched}; one each is due")
    if any(linked.leads_to(record.fields) for records in seen.values() for record in records):
        problems.append(f"{linked.role} still leads somewhere after a link without an id")
    return problems


def _differing(record: Record, fields: dict[str, object]) -> list[str]:
    """Names of fields that the CRM has otherwise; numbers and texts of them are the same."""
    return [name for name, value in record.fields.items() if value not in _EMPTY and not _same(value, fields.get(name))]


def _same(sent: object, kept: object) -> bool:
    return sent == kept or str(sent).casefold() == str(kept).casefold()
