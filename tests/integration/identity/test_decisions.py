"""What humans say of who is who: it wins, it lasts, it can be taken back, and taking it back leaves no trace."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID

import pytest

from pipeline.identity.decisions import Decision, DecisionRefusedError
from pipeline.identity.merges import accept_review, merge_people, reject_review
from pipeline.identity.unmerges import find_chain, unmerge_person
from pipeline.recompute.people import recompute_people
from pipeline.records import new_id
from pipeline.store.engine import transaction
from pipeline.store.identity import decisions, reviews
from tests.support.identity_rows import leads, owner, people, rows, stored, waiting

pytestmark = pytest.mark.usefixtures("database")

ME = Decision("vera", "told us by phone")


ADA = {"full_name": "Ada Sample", "email": "ada@example.com"}
ADA_TOO = {"full_name": "Ada Sample", "email": "ada@example.com", "phone": "+34 612 345 001"}
BEA = {"full_name": "Bea Muster", "email": "bea@muster.example", "company": "Muster"}
CLEO = {"full_name": "Cleo Fulano", "phone": "+34 612 345 003"}
DORA = {"full_name": "Dora Zola", "phone": "+34 612 345 004"}


def test_two_people_become_one_and_the_older_id_stays():
    ada, bea = leads(ADA, BEA)
    followed = merge_people(bea, ada, ME)
    assert (followed.person_id, followed.joined) == (ada, {bea: ada})
    assert rows("SELECT DISTINCT person_id FROM events") == [(ada,)]
    assert rows("SELECT merged_into FROM people WHERE person_id = %s", bea) == [(ada,)]
    ((touches, original, latest),) = rows(
        "SELECT touches, original_source, latest_source FROM people WHERE person_id = %s", ada
    )
    assert (touches, original, latest) == (2, "news", "google")


def test_taking_a_merge_back_leaves_everything_as_it_was():
    ada, bea, _ = leads(ADA, BEA, CLEO)
    before = stored()
    merge_people(ada, bea, ME)
    assert stored()["people"].keys() == before["people"].keys() - {bea}
    followed = unmerge_person(ada, Decision("carl"))
    assert followed.parted == [bea]
    assert [(one.decided_by, one.why) for one in followed.took_back] == [("vera", "told us by phone")]
    assert stored() == before


def test_a_merge_outlasts_whatever_comes_in_later_of_either():
    ada, bea = leads(ADA, BEA)
    merge_people(ada, bea, ME)
    assert leads({**ADA, "company": "Sample"}, {**BEA, "phone": "+34 612 345 009"}) == [ada, ada]
    assert {person: len(pieces) for person, pieces in people().items()} == {ada: 4}


def test_the_newest_merge_is_taken_back_first():
    ada, bea, cleo = leads(ADA, BEA, CLEO)
    start = stored()
    merge_people(ada, bea, ME)
    before = stored()
    merge_people(cleo, ada, ME)
    unmerge_person(ada, ME)
    assert stored() == before
    unmerge_person(ada, ME)
    assert stored() == start


def test_a_merge_brings_all_that_two_people_left_even_where_it_contradicts_itself():
    """What links them has no name; by rules alone the piece that says Ada would be left behind when Bea comes along."""
    nameless = {"email": "ada.s@gmail.com"}
    ada, same, bea = leads(nameless, {**nameless, "full_name": "Ada Sample"}, BEA)
    assert same == ada
    before = stored()
    merge_people(ada, bea, ME)
    assert list(people()) == [ada]
    recompute_people()
    assert list(people()) == [ada]
    unmerge_person(ada, ME)
    assert stored() == before


def test_what_rules_joined_is_parted_where_it_came_together_last_and_stays_so():
    ada, other, bridge = leads(ADA, {"full_name": "Ada Sample", "phone": "+34 612 345 001"}, ADA_TOO)
    assert bridge == ada
    assert people().keys() == {ada}
    followed = unmerge_person(ada, ME)
    assert followed.parted == [other]
    assert len(people()[other]) == 1
    assert len(people()[ada]) == 2
    apart = stored()
    recompute_people()
    assert stored() == apart
    leads({**ADA_TOO, "company": "Sample and Daughters"})
    assert {ada, other} <= people().keys()


def test_of_several_people_the_one_that_came_last_is_parted_first():
    by_phone = [{"full_name": "Ada Sample", "phone": f"+34 612 345 0{number}"} for number in ("11", "52")]
    ada, first, _, second, _ = leads(ADA, by_phone[0], {**ADA, **by_phone[0]}, by_phone[1], {**ADA, **by_phone[1]})
    assert people().keys() == {ada}
    assert unmerge_person(ada, ME).parted == [second]
    assert unmerge_person(ada, ME).parted == [first]
    assert people().keys() == {ada, first, second}


def test_who_is_taken_out_is_whole_again():
    by_phone = {"full_name": "Ada Sample", "phone": "+34 612 345 001"}
    ada, other, same, bridge = leads(ADA, by_phone, {**by_phone, "company": "Sample"}, ADA_TOO)
    assert (same, bridge) == (other, ada)
    assert unmerge_person(ada, ME).parted == [other]
    assert {person: len(pieces) for person, pieces in people().items()} == {ada: 2, other: 2}


def test_the_lead_that_joined_two_people_goes_where_it_is_pulled_more():
    """Of the same e-mail rather than of the same phone: here that is the newer one of the two."""
    by_phone = {"full_name": "Ada Sample", "phone": "+34 612 345 001"}
    ada, other, bridge = leads(by_phone, ADA, ADA_TOO)
    assert bridge == ada
    assert unmerge_person(ada, ME).parted == [other]
    assert {person: len(pieces) for person, pieces in people().items()} == {ada: 1, other: 2}


def test_a_person_nobody_was_merged_into_loses_what_came_last():
    ada, again = leads(ADA, ADA_TOO)
    assert again == ada
    unmerge_person(ada, ME)
    assert [len(pieces) for pieces in people().values()] == [1, 1]
    with pytest.raises(DecisionRefusedError, match="nothing to take apart"):
        unmerge_person(ada, ME)


def test_given_leads_are_taken_out_and_stay_out():
    ada, _, _ = leads(ADA, ADA_TOO, {**ADA, "company": "Sample"})
    ((middle,),) = rows("SELECT event_id FROM events ORDER BY event_id OFFSET 1 LIMIT 1")
    (out,) = unmerge_person(ada, ME, event_ids=[middle]).parted
    assert owner(middle) == out
    recompute_people()
    assert owner(middle) == out
    assert sorted(len(pieces) for pieces in people().values()) == [1, 2]


def test_leads_that_are_all_a_person_has_or_not_its_own_are_not_taken_out():
    ada, bea, _ = leads(ADA, BEA, ADA_TOO)
    of_ada = [event_id for event_id, person_id in rows("SELECT event_id, person_id FROM events") if person_id == ada]
    (of_bea,) = (event_id for event_id, person_id in rows("SELECT event_id, person_id FROM events") if person_id == bea)
    with pytest.raises(DecisionRefusedError, match="nothing would be left"):
        unmerge_person(ada, ME, event_ids=of_ada)
    for stranger in (of_bea, new_id()):
        with pytest.raises(DecisionRefusedError, match=f"event {stranger} is none of {ada}"):
            unmerge_person(ada, ME, event_ids=[stranger])


def test_people_kept_apart_are_not_merged_unless_that_is_taken_back():
    ada, _ = leads(ADA, ADA_TOO)
    (other,) = unmerge_person(ada, Decision("carl", "father and son")).parted
    before = stored()
    with pytest.raises(
        DecisionRefusedError, match=r"kept apart by carl on \d{4}-\d\d-\d\d because father and son: .*--override"
    ):
        merge_people(ada, other, ME)
    assert stored() == before
    followed = merge_people(ada, other, ME, override=True)
    assert [one.decided_by for one in followed.took_back] == ["carl"]
    assert people().keys() == {ada}


def test_kept_apart_by_way_of_a_third_is_kept_apart():
    """Bea is not Ada; Bea is Cleo: so Cleo is not Ada."""
    ada, again, bea = leads(ADA, ADA_TOO, BEA)
    assert ada == again
    (other,) = unmerge_person(ada, ME).parted
    merge_people(other, bea, ME)
    before = stored()
    with pytest.raises(DecisionRefusedError, match="kept apart by vera"):
        merge_people(ada, other, ME)
    assert stored() == before


def test_joined_by_way_of_a_third_is_not_kept_apart_by_hand():
    """Ada is Bea, Bea is Cleo: so Ada is Cleo, and taking Ada's lead out contradicts it."""
    ada, bea, cleo = leads(ADA, BEA, CLEO)
    (of_ada,) = (event_id for event_id, person_id in rows("SELECT event_id, person_id FROM events") if person_id == ada)
    merge_people(ada, bea, ME)
    merge_people(ada, cleo, Decision("carl", "one desk"))
    before = stored()
    with pytest.raises(DecisionRefusedError, match=f"joined by vera on .* because told us by phone: .*unmerge {bea}"):
        unmerge_person(ada, ME, event_ids=[of_ada])
    assert stored() == before


