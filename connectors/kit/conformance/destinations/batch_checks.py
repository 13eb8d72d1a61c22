"""Is each record of a batch judged by itself, and said to be what it is?"""

from __future__ import annotations

import re
from typing import Any

from connectors.kit.conformance.destinations.workbenches import (
    Workbench,
    attempt,
    ids_of_others,
    not_alone,
    wrong_results,
)
from connectors.kit.destinations.declarations import Record
from connectors.kit.errors import AfluenteError, RecordError

_FAR_TOO_MANY = 11  # times the size of a batch: some take more than they declare, for who sets more
_TELLING_LENGTH = 4


def order_of_results_is_that_of_records(bench: Workbench) -> list[str]:
    """Each result carries the id of the record that has its key, also where some are new and some are not."""
    people = bench.people(6)
    with bench.writer() as writer:
        writer.write(people[1::2])
        results = writer.write(people)
    problems = wrong_results(people, results, "written")
    return problems or ids_of_others(people, results, bench)


def full_batch_is_written(bench: Workbench) -> list[str]:
    """As many records as are declared fit into one write."""
    people = bench.people(bench.destination.batch_size)
    with bench.writer() as writer:
        results = writer.write(people)
    problems = wrong_results(people, results, "written")[:3]
    return problems or not_alone(people, bench)[:3]


def empty_batch_makes_no_call(bench: Workbench) -> list[str]:
    with bench.writer() as writer:
        results = writer.write([])
    problems = [] if results == [] else ["no records give results"]
    if bench.line is not None and bench.line.calls:
        problems.append(f"no records make {bench.line.calls} calls")
    return problems


def too_many_records_are_a_mistake_of_the_caller(bench: Workbench) -> list[str]:
    """More records than a call takes, or a key twice, is a ValueError before any call."""
    [record, *others] = bench.people(2)
    many = [
        Record(f"{record.key}-{number}", record.fields)
        for number in range(bench.destination.batch_size * _FAR_TOO_MANY)
    ]
    problems = []
    with bench.writer() as writer:
        for what, records in (("too many records", many), ("a key twice", [record, *others, record])):
            try:
                writer.write(records)
                problems.append(f"{what}: written; call check_batch first")
            except ValueError:
                pass
            except AfluenteError as error:
                problems.append(f"{what}: {type(error).__name__}; call check_batch first")
    if bench.line is not None and bench.line.calls:
        problems.append("calls were made for a batch that no call takes")
    return problems


def refused_record_stops_no_other(bench: Workbench) -> list[str]:
    """One that the CRM refuses is named, and those before and after it are written: or, where the CRM refuses the whole
    call without a name, RecordError says so and nothing is claimed."""
    people = bench.people(4)
    refused = bench.refused_person()
    batch = [*people[:2], refused, *people[2:]]
    with bench.writer() as writer:
        results, error = attempt(lambda: writer.write(batch))
        if error is not None:
            if not isinstance(error, RecordError):
                return [f"a refused record raises {type(error).__name__}; due: its result, or RecordError"]
            problems = [
                f"RecordError, and the CRM has record {place} all the same"
                for place, found in enumerate(bench.seen_by_key(people).values())
                if found
            ]
            return problems + _refused_alone(writer, refused)
    expected = [*people[:2], *people[2:]]
    problems = wrong_results(batch, results, "written", "rejected", "retry")
    if problems:
        return problems
    if results[2].state != "rejected":
        problems.append(f"a refused record is {results[2].state!r}; due: rejected")
    if not results[2].code:
        problems.append("a refused record has no code")
    others = [*results[:2], *results[3:]]
    for place, (record, result) in enumerate(zip(expected, others, strict=True)):
        there = bool(bench.seen_by_key([record])[record.key])
        if there != (result.state == "written"):
            problems.append(
                f"record {place} beside a refused one is {result.state!r} and {'there' if there else 'gone'}"
            )
    if "written" not in {result.state for result in others}:
        problems.append("one refused record kept all others from being written")
    if bench.seen_by_key([refused])[refused.key]:
        problems.append("a record that the CRM refused alone is there")
    return problems + ids_of_others(batch, results, bench)


def refusal_holds_no_value(bench: Workbench) -> list[str]:
    """No message of the CRM's is passed on with a value of the record in it: messages stand in logs in clear."""
    refused = bench.refused_person()
    with bench.writer() as writer:
        results, error = attempt(lambda: writer.write([refused]))
        said = [str(error)] if error is not None else [f"{result.code} {result.message}" for result in results]
        results, error = attempt(lambda: writer.write([*bench.people(1), refused]))
        said += [str(error)] if error is not None else [f"{result.code} {result.message}" for result in results]
    words = {
        word.casefold() for value in refused.fields.values() if value is not None for word in _telling_words(value)
    }
    names = {word.casefold() for name in refused.fields for word in re.findall(r"\w+", name)}
    leaked = {word.casefold() for text in said for word in re.findall(r"\w+", text)} & (words - names)
    if leaked:
        return [f"a message holds {len(leaked)} words of the record: take them out with without_values"]
    return []


def _refused_alone(writer: Any, refused: Record) -> list[str]:
    results, error = attempt(lambda: writer.write([refused]))
    if error is not None:
        return [] if isinstance(error, RecordError) else [f"a refused record alone raises {type(error).__name__}"]
    return [] if results[0].state == "rejected" else [f"a refused record alone is {results[0].state!r}"]


def _telling_words(value: Any) -> list[str]:
    return [word for word in re.findall(r"\w+", str(value)) if len(word) >= _TELLING_LENGTH and not word.isdigit()]
