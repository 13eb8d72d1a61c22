from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RecordError
from pipeline.stages.canonical import ATTRIBUTION_NAMES, PERSON_FIELDS
from pipeline.stages.destination_mapping import load_destination_mapping, map_person, read_destination_mapping

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
        "Latest_Campaign__c": "(not set)",
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


def test_empty_values_are_left_out_so_that_they_clear_nothing():
    assert set(mapped({**ADA, "city": "", "street": None, "phone": "  "})) == {
        "FirstName",
        "LastName",
        "Company",
        "Email",
        "Original_Campaign__c",  # `(not set)`: an older campaign must not stand beside a newer source
        "Latest_Campaign__c",
    }


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
