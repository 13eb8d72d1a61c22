"""Who the CRM has already is found, not doubled: whatever its kind, whatever came first, and killed in between."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.delivery.adoption import Adopted
from pipeline.delivery.sender import deliver
from pipeline.errors import RefusedError
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import accept_review, reject_review
from pipeline.inspection.crm.adoptions import adopt, read_pairs
from pipeline.lanes import LANES
from pipeline.store.engine import count_statements, transaction
from pipeline.store.identity.reviews import list_reviews
from tests.integration.delivery.test_sender import forget_breaker, make_due_now
from tests.support.command_line import capture, work
from tests.support.crm_before_us import (
    Before,
    Known,
    SandboxBefore,
    due,
    lead,
    open_before,
    people_of,
    person,
)
from tests.support.identity_rows import rows

KINDS = ("salesforce", "dataverse", "hubspot", "sql")
pytestmark = pytest.mark.short(1)  # of the kinds of CRM


@pytest.fixture(params=KINDS)
def crm(request, database, redis_url, tmp_path, monkeypatch) -> Iterator[Before]:
    yield from open_before(request, tmp_path, monkeypatch)


only_salesforce = pytest.mark.parametrize("crm", ["salesforce"], indirect=True)


def come(*leads: dict[str, Any], brand: str = "default") -> None:
    capture(*leads, brand=brand)
    work()


def send() -> None:
    """All that is due, as the sweep does, with the waits left out."""
    until = time.monotonic() + 60
    while due():
        assert time.monotonic() < until, rows("SELECT state, last_error FROM deliveries")
        for lane in LANES:
            deliver("crm", lane, budget_seconds=20)
        make_due_now()
        forget_breaker()


def deliveries() -> list[tuple[str, int]]:
    return rows("SELECT state, count(*)::int FROM deliveries GROUP BY state ORDER BY state")


def who_is_who(brand: str = "default") -> set[frozenset[str]]:
    """Leads and records of the CRM that are one person, without ids of ours."""
    found: dict[Any, set[str]] = {}
    for owner, name in rows(
        "SELECT person_id, external_id FROM events WHERE state = 'settled' AND brand = %s UNION ALL"
        " SELECT e.person_id, r.crm_id FROM crm_records r JOIN evidence_events x ON x.event_id = r.record_id"
        " JOIN evidence e USING (evidence_id) WHERE r.brand = %s",
        brand,
        brand,
    ):
        found.setdefault(owner, set()).add(name)
    return {frozenset(names) for names in found.values()}


def kept() -> dict[str, list[tuple[Any, ...]]]:
    """All that an adoption could change."""
    return {
        table: rows(f"SELECT {columns} FROM {table} ORDER BY 1, 2")
        for table, columns in (
            ("evidence", "evidence_id, person_id, component"),
            ("evidence_events", "event_id, evidence_id"),
            ("evidence_keys", "evidence_id, key"),
            ("people", "person_id, version, merged_into, profile"),
            ("deliveries", "person_id, state, wanted_version, sent_version, external_id"),
            ("crm_records", "record_id, crm_id, number, person_id, is_keyed, state"),
            ("identity_reviews", "one, other, score"),
            ("identity_log", "id, action"),
        )
    }


@pytest.mark.short(2)
@pytest.mark.parametrize("adopts_first", [True, False], ids=["adopted first", "imported first"])
def test_nobody_is_made_twice_and_whom_the_crm_has_twice_is_told(crm, adopts_first):
    crm.fill(people_of(60, 6))
    before = crm.records()
    leads = [lead(number) for number in range(30)]
    if not adopts_first:
        come(*leads)
    adopted = adopt("crm")
    assert (adopted.counts.records, adopted.counts.pairs) == (66, 6)
    assert adopted.counts.recognized == (0 if adopts_first else 36)
    if adopts_first:
        assert (rows("SELECT count(*) FROM people"), deliveries()) == ([(0,)], []), "whom only the CRM knows is nobody"
        come(*leads)
    send()
    assert deliveries() == [("sent", 30)]
    after = crm.records()
    assert len(after) == len(before), "no second record"
    known = crm.keys()
    assert known == {str(owner) for (owner,) in rows("SELECT person_id FROM people WHERE merged_into IS NULL")}
    assert sorted(name for key, name in after.values() if key in known) == sorted(
        person(number).last for number in range(30)
    )
    told = read_pairs("crm", limit=50)
    assert (told.people, [pair.has_leads for pair in told.pairs]) == (6, [True] * 6)


@only_salesforce
def test_who_is_who_does_not_depend_on_what_came_first(crm):
    """Each order with a brand of its own, whose people are nobody else's."""
    crm.fill([*people_of(24, 4), Known("Ada", "Sol", phone="+49 30 23000001"), Known("Eve", "Sol")])
    leads = [lead(number) for number in range(12)]
    brands = [f"brand{number}" for number in range(4)]
    found = []
    for number, brand in enumerate(brands):
        crm.configure(brands=[brand])
        chance = random.Random(number)
        mixed = chance.sample(leads, len(leads))
        steps: list[list[dict[str, Any]]] = [[], *(mixed[start : start + 4] for start in range(0, len(mixed), 4))]
        chance.shuffle(steps)
        for batch in steps:
            if batch:
                come(*batch, brand=brand)
            else:
                adopt("crm")
        found.append(who_is_who(brand))
    assert len(found[0]) == 26, "a number that two names use joins nobody"
    assert found == [found[0]] * len(brands)


