"""A source's own id of a person says who it is, whatever else changed: new addresses, new names, files joined by it."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from tests.support.people_checks import accept, claim, clusters, finish, people_by_lead

_PEOPLE = (("c0a8-01", "Heidi", "Lorenz"), ("c0a8-02", "Jan", "Peters"), ("c0a8-03", "Mia", "Wagner"))


def _list(number: int, domain: str, *, with_names: bool = True) -> list[dict[str, Any]]:
    return [
        {
            "_name": f"{number}/{own_id}",
            "external_id": own_id,
            "email": f"{first}.{last}@{domain}".lower(),
            **({"first_name": first, "last_name": last, "company": domain.title()} if with_names else {}),
        }
        for own_id, first, last in _PEOPLE
    ]


_LISTS = (
    _list(1, "altmaschinen.example"),
    _list(2, "neugruppe.example"),
    _list(3, "drittgruppe.example", with_names=False),
)


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_three_lists_with_the_ids_of_one_and_ever_new_addresses_are_the_same_three_people(
    module_database: str, order: tuple[int, ...]
) -> None:
    brand = "lists" + "".join(map(str, order))
    for place in order:
        accept(_LISTS[place], brand=brand)
        finish(claim())

    assert clusters(people_by_lead(brand)) == {
        frozenset(f"{number}/{own_id}" for number in (1, 2, 3)) for own_id, _, _ in _PEOPLE
    }


def test_a_new_name_and_a_new_address_at_the_same_company_are_the_same_person_by_the_id(module_database: str) -> None:
    accept(
        [
            {"_name": "a", "external_id": "C-2", "full_name": "Ilse Brandt", "email": "ilse.brandt@acme.example"},
            {"_name": "b", "external_id": "C-2", "full_name": "Ilse Vogt", "email": "ilse.vogt@acme.example"},
        ],
        brand="married",
    )
    finish(claim())

    assert clusters(people_by_lead("married")) == {frozenset({"a", "b"})}


def test_an_id_first_alone_then_with_a_number_then_with_an_address_is_one_person(module_database: str) -> None:
    for place, contact in enumerate(({}, {"phone": "+49 30 901844"}, {"email": "hugo@neubau.example"})):
        accept(
            [{"_name": str(place), "external_id": "crm-777", "full_name": "Hugo Altmann", **contact}],
            brand="one_by_one",
        )
        finish(claim())

    assert clusters(people_by_lead("one_by_one")) == {frozenset("012")}


def test_submissions_of_one_id_are_not_joined_by_it(module_database: str) -> None:
    accept(
        [
            {"_name": name, "external_id": name, "email": f"{name}@posteo.de", "submission_id": "s-1"}
            for name in ("ada", "bo")
        ],
        brand="submissions",
    )
    finish(claim())

    assert clusters(people_by_lead("submissions")) == {frozenset({"ada"}), frozenset({"bo"})}
