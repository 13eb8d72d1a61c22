"""The rules of identity on 6,000 realistic leads whose truth is known: the figures that may not get worse."""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import combinations

import pytest

from benchmarks.identity import at_once, half_of, read_leads, score_halves
from tests.support.paths import IDENTITY_DEV


def rows(name: str) -> list[dict[str, str]]:
    with gzip.open(IDENTITY_DEV / name, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def truth() -> dict[str, str]:
    return {row["record_id"]: row["entity_id"] for row in rows("truth.csv.gz")}


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    """The person of each record."""
    return at_once(read_leads(IDENTITY_DEV))


def figures(found: Mapping[str, str], truth: Mapping[str, str]) -> dict[str, float]:
    """Over pairs of records: precision, recall, f1; over records: bcubed (F1 of Bagga and Baldwin)."""
    people, entities = Counter(found.values()), Counter(truth[record] for record in found)
    both = Counter((person, truth[record]) for record, person in found.items())

    def pairs(counts: Counter) -> int:
        return sum(count * (count - 1) // 2 for count in counts.values())

    precision, recall = pairs(both) / pairs(people), pairs(both) / pairs(entities)
    pure = sum(count * count / people[person] for (person, _), count in both.items()) / len(found)
    whole = sum(count * count / entities[entity] for (_, entity), count in both.items()) / len(found)
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall),
        "bcubed": 2 * pure * whole / (pure + whole),
    }


@pytest.mark.parametrize(("figure", "floor"), [("precision", 0.996), ("recall", 0.82), ("f1", 0.90), ("bcubed", 0.937)])
def test_people_are_told_apart_this_well(
    found: dict[str, str], truth: dict[str, str], figure: str, floor: float
) -> None:
    assert figures(found, truth)[figure] >= floor


@pytest.mark.parametrize("figure", ["precision", "f1", "bcubed"])
def test_both_halves_of_the_people_fare_alike(found: dict[str, str], truth: dict[str, str], figure: str) -> None:
    def half(parity: int) -> dict[str, str]:
        return {record: person for record, person in found.items() if half_of(truth[record]) == parity}

    assert abs(figures(half(0), truth)[figure] - figures(half(1), truth)[figure]) < 0.01


def test_the_benchmark_shows_what_is_good_for_one_half_only(truth: dict[str, str]) -> None:
    as_they_are = score_halves(truth, IDENTITY_DEV)
    assert as_they_are["gap"] == {"precision": 0, "recall": 0, "f1": 0, "bcubed_f1": 0}

    spoiled = {record: record if half_of(entity) else entity for record, entity in truth.items()}
    halves = score_halves(spoiled, IDENTITY_DEV)
    assert (halves["first"]["recall"], halves["second"]["recall"], halves["gap"]["recall"]) == (1, 0, 1)


@pytest.mark.parametrize(
    ("trap", "limit"),
    [
        ("switchboard", 0.005),
        ("agent_contact", 0.005),
        ("shared_mailbox", 0.005),
        ("namesakes", 0.005),
        ("household", 0.005),
        ("placeholder", 0.005),
        ("recycled_phone", 0.005),
        ("lookalike_coworkers", 0.02),
    ],
)
def test_two_people_who_share_something_stay_two(
    found: dict[str, str], truth: dict[str, str], trap: str, limit: float
) -> None:
    groups = defaultdict(list)
    for row in rows("groups.csv.gz"):
        if row["kind"] == trap:
            groups[row["group_id"]].append(row["record_id"])
    cross = [
        found[one] == found[other]
        for records in groups.values()
        for one, other in combinations(records, 2)
        if truth[one] != truth[other]
    ]
    assert cross
    assert sum(cross) / len(cross) <= limit