def test_adopting_twice_changes_nothing(crm):
    crm.fill(people_of(20, 3))
    come(*(lead(number) for number in range(10)))
    first = adopt("crm")
    before = kept()
    assert adopt("crm").counts == first.counts
    assert kept() == before
    send()
    after, there = kept(), crm.records()
    again = adopt("crm")
    assert (again.counts.keyed, again.counts.pairs, again.changed) == (10, 3, [])
    assert (crm.records(), due()) == (there, 0)
    for table in ("evidence", "people", "deliveries", "identity_log"):
        assert kept()[table] == after[table]


@pytest.mark.long
@only_salesforce
def test_an_adoption_that_was_killed_goes_on_and_comes_to_the_same(crm):
    assert isinstance(crm, SandboxBefore)
    crm.fill(people_of(620, 20))
    come(*(lead(number) for number in range(40)))
    killed = multiprocessing.get_context("fork").Process(target=_adopt_slowly)
    killed.start()
    while not (pages := rows("SELECT pages FROM crm_adoptions WHERE pages BETWEEN 1 AND 3")):
        assert killed.is_alive(), "it was over too soon"
        time.sleep(0.01)
    killed.kill()
    killed.join()
    calls = crm.calls()
    resumed = adopt("crm")
    assert resumed.resumed >= pages[0][0] >= 1
    assert crm.calls() - calls <= 5 - resumed.resumed, "what was read is not read again"
    assert (resumed.counts.records, resumed.counts.recognized, resumed.counts.pairs) == (640, 60, 20)
    assert rows("SELECT count(*) FROM people") == [(40,)], (
        "nobody of whom no lead came, though records of theirs are one"
    )
    before = kept()
    adopt("crm")
    assert kept() == before
    send()
    assert (len(crm.records()), len(crm.keys())) == (640, 40)


def _adopt_slowly() -> None:
    from pipeline.delivery import adoption

    note = adoption.note_people

    def slow(page):
        time.sleep(0.1)
        return note(page)

    adoption.note_people = slow
    adopt("crm")


