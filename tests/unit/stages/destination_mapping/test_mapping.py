from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.canonical import ATTRIBUTION_NAMES, PERSON_FIELDS
from pipeline.errors import RecordError
from pipeline.stages.destination_mapping.mapping import (
    load_destination_mapping,
    map_merged,
    map_person,
    read_destination_mapping,
)

PERSON = UUID(int=7)
SALESFORCE = load_destination_mapping("salesforce")
ADA = {
    "first_name": "Ada",
    "last_name": "Brandt",
    "full_name": "Ada Brandt",
    "email": "ada@example.org",
    "company": "Brandt",
}

# Facts of the standard object (facts/crm.md 1.10): a longer value is refused by the CRM with STRING_TOO_LONG.
LENGTHS = {
    "FirstName": 40,
    "LastName": 80,
    "Company": 255,
    "Title": 128,
    "Email": 80,
    "Phone": 40,
    "Website": 255,
    "Street": 255,
    "City": 40,
    "State": 80,
    "PostalCode": 20,
    "Country": 80,
    "Industry": 40,
    "Description": 32_000,
}


def mapped(values, attribution=None):
    return map_person(SALESFORCE, PERSON, values, attribution or {}).fields


def test_golden_values_become_the_crms_fields():
    attribution = {
        "original_source": "linkedin",
        "original_channel": "Paid Social",
        "original_campaign": "q1",
        "latest_source": "google",
        "latest_channel": "Paid Search",
        "latest_campaign": None,
        "original_at": datetime(2026, 3, 2, tzinfo=UTC),
        "touches": 2,
        "owner": None,
    }
    values = {
        **ADA,
        "phone": "+493023125123",
        "country": "DE",
        "employee_count": 25,
        "message": "Hi",
        "job_title": "COO",
    }
    assert mapped(values, attribution) == {
        "FirstName": "Ada",
        "LastName": "Brandt",
        "Company": "Brandt",
        "Title": "COO",
        "Email": "ada@example.org",
        "Phone": "+493023125123",
        "Country": "DE",
        "NumberOfEmployees": 25,
        "Description": "Hi",
        "LeadSource": "Paid Social",
        "Original_Source__c": "linkedin",
        "Original_Channel__c": "Paid Social",
        "Original_Campaign__c": "q1",
        "Latest_Source__c": "google",
        "Latest_Channel__c": "Paid Search",
        "Latest_Campaign__c": None,
        "Afluente_Rerouted_At__c": None,
        "Afluente_Merged_Into__c": None,
    }


@pytest.mark.parametrize(
    ("values", "last_name"),
    [
        (ADA, "Brandt"),
        ({"full_name": "Ana María López"}, "Ana María López"),
        ({"first_name": "Ada", "email": "ada@example.org"}, "ada"),
        ({"email": "a.brandt@example.org"}, "a.brandt"),
        ({"phone": "+493023125123"}, "[not provided]"),
        ({}, "[not provided]"),
    ],
)
def test_the_required_last_name_has_something_in_it_always(values, last_name):
    assert mapped(values)["LastName"] == last_name
    assert mapped(values)["Company"] == values.get("company", "[not provided]")


CLEARED = {"Latest_Campaign__c": None, "Afluente_Rerouted_At__c": None, "Afluente_Merged_Into__c": None}


def test_empty_values_are_left_out_so_that_they_clear_nothing():
    assert mapped({**ADA, "city": "", "street": None, "phone": "  "}) == {
        "FirstName": "Ada",
        "LastName": "Brandt",
        "Company": "Brandt",
        "Email": "ada@example.org",
        **CLEARED,
    }


def test_what_the_person_has_no_more_is_emptied_and_what_was_never_ours_is_left_alone():
    taken_back = ["city", "company", "phone", "email", "first_name"]
    fields = map_person(SALESFORCE, PERSON, {"last_name": "Brandt", "phone": "+49301234567"}, {}, emptied=taken_back)
    assert fields.fields == {
        "FirstName": None,
        "LastName": "Brandt",
        "Company": "[not provided]",
        "Email": None,
        "Phone": "+49301234567",
        "City": None,
        **CLEARED,
    }


