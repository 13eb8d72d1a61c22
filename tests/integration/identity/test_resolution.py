"""People are those of clustering all evidence at once, in whatever order, cut into whatever batches, however often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, permutations
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from pipeline import flow, replay
from pipeline.errors import TransientError
from pipeline.identity import resolution
from pipeline.identity.filing import file_evidence
from pipeline.identity.matching.rules import IdentityRules, identity_rules
from pipeline.identity.resolution import NO_LEADS, resolve
from pipeline.store.engine import count_statements, transaction
from tests.support.people_checks import (
    accept,
    assert_all_follows,
    assert_people_are_those_of_all_evidence,
    claim,
    clusters,
    finish,
    forget_work,
    in_batches,
    people_by_lead,
)
from tests.support.properties import examples

_brands = count(1)
_NAMES = ("Ana López", "Ana María López", "Luis López", "Anna Lopez", "A. López", "Ana", "Marta Ruiz", "Luis Vega", "")
_EMAILS = ("ana.lopez@acme.es", "ana.lopes@acme.es", "ana@gmail.com", "info@acme.es", "mesa@acme.es", "")
_PHONES = ("+34612345678", "+34612345679", "+34915550100", "")
_COMPANIES = ("Acme", "Acme España SL", "Solar Norte", "")
_IDS = ("c-1", "c-2", "c-3", "")

leads_of_few = st.lists(
    st.fixed_dictionaries(
        {
            "full_name": st.sampled_from(_NAMES),
            "email": st.sampled_from(_EMAILS),
            "other_emails": st.lists(st.sampled_from(_EMAILS[:-1]), max_size=2),
            "phone": st.sampled_from(_PHONES),
            "company": st.sampled_from(_COMPANIES),
            "own_id": st.sampled_from(_IDS),
            "consent_email": st.sampled_from(["", "granted"]),
        }
    ),
    min_size=2,
    max_size=14,
)


@pytest.fixture
def few_crowd() -> Iterator[IdentityRules]:
    """The rules in force, but a handful crowds a key: what takes 65 leads otherwise takes 6 here."""
    rules = msgspec.structs.replace(identity_rules(), crowded=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolution, "identity_rules", lambda: rules)
        yield rules


@pytest.mark.long
@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(leads=leads_of_few, data=st.data())
def test_any_order_gives_the_people_of_all_evidence_at_once(
    module_database: str, few_crowd: IdentityRules, leads: list[dict[str, Any]], data: st.DataObject
) -> None:
    forget_work()
    named = [
        {**lead, "_name": f"lead-{place}", "external_id": lead["own_id"] or f"lead-{place}"}
        for place, lead in enumerate(leads)
    ]
    outcomes = []
    for _ in range(2):
        brand = f"brand{next(_brands)}"
        batches = in_batches(data.draw(st.permutations(named)), data.draw(st.lists(st.integers(0, 14), max_size=5)))
        waiting = []
        for some in batches:
            accept(some, brand=brand)
            while (batch := claim()) is None:  # no more chains at once
                finish(waiting.pop())
            if data.draw(st.booleans()):  # another worker's, which has filed its evidence and gets no further yet
                with transaction() as connection:
                    file_evidence(connection, batch.leads)
                waiting.append(batch)
            else:
                finish(batch, repeats=data.draw(st.integers(0, 1)))
        for batch in waiting:
            finish(batch)
        assert_people_are_those_of_all_evidence(brand, few_crowd)
        assert_all_follows(brand)
        outcomes.append(clusters(people_by_lead(brand)))
    assert outcomes[0] == outcomes[1]


_OF_MANY = (
    {"full_name": "Ana López", "email": "mesa@acme.es", "phone": "+34612345678"},
    {"full_name": "Ana López", "email": "ana.lopez@acme.es"},
    {"full_name": "Luis Vega", "email": "mesa@acme.es"},
    {"full_name": "Marta Ruiz", "email": "mesa@acme.es"},
)


@pytest.mark.short(7)
@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_a_mailbox_of_three_names_says_nothing_of_two_colleagues_any_more(
    module_database: str, order: tuple[int, ...]
) -> None:
    """Two mailboxes of one company are two people, until one of them turns out to be everybody's."""
    brand = _one_by_one([_OF_MANY[place] for place in order])
    assert clusters(people_by_lead(brand)) == {
        frozenset({str(order.index(0)), str(order.index(1))}),
        frozenset({str(order.index(2))}),
        frozenset({str(order.index(3))}),
    }
    assert_people_are_those_of_all_evidence(brand, identity_rules())


