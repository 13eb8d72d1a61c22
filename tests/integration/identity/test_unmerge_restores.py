"""Property: whatever two people are made one and taken apart again, everything is as it was. On 200 pairs of invented
people with all the traps of identity-dev, who come in through the whole chain."""

from __future__ import annotations

import random

import pytest

from benchmarks.identity import read_leads, stream
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import accept_review, merge_people
from pipeline.identity.unmerges import unmerge_person
from pipeline.recompute.people import recompute_people
from tests.support.identity_rows import people, rows, stored, waiting
from tests.support.paths import IDENTITY_DEV
from tests.support.people_checks import assert_all_follows

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("module_database")]
ME = Decision("vera")
_LEADS, _PAIRS, _COMPARED_EVERY = 900, 200, 20


@pytest.fixture(scope="module")
def crowd(module_database):
    """People of many leads and of one, some related, namesakes, of one switchboard; with campaigns and consents."""
    leads = read_leads(IDENTITY_DEV)[:_LEADS]
    chance = random.Random(4)
    for lead in leads:
        lead["utm_source"], lead["utm_medium"] = chance.choice(
            [("google", "cpc"), ("news", "email"), ("bing", "organic")]
        )
        lead["consents"] = [
            {"purpose": "marketing", "channel": channel, "granted": chance.random() < 0.7}
            for channel in chance.sample(["email", "phone"], chance.randint(0, 2))
        ]
    stream(leads, batch=150)
    recompute_people()
    return chance


def everything():
    return stored() | {"reviews": {one.people for one in waiting()}}


def test_finding_out_anew_by_the_same_rules_changes_nothing(crowd):
    before, versions = everything(), rows("SELECT person_id, version FROM people ORDER BY 1")
    done = recompute_people(pieces_at_once=70)
    assert (done.joined, done.parted) == (0, 0)
    assert done.pieces == sum(len(pieces) for pieces in people().values())
    assert everything() == before
    assert rows("SELECT person_id, version FROM people ORDER BY 1") == versions


def test_merging_and_unmerging_any_two_people_leaves_no_trace(crowd):
    before = everything()
    for number in range(1, _PAIRS + 1):
        one, other = crowd.sample(sorted(before["evidence"]), 2)
        merge_people(one, other, ME)
        assert before["evidence"][one] | before["evidence"][other] <= people()[min(one, other)]
        is_compared = number % _COMPARED_EVERY == 0
        if is_compared:
            assert_all_follows("default")
        unmerge_person(min(one, other), ME)
        if is_compared:
            assert everything() == before, number


def test_several_merges_are_taken_back_one_by_one(crowd):
    states, merged = [everything()], []
    person, *others = crowd.sample(sorted(states[0]["evidence"]), 12)
    for other in others:
        person = merge_people(person, other, ME).person_id
        merged.append(person)
        states.append(everything())
    for person, state in zip(reversed(merged), reversed(states[:-1]), strict=True):
        unmerge_person(person, ME)
        assert everything() == state


def test_accepting_a_review_and_unmerging_leaves_no_trace(crowd):
    before, found = everything(), waiting()
    assert len(found) > 5
    for review in found:
        accept_review(review.review_id, ME)
        assert people()[min(review.people)] >= before["evidence"][max(review.people)]
        unmerge_person(min(review.people), ME)
        review_ids = {one.people: one.review_id for one in waiting()}
        assert review.people in review_ids
    assert everything() == before


def test_people_whom_rules_joined_stay_apart_once_a_human_parted_them(crowd):
    joined = sorted(person for person, pieces in people().items() if len(pieces) > 1)
    assert len(joined) > 50
    for person in crowd.sample(joined, 50):
        pieces = people()[person]
        unmerge_person(person, ME)
        assert people()[person] < pieces
    before = everything()
    recompute_people()
    assert everything() == before
