"""Records that a CRM had before us: one statement each, whatever the number, and gone without a trace."""

from __future__ import annotations

import pytest

from pipeline.crypto.blind_index import BlindIndex
from pipeline.records import is_record_id, new_id
from pipeline.store.deliveries import crm_records
from pipeline.store.deliveries.crm_records import GONE, Listed, record_id
from pipeline.store.engine import count_statements, transaction
from pipeline.store.identity import evidence_rows
from pipeline.store.people import people
from tests.support.identity_rows import rows
from tests.support.store_rows import evidence_of, new_person

pytestmark = pytest.mark.usefixtures("database")


def listed(count: int, *, owner: bool = False) -> list[Listed]:
    return [
        Listed(record_id("crm", "default", f"c{number}"), "default", f"c{number}", new_id() if owner else None)
        for number in range(count)
    ]


def test_an_id_of_a_record_is_told_from_an_events_and_is_the_same_each_time():
    assert isinstance(crm_records.blind_index(), BlindIndex)
    known = record_id("crm", "default", "1")
    assert known == record_id("crm", "default", "1")
    assert len({known, record_id("crm", "other", "1"), record_id("crm2", "default", "1")}) == 3
    assert (is_record_id(known), is_record_id(new_id())) == (True, False)


@pytest.mark.parametrize("size", [3, 300])
def test_each_takes_one_statement_whatever_the_number(size):
    found = listed(size)
    persons = [new_person(name="a") for _ in found]
    owners = {row.record_id: person.person_id for row, person in zip(found, persons, strict=True)}
    evidence = [
        evidence_of(row.record_id, birth_id=person.person_id, keys=[])
        for row, person in zip(found, persons, strict=True)
    ]
    with transaction() as connection:
        people.write_people(connection, persons)
        evidence_rows.add_evidence(connection, evidence)
        evidence_rows.assign(connection, [(row.evidence_id, row.birth_id, row.evidence_id) for row in evidence])
    counts = []
    for work in (
        lambda it: crm_records.begin_adoption(it, "crm"),
        lambda it: crm_records.note_records(it, "crm", 1, found),
        lambda it: crm_records.known_people(it, set(owners.values())),
        lambda it: crm_records.read_links(it, "crm", set(owners.values())),
        lambda it: crm_records.want_refused_again(it, "crm", set(owners)),
        lambda it: crm_records.note_written(it, owners),
        lambda it: crm_records.note_lost(it, dict.fromkeys(owners, GONE)),
        lambda it: crm_records.end_page(it, "crm", 1, "next"),
        lambda it: crm_records.count_records(it, "crm"),
        lambda it: crm_records.list_pairs(it, "crm", limit=5),
        lambda it: crm_records.records_of(it, set(owners.values())),
        lambda it: crm_records.forget_records(it, set(owners.values())),
    ):
        with transaction() as connection, count_statements() as seen:
            work(connection)
        counts.append(seen.count)
    assert counts == [1] * len(counts)


def test_a_person_who_is_forgotten_has_no_record_and_no_evidence_of_one_left():
    found, person = listed(2), new_person(name="a")
    filed = evidence_of(found[0].record_id, birth_id=person.person_id, keys=[])
    with transaction() as connection:
        people.write_people(connection, [person])
        crm_records.note_records(connection, "crm", 1, found)
        evidence_rows.add_evidence(connection, [filed])
        evidence_rows.assign(connection, [(filed.evidence_id, person.person_id, filed.evidence_id)])
        assert crm_records.forget_records(connection, [person.person_id]) == 1
    assert rows("SELECT crm_id FROM crm_records") == [("c1",)]
    assert rows("SELECT count(*) FROM evidence_events") == [(0,)]


def test_of_several_records_the_one_with_our_key_counts_then_the_eldest():
    person = new_person(name="a")
    found = listed(3)
    filed = [evidence_of(row.record_id, birth_id=new_id(), keys=[]) for row in found]
    with transaction() as connection:
        people.write_people(connection, [person])
        crm_records.note_records(connection, "crm", 1, found)
        evidence_rows.add_evidence(connection, filed)
        evidence_rows.assign(connection, [(row.evidence_id, person.person_id, row.evidence_id) for row in filed])
        links = crm_records.read_links(connection, "crm", [person.person_id])
        assert (links[person.person_id].crm_id, links[person.person_id].is_keyed) == ("c0", False)
        crm_records.note_written(connection, {found[2].record_id: person.person_id})
        links = crm_records.read_links(connection, "crm", [person.person_id])
        assert (links[person.person_id].crm_id, links[person.person_id].is_keyed) == ("c2", True)
        (pair,), count = crm_records.list_pairs(connection, "crm", limit=5)
    assert (count, pair.crm_ids) == (1, ["c2", "c0", "c1"])
