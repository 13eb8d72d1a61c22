from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import Lead, Profile
from pipeline.stages.survivorship import OTHERS_LIMIT, merge_profile

START = datetime(2026, 3, 1, tzinfo=UTC)


def lead(number: int, *, hours: int | None = None, source: str = "web_form", **fields) -> Lead:
    return Lead(
        event_id=UUID(int=number),
        brand="default",
        source=source,
        lane="hot",
        received_at=START,
        occurred_at=START + timedelta(hours=number if hours is None else hours),
        mapping_version="x@1",
        fields=fields,
    )


def merged(*leads: Lead) -> Profile:
    profile = Profile()
    for one in leads:
        profile, _ = merge_profile(profile, one)
    return profile


def test_the_newest_value_of_each_field_wins_whatever_arrived_last():
    profile = merged(lead(2, company="New", city="Berlin"), lead(1, company="Old", job_title="Buyer"))
    assert profile.values() == {"company": "New", "city": "Berlin", "job_title": "Buyer"}
    assert profile.fields["company"].event_id == UUID(int=2)
    assert profile.fields["job_title"].event_id == UUID(int=1)


def test_the_greater_event_id_wins_at_the_same_moment():
    assert merged(lead(2, hours=0, city="B"), lead(1, hours=0, city="A")).values() == {"city": "B"}


def test_an_empty_value_never_overwrites():
    assert merged(lead(1, city="Berlin"), lead(2, city=""), lead(3, city=None)).values() == {"city": "Berlin"}


def test_zero_is_a_value():
    assert merged(lead(1, employee_count=5), lead(2, employee_count=0)).values() == {"employee_count": 0}


def test_every_other_address_is_kept_beside_the_newest():
    profile = merged(
        lead(1, email="a@example.org", phone="+1"),
        lead(2, email="b@example.org", other_emails=["c@example.org"], other_phones=["+2"]),
        lead(3, email="a@example.org", phone="+3"),
    )
    assert profile.values() == {
        "email": "a@example.org",
        "other_emails": ["b@example.org", "c@example.org"],
        "phone": "+3",
        "other_phones": ["+1", "+2"],
    }


def test_an_address_that_becomes_the_main_one_leaves_the_others():
    assert merged(lead(1, other_emails=["a@example.org"]), lead(2, email="a@example.org")).values() == {
        "email": "a@example.org"
    }


def test_fields_of_the_event_and_of_its_touch_are_no_golden_values():
    assert (
        merged(lead(1, external_id="x", utm_source="google", page_url="https://x", reported_source="y")).values() == {}
    )


def test_only_a_changed_value_counts_as_a_change():
    profile, changed = merge_profile(Profile(), lead(1, city="Berlin"))
    assert changed
    again, changed = merge_profile(profile, lead(2, city="Berlin"))
    assert not changed
    assert again != profile, "the provenance moved on: an older lead that comes late must still lose"
    assert merge_profile(again, lead(2, city="Berlin")) == (again, False)


def test_the_profile_handed_in_is_left_as_it_is():
    profile = merged(lead(1, city="Berlin", other_emails=["a@example.org"]))
    before = profile.values()
    merge_profile(profile, lead(2, city="Bonn", email="b@example.org"))
    assert profile.values() == before


def test_a_placeholder_does_not_grow_without_end():
    profile = merged(*(lead(number, email="info@example.org", phone=f"+{number:03}") for number in range(1, 200)))
    assert len(profile.values()["other_phones"]) == OTHERS_LIMIT


emails = st.sampled_from(["a@example.org", "b@example.org", "c@example.org"])
fields = st.fixed_dictionaries(
    {},
    optional={
        "email": emails,
        "other_emails": st.lists(emails, min_size=1, max_size=2),
        "phone": st.sampled_from(["+1", "+2"]),
        "other_phones": st.lists(st.sampled_from(["+1", "+2", "+3"]), min_size=1, max_size=2),
        "city": st.sampled_from(["Berlin", "Bonn", ""]),
        "full_name": st.sampled_from(["Ada Brandt", "Ada"]),
    },
)


@st.composite
def some_leads(draw, at_most: int = 4) -> list[Lead]:
    drawn = draw(st.lists(st.tuples(st.integers(0, 3), fields), min_size=1, max_size=at_most))
    return [lead(number, hours=hours, **values) for number, (hours, values) in enumerate(drawn, start=1)]


@given(some_leads())
def test_merging_is_the_same_in_any_order(leads):
    expected = merged(*leads)
    for order in permutations(leads):
        assert merged(*order) == expected


@given(some_leads(at_most=6))
def test_merging_again_changes_nothing(leads):
    profile = merged(*leads)
    for one in leads:
        profile, changed = merge_profile(profile, one)
        assert not changed
    assert profile == merged(*leads)
