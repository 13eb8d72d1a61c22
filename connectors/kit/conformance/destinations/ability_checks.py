"""Does a writer what it says it is able to do beside writing?"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from connectors.kit.conformance.destinations.line import LineAnswer
from connectors.kit.conformance.destinations.workbenches import NotApplicable, Workbench, wrong_results
from connectors.kit.destinations.capabilities import CAPABILITIES, Deletes, Lookup, Watched, abilities_of
from connectors.kit.destinations.declarations import Record
from connectors.kit.errors import AfluenteError, QuotaError, TerminalError, TransientError

_MOST_PAGES = 10_000
_JSON = {"Content-Type": "application/json"}


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
    due = results[1].crm_id if bench.person_id is None else bench.person_id(wanted.key)
    return [] if ids == [due] else ["find gives another person than the one with the address"]


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


def adoption_takes_over_and_makes_nobody(bench: Workbench) -> list[str]:
    """A record that is known by the CRM's id alone gets our key and our values, twice the same; where there is none
    any more, or another has the key, nothing is made and nothing changed."""
    with _able(bench, "adopts") as writer:
        there, taken, gone = bench.people(3)
        theirs = _without_our_key(bench, writer, [there, taken, gone])
        _end(bench, writer, gone, theirs[2])
        [ours] = [bench.changed(person) for person in bench.people(1)]
        adopted = replace(ours, crm_id=theirs[0])
        results = [*writer.adopt([adopted]), *writer.adopt([adopted])]
        # Its own key is another record's: who asks again writes that one.
        in_vain = [*writer.adopt([replace(ours, crm_id=theirs[1])])]
        [nobody] = bench.people(1)
        in_vain += writer.adopt([replace(nobody, crm_id=theirs[2])])
    problems = wrong_results([ours, ours], results, "written")
    problems += wrong_results([ours, nobody], in_vain, "retry")
    codes = [result.code for result in in_vain]
    if codes != ["key_taken", "record_gone"]:
        problems.append(f"taken over in vain: the codes are {codes}; due: key_taken, then record_gone")
    seen = bench.seen_by_key([there, taken, ours, nobody])
    if len(seen[ours.key]) != 1 or seen[there.key]:
        problems.append("a record that was taken over has not our key, or is there twice")
    elif any(result.crm_id != seen[ours.key][0].crm_id for result in results):
        problems.append("a record that was taken over is told with another id than it has")
    elif any(
        ours.fields[name] != value
        for name, value in seen[ours.key][0].fields.items()
        if name in ours.fields and name not in bench.kept_in_adoption
    ):
        problems.append("a record that was taken over has not our values")
    if seen[nobody.key]:
        problems.append("taking over a record that is not there made one")
    if bench.unkeyed is None and [record.crm_id for record in seen[taken.key]] != [theirs[1]]:
        problems.append("a record was changed, though another one has the key that it was to get")
    return problems


def _without_our_key(bench: Workbench, writer: Any, people: list[Record]) -> list[str]:
    """Ids of records that are there without our key; or, where nobody can make such, with another key of ours."""
    if bench.unkeyed is not None:
        return [bench.unkeyed(person) for person in people]
    return [str(result.crm_id) for result in writer.write(people)]


def _end(bench: Workbench, writer: Any, record: Record, crm_id: str) -> None:
    """Raises NotApplicable where nobody can make a record go."""
    if bench.remove is not None:
        bench.remove(crm_id)
        return
    if not isinstance(writer, Deletes):
        raise NotApplicable("its writer has no method delete: no record that is not there any more")
    writer.delete([replace(record, crm_id=crm_id)])


def setup_makes_what_is_missing_once(bench: Workbench) -> list[str]:
    """A dry run makes nothing and says what would be made; after it was made nothing is missing."""
    with _able(bench, "sets_up") as writer:
        first, second = writer.setup(dry_run=True), writer.setup(dry_run=True)
        made = writer.setup()
        left = writer.setup(dry_run=True)
    problems = []
    if first != second:
        problems.append("a dry run says something else the second time: did it make something?")
    if len(made) != len(first):
        problems.append(f"{len(first)} things were missing, and {len(made)} were made")
    if left:
        problems.append(f"{len(left)} things are missing still after all was made")
    return problems


def abilities_fail_as_writing_does(bench: Workbench) -> list[str]:
    """An answer that cannot be read is not "nobody is there", and a refused token or a failure is the error it is for a
    write."""
    line = bench.need_line()
    [person] = bench.people(1)
    uses: dict[str, Callable[[Any], Any]] = {
        "read": lambda writer: writer.read([person.key]),
        "delete": lambda writer: writer.delete([person]),
        "find": lambda writer: writer.find([Lookup("x", emails=("vera@example.org",))]),
        "list_people": lambda writer: writer.list_people(),
        "describe": lambda writer: writer.describe(),
        "list_changes": lambda writer: writer.list_changes(Watched(), None),
    }
    answers: dict[str, tuple[LineAnswer, type[AfluenteError]]] = {
        "a page": (LineAnswer(200, {"Content-Type": "text/html"}, b"<html>Welcome</html>"), TransientError),
        "an empty list": (LineAnswer(200, _JSON, b"[]"), TransientError),
        "an empty object": (LineAnswer(200, _JSON, b"{}"), TransientError),
        "null": (LineAnswer(200, _JSON, b"null"), TransientError),
        "503": (LineAnswer(503, _JSON, b"{}"), TransientError),
        "403": (LineAnswer(403, _JSON, b"{}"), TerminalError),
        "429": (LineAnswer(429, _JSON, b"{}"), QuotaError),
    }
    problems = []
    with bench.writer() as writer:
        methods = [CAPABILITIES[ability] for ability in abilities_of(writer) if CAPABILITIES[ability] in uses]
    if not methods:
        raise NotApplicable("its writer is able to do nothing beside writing")
    for method in methods:
        for what, (answer, due) in answers.items():
            line.answer = answer
            with bench.writer() as writer:
                try:
                    said = uses[method](writer)
                except due:
                    continue
                except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
                    problems.append(f"{method}: {what} becomes {type(error).__name__}; due: {due.__name__}")
                    continue
            if method == "delete" and [result.state for result in said] == ["retry"]:
                continue
            problems.append(f"{method}: {what} is taken for an answer; due: {due.__name__}")
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
