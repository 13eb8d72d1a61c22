from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.canonical import DERIVED_FIELDS, DESTINATION_SOURCES, PERSON_FIELDS
from pipeline.stages.destination_mapping.mapping import map_person, read_destination_mapping
from pipeline.values.derived import RULES, derive
from tests.support.paths import ROOT

PERSON = {
    "email": "ada@gmial.com",
    "phone": "+4915112345678",
    "website": "https://www.brandt.example/kontakt",
    "job_title": "Leiterin Einkauf",
    "state": "NRW",
    "country": "DE",
}
DERIVED = {
    "company_domain": "brandt.example",
    "job_level": "head",
    "job_function": "purchasing",
    "state_code": "DE-NW",
    "phone_type": "mobile",
    "email_suggestion": "ada@gmail.com",
}


def test_what_follows_from_a_persons_values_is_derived():
    assert derive(PERSON) == DERIVED


@pytest.mark.parametrize("missing", DERIVED)
def test_nothing_is_derived_from_nothing(missing):
    needed = {
        "company_domain": ("website",),
        "job_level": ("job_title",),
        "job_function": ("job_title",),
        "state_code": ("state",),
        "phone_type": ("phone",),
        "email_suggestion": ("email",),
    }
    assert missing not in derive({field: value for field, value in PERSON.items() if field not in needed[missing]})


def test_deriving_leaves_the_values_as_they_are():
    before = dict(PERSON)
    derive(PERSON)
    assert before == PERSON


def test_each_derived_name_has_a_rule_and_is_no_stored_field():
    assert tuple(RULES) == DERIVED_FIELDS
    assert not set(DERIVED_FIELDS) & set(PERSON_FIELDS)
    assert set(DERIVED_FIELDS) <= set(DESTINATION_SOURCES)


def test_the_page_on_values_lists_every_derived_name():
    page = (ROOT / "docs" / "normalization.md").read_text()
    section = page.partition("## Derived values")[2].partition("\n## ")[0]
    assert [name for name in DERIVED_FIELDS if f"`{name}`" not in section] == []


def test_a_crm_field_may_be_made_of_a_derived_value(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text(
        "destination: acme\nversion: 1\nfields:\n"
        "  Domain: {from: company_domain, max: 80}\n"
        "  Level: {from: [job_level, job_title], max: 80}\n"
    )
    mapping = read_destination_mapping(path)
    person = UUID("01930000-0000-7000-8000-000000000000")
    assert map_person(mapping, person, PERSON, {}).fields == {"Domain": "brandt.example", "Level": "head"}
    assert map_person(mapping, person, {"job_title": "Astronaut"}, {}).fields == {"Level": "Astronaut"}


@settings(deadline=None)  # the first call reads the tables
@given(
    st.dictionaries(
        st.sampled_from([*PERSON_FIELDS]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=50), st.lists(st.text(max_size=9))),
    )
)
def test_any_values_derive_texts(values):
    assert all(isinstance(value, str) and value for value in derive(values).values())
