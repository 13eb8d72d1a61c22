"""How a number may be spelled in a CRM, and whom a lookup means."""

from __future__ import annotations

from connectors.kit import KnownPerson, Lookup
from connectors.kit.destinations.people import parts_of, people_by_lookup, spellings


def test_a_number_is_looked_for_as_crms_have_it():
    assert spellings("+493023125001") == ("+493023125001", "493023125001")
    assert "(202) 555-0123" in spellings("+12025550123")
    assert spellings("") == ()


def test_a_person_is_meant_by_an_address_whatever_its_case_or_by_a_number_however_it_is_spelled():
    ada = KnownPerson(
        "1", None, {"email": "Ada@Example.org", "phone": "(202) 555-0123", "company": "Works 493023125001"}
    )
    bob = KnownPerson("2", None, {"email": "bob@example.org", "email_2": "robert@example.org"})
    wanted = [
        Lookup("a", ("ada@example.org",), ("+12025550123",)),
        Lookup("b", ("robert@example.org",)),
        Lookup("c", (), ("+493023125001",)),
    ]
    assert people_by_lookup(wanted, [ada, bob, ada]) == {"a": (ada,), "b": (bob,)}


def test_a_long_question_is_put_in_parts_and_one_value_that_is_too_long_stands_alone():
    values = ["a" * 10] * 5 + ["b" * 50]
    parts = list(parts_of(values, most=3, most_characters=30, around=0))
    assert [len(part) for part in parts] == [3, 2, 1]
    assert [value for part in parts for value in part] == values
