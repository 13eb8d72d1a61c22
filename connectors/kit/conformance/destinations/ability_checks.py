"""Does a writer what it says it is able to do beside writing?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from connectors.kit.conformance.destinations.workbenches import NotApplicable, Workbench, wrong_results
from connectors.kit.destinations.capabilities import CAPABILITIES, Lookup, abilities_of

_MOST_PAGES = 10_000


def read_gives_back_what_was_written(bench: Workbench) -> list[str]:
    """Records by our key as the CRM has them; those that are not there are left out."""
    with _able(bench, "reads") as writer:
        people = bench.people(3)
        results = writer.write(people)
        stranger = bench.people(1)[0]
        found = writer.read([*(record.key for record in people), stranger.key])
    problems = []
    if set(found) != {record.key for record in people}:
        problems.append(f"read gives {len(found)} of 3 records that are there and 1 that is not")
    seen = bench.seen_by_key(people)
    for place, (record, result) in enumerate(zip(people, results, strict=True)):
        read = found.get(record.key)
        if read is None:
            continue
        if (read.key, read.crm_id) != (record.key, result.crm_id):
            problems.append(f"record {place} is read with the key or the id of another")
        kept = seen[record.key][0].fields if seen[record.key] else {}
        if any(name in kept and kept[name] != value for name, value in read.fields.items()):
            problems.append(f"record {place} is read with other values than it has")
    return problems


def delete_takes_what_was_named_and_nothing_else(bench: Workbench) -> list[str]:
    """One of three goes, the others stay; deleting it again is no failure."""
    with _able(bench, "deletes") as writer:
        people = bench.people(3)
        writer.write(people)
        first = writer.delete([people[1]])
        again = writer.delete([people[1]])
    problems = wrong_results([people[1]], first, "written") + wrong_results([people[1]], again, "written")
    if not problems and again[0].code != "record_gone":
        problems.append(f"deleted again: the code is {again[0].code!r}; due: record_gone")
    seen = bench.seen_by_key(people)
    if seen[people[1].key]:
        problems.append("a deleted record is still there")
    if not (seen[people[0].key] and seen[people[2].key]):
        problems.append("a record that nobody named was deleted")
    return problems


def find_gives_those_with_the_address(bench: Workbench) -> list[str]:
    """People with one of the addresses asked for, by the lookup's key; a lookup without any is left out."""
    with _able(bench, "finds") as writer:
        people = bench.people(3)
        results = writer.write(people)
        email = bench.field_of("email")
        wanted, nobody = people[1], bench.people(1)[0]
        found = writer.find(
            [Lookup("wanted", emails=(wanted.fields[email],)), Lookup("nobody", emails=(nobody.fields[email],))]
        )
    if set(found) != {"wanted"}:
        return [f"find gives {sorted(found)}; due: the one lookup of somebody who is there"]
    ids = [person.crm_id for person in found["wanted"]]
    return [] if ids == [results[1].crm_id] else ["find gives another person than the one with the address"]


def list_gives_everybody_once(bench: Workbench) -> list[str]:
    """Page after page, each person who is there comes once, with our key and address."""
    with _able(bench, "lists") as writer:
        people = bench.people(5)
        writer.write(people)
        listed = _listed(writer)
    if listed is None:
        return [f"the list has no end after {_MOST_PAGES} pages"]
    times = {record.key: sum(person.key == record.key for person in listed) for record in people}
    problems = [f"record {place} is listed {count} times" for place, count in enumerate(times.values()) if count != 1]
    email = bench.field_of("email")
    addresses = {person.key: person.values.get("email", "").lower() for person in listed}
    if any(record.key in addresses and addresses[record.key] != record.fields[email].lower() for record in people):
        problems.append("somebody is listed without their e-mail as values['email'], or with another's")
    return problems


def description_knows_every_field_sent(bench: Workbench) -> list[str]:
    """Every field that was taken is described, and as one that may be written."""
    with _able(bench, "describes") as writer:
        people = bench.people(1)
        writer.write(people)
        described = {field.name: field for field in writer.describe()}
    missing = sorted(set(people[0].fields) - set(described))
    problems = [f"not described, and yet written: {', '.join(missing)}"] if missing else []
    closed = [name for name in people[0].fields if name in described and not described[name].is_writable]
    if closed:
        problems.append(f"described as not writable, and yet written: {', '.join(closed)}")
    return problems


@contextlib.contextmanager
def _able(bench: Workbench, ability: str) -> Iterator[Any]:
    with bench.writer() as writer:
        if ability not in abilities_of(writer):
            raise NotApplicable(f"its writer has no method {CAPABILITIES[ability]}")
        yield writer


def _listed(writer: Any) -> list[Any] | None:
    people: list[Any] = []
    cursor = None
    for _ in range(_MOST_PAGES):
        page = writer.list_people(cursor)
        people += page.people
        cursor = page.cursor
        if cursor is None:
            return people
    return None