_SECOND_ADDRESS = (
    {"full_name": "Ana López", "email": "ana.lopez@acme.es", "other_emails": ["mesa@gmail.com"]},
    {"full_name": "Ana", "email": "mesa@gmail.com"},
)


@pytest.mark.parametrize("order", list(permutations(range(2))), ids=str)
def test_a_second_address_that_is_the_first_of_another_lead_makes_them_one_until_many_names_use_it(
    module_database: str, order: tuple[int, ...]
) -> None:
    brand = _one_by_one([_SECOND_ADDRESS[place] for place in order])
    assert clusters(people_by_lead(brand)) == {frozenset({"0", "1"})}
    assert_people_are_those_of_all_evidence(brand, identity_rules())
    others = [{"full_name": "Luis Vega"}, {"full_name": "Marta Ruiz", "email": "marta@acme.es"}]
    listed = [{"email": "mesa@gmail.com"}, {"other_emails": ["mesa@gmail.com"]}]
    for place, (other, address) in enumerate(zip(others, listed, strict=True), 2):
        accept([{**other, **address, "external_id": str(place)}], brand=brand)
        _drain()
    assert clusters(people_by_lead(brand)) == {frozenset({str(place)}) for place in range(4)}
    assert_people_are_those_of_all_evidence(brand, identity_rules())
    assert_all_follows(brand)


def test_people_joined_by_what_turns_out_crowded_come_apart_again(
    module_database: str, few_crowd: IdentityRules
) -> None:
    leads = [{"full_name": "Ana López", "email": "ana@gmail.com", "phone": f"+3461234{n}{n}{n}{n}"} for n in range(6)]
    brand = _one_by_one(leads[:5])
    assert len(clusters(people_by_lead(brand))) == 1
    accept([{**leads[5], "external_id": "5"}], brand=brand)
    _drain()
    assert len(clusters(people_by_lead(brand))) == 6
    assert_people_are_those_of_all_evidence(brand, few_crowd)
    assert_all_follows(brand)


def test_a_key_that_a_whole_batch_crowds_at_once_is_demoted_for_those_who_had_it_before(
    module_database: str, few_crowd: IdentityRules
) -> None:
    leads = [
        {"full_name": "Ana López", "email": "ana@gmail.com", "phone": f"+346123{n}"} for n in range(10_000, 10_040)
    ]
    brand = _one_by_one(leads[:4])
    accept([{**lead, "external_id": f"more{place}"} for place, lead in enumerate(leads[4:])], brand=brand)
    _drain()
    assert_people_are_those_of_all_evidence(brand, few_crowd)
    assert_all_follows(brand)


def test_leads_that_share_no_key_stay_apart_however_alike_they_are(module_database: str) -> None:
    forget_work()
    brand = f"brand{next(_brands)}"
    lead = {"full_name": "Ana López", "email": "test@test.com"}
    accept([{**lead, "external_id": f"lead-{place}"} for place in range(3)], brand=brand)
    batch = claim()
    assert batch is not None
    for one in batch.leads:
        del one.fields["external_id"]  # of a source that gives none
    finish(batch)
    assert len(clusters(people_by_lead(brand))) == 3


def test_brands_have_people_of_their_own(module_database: str) -> None:
    lead = {"full_name": "Ana López", "email": "ana.lopez@acme.es"}
    one, other = _one_by_one([lead]), _one_by_one([lead])
    assert not set(people_by_lead(one).values()) & set(people_by_lead(other).values())


