"""Which leads are one person, and what humans and other leads have to say against it."""

from __future__ import annotations

import random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.identity.matching.clustering import CROWDED, Clusters, cluster, components, count_names
from pipeline.identity.matching.evidence import EMAIL, PHONE, Evidence, keys_of
from pipeline.identity.matching.name_agreement import name_of
from tests.unit.identity.matching.test_scoring import says


def key(number: int) -> UUID:
    return UUID(int=number)


def clusters_of(leads: list[str] | list[Evidence], keys: list[UUID] | None = None, **decisions) -> Clusters:
    """Clusters of these leads, first lead key(0), with names counted as a store would."""
    made = [says(one) if isinstance(one, str) else one for one in leads]
    evidence = dict(zip(keys or map(key, range(len(made))), made, strict=True))
    names: dict[tuple[str, str], list] = {}
    for one in evidence.values():
        for kind, value in keys_of(one):
            if kind in (EMAIL, PHONE):
                names.setdefault((kind, value), []).append(one.name)
    return cluster(evidence, lambda kind, value: count_names(names.get((kind, value), ()), 3) or 1, **decisions)


def people(leads: list[str], **decisions) -> str:
    """`ac b`: the first and third lead are one person, the second another."""
    found = clusters_of(leads, **decisions).people
    return " ".join(sorted("".join(sorted(chr(97 + one.int) for one in members)) for members in found))


ANA, EVA, JON, MAX = "Ana López", "Eva López", "Jon Vidal", "Max Rey"


