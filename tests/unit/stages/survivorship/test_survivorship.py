from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import Lead, Profile
from pipeline.stages.survivorship.rules import GoldenRule, SurvivorshipRules, survivorship_rules
from pipeline.stages.survivorship.survivorship import (
    OTHERS_LIMIT,
    VOTES_LIMIT,
    merge_profile,
    merge_profiles,
    taken_back,
)

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


def merged(*leads: Lead, rules: SurvivorshipRules | None = None) -> Profile:
    profile = Profile()
    for one in leads:
        profile, _ = merge_profile(profile, one, rules)
    return profile


def ruled(**rules: GoldenRule) -> SurvivorshipRules:
    """The rules in force, but for these fields."""
    return SurvivorshipRules("survivorship@1+0", {**survivorship_rules().fields, **rules})


def golden(field: str, rule: GoldenRule, *said: tuple[str, str] | str) -> str:
    """What survives of values said one after the other, each with its source if that matters."""
    leads = [
        lead(number, source=source, **{field: value})
        for number, one in enumerate(said, start=1)
        for source, value in [one if isinstance(one, tuple) else ("web_form", one)]
    ]
    found = {merged(*order, rules=ruled(**{field: rule})).values()[field] for order in (leads, leads[::-1])}
    (value,) = found
    return value


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


@pytest.mark.parametrize(
    ("keep", "said", "survives"),
    [
        ("newest", ["Berlin", "Bonn", "Köln"], "Köln"),
        ("oldest", ["Berlin", "Bonn", "Köln"], "Berlin"),
        ("longest", ["Bonn", "Berlin", "Köln"], "Berlin"),
        ("longest", ["Bonn", "Köln"], "Köln"),
        ("most_frequent", ["Bonn", "Bonn", "Köln"], "Bonn"),
        ("most_frequent", ["Bonn", "Köln", "Bonn", "Köln"], "Köln"),
        ("most_frequent", ["Bonn", "Köln"], "Köln"),
        ("most_frequent", ["Bonn"] * 20 + ["Köln"] * 6, "Köln"),  # six of the last ten
        ("most_frequent", ["Bonn"] * 20 + ["Köln"] * 4, "Bonn"),
    ],
)
def test_what_survives_is_what_the_rule_says(keep, said, survives):
    assert golden("city", GoldenRule(keep), *said) == survives


@pytest.mark.parametrize(
    ("said", "survives"),
    [
        (["Ana", "Ana María"], "Ana María"),
        (["Ana María", "Ana"], "Ana María"),
        (["Ana Maria", "Ana María"], "Ana María"),
        (["Ana María", "Ana Maria"], "Ana María"),
        (["A.", "Ana"], "Ana"),
        (["Ana", "A."], "Ana"),
        (["Ana", "A. M."], "Ana"),
        (["José", "Pepe"], "José"),
        (["Francisco", "Paco"], "Francisco"),
        (["Müller", "Muller"], "Müller"),
        (["López García", "López"], "López García"),
        (["Lopez Garcia", "López"], "Lopez Garcia"),
        (["Ada", "Eva"], "Eva"),
        (["Dana Okafor, SHRM-CP", "Dana Okafor"], "Dana Okafor"),  # a credential is no word of a name
        (["Dana Marie Okafor", "Dana Okafor, MBA, PMP"], "Dana Marie Okafor"),
        (["Ana", "x " * 60], "Ana"),  # no name has sixty words
    ],
)
def test_the_most_complete_name_survives(said, survives):
    assert golden("first_name", GoldenRule("most_complete"), *said) == survives


@pytest.mark.parametrize(
    ("said", "survives"),
    [
        (["Tecnovía", "TECNOVIA"], "Tecnovía"),
        (["Tecnovía", "tecnovia"], "Tecnovía"),
        (["Müller GmbH", "Muller GmbH", "Muller GmbH"], "Müller GmbH"),
        (["Hotel Rivero", "HOTEL RIVERO SLU"], "Hotel Rivero"),
        (["Hotel Rivero", "Hotel Rivero", "Hotel Rivero SLU"], "Hotel Rivero"),
        (["Hotel Rivero", "Hotel Rivero SLU"], "Hotel Rivero SLU"),
        (["Brandt", "KAIRO"], "KAIRO"),  # another employer: the newest is right, however it is written
        (["Brandt", "Kairo", "BRANDT"], "Brandt"),
    ],
)
def test_the_newest_employer_survives_in_its_best_spelling(said, survives):
    assert golden("company", GoldenRule("best_spelled"), *said) == survives


