"""Who becomes whom when evidence changes hands, case by case: letters are evidence, numbers the people they began."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import msgspec
import pytest

from pipeline.identity.matching.reassignment import (
    Corrections,
    Merged,
    Reassignment,
    Split,
    moves_between,
    owners_by_birth,
    plan_reassignment,
)


class Owned(msgspec.Struct, frozen=True):
    """Evidence as the store has it."""

    birth_id: UUID
    person_id: UUID | None
    brand: str = "default"


def evidence(letter: str) -> UUID:
    return UUID(int=ord(letter))


def person(number: int) -> UUID:
    return UUID(int=1_000 + number)


EVENT = UUID(int=9_000)
BIRTHS = {"a": 1, "b": 2, "c": 3, "d": 4}


def known_of(owners: Mapping[str, int | None]) -> dict[UUID, Owned]:
    """`a` began person 1, `b` person 2 and so on; whose they are until now is given, None if they are new."""
    return {
        evidence(letter): Owned(person(BIRTHS[letter]), None if owner is None else person(owner))
        for letter, owner in owners.items()
    }


def plan(
    before: Mapping[str, int | None], after: str, *, existing: tuple[int, ...], corrections: Corrections | None = None
) -> Reassignment:
    """`before`: whose each piece is; `after`: the clusters, as `ab c`; `existing`: people who have a row."""
    known = known_of(before)
    targets = owners_by_birth([{evidence(letter) for letter in cluster} for cluster in after.split()], known)
    people = {person(number) for number in existing}
    return plan_reassignment(known, targets, existing=people, corrections=corrections or Corrections())


def numbers(people: Mapping[UUID, UUID]) -> dict[int, int]:
    return {forwarded.int - 1_000: target.int - 1_000 for forwarded, target in people.items()}


def renewed(made: Reassignment) -> dict[int, str]:
    """Each person whose record is written: the people taken up whole after a `+`, evidence read again after a `<`."""
    return {
        renewed.person_id.int - 1_000: ("keeps" if renewed.keeps_record else "anew")
        + "".join(f" +{absorbed.int - 1_000}" for absorbed in renewed.absorbed)
        + "".join(f" <{chr(evidence_id.int)}" for evidence_id in renewed.read_again)
        for renewed in made.renewed
    }


@pytest.mark.parametrize(
    ("before", "after", "existing", "forwards", "people", "gone", "parted"),
    [
        pytest.param({"a": 1, "b": 2}, "ab", (1, 2), {2: 1}, {1: "keeps +2"}, {2}, set(), id="two_join"),
        pytest.param(
            {"a": 1, "b": 2, "c": None}, "abc", (1, 2), {2: 1}, {1: "keeps +2"}, {2}, set(), id="new_evidence_joins_two"
        ),
        pytest.param(
            {"a": None, "b": 2, "c": 3}, "abc", (2, 3), {2: 1, 3: 1}, {1: "anew <a <b <c"}, {2, 3}, set(),
            id="an_older_newcomer_has_the_id",
        ),
        pytest.param(
            {"a": 1, "b": 2, "c": 3}, "abc", (1, 2, 3), {2: 1, 3: 1}, {1: "keeps +2 +3"}, {2, 3}, set(),
            id="three_become_one",
        ),
        pytest.param(
            {"a": 1, "b": 1}, "a b", (1, 2), {}, {1: "anew <a", 2: "anew <b"}, set(), {2},
            id="unmerge_gives_the_old_id_back",
        ),
        pytest.param(
            {"a": 1, "b": 1, "c": 1}, "a bc", (1,), {3: 2}, {1: "anew <a", 2: "anew <b <c"}, set(), {2},
            id="one_splits_and_a_later_id_goes_along",
        ),
        pytest.param(
            {"a": 1, "b": 2, "c": 2}, "abc", (1, 2, 3), {2: 1, 3: 1}, {1: "keeps +2"}, {2}, set(),
            id="a_chain_of_forwards_ends_at_its_end",
        ),
        pytest.param(
            {"a": 1, "b": 2, "c": 2}, "ab c", (1, 2, 3), {2: 1}, {1: "keeps <b", 3: "anew <c"}, {2}, {3},
            id="taken_up_in_part_is_read_again",
        ),
        pytest.param(
            {"a": 1, "c": 2}, "ac", (1, 2, 3), {2: 1, 3: 1}, {1: "keeps +2"}, {2}, set(),
            id="without_the_evidence_it_began_with_the_oldest_counts",
        ),
        pytest.param(
            {"a": 1, "b": 2, "c": 1}, "a bc", (1, 2, 3), {3: 2}, {1: "anew <a", 2: "keeps <c"}, set(), set(),
            id="evidence_goes_from_one_to_another",
        ),
        pytest.param(
            {"d": 1, "c": 1}, "d c", (1,), {1: 3}, {3: "anew <c", 4: "anew <d"}, {1}, {3, 4},
            id="of_several_parts_the_one_that_began_first_counts",
        ),
        pytest.param(
            {"a": 1, "b": 3, "c": 3}, "ac b", (1, 3), {3: 1}, {1: "keeps <c", 2: "anew <b"}, {3}, {2},
            id="where_its_own_evidence_goes_counts_more_than_an_older_part",
        ),
    ],
)  # fmt: skip
def test_who_becomes_whom(
    before: Mapping[str, int | None],
    after: str,
    existing: tuple[int, ...],
    forwards: dict[int, int],
    people: dict[int, str],
    gone: set[int],
    parted: set[int],
) -> None:
    made = plan(before, after, existing=existing)
    assert numbers(made.forwards) == forwards
    assert renewed(made) == people
    assert made.gone == {person(number) for number in gone}
    assert made.parted == {person(number) for number in parted}
    assert made.joined == {person(number): person(forwards[number]) for number in gone}


@pytest.mark.parametrize(
    ("before", "after"),
    [({"a": 1, "b": 1}, "ab"), ({"a": 1, "b": 2}, "a b"), ({"a": None, "b": None}, "ab"), ({"a": 1, "b": None}, "ab")],
)
def test_nothing_follows_where_no_evidence_changes_hands(before: Mapping[str, int | None], after: str) -> None:
    assert plan(before, after, existing=(1, 2)) == Reassignment()


def test_what_moves_is_what_had_another_person_and_new_evidence_does_not() -> None:
    known = known_of({"a": 1, "b": 2, "c": None})
    assert moves_between(known, dict.fromkeys(known, person(1))) == {evidence("b"): person(1)}


def test_the_log_has_what_it_takes_to_part_who_was_merged() -> None:
    made = plan({"a": 1, "b": 2, "c": 2, "d": None}, "abcd", existing=(1, 2))
    assert made.merged == [
        Merged("default", person(1), person(2), (evidence("b"), evidence("c")), (evidence("d"),)),
    ]
    assert made.split == []


def test_the_log_says_from_whom_somebody_was_taken_but_not_of_who_is_gone() -> None:
    made = plan({"a": 1, "b": 1}, "a b", existing=(1,))
    assert (made.merged, made.split) == ([], [Split("default", person(1), person(2))])
    assert plan({"a": 1, "b": 2}, "ab", existing=(1, 2)).split == []


def test_whoever_stays_or_comes_back_stands_for_itself_and_the_crm_hears_of_all_who_had_evidence() -> None:
    made = plan({"a": 1, "b": 1, "c": 2}, "a bc", existing=(1, 2))
    assert made.revived == {person(1), person(2)}
    assert made.changed == {person(1): "default", person(2): "default"}


def test_a_person_without_a_row_is_neither_kept_nor_taken_up() -> None:
    made = plan({"a": 1, "b": 2}, "ab", existing=(2,))
    assert renewed(made) == {1: "anew <a <b"}
    assert made.revived == frozenset()
    assert renewed(plan({"a": 1, "b": 2}, "ab", existing=(1,))) == {1: "keeps <b"}


def test_a_person_that_a_corrected_event_left_nothing_of_forwards_to_the_events_person() -> None:
    """2 had `b` alone, which vanished with its event: that brings `a` now."""
    corrections = Corrections({EVENT: evidence("a")}, {person(2): evidence("a")})
    made = plan({"a": 1}, "a", existing=(1, 2), corrections=corrections)
    assert made.events == {EVENT: person(1)}
    assert (made.gone, numbers(made.joined)) == ({person(2)}, {2: 1})
    assert renewed(made) == {1: "anew <a"}
    assert made.merged == [Merged("default", person(1), person(2), (), ())]


def test_a_person_that_a_corrected_event_left_is_made_anew_from_what_it_still_has() -> None:
    corrections = Corrections({EVENT: evidence("c")}, {person(1): evidence("c")})
    made = plan({"a": 1, "b": 1, "c": None}, "ab c", existing=(1,), corrections=corrections)
    assert renewed(made) == {1: "anew <a <b", 3: "anew <c"}
    assert (made.gone, made.forwards) == (frozenset(), {})
    assert made.changed == {person(1): "default"}, "`load` wants what it settles of who has new evidence only"


def test_while_events_are_corrected_nobody_is_taken_up_whole() -> None:
    """What an event said before is still in the golden record."""
    corrections = Corrections({EVENT: evidence("b")}, {person(2): evidence("b")})
    assert renewed(plan({"a": 1, "b": 2}, "ab", existing=(1, 2), corrections=corrections)) == {1: "anew <a <b"}