def test_a_campaign_that_is_no_more_the_original_one_is_emptied_with_the_others():
    first = {"original_source": "google", "original_campaign": "spring"}
    confirmed = map_person(SALESFORCE, PERSON, ADA, first).once_digest
    now = map_person(SALESFORCE, PERSON, ADA, {"original_source": "bing"}, confirmed=confirmed)
    assert (now.fields["Original_Source__c"], now.fields["Original_Campaign__c"]) == ("bing", None)
    again = map_person(SALESFORCE, PERSON, ADA, {"original_source": "bing"}, confirmed=now.once_digest)
    assert again.leaves_out_once
    assert "Original_Campaign__c" not in again.fields, "a human's campaign stays as the other fields do"


def test_a_merged_person_gets_the_mark_and_nothing_else():
    assert map_merged(SALESFORCE, PERSON).fields == {"Afluente_Merged_Into__c": str(PERSON)}


def test_a_mapping_that_knows_no_mark_gives_a_merged_person_nothing(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text("destination: acme\nversion: 1\nfields: {Mail: email}\n", encoding="utf-8")
    assert map_merged(read_destination_mapping(path), PERSON).fields == {}


@pytest.mark.parametrize(("name", "length"), sorted(LENGTHS.items()))
def test_no_field_is_longer_than_the_crm_takes(name, length):
    rule = next(rule for rule in SALESFORCE.declaration.fields if rule.name == name)
    assert rule.max_length == length
    field = next(source for source in rule.sources if source in PERSON_FIELDS)
    tail = f"@{'y' * 50}.example.org" if name == "Email" else ""
    values = {"email": "a@example.org", field: "x" * (length + 1 - len(tail)) + tail}
    if rule.truncates:
        assert len(mapped(values)[name]) == length
    else:
        with pytest.raises(RecordError) as caught:
            mapped(values)
        assert (caught.value.code, caught.value.field) == ("too_long", name)
        assert "xxx" not in str(caught.value)


def test_a_number_that_is_none_or_too_long_is_refused_before_the_call():
    with pytest.raises(RecordError, match="wrong_type"):
        mapped({**ADA, "employee_count": "many"})
    with pytest.raises(RecordError, match="too_long"):
        mapped({**ADA, "employee_count": 10**9})
    assert mapped({**ADA, "employee_count": 0})["NumberOfEmployees"] == 0


def test_constants_tables_lists_and_times(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text(
        """
destination: acme
version: 2
fields:
  Type: {constant: Lead}
  Key: {from: person_id, required: true}
  Land: {from: country, values: {DE: Germany}}
  Region: {from: region, values: {DE: ""}}
  Mails: {from: other_emails, as: list}
  Since: original_at
  Vip: {from: company, as: boolean}
""",
        encoding="utf-8",
    )
    mapping = read_destination_mapping(path)
    values = {"country": "DE", "region": "DE", "other_emails": ["a@example.org", "b@example.org"], "company": True}
    assert map_person(mapping, PERSON, values, {"original_at": datetime(2026, 3, 2, tzinfo=UTC)}).fields == {
        "Type": "Lead",
        "Key": str(PERSON),
        "Land": "Germany",
        "Mails": "a@example.org; b@example.org",
        "Since": "2026-03-02T00:00:00+00:00",
        "Vip": True,
    }
    assert mapping.version.startswith("acme@2+")
    with pytest.raises(RecordError, match="wrong_type"):
        map_person(mapping, PERSON, {"company": "yes"}, {})


def test_a_required_field_without_value_or_default_is_refused(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text("destination: acme\nversion: 1\nfields: {Mail: {from: email, required: true}}\n", encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        map_person(read_destination_mapping(path), PERSON, {}, {})
    assert (caught.value.code, caught.value.field) == ("missing_required", "Mail")


@given(
    st.dictionaries(
        st.sampled_from([*PERSON_FIELDS, *ATTRIBUTION_NAMES]), st.text(max_size=300) | st.integers() | st.none()
    ),
)
def test_any_values_give_fields_that_fit_or_a_record_error(values):
    try:
        fields = mapped(values)
    except RecordError:
        return
    assert fields["LastName"]
    assert fields["Company"]
    assert all(len(str(fields[name])) <= length for name, length in LENGTHS.items() if name in fields)