@pytest.mark.parametrize(
    ("keep", "said", "survives"),
    [
        ("newest", [("crm_list", "A"), ("web_form", "B")], "A"),
        ("newest", [("web_form", "B"), ("crm_list", "A"), ("crm_list", "C")], "C"),
        ("newest", [("badge", "D"), ("other", "E")], "E"),
        ("newest", [("badge", "D"), ("web_form", "B"), ("other", "E")], "B"),
        ("oldest", [("crm_list", "A"), ("crm_list", "C"), ("web_form", "B")], "A"),
        ("longest", [("web_form", "Bonn"), ("other", "Dresden")], "Bonn"),
        ("most_frequent", [("crm_list", "A"), ("web_form", "B"), ("web_form", "B")], "A"),
        ("most_frequent", [("crm_list", "A"), ("crm_list", "A"), ("crm_list", "C"), ("other", "E")], "A"),
    ],
)
def test_a_source_of_priority_is_believed_before_others(keep, said, survives):
    rule = GoldenRule(keep, {"crm_list": 0, "web_form": 1})
    assert golden("city", rule, *said) == survives


@pytest.mark.parametrize(
    ("said", "survives"),
    [
        (["ana@acme.com", "info@acme.com"], "ana@acme.com"),
        (["info@acme.com", "ana@acme.com"], "ana@acme.com"),
        (["ana@acme.com", "ventas@acme.com"], "ana@acme.com"),
        (["ana@gmail.com", "ana@gmial.com"], "ana@gmail.com"),
        (["ana@acme.com", "test@test.com"], "ana@acme.com"),
        (["ana@acme.com", "ana@mailinator.com"], "ana@acme.com"),
        (["ana@gmail.com", "ana@acme.com"], "ana@acme.com"),
        (["ana@acme.com", "ana@gmail.com"], "ana@gmail.com"),
        (["info@acme.com", "sales@acme.com"], "sales@acme.com"),
        (["info@acme.com"], "info@acme.com"),
    ],
)
def test_nobody_s_mailbox_is_golden_only_where_there_is_no_other(said, survives):
    profile = merged(*(lead(number, email=email) for number, email in enumerate(said, start=1)))
    assert profile.values()["email"] == survives
    assert set(profile.values().get("other_emails", [])) == set(said) - {survives}


@pytest.mark.parametrize(
    ("said", "survives"),
    [
        (["+4915123456789", "+493023125123"], "+4915123456789"),
        (["+493023125123", "+4915123456789"], "+4915123456789"),
        (["+34600111222", "+34600333444"], "+34600333444"),
        (["+34600111222", "+34900123456"], "+34600111222"),
        (["+493023125123", "+493023125124"], "+493023125124"),
        (["+12063262289", "+14159581586"], "+14159581586"),  # in North America nobody can tell
    ],
)
def test_a_landline_is_golden_only_where_there_is_no_other(said, survives):
    profile = merged(*(lead(number, phone=phone) for number, phone in enumerate(said, start=1)))
    assert profile.values()["phone"] == survives


def test_an_own_address_beside_nobody_s_is_the_lead_s_golden_one():
    profile = merged(lead(1, email="info@acme.com", other_emails=["ana@acme.com"]))
    assert profile.values() == {"email": "ana@acme.com", "other_emails": ["info@acme.com"]}


def test_each_golden_value_says_which_event_it_came_from():
    profile = merged(
        lead(1, company="Müller GmbH", first_name="José", email="jose@muller.de"),
        lead(2, company="MULLER GMBH", first_name="Jose", email="info@muller.de", city="Bonn"),
    )
    assert {name: one.event_id.int for name, one in profile.fields.items() if name != "other_emails"} == {
        "company": 1,
        "first_name": 1,
        "email": 1,
        "city": 2,
    }


def test_votes_do_not_grow_without_end():
    profile = merged(*(lead(number, company=f"Company {number}") for number in range(1, 50)))
    assert len(profile.votes["company"]) == VOTES_LIMIT


def test_what_is_gone_after_people_came_apart_is_known_by_version():
    both = merged(lead(1, city="Bonn", email="a@example.org"), lead(2, phone="+4915123456789", company="Brandt"))
    alone = merged(lead(1, city="Bonn", email="a@example.org"))
    alone.emptied = taken_back(both, alone, 4)
    assert alone.emptied == {"phone": 4, "phone_type": 4, "company": 4}
    again, _ = merge_profile(alone, lead(3, company="Kairo"))
    assert again.emptied == {"phone": 4, "phone_type": 4}, "a new value needs no emptying"
    less = merged(lead(4, email="a@example.org"))
    assert taken_back(again, less, 6) == {"phone": 4, "phone_type": 4, "city": 6, "company": 6}


emails = st.sampled_from(["a@example.org", "b@example.org", "info@example.org", "a@gmial.com"])
phones = st.sampled_from(["+1", "+493023125123", "+4915123456789"])
fields = st.fixed_dictionaries(
    {},
    optional={
        "email": emails,
        "other_emails": st.lists(emails, min_size=1, max_size=2),
        "phone": phones,
        "other_phones": st.lists(phones, min_size=1, max_size=2),
        "city": st.sampled_from(["Berlin", "Bonn", ""]),
        "company": st.sampled_from(["Müller", "MULLER GmbH", "Kairo", "kairo"]),
        "full_name": st.sampled_from(["Ada Brandt", "Ada", "Áda", "A. B."]),
    },
)
SOURCES = ["web_form", "badge", "list"]
KEEPS = st.sampled_from(["newest", "oldest", "most_frequent"])
TEXT_KEEPS = st.sampled_from(["newest", "oldest", "longest", "most_complete", "most_frequent", "best_spelled"])
PRIORITIES = st.sampled_from([{}, {"list": 0}, {"badge": 0, "list": 1}])