def test_of_several_merges_the_one_that_joined_an_id_is_taken_back_by_that_id():
    ada, bea, cleo = leads(ADA, BEA, CLEO)
    merge_people(ada, cleo, Decision("carl", "right one"))
    right = stored()
    unmerge_person(cleo, ME)
    merge_people(ada, bea, Decision("carl", "wrong one"))
    merge_people(ada, cleo, Decision("carl", "right one"))
    followed = unmerge_person(bea, ME)
    assert followed.parted == [bea]
    assert [one.why for one in followed.took_back] == ["wrong one"]
    assert stored() == right


def test_who_was_merged_with_others_of_its_own_is_parted_with_them():
    ada, bea, cleo, dora = leads(ADA, BEA, CLEO, DORA)
    merge_people(bea, cleo, ME)
    merge_people(ada, bea, ME)
    merge_people(ada, dora, ME)
    assert people().keys() == {ada}
    unmerge_person(bea, ME)
    assert rows("SELECT person_id, merged_into FROM people WHERE merged_into IS NOT NULL ORDER BY 1") == [
        (cleo, bea),
        (dora, ada),
    ]
    merge_people(ada, bea, ME)
    assert unmerge_person(cleo, ME).parted == [cleo]
    assert rows("SELECT person_id, merged_into FROM people WHERE merged_into IS NOT NULL ORDER BY 1") == [
        (bea, ada),
        (dora, ada),
    ]