@pytest.mark.parametrize(
    ("leads", "expected"),
    [
        ([], ""),
        ([ANA], "a"),
        ([ANA, f"{ANA} "], "a b"),  # a name alone joins nobody
        ([f"{ANA}|a@gmail.com", f"{ANA}|a@gmail.com|600"], "ab"),
        ([f"{ANA}|a@gmail.com", f"{ANA}|a@gmail.com|600", f"{ANA}||600"], "abc"),
        ([f"{ANA}|a@gmail.com", f"{ANA}||600", f"{ANA}|a@gmail.com|600"], "abc"),  # the bridge comes last
        (["Ana|a@gmail.com|600", f"{ANA}|a@gmail.com", "||600"], "abc"),
        # nicknames, swapped names, slips
        (["Paco Ruiz||600", "Francisco Ruiz||600"], "ab"),
        (["Majo Ortiz||600", "María José Ortiz||600"], "ab"),
        (["Ruiz, Francisco||600", "Pancho Ruiz||600|EHA"], "ab"),
        (["Marina López|m@gmail.com", "Marinna López|m@gmail.com"], "ab"),
        (["A. López||600", f"{ANA}||600"], "ab"),
        (["E. Wright||600", "Edward||600"], "ab"),
        # married name, job change, private and work mailbox
        (["Ana Vega|a@gmail.com", f"{ANA}|a@gmail.com"], "ab"),
        ([f"{ANA}|a@gmail.com||Kairotech", f"{ANA}|a@gmail.com||Constructora Muro"], "ab"),
        ([f"{ANA}|ana@kairotech.mx|600", f"{ANA}|ana@muro.mx|600"], "ab"),
        ([f"{ANA}|ana@kairotech.mx", f"{ANA}|a@gmail.com||Kairotech"], "ab"),
        # companies
        ([f"{ANA}|||EHA", f"{ANA}||600|Elorza y Hurtado Asociados"], "a b"),  # initials look nobody up, but
        ([f"{ANA}||600|EHA", f"{JON}||600", f"{MAX}||600", f"{ANA}||600|Elorza y Hurtado Asociados"], "ad b c"),
        ([f"{ANA}|||Hall & Warren", f"{ANA}|al@hallwarren.com"], "ab"),
        ([f"{ANA}|||kairotech.mx", f"{ANA}||600|Kairotech SA de CV"], "ab"),
        # namesakes
        ([f"{ANA}|a@gmail.com", f"{ANA}|b@gmail.com"], "a b"),
        ([f"{ANA}||600|Kairotech", f"{ANA}||709|Muro"], "a b"),
        # colleagues who look alike
        ([f"{ANA}|alopez@kairo.mx", f"{ANA}|alopez2@kairo.mx"], "a b"),
        ([f"{ANA}|ana@kairo.mx", f"{EVA}|eva@kairo.mx"], "a b"),
        ([f"{ANA}|ana@kairo.mx", f"{ANA}|alopez@kairo.mx", f"{ANA}||600|Kairo"], "a bc"),  # fits both; joins one
        # one leaves out what the other has: no contradiction, and neither says it all
        (["José Luis Mora||600", "José Mora Gil||600"], "ab"),
        (["José Luis Mora||600|Kairo", "José Mora Gil||600", "José Luis|||Kairo"], "ab c"),
        # several addresses
        ([f"{ANA}|a@gmail.com b@gmail.com", f"{ANA}|b@gmail.com"], "ab"),
        ([f"{ANA}|a@gmail.com", f"{ANA}|b@gmail.com", f"{ANA}|a@gmail.com b@gmail.com"], "abc"),
        ([f"{ANA}|ana@kairo.mx", f"{ANA}|alopez@kairo.mx", f"{ANA}|alopez@kairo.mx ana@kairo.mx"], "abc"),
        ([f"{ANA}|x@gmail.com b@gmail.com", "|b@gmail.com"], "ab"),
        ([f"{ANA}|x@gmail.com b@gmail.com", f"{JON}|b@gmail.com"], "a b"),
        ([f"{ANA}|x@gmail.com b@gmail.com", f"{JON}|b@gmail.com", f"{MAX}|b@gmail.com", "|b@gmail.com"], "a b c d"),
        # a household
        ([f"{ANA}||600", f"{EVA}||600"], "a b"),
        ([f"{ANA}|m@gmail.com|600", f"{EVA}|m@gmail.com|600"], "a b"),
        ([f"{ANA}|m@gmail.com|600|Kairo", f"{EVA}|m@gmail.com||Kairo"], "a b"),
        ([f"{ANA}|m@gmail.com|600", f"{EVA}|m@gmail.com|600", f"{ANA}|m@gmail.com"], "ac b"),
        ([f"{ANA}|!fam@gmail.com", f"{EVA}|!fam@gmail.com", "|!fam@gmail.com"], "a b c"),
        (["Luis López||600", "José Luis López||600"], "ab"),
        (["Luis López||600", "José Luis López||600", f"{EVA}||600"], "a b c"),
        # nameless leads join nobody to somebody else
        ([f"{ANA}||600", "||600", f"{JON}||600"], "a b c"),
        (["T. López||600|Kairotech", "||600", "Tom López||600|Constructora Muro"], "ab c"),
        ([f"{JON}||600", "||600 601", f"{ANA}||601"], "a bc"),
        ([f"{ANA}||600", "|x@gmail.com|600"], "ab"),
        ([f"{ANA}||600", "|x@gmail.com|600", f"{JON}|x@gmail.com"], "a bc"),
        (["||600", "||600|Kairo"], "ab"),
        # halves of a name
        (["Ada|a@gmail.com|600", "Brandt|a@gmail.com|600"], "ab"),
        (["Ada|a@gmail.com|600", "Brandt|a@gmail.com|600", "Ada Brandt||600"], "abc"),
        (["Ada|a@gmail.com", "Brandt|a@gmail.com", "Jon Brandt|a@gmail.com"], "a bc"),
        # a switchboard
        ([f"{ANA}||600", f"{JON}||600", f"{MAX}||600"], "a b c"),
        ([f"{ANA}||600", f"{JON}||600", f"{MAX}||600", f"{ANA}||600|Kairo"], "ad b c"),
        ([f"{ANA}||600|Kairo", f"{JON}||600|Kairo", f"{MAX}||600|Kairo", "||600|Kairo"], "a b c d"),
        (["Robert Brewer||600|Kairo", "Robert Miller||600|Kairo", f"{JON}||600|Kairo"], "a b c"),
        (["Robert Brewer||600|Kairo", "Robert Miller||600|Kairo"], "a b"),
        # a mailbox of many, an agency's contact
        ([f"{ANA}|!info@kairo.mx", f"{JON}|!info@kairo.mx", "|!info@kairo.mx"], "a b c"),
        ([f"{ANA}|!info@kairo.mx", f"{ANA}|!info@kairo.mx|600"], "ab"),
        ([f"{ANA}|p@gmail.com", f"{JON}|p@gmail.com", f"{MAX}|p@gmail.com"], "a b c"),
        ([f"{ANA}|p@gmail.com|1", f"{JON}|p@gmail.com|2", f"{MAX}|p@gmail.com|3", f"{ANA}||1"], "ad b c"),
        # a number given to somebody else
        ([f"{ANA}|a@gmail.com|600", f"{JON}|j@gmail.com|600"], "a b"),
        ([f"{ANA}|a@gmail.com|600", f"{JON}||600", f"{ANA}|a@gmail.com"], "ac b"),
        # other leads contradict
        ([f"{ANA}||600", "Ana||600 601", "Ana Vega||601"], "abc"),  # not strongly enough
        ([f"{ANA}|ana@kairo.mx|600", "A. López||600 601", f"{ANA}|alopez@kairo.mx|601"], "a bc"),
        # near misses
        ([f"{ANA}||34600057519", f"{ANA}||34600057518"], "ab"),
        ([f"{ANA}|alopez@kairo.mx", f"{ANA}|aloepz@kairo.mx"], "ab"),
        # near misses of private mailboxes look nobody up, but count, as initials do
        ([f"{ANA}|ana.lopez@gmail.com", f"{ANA}|ana.lopze@gmail.com"], "a b"),
        ([f"{ANA}|ana.lopez82@gmail.com", f"{ANA}|ana.lopez82@hotmail.com"], "a b"),
        ([f"{ANA}|a.lopez@aol.com|600|EHA", f"{JON}||600", f"{MAX}||600", f"{ANA}|a.lopze@aol.com|600|Muro"], "ad b c"),
        ([f"{ANA}|al82@aol.com|600|EHA", f"{JON}||600", f"{MAX}||600", f"{ANA}|al82@gmx.de|600|Muro"], "ad b c"),
        ([f"{ANA}|a@aol.com|600|EHA", f"{JON}||600", f"{MAX}||600", f"{ANA}|al@gmx.de|600|Muro"], "a b c d"),
        ([f"{JON}||34600057519", f"{ANA}||34600057518"], "a b"),
        # profiles
        ([f"{ANA}||linkedin:/in/ana", "||linkedin:/in/ana"], "ab"),
        ([f"{ANA}||linkedin:/in/ana", f"{JON}||linkedin:/in/ana"], "a b"),
        # bad input
        (["||", "||"], "a b"),
        (["🎉🎉||600", f"{ANA}||600"], "ab"),
        (["X||600", f"{ANA}||600"], "a b"),
        (["李小龙||600", "王伟||600"], "a b"),
        (["山田 太郎||600", "太郎 山田||600"], "ab"),
        (["Ana " * 100 + "||600", "Ana||600"], "ab"),
    ],
)  # fmt: skip
def test_these_leads_are_these_people(leads: list[str], expected: str) -> None:
    assert people(leads) == expected