@st.composite
def some_rules(draw) -> SurvivorshipRules:
    texts = {name: GoldenRule(draw(TEXT_KEEPS), draw(PRIORITIES), ()) for name in ("city", "company", "full_name")}
    email = GoldenRule(draw(KEEPS), draw(PRIORITIES), draw(st.sampled_from([(), ("role",), ("role", "misspelled")])))
    phone = GoldenRule(draw(KEEPS), draw(PRIORITIES), draw(st.sampled_from([(), ("landline",)])))
    return ruled(**texts, email=email, phone=phone)


@st.composite
def some_leads(draw, at_most: int = 4) -> list[Lead]:
    one = st.tuples(st.integers(0, 3), st.sampled_from(SOURCES), fields)
    drawn = draw(st.lists(one, min_size=1, max_size=at_most))
    return [
        lead(number, hours=hours, source=source, **values)
        for number, (hours, source, values) in enumerate(drawn, start=1)
    ]


@given(some_leads(), some_rules())
def test_merging_is_the_same_in_any_order(leads, rules):
    expected = merged(*leads, rules=rules)
    for order in permutations(leads):
        assert merged(*order, rules=rules) == expected


@given(some_leads(at_most=30), some_rules(), st.randoms(use_true_random=False))
def test_many_leads_in_any_order_and_some_twice_give_what_all_of_them_give(leads, rules, random):
    """People are merged lead by lead, and made anew from all their events: both must be the same."""
    order = [*leads, *random.choices(leads, k=5)]
    random.shuffle(order)
    assert merged(*order, rules=rules) == merged(*leads, rules=rules)


@given(some_leads(at_most=30), some_rules(), st.integers(0, 30))
def test_two_people_merged_are_the_person_of_all_their_leads(leads, rules, cut):
    one, other = merged(*leads[:cut], rules=rules), merged(*leads[cut:], rules=rules)
    assert merge_profiles(one, other, rules) == merged(*leads, rules=rules)
    assert merge_profiles(other, one, rules) == merged(*leads, rules=rules)


@given(st.randoms(use_true_random=False))
def test_two_people_merged_keep_the_addresses_that_one_person_would_keep(random):
    leads = [lead(number, email=f"a{random.randrange(OTHERS_LIMIT + 20):02}@example.org") for number in range(1, 150)]
    random.shuffle(leads)
    cut = random.randrange(150)
    assert merge_profiles(merged(*leads[:cut]), merged(*leads[cut:])) == merged(*leads)


def test_a_person_merged_with_itself_is_as_before():
    both = merged(lead(1, email="a@example.org", company="Kairo"), lead(2, phone="+4915123456789", company="KAIRO"))
    assert merge_profiles(both, both) == both


@given(some_leads(at_most=6), some_rules())
def test_merging_again_changes_nothing(leads, rules):
    profile = merged(*leads, rules=rules)
    for one in leads:
        profile, changed = merge_profile(profile, one, rules)
        assert not changed
    assert profile == merged(*leads, rules=rules)


@given(st.randoms(use_true_random=False))
def test_even_more_addresses_than_are_kept_give_the_same_in_any_order(random):
    """Each address is written from twice: it may have been golden once, and become so again."""
    leads = [lead(number, email=f"a{random.randrange(OTHERS_LIMIT + 20):02}@example.org") for number in range(1, 150)]
    expected = merged(*leads)
    random.shuffle(leads)
    assert merged(*leads) == expected


def test_a_field_of_ones_own_is_golden_as_any_other_and_may_hold_anything():
    leads = [
        lead(1, **{"custom.size": 41, "custom.topics": ["a", "b"]}),
        lead(2, **{"custom.size": 43.5, "custom.topics": []}),
        lead(3, city="Bonn"),
    ]
    for order in permutations(leads):
        assert merged(*order).values() == {"custom.size": 43.5, "custom.topics": ["a", "b"], "city": "Bonn"}
    assert merge_profiles(merged(*leads[:1]), merged(*leads[1:])) == merged(*leads)
    assert merge_profiles(merged(*leads[1:]), merged(*leads[:1])) == merged(*leads)
    gone = taken_back(merged(*leads), merged(leads[0]), 7)
    assert gone == {"city": 7}


def test_the_oldest_or_a_sources_answer_may_be_what_survives_of_a_field_of_ones_own():
    assert golden("custom.size", GoldenRule("oldest"), "41", "43") == "41"
    assert golden("custom.size", GoldenRule(sources={"crm": 0}), ("crm", "41"), "43") == "41"
