"""Two deliveries of a record are equal where nothing differs that its mapping reads."""

from __future__ import annotations

import pytest

from pipeline.stages.mapping.contents import Contents, Reading

SHOP = Reading(ignored=("customer", "note", "a.b"), read=("customer.email", "customer.tags[0]"))


def digest(record: dict) -> bytes:
    return Contents(SHOP).digest(record)


def order(**customer: object) -> dict:
    return {"id": 1, "customer": {"email": "ada@example.org", "tags": ["vip"], "orders": 1, **customer}, "note": "x"}


@pytest.mark.parametrize("changed", [{"email": "ada.b@example.org"}, {"tags": ["new"]}])
def test_what_a_rule_reads_inside_of_something_ignored_counts(changed):
    assert digest(order()) != digest(order(**changed))


def test_the_rest_of_what_is_ignored_does_not_count():
    assert digest(order()) == digest(order(orders=2)) == digest({**order(), "note": "y"})


def test_a_key_with_a_dot_in_it_is_ignored_as_it_stands():
    assert digest({**order(), "a.b": "1"}) == digest({**order(), "a.b": "2"})
