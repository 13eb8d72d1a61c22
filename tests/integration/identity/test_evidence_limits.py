"""One name that says ever other things of one address stays one person, in a bounded number of pieces of evidence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from pipeline import flow
from pipeline.identity.filing import file_evidence
from pipeline.identity.matching.rules import identity_rules
from pipeline.store.engine import transaction
from tests.support import people_checks
from tests.support.identity_rows import rows
from tests.support.people_checks import claim, clusters, finish, forget_work, people_by_lead

_brands = count(1)
_numbers = count()
_ALIKE = identity_rules().most_alike


def _brand() -> str:
    forget_work()
    return f"thinned{next(_brands)}"


def accept(leads: list[dict[str, str]], *, brand: str) -> None:
    people_checks.accept([{"external_id": f"{next(_numbers)}", **lead} for lead in leads], brand=brand)


def _pieces(brand: str) -> int:
    return rows("SELECT count(*) FROM evidence WHERE brand = %s", brand)[0][0]


def _resolve(leads: list[dict[str, str]], brand: str, *, at_once: int) -> None:
    for start in range(0, len(leads), at_once):
        accept(leads[start : start + at_once], brand=brand)
        finish(claim())


@pytest.mark.long
@pytest.mark.parametrize("at_once", [1, 7, 200])
@pytest.mark.parametrize("name", ["Ana López", ""])
def test_who_names_another_phone_each_time_stays_one_person(module_database: str, name: str, at_once: int) -> None:
    brand = _brand()
    leads = [
        {"full_name": name, "email": "ana.lopez@gmail.com", "phone": f"+346{(place + 1) * 1_234_567 % 10**8:08d}"}
        for place in range(100)
    ]
    _resolve(leads, brand, at_once=at_once)
    assert len(set(people_by_lead(brand).values())) == 1
    assert _pieces(brand) == _ALIKE + 1


def test_who_names_another_address_each_time_stays_one_person_by_the_phone(module_database: str) -> None:
    brand = _brand()
    leads = [
        {"full_name": "Ana López", "email": f"ana.lopez{place:03}@gmail.com", "phone": "+34612345678"}
        for place in range(100)
    ]
    _resolve(leads, brand, at_once=30)
    assert len(set(people_by_lead(brand).values())) == 1


def test_each_of_many_names_at_one_switchboard_keeps_all_that_it_says(module_database: str) -> None:
    brand = _brand()
    given = ("Ana", "Luis", "Marta", "Pedro", "Eva", "Hugo")
    family = ("López", "Vega", "Ruiz", "Mora", "Soto", "Gil", "Paz", "Rey")
    names = [f"{one} {other}" for one in given for other in family]
    staff = [
        {"full_name": name, "email": f"{name.replace(' ', '.')}@gmail.com", "phone": "+34915550100"} for name in names
    ]
    again = [{"full_name": name, "email": f"{name.replace(' ', '.')}@gmail.com"} for name in names]
    leads = [{**lead, "external_id": f"lead-{place}"} for place, lead in enumerate(staff + again)]
    _resolve(leads, brand, at_once=20)
    found = people_by_lead(brand)
    assert len(set(found.values())) == len(names)
    assert clusters(found) == {
        frozenset({f"lead-{place}", f"lead-{place + len(names)}"}) for place in range(len(names))
    }


def _strangers(number: int) -> list[dict[str, str]]:
    family = ("Vega", "Ruiz", "Mora", "Soto", "Gil", "Paz", "Rey", "Cano", "Duarte", "Ibarra", "Luna", "Nieto")
    given = ("Luis", "Marta", "Pedro", "Eva", "Hugo", "Ines", "Pablo", "Rosa", "Oscar", "Clara")
    names = [f"{one} {other}" for one in given for other in family][:number]
    return [{"full_name": name, "email": "ana.lopez@gmail.com"} for name in names]


def test_strangers_who_name_somebodys_mailbox_do_not_take_her_apart(module_database: str) -> None:
    brand = _brand()
    own = [
        {"external_id": f"own-{place}", "full_name": "Ana López", "email": "ana.lopez@gmail.com", "phone": phone}
        for place, phone in enumerate(("+34612345678", "+34687654321", "+34655512345", "+34699887766"))
    ]
    _resolve(own, brand, at_once=2)
    _resolve(_strangers(100), brand, at_once=25)
    again = {"external_id": "own-again", "full_name": "Ana López", "email": "ana.lopez@gmail.com", "city": "Bonn"}
    _resolve([again], brand, at_once=1)
    found = people_by_lead(brand)
    assert len({person for lead, person in found.items() if lead.startswith("own")}) == 1
    assert len(set(found.values())) == 101


def test_one_name_on_a_crowded_mailbox_stays_one_person_as_well(module_database: str) -> None:
    brand = _brand()
    _resolve(_strangers(80), brand, at_once=40)
    leads = [
        {
            "external_id": f"own-{place}",
            "full_name": "Ana López",
            "email": "ana.lopez@gmail.com",
            "phone": f"+346{(place + 1) * 1_234_567 % 10**8:08d}",
        }
        for place in range(100)
    ]
    _resolve(leads, brand, at_once=20)
    found = people_by_lead(brand)
    assert len({person for lead, person in found.items() if lead.startswith("own")}) == 1
    assert _pieces(brand) == 80 + _ALIKE + 1


def test_many_workers_that_bring_one_name_at_once_make_one_person(module_database: str) -> None:
    brand = _brand()
    batches = []
    for worker in range(4):
        accept(
            [
                {"email": "ana.lopez@gmail.com", "full_name": "Ana López", "phone": f"+346{worker + 11}{place + 1:06d}"}
                for place in range(40)
            ],
            brand=brand,
        )
        batches.append(claim())
    with ThreadPoolExecutor(len(batches)) as pool:
        for done in [pool.submit(_file, batch) for batch in batches]:
            done.result()
    for batch in batches:
        finish(batch)
    assert len(set(people_by_lead(brand).values())) == 1
    assert _pieces(brand) == _ALIKE + 1


def _file(batch) -> None:
    with transaction() as connection:
        file_evidence(connection, batch.leads)


def test_a_batch_that_is_filed_twice_is_filed_under_the_same_evidence(module_database: str) -> None:
    brand = _brand()
    accept(
        [
            {"full_name": "Ana López", "email": "ana@gmail.com", "phone": f"+346{place + 1_000_001:08d}"}
            for place in range(60)
        ],
        brand=brand,
    )
    batch = claim()
    filed = []
    for _ in range(3):
        with transaction() as connection:
            filed.append(file_evidence(connection, batch.leads))
    assert filed[0] == filed[1] == filed[2]
    flow.deduplicate_batch(batch)
    assert _pieces(brand) == _ALIKE + 1
