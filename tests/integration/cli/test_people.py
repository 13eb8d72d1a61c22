"""`afluente people merge|unmerge|review|recompute` through the real command line."""

from __future__ import annotations

import getpass

import pytest

from pipeline.records import new_id
from tests.support.command_line import answer, lines, problem, run
from tests.support.identity_rows import leads, people, rows

pytestmark = pytest.mark.usefixtures("database")

ADA = {"full_name": "Ada Sample", "email": "ada@example.com"}
BEA = {"full_name": "Bea Muster", "email": "bea@muster.example"}
MARRIED = [
    {"full_name": "Ada Sample", "phone": "+34 612 345 001"},
    {"full_name": "Ada Muster", "phone": "+34 612 345 001"},
]


def test_people_are_merged_and_taken_apart_by_command():
    ada, bea = map(str, leads(ADA, BEA))
    assert answer("people", "merge", bea, ada, "--by", "vera", "--why", "one desk") == {
        "person_id": ada,
        "joined": [{"person_id": bea, "into": ada}],
        "parted": [],
        "took_back": [],
    }
    assert [row["person_id"] for row in lines("people", "export")] == [ada]

    said = run("people", "unmerge", ada, "--by", "carl").stdout
    assert "taken back: one person, said by vera on 20" in said
    assert "because one desk" in said
    assert f"{bea} stands for itself now" in said
    assert [row["person_id"] for row in lines("people", "export")] == [ada, bea]


def test_the_story_of_a_person_tells_who_said_what():
    ada, bea = map(str, leads(ADA, BEA))
    run("people", "merge", ada, bea, "--by", "vera", "--why", "one desk")
    run("people", "unmerge", ada, "--by", "carl")
    told = run("explain", ada).stdout
    for word in ("joined", "merged", "parted", "split", "vera", "carl", "one desk"):
        assert word in told, word
    history = answer("explain", bea)["history"]
    assert [(line["action"], line["decided_by"]) for line in history] == [
        ("merged", "vera"),
        ("joined", "vera"),
        ("split", "carl"),
    ]


def test_a_word_is_that_of_the_terminals_user_unless_named():
    ada, bea = leads(ADA, BEA)
    run("people", "merge", str(ada), str(bea))
    assert rows("SELECT decided_by, why FROM identity_decisions") == [(getpass.getuser(), None)]


def test_who_was_kept_apart_is_merged_only_by_overriding_that():
    ada, _ = leads(ADA, {**ADA, "phone": "+34 612 345 001"})
    ((middle,),) = rows("SELECT event_id FROM events ORDER BY event_id LIMIT 1 OFFSET 1")
    (other,) = answer("people", "unmerge", str(ada), "--event", str(middle), "--by", "carl")["parted"]
    assert "kept apart by carl on 20" in problem("people", "merge", str(ada), other, code=1)
    merged = answer("people", "merge", str(ada), other, "--override")
    assert [word["by"] for word in merged["took_back"]] == ["carl"]
    assert people().keys() == {ada}


def test_what_cannot_be_done_is_said_in_a_sentence():
    ada, bea = map(str, leads(ADA, BEA))
    nobody = str(new_id())
    assert "are one person already" in problem("people", "merge", ada, ada, code=1)
    assert f"no person has the id {nobody}" in problem("people", "merge", ada, nobody, code=1)
    assert "nothing to take apart" in problem("people", "unmerge", ada, code=1)
    assert "is not an id" in problem("people", "merge", ada, "bea", code=2)
    assert "no review has the number 17" in problem("people", "review", "accept", "17", code=1)
    run("people", "merge", ada, bea)
    assert f"are one person already: {ada}" in problem("people", "merge", ada, bea, code=1)
    assert f"{bea} was merged into {ada}" in problem("people", "unmerge", bea, "--event", ada, code=1)


def test_the_id_of_a_lead_is_told_from_that_of_a_person():
    ada, bea = leads(ADA, BEA)
    ((event_id,),) = rows("SELECT event_id FROM events WHERE person_id = %s", bea)
    said = f"{event_id} is an event, a lead of person {bea}"
    assert said in problem("people", "unmerge", str(event_id), code=1)
    assert said in problem("people", "merge", str(ada), str(event_id), code=1)


def test_reviews_are_listed_with_their_evidence_and_without_names_in_json():
    ada, other = leads(*MARRIED)
    told = answer("people", "review", "list")
    assert told["waiting"] == 1
    (review,) = told["reviews"]
    assert set(review["people"]) == {str(ada), str(other)}
    assert review["evidence"] == {"name_same_given": 0, "phone_of_two": 8}
    assert review["score"] == 8
    assert "Muster" not in str(told)
    shown = run("people", "review", "list").stdout
    for text in ("Ada Sample", "Ada Muster", str(ada), str(other), "phone_of_two +8", "name_same_given +0"):
        assert text in shown, text


@pytest.mark.parametrize(("word", "count", "said"), [("accept", 1, "is part of"), ("reject", 2, "kept apart")])
def test_a_review_is_answered_once(word, count, said):
    leads(*MARRIED)
    number = str(answer("people", "review", "list")["reviews"][0]["review"])
    assert said in run("people", "review", word, number, "--by", "vera", "--why", "asked them").stdout
    assert len(people()) == count
    assert run("people", "review", "list").stdout == "Nothing waits.\n"
    assert rows("SELECT same, decided_by, why FROM identity_decisions") == [(word == "accept", "vera", "asked them")]


def test_no_more_reviews_are_listed_than_asked_for():
    for number, given in enumerate(("Ada", "Bea", "Cleo")):
        leads(
            *(
                {"full_name": f"{given} {family}", "phone": f"+34 61{number} 34{number} 0{number}1"}
                for family in ("Sample", "Muster")
            )
        )
    assert len(answer("people", "review", "list", "--limit", "2")["reviews"]) == 2
    assert "1 more; see them with --limit 3" in run("people", "review", "list", "--limit", "2").stdout


def test_recomputing_by_the_same_rules_says_that_nothing_changed():
    leads(ADA, BEA)
    assert answer("people", "recompute") == {
        "dry_run": False,
        "evidence": 2,
        "people": {"joined": 0, "came_apart": 0},
    }
    assert "0 people would become part of others" in run("people", "recompute", "--dry-run").stdout