def test_the_refusal_of_a_lead_names_the_merge_that_holds_it():
    ada, bea, cleo = leads(ADA, BEA, CLEO)
    merge_people(ada, bea, Decision("carl", "wrong one"))
    merge_people(ada, cleo, Decision("carl", "right one"))
    (of_bea,) = (event_id for (event_id,) in rows("SELECT event_id FROM events") if told(event_id) == bea)
    with pytest.raises(DecisionRefusedError, match=f"because wrong one: .* `afluente people unmerge {bea}`"):
        unmerge_person(ada, ME, event_ids=[of_bea])
    unmerge_person(bea, ME)
    assert people().keys() == {ada, bea}


def told(event_id: UUID) -> UUID:
    """The person that a lead would be alone."""
    ((birth_id,),) = rows(
        "SELECT birth_id FROM evidence JOIN evidence_events USING (evidence_id) WHERE event_id = %s", event_id
    )
    return birth_id


def test_an_id_that_rules_merged_away_is_taken_out_as_it_was_then():
    by_phone = [{"full_name": "Ada Sample", "phone": f"+34 612 345 0{number}"} for number in ("11", "52")]
    ada, first, _, second, _ = leads(ADA, by_phone[0], {**ADA, **by_phone[0]}, by_phone[1], {**ADA, **by_phone[1]})
    assert people().keys() == {ada}
    assert unmerge_person(first, ME).parted == [first]
    assert people().keys() == {ada, first}
    assert rows("SELECT merged_into FROM people WHERE person_id = %s", second) == [(ada,)]


def test_evidence_that_joins_them_too_is_overruled_where_a_merge_is_taken_back_by_the_id():
    by_phone = {"full_name": "Ada Sample", "phone": "+34 612 345 001"}
    ada, other, cleo = leads(ADA, by_phone, CLEO)
    merge_people(ada, other, ME)
    merge_people(ada, cleo, ME)
    leads(ADA_TOO)
    assert unmerge_person(other, ME).parted == [other]
    recompute_people()
    assert people().keys() == {ada, other}
    assert rows("SELECT merged_into FROM people WHERE person_id = %s", cleo) == [(ada,)]


