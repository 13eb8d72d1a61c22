from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import Lead, MatchKey, Person
from pipeline.stages.deduplication import Decision, decide_matches
from pipeline.stages.normalization import identifiers

START = datetime(2026, 3, 1, tzinfo=UTC)


def lead(number: int, *, hours: int | None = None, brand: str = "default", source: str = "api", **fields) -> Lead:
    if "name" in fields:
        fields["full_name"] = fields.pop("name")
    made = Lead(
        event_id=UUID(int=number),
        brand=brand,
        source=source,
        lane="hot",
        received_at=START,
        occurred_at=START + timedelta(hours=number if hours is None else hours),
        mapping_version="x@1",
        fields=fields,
    )
    made.match_keys = [MatchKey(kind, digest(kind, value)) for kind, value in identifiers(made)]
    return made


def digest(kind: str, value: str) -> bytes:
    return hashlib.sha256(f"{kind}:{value}".encode()).digest()


class Book:
    """What a store remembers between batches, in memory: decide_matches is pure and needs no more."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, MatchKey], UUID] = {}
        self.people: dict[UUID, Person] = {}
        self._ids = count(1)

    def new_id(self) -> UUID:
        return UUID(int=next(self._ids) << 64)

    def add(self, *leads: Lead) -> Decision:
        asked = {(one.brand, key) for one in leads for key in one.match_keys}
        known = {key: owner for key, owner in self.keys.items() if key in asked}
        owners = {owner: self.people[owner] for owner in known.values()}
        decision = decide_matches(leads, known, owners, self.new_id)
        for brand, key, person_id, _ in decision.new_keys:
            assert (brand, key) not in self.keys, "a key that has an owner is never given again"
            self.keys[(brand, key)] = person_id
        for person in decision.people:
            self.people[person.person_id] = Person(person.person_id, person.brand, person.version, person.profile)
        return decision

    def person_of(self, decision: Decision, number: int = 0) -> Person:
        return self.people[decision.matches[number].person_id]


ADA = {"name": "Ada Brandt", "email": "ada@example.org", "phone": "+493023125123"}

# first lead, second lead, what the second one matches by
PAIRS = [
    (ADA, ADA, "email"),
    (ADA, {"email": "ada@example.org"}, "email"),
    (ADA, {"email": "ada@example.org", "name": "Bo Berg"}, "email"),
    (ADA, {"email": "ada@example.org", "phone": "+34600111222"}, "email"),
    (ADA, {"email": "x@example.org", "other_emails": ["ada@example.org"]}, "email"),
    ({"email": "x@example.org", "other_emails": ["ada@example.org"]}, ADA, "email"),
    (ADA, {"phone": "+493023125123"}, "phone"),
    (ADA, {"phone": "+493023125123", "name": "Ada"}, "phone"),
    (ADA, {"phone": "+493023125123", "name": "ADA BRANDT"}, "phone"),
    (ADA, {"phone": "+493023125123", "name": "Bo Berg"}, "new"),
    (ADA, {"phone": "+493023125123", "email": "bo@example.org", "name": "Bo Berg"}, "new"),
    (ADA, {"phone": "+493023125123", "email": "bo@example.org"}, "new"),
    (ADA, {"phone": "+493023125123", "email": "ada2@example.org", "name": "Ada Brandt"}, "phone"),
    (ADA, {"phone": "+493023125123", "email": "ada2@example.org", "name": "Brandt Áda"}, "phone"),
    (ADA, {"phone": "+493023125123", "email": "ada2@example.org", "name": "Ada"}, "new"),
    (ADA, {"phone": "+34600111222", "other_phones": ["+493023125123"], "name": "Ada Brandt"}, "phone"),
    (ADA, {"whatsapp_id": "+493023125123", "name": "Ada Brandt"}, "phone"),
    ({"phone": "+493023125123"}, {"phone": "+493023125123", "name": "Bo Berg"}, "phone"),
    ({"phone": "+493023125123", "name": "Ada"}, ADA, "phone"),
    ({"first_name": "Ada", "last_name": "Brandt", "phone": "+1"}, {"name": "Ada Brandt", "phone": "+1"}, "named_phone"),
    ({"name": "José de la Cruz", "phone": "+1"}, {"name": "JOSE CRUZ", "phone": "+1"}, "named_phone"),
    ({"external_id": "7"}, {"external_id": "7"}, "external_id"),
    ({"external_id": "7"}, {"external_id": "8"}, "new"),
    ({"external_id": "7", "email": "a@example.org"}, {"external_id": "7"}, "new"),
    ({"external_id": "7", "email": "a@example.org"}, {"external_id": "7", "email": "b@example.org"}, "new"),
    ({"name": "Ada Brandt", "external_id": "1"}, {"name": "Ada Brandt", "external_id": "2"}, "new"),
    (
        {"linkedin_url": "https://www.linkedin.com/in/ada/"},
        {"linkedin_url": "http://linkedin.com/in/Ada?trk=x"},
        "external_id",
    ),
]


@pytest.mark.parametrize(("first", "second", "reason"), PAIRS)
def test_two_leads_are_one_person_for_a_reason(first, second, reason):
    book = Book()
    one = book.add(lead(1, **first)).matches[0]
    two = book.add(lead(2, **second)).matches[0]
    assert one.reason == "new"
    assert two.reason == reason
    assert (one.person_id == two.person_id) == (reason != "new")


@pytest.mark.parametrize(("first", "second", "reason"), PAIRS)
def test_leads_of_one_batch_see_each_other(first, second, reason):
    book = Book()
    decision = book.add(lead(1, **first), lead(2, **second))
    assert [match.reason for match in decision.matches] == ["new", reason]
    assert len(book.people) == (2 if reason == "new" else 1)


def test_people_of_different_brands_are_never_matched():
    book = Book()
    book.add(lead(1, **ADA))
    assert book.add(lead(2, brand="other", **ADA)).matches[0].reason == "new"
    assert {person.brand for person in book.people.values()} == {"default", "other"}


def test_an_id_of_one_source_means_nothing_to_another():
    book = Book()
    book.add(lead(1, source="api", external_id="7"))
    assert book.add(lead(2, source="web_form", external_id="7")).matches[0].reason == "new"


def test_a_key_of_somebody_else_is_never_taken_away():
    book = Book()
    ada = book.add(lead(1, **ADA)).matches[0].person_id
    decision = book.add(lead(2, name="Bo Berg", email="bo@example.org", phone=ADA["phone"]))
    assert [key.kind for _, key, _, _ in decision.new_keys] == ["email"]
    assert book.keys[("default", MatchKey("phone", digest("phone", ADA["phone"])))] == ada


def test_new_keys_name_the_event_that_brought_them():
    decision = Book().add(lead(5, **ADA))
    person_id = decision.matches[0].person_id
    assert [(brand, key.kind, owner, event) for brand, key, owner, event in decision.new_keys] == [
        ("default", "email", person_id, UUID(int=5)),
        ("default", "phone", person_id, UUID(int=5)),
    ]


def test_the_main_address_decides_before_the_others_and_the_oldest_person_among_those():
    book = Book()
    old = book.add(lead(1, email="old@example.org")).matches[0].person_id
    mid = book.add(lead(2, email="mid@example.org")).matches[0].person_id
    main = book.add(lead(3, email="main@example.org")).matches[0].person_id
    others = ["mid@example.org", "old@example.org"]
    assert book.add(lead(4, email="main@example.org", other_emails=others)).matches[0].person_id == main
    assert book.add(lead(5, email="none@example.org", other_emails=others)).matches[0].person_id == old
    assert mid != old


def test_an_email_decides_before_a_phone():
    book = Book()
    book.add(lead(1, phone="+1", name="Ada Brandt"))
    by_email = book.add(lead(2, email="ada@example.org")).matches[0].person_id
    assert book.add(lead(3, email="ada@example.org", phone="+1", name="Ada Brandt")).matches[0].person_id == by_email


def test_a_second_person_on_somebody_elses_phone_is_found_again():
    book = Book()
    book.add(lead(1, **ADA))
    bo = {"phone": ADA["phone"], "name": "Bo Berg"}
    first = book.add(lead(2, **bo)).matches[0]
    assert first.reason == "new"
    again = book.add(lead(3, **bo)).matches[0]
    assert (again.person_id, again.reason) == (first.person_id, "named_phone")


@pytest.mark.parametrize("fields", [first for first, _, _ in PAIRS] + [second for _, second, _ in PAIRS])
def test_a_second_run_of_the_same_lead_finds_the_same_person(fields):
    book = Book()
    book.add(lead(1, **ADA))
    first = book.add(lead(2, **fields)).matches[0].person_id
    second = book.add(lead(2, **fields))
    assert second.matches[0].person_id == first
    assert second.new_keys == []
    assert second.people == []


def test_a_new_person_has_version_one_however_many_leads_made_it():
    decision = Book().add(lead(1, **ADA), lead(2, city="Berlin", **ADA))
    assert [(person.version, person.is_new) for person in decision.people] == [(1, True)]
    assert decision.people[0].profile.values()["city"] == "Berlin"


def test_a_version_grows_by_one_however_many_leads_of_a_batch_changed_something():
    book = Book()
    book.add(lead(1, **ADA))
    decision = book.add(lead(2, city="Berlin", **ADA), lead(3, city="Bonn", **ADA))
    assert [(person.version, person.is_new) for person in decision.people] == [(2, False)]
    assert decision.people[0].profile.values()["city"] == "Bonn"


def test_a_lead_that_says_nothing_new_is_written_without_a_new_version():
    book = Book()
    book.add(lead(1, **ADA))
    decision = book.add(lead(2, **ADA))
    assert [person.version for person in decision.people] == [1]
    assert decision.people[0].profile.fields["email"].event_id == UUID(int=2)


def test_a_late_older_lead_changes_neither_values_nor_version():
    book = Book()
    book.add(lead(9, city="Bonn", **ADA))
    decision = book.add(lead(3, city="Berlin", **ADA))
    assert decision.matches[0].reason == "email"
    assert decision.people == []


def test_matches_come_in_the_order_of_the_leads():
    leads = [lead(3, email="c@example.org"), lead(1, email="a@example.org"), lead(2, email="b@example.org")]
    assert [match.event_id.int for match in Book().add(*leads).matches] == [3, 1, 2]


def test_what_occurred_first_decides_first_whatever_its_place_in_the_batch():
    later = lead(1, hours=9, phone="+1", name="Bo Berg")
    earlier = lead(2, hours=3, phone="+1", name="Ada Brandt")
    decision = Book().add(later, earlier)
    owner = next(event for _, key, _, event in decision.new_keys if key.kind == "phone")
    assert owner == earlier.event_id


def test_nothing_handed_in_is_changed():
    book = Book()
    book.add(lead(1, **ADA))
    known, people = dict(book.keys), dict(book.people)
    before = {person_id: person.profile.values() for person_id, person in people.items()}
    decide_matches([lead(2, city="Bonn", **ADA)], known, people, book.new_id)
    assert (known, people) == (book.keys, book.people)
    assert {person_id: person.profile.values() for person_id, person in people.items()} == before


names = st.sampled_from(["Ada Brandt", "Bo Berg", "Ada"])
fields = st.fixed_dictionaries(
    {"external_id": st.sampled_from(["1", "2"])},
    optional={
        "email": st.sampled_from(["a@example.org", "b@example.org"]),
        "phone": st.sampled_from(["+1", "+2"]),
        "name": names,
    },
)
batches = st.lists(st.lists(st.tuples(st.integers(0, 5), fields), min_size=1, max_size=4), min_size=1, max_size=4)


@given(batches)
def test_whatever_comes_no_key_changes_hands_and_no_lead_is_lost(drawn):
    book, numbers = Book(), count(1)
    for batch in drawn:
        leads = [lead(next(numbers), hours=hours, **values) for hours, values in batch]
        owners = dict(book.keys)
        decision = book.add(*leads)
        assert [match.event_id for match in decision.matches] == [one.event_id for one in leads]
        assert all(book.keys[key] == owner for key, owner in owners.items())
        assert {match.person_id for match in decision.matches} <= set(book.people)
        again = book.add(*leads)
        assert [match.person_id for match in again.matches] == [match.person_id for match in decision.matches]
        assert again.people == []


@given(batches)
def test_leads_with_the_same_email_are_one_person_however_they_are_batched(drawn):
    book, numbers = Book(), count(1)
    person_of: dict[str, set[UUID]] = {}
    for batch in drawn:
        leads = [lead(next(numbers), hours=hours, **values) for hours, values in batch]
        for one, match in zip(leads, book.add(*leads).matches, strict=True):
            if "email" in one.fields:
                person_of.setdefault(one.fields["email"], set()).add(match.person_id)
    assert all(len(people) == 1 for people in person_of.values())
