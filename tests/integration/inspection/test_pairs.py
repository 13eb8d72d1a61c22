"""`afluente explain A B`: why two leads are one person, or are not, through the real command line."""

from __future__ import annotations

from uuid import UUID

import pytest

from pipeline import flow
from pipeline.inspection.pairs import explain_pair
from pipeline.store.engine import transaction
from pipeline.store.identity import blocks
from tests.support.command_line import answer, capture, problem, run, work
from tests.support.identity_rows import rows

pytestmark = pytest.mark.usefixtures("database")

ANA = {"full_name": "Ana López Vega", "email": "ana.lopez@gmail.com"}
WITH_PHONE = {"full_name": "Ana López", "email": "ana.lopez@gmail.com", "phone": "+34600111222"}
BY_PHONE = {"full_name": "Ana López Vega", "phone": "+34600111222"}


def captured(*leads: dict, brand: str = "default") -> list[str]:
    """The ids of these leads, after the workers had them one by one."""
    found = []
    for lead in leads:
        found += [str(event_id) for event_id in capture(lead, brand=brand)]
        work()
    return found


def kinds(found: dict) -> dict[str, float]:
    return {piece["kind"]: piece["weight"] for piece in found["pieces"]}


def test_every_piece_of_evidence_is_told_with_its_weight():
    first, second = captured(ANA, WITH_PHONE)
    found = answer("explain", first, second)
    assert kinds(found) == {"name_full": 6, "email": 12}
    assert found["score"] == 18
    assert found["thresholds"] == {"same": 9, "review": 5, "certain": 15}
    assert (found["verdict"], found["are_one_person"], found["veto"]) == ("same", True, None)
    (name,) = [piece for piece in found["pieces"] if piece["kind"] == "name_full"]
    assert (name["one"], name["other"]) == ("ana lopez vega", "ana lopez")


def test_of_several_addresses_the_shared_one_is_told():
    several = {**ANA, "email": "ana@acme.example", "other_emails": ["ana.lopez@gmail.com", "alv@gmx.de"]}
    found = answer("explain", *captured(ANA, several))
    (email,) = [piece for piece in found["pieces"] if piece["kind"] == "email"]
    assert (email["one"], email["other"]) == ("analopez@gmail.com", "analopez@gmail.com")
    assert found["other"]["evidence"]["other_emails"] == ["alv@gmx.de", "analopez@gmail.com"]


def test_leads_without_anything_in_common_tell_by_which_others_they_hang_together():
    first, last, between = captured(ANA, {**BY_PHONE, "full_name": "Ana"}, WITH_PHONE)
    found = answer("explain", first, last)
    assert found["are_one_person"]
    assert not found["share_a_key"]
    assert found["verdict"] == "apart"
    assert [(link["from_event_id"], link["event_id"]) for link in found["chain"]] == [(first, between), (between, last)]
    assert [piece["kind"] for piece in found["chain"][1]["pieces"]] == ["name_part", "phone"]
    text = run("explain", first, last).stdout
    assert "They are one person." in text
    assert "How they hang together" in text


def test_what_forbids_a_join_is_named_with_the_leads_that_contradict_each_other():
    one, two, between = captured(
        {"full_name": "Ana López", "email": "ana.lopez@acme.example", "phone": "+34600111222"},
        {"full_name": "Ana López", "email": "alopez@acme.example", "phone": "+34600111333"},
        {"full_name": "Ana", "phone": "+34600111222", "other_phones": ["+34600111333"]},
    )
    found = answer("explain", one, two)
    assert kinds(found) == {"name_full": 6, "two_mailboxes": -10, "employer": 4, "other_contacts": -2}
    assert (found["verdict"], found["are_one_person"], found["veto"]) == ("apart", False, None)
    # Either could have had the third lead: the other one is kept out by its own mailbox.
    refused = two if answer("explain", one, between)["are_one_person"] else one
    found = answer("explain", refused, between)
    assert (found["verdict"], found["are_one_person"], found["score"]) == ("same", False, 13)
    assert found["veto"]["kind"] == "mailboxes"
    assert {found["veto"][side]["event_id"] for side in ("one", "other")} == {one, two}
    assert "two mailboxes of one employer" in run("explain", refused, between).stdout


def test_a_pair_for_a_human_says_so():
    first, second = captured(
        {"full_name": "Ana López", "email": "ana1983@gmail.com"},
        {"full_name": "Ana López", "email": "ana1983@yahoo.com", "company": "Acme"},
    )
    found = answer("explain", first, second)
    assert found["verdict"] in ("review", "same")
    assert "email_moved" in kinds(found)