SAME = [f"{ANA}|a@gmail.com", f"{ANA}|a@gmail.com|600", f"{JON}||709"]
A, B, C = (key(number) for number in range(3))


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ({}, "ab c"),
        ({"cannot": [(A, B)]}, "a b c"),
        ({"must": [(B, C)]}, "abc"),
        ({"must": [(A, C)]}, "abc"),
        ({"must": [(A, C)], "cannot": [(A, B)]}, "ac b"),
        ({"must": [(A, C), (B, C)]}, "abc"),
        ({"must": [(A, B)], "cannot": [(A, B)]}, "ab c"),  # refused where it is made; here the first word stands
        ({"must": [(A, key(77))]}, "ab c"),  # of evidence that is not here
        ({"cannot": [(A, key(77))]}, "ab c"),
    ],
)
def test_a_humans_word_beats_any_weight(decisions: dict, expected: str) -> None:
    assert people(SAME, **decisions) == expected


def test_what_stood_against_a_join_is_told() -> None:
    assert clusters_of(SAME, cannot=[(A, B)]).refused[A, B].kind == "human"
    refused = clusters_of([f"{JON}||600", "||600 601", f"{ANA}||601"]).refused
    assert [veto.kind for veto in refused.values()] == ["names"]


def test_pairs_between_the_thresholds_wait_for_a_human_unless_one_has_spoken() -> None:
    alike = [f"{JON}||34600|Kairo", "Marinna López||34111|Kairo", "Marina López||34222|Kairo"]
    assert list(clusters_of(alike).reviews) == [(B, C)]
    assert not clusters_of(alike, cannot=[(B, C)]).reviews
    assert not clusters_of(alike, must=[(B, C)]).reviews


def test_a_crowded_key_makes_no_pairs() -> None:
    evidence = {A: says(f"{ANA}||600"), B: says(f"{ANA}||600|Kairo")}
    assert len(cluster(evidence, lambda *_: 1).people) == 1
    assert len(cluster(evidence, lambda *_: CROWDED).people) == 2