@only_salesforce
def test_one_who_is_doubtful_waits_for_a_human_whose_word_counts_for_the_record_too(crm):
    """A number in common and names that agree in one word: neither the same nor two."""
    crm.fill([Known("Ada", "Brandt", phone="+49 30 23125001"), Known("Ben", "Mora", phone="+49 30 23125002")])
    adopt("crm")
    come(
        {"full_name": "Ada Sol", "phone": "+49 30 23125001", "external_id": "a"},
        {"full_name": "Ben Sol", "phone": "+49 30 23125002", "external_id": "b"},
    )
    with transaction() as connection:
        reviews, waiting = list_reviews(connection, limit=10)
    assert waiting == 2
    of = dict(rows("SELECT person_id, external_id FROM events"))
    names = {review.review_id: next(of[one] for one in review.people if one in of) for review in reviews}
    yes, no = sorted(names, key=lambda number: names[number])
    assert accept_review(yes, Decision("vera")).person_id
    reject_review(no, Decision("vera"))
    send()
    found = sorted((name, key is not None) for key, name in crm.records().values())
    assert found == [("Mora", False), ("Sol", True), ("Sol", True)]


@only_salesforce
def test_a_record_that_went_before_we_wrote_is_made_anew(crm):
    crm.fill(people_of(2, 0))
    come(lead(0), lead(1))
    adopt("crm")
    gone = min(crm.records())
    crm.drop(gone)
    send()
    assert (len(crm.records()), len(crm.keys())) == (2, 2)
    assert rows("SELECT state FROM crm_records WHERE crm_id = %s", gone) == [("gone",)]
    assert deliveries() == [("sent", 2)]


def test_records_that_were_merged_in_the_crm_leave_the_list_of_pairs(crm):
    crm.fill(people_of(3, 2))
    assert adopt("crm").counts.pairs == 2
    kept_first, *others = read_pairs("crm", limit=5).pairs[0].crm_ids
    for crm_id in others:
        crm.drop(crm_id)
    adopted = adopt("crm")
    assert (adopted.counts.records, adopted.counts.pairs) == (4, 1)
    assert kept_first not in read_pairs("crm", limit=5).pairs[0].crm_ids


@only_salesforce
def test_whom_the_crm_refused_as_a_duplicate_is_due_again_once_the_record_is_known(crm):
    assert isinstance(crm, SandboxBefore)
    crm.fill(people_of(2, 0))
    come(lead(0), {"full_name": "Nora Sample", "email": "nora@gmail.com", "external_id": "n"})
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET state = 'quarantined', last_error = 'DUPLICATES_DETECTED'")
    adopt("crm")
    assert deliveries() == [("due", 1), ("quarantined", 1)], "only who was found"
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET state = 'quarantined' WHERE state = 'due'")
    adopt("crm")
    assert deliveries() == [("quarantined", 2)], "a second adoption wants nobody again"
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET state = 'due'")
    send()
    assert len(crm.keys()) == 2


@only_salesforce
def test_a_record_brings_two_people_together_and_what_it_says_now_takes_them_apart(crm):
    """As any evidence does; the record is changed in the CRM in between."""
    assert isinstance(crm, SandboxBefore)
    crm.fill([Known("Ada", "Brandt", "ada.brandt@gmail.com", "+49 30 23125001")])
    come(
        {"full_name": "Ada Brandt", "email": "ada.brandt@gmail.com", "external_id": "a"},
        {"full_name": "Ada Brandt", "phone": "+49 30 23125001", "external_id": "b"},
    )
    assert len(who_is_who()) == 2
    adopted = adopt("crm")
    assert [len(names) for names in who_is_who()] == [3]
    assert adopted.changed
    ((kept_as,),) = rows("SELECT crm_id FROM crm_records")
    (row,) = crm.sandbox_records()
    crm.sandbox.records.upsert("Lead", {row["external_id"]: {"Phone": None}})
    adopt("crm")
    assert sorted(map(sorted, who_is_who())) == sorted([sorted(["a", kept_as]), ["b"]])


@pytest.mark.parametrize("crm", ["dataverse"], indirect=True)  # whose records here name no company
def test_records_that_turn_out_to_be_one_person_make_nobody_of_whom_no_lead_came(crm):
    crm.fill([Known("Ada", "Brandt", "ada.brandt@gmail.com"), Known("Ada", "Brandt", phone="+49 30 23125001")])
    assert adopt("crm").counts.pairs == 0
    crm.fill([Known("Ada", "Brandt", "ada.brandt@gmail.com", "+49 30 23125001")])
    adopted = adopt("crm")
    assert (adopted.counts.pairs, adopted.counts.strangers) == (1, 3)
    assert [len(names) for names in who_is_who()] == [3]
    for table in ("people", "identity_log", "deliveries"):
        assert rows(f"SELECT count(*) FROM {table}") == [(0,)], table