def test_people_are_compared_by_what_they_have_most_in_common():
    first, second, other = captured(ANA, WITH_PHONE, {"full_name": "Bo Berg", "phone": "+34600111222"})
    person, stranger = answer("explain", first)["person_id"], answer("explain", other)["person_id"]
    assert person != stranger
    found = answer("explain", person, stranger)
    assert found["one"]["event_id"] == second
    assert set(kinds(found)) == {"name_different", "phone_of_two"}
    assert found["verdict"] == "apart"
    assert "They are two people." in run("explain", person, stranger).stdout


def test_the_same_words_twice_are_one_piece_of_evidence():
    first, second = captured(ANA, {**ANA, "utm_source": "google"})
    found = answer("explain", first, second)
    assert (found["is_same_evidence"], found["are_one_person"], found["chain"]) == (True, True, [])
    match = answer("explain", second)["match"]
    assert (match["reason"], match["same_as"]) == ("same", first)
    assert f"just what event {first} said" in run("explain", second).stdout


BEA = {"full_name": "Bea Muster", "email": "bea@muster.example"}
BEA_TOO = {**BEA, "phone": "+34600111777"}
MERGE = ("people", "merge")


def owners(*events: str) -> list[str]:
    return [answer("explain", event)["person_id"] for event in events]


def test_an_id_that_was_merged_away_is_compared_by_its_own_leads_and_says_whom_it_stands_for():
    first, second, third = captured(ANA, BEA, BEA_TOO)
    ana, bea = owners(first, second)
    run(*MERGE, ana, bea, "--by", "vera", "--why", "one desk")
    for ids in ((ana, bea), (bea, ana), (first, bea)):
        found = answer("explain", *ids)
        assert found["are_one_person"]
        compared = {found["one"]["event_id"], found["other"]["event_id"]}
        assert compared in ({first, second}, {first, third})
        (forward,) = found["forwards"]
        assert forward["at"]
        assert (forward["person_id"], forward["into"], forward["by"], forward["why"]) == (bea, ana, "vera", "one desk")
        assert [link["word"]["why"] for link in found["chain"] if link["word"]] == ["one desk"]
    text = run("explain", ana, bea).stdout
    assert f"{bea} is {ana}, since 20" in text
    assert ", by vera, because one desk" in text


def test_an_id_that_was_merged_away_lists_its_own_leads():
    first, second, third = captured(ANA, BEA, WITH_PHONE)
    (again,) = captured(BEA_TOO)
    ana, bea = owners(first, second)
    run(*MERGE, ana, bea, "--by", "vera", "--why", "one desk")
    forward = answer("explain", bea)["forward"]
    assert [lead["event_id"] for lead in forward["leads"]] == [second, again]
    text = run("explain", bea).stdout
    assert f"{bea} is {ana}, since 20" in text
    assert second in text
    assert third not in text
    assert answer("explain", ana)["forward"] is None


@pytest.mark.long
def test_who_was_merged_by_way_of_another_tells_its_own_merge():
    ana, bea, cleo = owners(*captured(ANA, BEA, {"full_name": "Cleo Fulano", "phone": "+34600111555"}))
    run(*MERGE, bea, cleo, "--by", "carl", "--why", "one desk")
    run(*MERGE, ana, bea, "--by", "vera", "--why", "another desk")
    forward = answer("explain", cleo)["forward"]
    assert (forward["into"], forward["first_into"], forward["by"], forward["why"]) == (ana, bea, "carl", "one desk")
    assert f"{cleo} is {ana}, by way of {bea}, since 20" in run("explain", cleo).stdout
    both = answer("explain", bea, cleo)
    assert [one["why"] for one in both["forwards"]] == ["another desk", "one desk"]
    assert both["decision"] == "same"


@pytest.mark.long
def test_why_somebody_was_parted_is_told_of_whoever_it_made():
    first, second = captured(ANA, WITH_PHONE)
    (ana,) = set(owners(first, second))
    (other,) = answer("people", "unmerge", ana, "--by", "vera", "--why", "two Anas")["parted"]
    (split,) = answer("explain", other)["history"]
    assert (split["action"], split["decided_by"], split["details"]["why"]) == ("split", "vera", "two Anas")
    assert "two Anas" in run("explain", other).stdout
    found = answer("explain", ana, other)
    assert (found["decision"], found["word"]["by"], found["word"]["why"]) == ("different", "vera", "two Anas")
    assert found["veto"]["word"] == found["word"]
    text = run("explain", first, second).stdout
    assert "different, 20" in text
    assert text.count(", by vera, because two Anas") == 2