@pytest.mark.parametrize(
    ("names", "count"),
    [([], 0), ([""], 0), ([ANA], 1), ([ANA, "Ana"], 1), ([ANA, "A. López"], 1), ([ANA, EVA], 2), ([ANA, EVA, JON], 3),
     ([ANA, EVA, JON, MAX], 3), (["Paco Ruiz", "Francisco Ruiz", ""], 1), (["Ana Vega", ANA], 2)],
)  # fmt: skip
def test_names_that_cannot_be_one_persons_are_counted(names: list[str], count: int) -> None:
    assert count_names(map(name_of, names), 3) == count_names(map(name_of, reversed(names)), 3) == count


_NAMES = ["", "Ana", ANA, "A. López", EVA, JON, "Ana Vega", "Paco Ruiz", "Francisco Ruiz", "Majo Gil"]
_MAILBOXES = ["", "a@gmail.com", "b@gmail.com", "ana@kairo.mx", "jon@kairo.mx", "!info@kairo.mx"]


def leads_with(mailboxes: list[str]) -> st.SearchStrategy[list[str]]:
    lead = st.builds(
        "{}|{}|{}|{}".format,
        st.sampled_from(_NAMES),
        st.sampled_from(mailboxes),
        st.sampled_from(["", "34600", "34601", "34600 34709", "34709"]),
        st.sampled_from(["", "Kairotech", "Constructora Muro"]),
    )
    return st.lists(lead, max_size=9, unique=True)


_LEADS = leads_with(_MAILBOXES)
_OF_SEVERAL_MAILBOXES = leads_with([*_MAILBOXES, "c@gmail.com a@gmail.com", "jon@kairo.mx ana@kairo.mx b@gmail.com"])
_LINKS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda pair: pair[0] < pair[1]), max_size=4)


def linked(pairs: list[tuple[int, int]], size: int) -> list[tuple[UUID, UUID]]:
    return [(key(one), key(other)) for one, other in pairs if other < size]


@settings(deadline=None)
@given(_LEADS | _OF_SEVERAL_MAILBOXES, st.randoms(use_true_random=False))
def test_neither_the_order_nor_the_names_of_keys_change_who_is_who(leads: list[str], chance: random.Random) -> None:
    shuffled = list(leads)
    chance.shuffle(shuffled)
    keys = [key(number) for number in range(100, 100 + len(leads))]
    chance.shuffle(keys)
    evidence = {text: says(text) for text in leads}

    def texts(found: Clusters, of: dict[UUID, str]) -> set[frozenset[Evidence]]:
        return {frozenset(evidence[of[one]] for one in members) for members in found.people}

    first = texts(clusters_of(leads), dict(zip(map(key, range(len(leads))), leads, strict=True)))
    assert texts(clusters_of(shuffled, keys), dict(zip(keys, shuffled, strict=True))) == first


@settings(deadline=None)
@given(_LEADS, _LINKS, _LINKS)
def test_people_part_the_evidence_and_joins_are_a_tree_within_each(leads: list[str], must: list, cannot: list) -> None:
    size = len(leads)
    found = clusters_of(leads, must=linked(must, size), cannot=linked(cannot, size))
    assert sorted(one for members in found.people for one in members) == [key(number) for number in range(size)]
    assert len(found.joins) == size - len(found.people)
    assert {*components(map(key, range(size)), found.joins).values()} == {min(members) for members in found.people}
    assert not {*found.reviews} & {
        pair for pair in found.reviews if any({*pair} <= members for members in found.people)
    }


@settings(deadline=None)
@given(_LEADS, _LINKS)
def test_what_a_human_joins_is_one_person(leads: list[str], must: list) -> None:
    pairs = linked(must, len(leads))
    found = clusters_of(leads, must=pairs)
    assert all(any({*pair} <= members for members in found.people) for pair in pairs)


@settings(deadline=None)
@given(_LEADS, _LINKS)
def test_what_a_human_keeps_apart_is_never_one_person(leads: list[str], cannot: list) -> None:
    pairs = linked(cannot, len(leads))
    found = clusters_of(leads, cannot=pairs)
    assert not any({*pair} <= members for pair in pairs for members in found.people)


@settings(deadline=None)
@given(_LEADS)
def test_people_found_once_are_found_again_when_joined_beforehand(leads: list[str]) -> None:
    found = clusters_of(leads)
    assert {*clusters_of(leads, must=found.joins).people} == {*found.people}
