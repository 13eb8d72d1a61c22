"""Which records were changed in Salesforce: by the moment and the id, so that equal moments leave nobody out."""

from __future__ import annotations

import pytest

from connectors.destinations.salesforce import DESTINATION, changes
from connectors.kit import ConfigurationError, Connection, SentField, TransientError, Watched
from tests.support.crm import record
from tests.support.scripted_crm import said
from tests.support.scripted_crm import writer as scripted

BOX = Watched(fields=("HasOptedOutOfEmail",))
EDITED = Watched(fields=("HasOptedOutOfEmail",), changed_field="Edited__c")
FIELDS = (SentField("LastName"), SentField("Company"), SentField("Email", "email"))


@pytest.fixture
def crm(sandbox):
    return DESTINATION.connect(Connection("crm", sandbox.address, fields=FIELDS, timeout_seconds=5.0))


def test_many_of_one_moment_come_page_by_page_each_once(crm, monkeypatch):
    monkeypatch.setattr(changes, "_PAGE", 3)
    crm.write([record(f"p-{number}") for number in range(7)])
    told, cursor, pages = [], None, 0
    while True:
        page = crm.list_changes(BOX, None, cursor)
        told += [changed.key for changed in page.records]
        pages, cursor = pages + 1, page.cursor
        if cursor is None:
            break
    assert (sorted(told), pages) == ([f"p-{number}" for number in range(7)], 3)


def test_a_deleted_record_is_told_as_it_was(crm, sandbox):
    (written,) = crm.write([record("p-1", HasOptedOutOfEmail=True)])
    crm.delete([record("p-1")])
    (told,) = crm.list_changes(BOX, None).records
    assert (told.crm_id, told.fields) == (written.crm_id, {"HasOptedOutOfEmail": True})


def test_a_field_of_another_record_is_named_with_a_dot(server):
    row = {"Id": "a01000000000001AAA", "Who__r": {"Email": "ada@example.org"}, "Stop__c": True}
    moment = {"SystemModstamp": "2026-03-01T09:00:00.000+0000"}
    server.script = [said({"records": [{**row, **moment}], "done": True})]
    watched = Watched("Consent__c", ("Stop__c",), {"email": ("Who__r.Email",)}, is_keyed=False)
    (told,) = scripted(server.url).list_changes(watched, None).records
    assert (told.values, told.changed_at.isoformat()) == ({"email": "ada@example.org"}, "2026-03-01T09:00:00+00:00")


def test_a_record_without_a_moment_is_no_answer(server):
    server.script = [said({"records": [{"Id": "00Q000000000001AAA"}], "done": True})]
    with pytest.raises(TransientError, match="says not when"):
        scripted(server.url).list_changes(BOX, None)


def test_a_record_whose_own_field_of_changes_is_empty_is_left_out_and_stops_none(crm, sandbox, monkeypatch):
    monkeypatch.setattr(changes, "_PAGE", 2)
    crm.write([record(f"p-{number}") for number in range(5)])
    sandbox.records.upsert(
        "Lead", {key: {"Edited__c": "2026-03-01T09:00:00.000+0000"} for key in ("p-1", "p-3", "p-4")}
    )
    told, cursor = [], None
    while True:
        page = crm.list_changes(EDITED, None, cursor)
        told += [changed.key for changed in page.records]
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(told) == ["p-1", "p-3", "p-4"]


def test_an_unreadable_moment_of_an_own_field_is_counted_and_the_page_goes_on(server, monkeypatch):
    monkeypatch.setattr(changes, "_PAGE", 2)
    good = {"Id": "00Q000000000001AAA", "Edited__c": "2026-03-01T09:00:00.000+0000"}
    server.script = [said({"records": [good, {"Id": "00Q000000000002AAA", "Edited__c": "soon"}], "done": True})]
    page = scripted(server.url).list_changes(EDITED, None)
    assert ([told.crm_id for told in page.records], page.undated) == (["00Q000000000001AAA"], 1)
    assert page.cursor == "2026-03-01T09:00:00+00:00 00Q000000000001AAA"


def test_what_is_no_name_is_never_asked(crm):
    with pytest.raises(ConfigurationError, match="no name of a field"):
        crm.list_changes(Watched(fields=("Email FROM Lead WHERE",)), None)