def test_a_chain_of_words_is_found_whichever_way_it_is_told():
    links = [new_id() for _ in range(5)]
    said = [
        decisions.Link(*decisions.ordered(one, other), True, new_id(), "vera", None, None)
        for one, other in pairwise(links)
    ]
    assert find_chain(said, {links[0]}, {links[4]}) == said
    assert find_chain(reversed(said), {links[4]}, {links[0]}) == said[::-1]
    assert find_chain(said, {links[0]}, {new_id()}) == []


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        (("ada", "ada"), "are one person already"),
        (("ada", "nobody"), "no person has the id"),
        (("ada", "bea"), "was merged into"),
        (("ada", "foreign"), "two brands"),
    ],
)
def test_what_cannot_be_merged_is_refused_with_the_reason(ids, reason):
    ada, bea, cleo = leads(ADA, BEA, CLEO)
    merge_people(bea, cleo, ME)
    known = {"ada": ada, "bea": cleo, "nobody": new_id(), "foreign": bea}
    if "foreign" in ids:
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE people SET brand = 'other' WHERE person_id = %s", (bea,))
    with pytest.raises(DecisionRefusedError, match=reason):
        merge_people(known[ids[0]], known[ids[1]], ME)


MARRIED = [
    {"full_name": "Ada Sample", "phone": "+34 612 345 001"},
    {"full_name": "Ada Muster", "phone": "+34 612 345 001"},
]


def test_people_who_come_apart_because_others_use_their_number_are_asked_about():
    number = {"phone": "+34 612 345 001"}
    ada, same = leads({"full_name": "Ada Sample", **number}, {"email": "a.s@gmail.com", **number})
    assert (same, waiting()) == (ada, [])
    leads({"full_name": "Bea Muster", **number})
    ((other,),) = rows(
        "SELECT person_id FROM evidence WHERE person_id <> %s AND created_at < (SELECT max(created_at) FROM evidence)",
        ada,
    )
    assert {ada, other} in [set(review.people) for review in waiting()]


def test_an_accepted_review_is_one_person_and_stays_one():
    ada, other = leads(*MARRIED)
    assert ada != other
    (review,) = waiting()
    assert set(review.people) == {ada, other}
    assert sum(review.weights.values()) == pytest.approx(review.score)
    before = stored()
    assert accept_review(review.review_id, ME).joined == {other: ada}
    assert waiting() == []
    recompute_people()
    assert people().keys() == {ada}
    unmerge_person(ada, ME)
    assert stored() == before
    assert [one.people for one in waiting()] == [review.people]


def test_a_rejected_review_is_not_asked_again_nor_joined_by_what_comes_later():
    ada, other = leads(*MARRIED)
    (review,) = waiting()
    reject_review(review.review_id, ME)
    assert waiting() == []
    recompute_people()
    assert waiting() == []
    leads({**MARRIED[0], "full_name": "Ada Sample Muster"})
    assert {ada, other} <= people().keys()
    assert owner_of_evidence(review.pair[0]) != owner_of_evidence(review.pair[1])
    with pytest.raises(DecisionRefusedError, match="kept apart by vera"):
        merge_people(ada, other, ME)


def owner_of_evidence(evidence_id: UUID) -> UUID:
    ((person_id,),) = rows("SELECT person_id FROM evidence WHERE evidence_id = %s", evidence_id)
    return person_id


def test_a_review_of_people_who_are_one_by_now_is_neither_listed_nor_answered():
    ada, other = leads(*MARRIED)
    (review,) = waiting()
    merge_people(ada, other, ME)
    with transaction() as connection:
        assert reviews.list_reviews(connection, limit=50) == ([], 0)
    for answer in (accept_review, reject_review):
        with pytest.raises(DecisionRefusedError, match="one person by now"):
            answer(review.review_id, ME)
    assert waiting() == []
    with pytest.raises(DecisionRefusedError, match="no review has the number"):
        accept_review(review.review_id, ME)


def test_an_accepted_review_is_taken_back_by_the_id_that_it_merged_away():
    ada, other, cleo = leads(*MARRIED, CLEO)
    before = stored()
    accept_review(waiting()[0].review_id, Decision("carl", "married"))
    merge_people(ada, cleo, ME)
    followed = unmerge_person(other, ME)
    assert (followed.parted, [one.why for one in followed.took_back]) == ([other], ["married"])
    assert rows("SELECT merged_into FROM people WHERE person_id = %s", cleo) == [(ada,)]
    unmerge_person(cleo, ME)
    assert stored() == before
