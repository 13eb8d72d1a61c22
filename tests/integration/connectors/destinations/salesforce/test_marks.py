"""Records of people who turned out to be others: marked where they are, never made to be marked, unmarked by null."""

from __future__ import annotations

from connectors.kit import Record
from tests.support.crm import record, records, writer

ADA = {"LastName": "Brandt", "Company": "Brandt GmbH"}


def test_a_record_that_is_only_to_be_updated_is_marked_and_else_left_as_it_was(sandbox):
    line = writer(sandbox)
    line.write([record("p-1", City="Berlin")])
    (result,) = line.write([Record("p-1", {"Afluente_Merged_Into__c": "p-0"}, update_only=True)])
    assert (result.state, result.created, result.code) == ("written", False, None)
    (stored,) = records(sandbox)
    assert stored["fields"] == {**ADA, "City": "Berlin", "Afluente_Merged_Into__c": "p-0"}


def test_a_record_that_is_gone_is_not_made_again_to_be_marked(sandbox):
    gone = Record("p-1", {"Afluente_Merged_Into__c": "p-0"}, update_only=True)
    results = writer(sandbox).write([gone, record("p-2")])
    assert [(result.state, result.code) for result in results] == [("written", "record_gone"), ("written", None)]
    assert [stored["external_id"] for stored in records(sandbox)] == ["p-2"]


def test_a_record_that_lacks_a_required_field_is_still_refused(sandbox):
    (result,) = writer(sandbox).write([Record("p-1", {"City": "Berlin"})])
    assert (result.state, result.code) == ("rejected", "REQUIRED_FIELD_MISSING")


def test_a_mark_is_emptied_by_null(sandbox):
    line = writer(sandbox)
    line.write([record("p-1", Afluente_Merged_Into__c="p-0")])
    line.write([record("p-1", Afluente_Merged_Into__c=None)])
    (stored,) = records(sandbox)
    assert stored["fields"] == ADA