def test_a_second_run_of_a_batch_changes_nothing(module_database: str) -> None:
    forget_work()
    brand = f"brand{next(_brands)}"
    accept([{**lead, "external_id": f"{place}"} for place, lead in enumerate(_OF_MANY)], brand=brand)
    batch = claim()
    assert batch is not None
    with transaction() as connection:
        filed = file_evidence(connection, batch.leads)
    versions = []
    for _ in range(2):
        with transaction() as connection:
            resolve(connection, filed, replay.recompute_leads)
            versions.append(_versions(connection, brand))
    assert versions[0] == versions[1]
    finish(batch)


def test_evidence_that_went_away_before_it_was_resolved_is_filed_again(module_database: str) -> None:
    forget_work()
    brand = f"brand{next(_brands)}"
    accept([{"full_name": "Ana López", "email": "gone@acme.es", "external_id": "1"}], brand=brand)
    batch = claim()
    assert batch is not None
    with transaction() as connection:
        filed = file_evidence(connection, batch.leads)
        connection.exec_driver_sql("DELETE FROM evidence WHERE brand = %s", (brand,))
        with pytest.raises(TransientError):
            resolve(connection, filed, replay.recompute_leads)
        connection.exec_driver_sql("DELETE FROM evidence_keys WHERE evidence_id = ANY(%s)", (list(filed.leads),))
    finish(batch)
    assert_all_follows(brand)


def test_a_person_that_loses_the_evidence_it_began_with_forwards_to_whom_the_rest_makes(module_database: str) -> None:
    lead = {"full_name": "Ana López", "email": "ana.lopez@acme.es"}
    brand = _one_by_one([{**lead, "phone": f"+3461234567{n}"} for n in range(3)])
    (began,) = set(people_by_lead(brand).values())
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM evidence WHERE birth_id = %s", (began,))
        rows = connection.exec_driver_sql("SELECT evidence_id, birth_id FROM evidence WHERE brand = %s", (brand,)).all()
        resolve(connection, NO_LEADS, replay.recompute_leads, again=[row[0] for row in rows])
        left = connection.exec_driver_sql("SELECT merged_into FROM people WHERE person_id = %s", (began,)).scalar()
    assert left == min(row[1] for row in rows)


def test_an_id_merged_twice_forwards_to_where_its_first_evidence_is(module_database: str) -> None:
    """What had been made part of a person goes along when the person becomes part of another."""
    brand = _one_by_one(
        [
            {"full_name": "Ana López", "email": "ana.lopez@acme.es"},
            {"full_name": "Ana López", "phone": "+34612345678"},
            {"full_name": "Ana López", "email": "ana@gmail.com"},
            {"full_name": "Ana López", "phone": "+34612345678", "email": "ana@gmail.com"},
            {"full_name": "Ana López", "email": "ana.lopez@acme.es", "phone": "+34612345678"},
        ]
    )
    assert len(clusters(people_by_lead(brand))) == 1
    assert_all_follows(brand)


@pytest.mark.parametrize("size", [1, 20, 150])
def test_new_people_take_as_many_statements_whatever_their_number(module_database: str, size: int) -> None:
    forget_work()
    brand = f"brand{next(_brands)}"
    accept(
        [
            {"full_name": f"Ana L{n}", "email": f"{brand}.{n}x@gmail.com", "external_id": f"{n}"}
            for n in range(1000, 1000 + size)
        ],
        brand=brand,
    )
    batch = claim()
    assert batch is not None
    with count_statements() as seen:
        flow.deduplicate_batch(batch)
    assert seen.count <= 16, seen.statements
    finish(batch)


def _one_by_one(leads: Sequence[dict[str, Any]]) -> str:
    """Each lead a batch of its own; their external ids are their places. Gives the brand."""
    forget_work()
    brand = f"brand{next(_brands)}"
    for place, lead in enumerate(leads):
        accept([{**lead, "external_id": f"{place}"}], brand=brand)
        _drain()
    return brand


def _drain() -> None:
    while (batch := claim()) is not None:
        finish(batch)


def _versions(connection: Connection, brand: str) -> set[tuple[UUID, int]]:
    rows = connection.exec_driver_sql("SELECT person_id, version FROM people WHERE brand = %s", (brand,))
    return set(map(tuple, rows))