SWITCHBOARD = "+34912345678"
COLLEAGUES = [
    {"full_name": name, "phone": SWITCHBOARD, "company": "Acme"}
    for name in ("Ana López", "Bo Berg", "Cleo Muster", "Dora Zola")
]


def test_what_many_use_is_told_where_it_counts_nothing():
    family = {"full_name": "Eva López", "phone": SWITCHBOARD, "company": "Acme"}
    *_, one, other = captured(*COLLEAGUES[1:], COLLEAGUES[0], family)
    found = answer("explain", one, other)
    assert kinds(found) == {"name_same_family": -10, "employer": 4, "phone_of_many": 0}
    assert found["score"] == -6
    (phone,) = [piece for piece in found["pieces"] if piece["kind"] == "phone_of_many"]
    assert (phone["one"], phone["other"], phone["names"]) == (SWITCHBOARD, SWITCHBOARD, 3)
    text = run("explain", one, other).stdout
    assert "phone_of_many 0: 3 names or more use it; it counts only where the names agree" in text


def test_what_many_use_says_so_where_it_counts_too():
    one, *_, other = captured(*COLLEAGUES, {**COLLEAGUES[0], "email": "ana@gmail.com"})
    (phone,) = [piece for piece in answer("explain", one, other)["pieces"] if piece["kind"] == "phone_of_many"]
    assert (phone["weight"], phone["names"], phone["note"]) == (4, 3, "3 names or more use it")


def test_a_functions_mailbox_is_told_where_it_counts_nothing():
    desk = {"email": "info@acme.example"}
    one, other = captured({"full_name": "Ana López", **desk}, {"full_name": "Bo Berg", **desk})
    (mailbox,) = [piece for piece in answer("explain", one, other)["pieces"] if piece["kind"] == "email_of_many"]
    assert (mailbox["weight"], mailbox["names"]) == (0, None)
    assert mailbox["note"] == "a function's or a family's mailbox; it counts only where the names agree"


def test_ids_without_evidence_are_refused_with_what_to_do():
    (first,) = captured(ANA)
    (parked,) = captured({"message": "please call"})
    assert "is no event or person whose evidence is stored" in problem("explain", first, parked, code=1)
    assert "nobody is known by this" in problem("explain", first, "ana", code=1)


def test_two_may_be_named_by_what_is_known_of_them_as_one_may():
    first, _second = captured(ANA, {**WITH_PHONE, "full_name": "Bo Berg", "email": "bo@acme.example"})
    found = answer("explain", ANA["email"], "bo@acme.example")
    assert not found["are_one_person"]
    assert answer("explain", first, "bo@acme.example")["one"]["event_id"] == first


def test_a_pair_is_explained_while_workers_hold_its_people_and_without_holding_them():
    first, second = captured(ANA, WITH_PHONE)
    ((component,),) = rows("SELECT DISTINCT component FROM evidence")
    with transaction() as worker:
        assert blocks.lock_components(worker, [component], is_patient=True)
        assert answer("explain", first, second)["are_one_person"]
    with transaction() as reader:
        assert explain_pair(reader, UUID(first), UUID(second))["are_one_person"]
        with transaction() as worker:
            assert blocks.lock_components(worker, [component], is_patient=False)


def test_a_lead_without_a_person_yet_is_explained_as_its_worker_will_resolve_it():
    """Two colleagues use the number already; with the third name that waits here it is that of many."""
    one, other = captured(*COLLEAGUES[:2])
    (waiting,) = capture(COLLEAGUES[2])
    batch = flow.normalize_batch(flow.map_claim(flow.claim_batch("hot")))
    with transaction() as connection:
        flow.file_evidence(connection, batch.leads)
    (phone,) = [piece for piece in answer("explain", one, str(waiting))["pieces"] if piece["kind"].startswith("phone")]
    assert (phone["kind"], phone["names"]) == ("phone_of_many", 3)
    flow.deduplicate_batch(batch)
    (phone,) = [piece for piece in answer("explain", one, other)["pieces"] if piece["kind"].startswith("phone")]
    assert (phone["kind"], phone["names"]) == ("phone_of_many", 3)