@only_salesforce
def test_what_two_records_said_stays_while_one_of_them_says_it(crm):
    assert isinstance(crm, SandboxBefore)
    crm.fill([Known("Ada", "Brandt", "ada.brandt@gmail.com")] * 2)
    assert adopt("crm").counts.pairs == 1
    first, _ = crm.sandbox_records()
    crm.sandbox.records.upsert("Lead", {first["external_id"]: {"Email": "other@web.de", "LastName": "Mora"}})
    adopt("crm")
    assert sorted(map(len, who_is_who())) == [1, 1]
    come({"full_name": "Brandt, Ada", "email": "ada.brandt@gmail.com", "external_id": "a"})
    send()
    assert sorted((name, key is not None) for key, name in crm.records().values()) == [
        ("Brandt", True),
        ("Mora", False),
    ]


@only_salesforce
def test_a_page_takes_the_same_few_statements_however_many_are_on_it(crm):
    counts = []
    crm.fill(people_of(5, 0))
    adopt("crm")  # opens what a process opens once
    for size in (10, 80):
        crm.fill([person(1_000 * size + number) for number in range(size)])
        with count_statements() as seen:
            adopt("crm")
        counts.append(seen.count)
    assert max(counts) <= 30, seen.statements


@only_salesforce
def test_a_dry_run_says_as_much_and_keeps_nothing(crm):
    crm.fill(people_of(40, 4))
    come(*(lead(number) for number in range(20)))
    before = kept()
    tried = adopt("crm", is_dry_run=True)
    assert kept() == before
    assert adopt("crm").counts == tried.counts


@pytest.mark.long
@only_salesforce
def test_pages_are_read_within_the_quota_of_the_account(crm):
    assert isinstance(crm, SandboxBefore)
    crm.fill(people_of(900, 0))
    crm.configure(calls_per_second=4, burst=1)
    started = time.monotonic()
    assert adopt("crm").pages == 5
    assert time.monotonic() - started > 0.9, "five calls, four of them a second"


@only_salesforce
def test_two_adoptions_at_a_time_are_refused(crm):
    crm.fill(people_of(1, 0))
    results: list[Adopted] = []

    def begin_another(_progress: Any) -> None:
        with pytest.raises(RefusedError, match="another adoption"):
            adopt("crm")

    results.append(adopt("crm", on_progress=begin_another))
    assert results[0].counts.records == 1


@only_salesforce
def test_a_disabled_destination_is_adopted_before_its_first_delivery(crm):
    crm.fill(people_of(4, 0))
    crm.configure(enabled=False)
    come(lead(0))
    assert adopt("crm").counts.recognized == 1
    assert deliveries() == []


def test_who_is_new_is_looked_for_first_where_the_settings_say_so(crm):
    crm.configure(look_up=True)
    crm.fill(people_of(8, 0))
    before = crm.records()
    come(lead(0), lead(3), lead(4), {"full_name": "Nora Sample", "email": "nora@gmail.com", "external_id": "n"})
    send()
    after, known = crm.records(), crm.keys()
    assert len(after) == len(before) + 1, "one was not there"
    assert sorted(name for key, name in after.values() if key in known) == sorted(
        [person(0).last, person(3).last, person(4).last, "Sample"]
    )
    assert deliveries() == [("sent", 4)]


@only_salesforce
def test_a_number_that_strangers_share_links_nobody_who_was_looked_for(crm):
    crm.configure(look_up=True)
    crm.fill([Known("Ada", "Brandt", phone="+493023125001")])
    come({"full_name": "Zoe Mora", "phone": "+493023125001", "external_id": "z"})
    send()
    assert sorted((name, key is not None) for key, name in crm.records().values()) == [
        ("Brandt", False),
        ("Mora", True),
    ]
