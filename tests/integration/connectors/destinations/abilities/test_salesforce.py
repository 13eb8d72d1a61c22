"""What Salesforce's writer is able to do beside writing, against the sandbox over sockets, and word by word where the
sandbox would never say it."""

from __future__ import annotations

import pytest

from connectors.destinations.salesforce import DESTINATION
from connectors.kit import Connection, Lookup, Record, SentField, TerminalError, TransientError
from tests.support.crm import call, calls, record
from tests.support.scripted_crm import said
from tests.support.scripted_crm import writer as scripted

ALL = ("reads", "deletes", "describes", "lists", "finds", "adopts", "jobs", "tells_changes")
FIELDS = (SentField("LastName"), SentField("Company"), SentField("Email", "email"))
LEADS = "/services/data/v67.0/sobjects/Lead"


@pytest.fixture
def crm(sandbox):
    return DESTINATION.connect(Connection("crm", sandbox.address, fields=FIELDS, timeout_seconds=5.0))


def by_hand(sandbox, **fields):
    answer = call(sandbox, "POST", LEADS, json={"LastName": "Sample", "Company": "Sample Works", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def test_it_has_all_abilities_but_to_set_up():
    assert DESTINATION.abilities == ALL


def test_what_was_written_is_read_back_by_our_key_and_who_is_not_there_is_left_out(crm):
    written = crm.write([record("p-1", Email="ada@example.org"), record("p-2")])
    found = crm.read(["p-1", "p-2", "nobody"])
    assert set(found) == {"p-1", "p-2"}
    assert [found[result.key].crm_id for result in written] == [result.crm_id for result in written]
    assert found["p-1"].fields == {"LastName": "Brandt", "Company": "Brandt GmbH", "Email": "ada@example.org"}
    assert found["p-2"].fields["Email"] is None


def test_a_key_with_a_quote_and_a_backslash_is_read_and_nothing_else(crm):
    odd = "it's \\ odd"
    crm.write([record(odd), record("p-2")])
    assert set(crm.read([odd, "x') OR (LastName = 'Brandt"])) == {odd}


def test_deleted_by_id_or_by_key_records_are_gone_and_a_repeat_says_so(crm, sandbox):
    written = crm.write([record("p-1"), record("p-2")])
    both = [Record("p-1", {}, crm_id=written[0].crm_id), Record("p-2", {})]
    assert [(done.state, done.code) for done in crm.delete(both)] == [("written", None)] * 2
    assert crm.read(["p-1", "p-2"]) == {}
    assert [(done.state, done.code) for done in crm.delete(both)] == [("written", "record_gone")] * 2
    assert sum(counted["calls"] for counted in calls(sandbox) if "DELETE" in counted["route"]) == 2


def test_a_lead_that_salesforce_does_not_let_go_is_told_with_its_code(server):
    refusals = [
        {"success": False, "errors": [{"statusCode": code, "message": "no", "fields": []}]}
        for code in ("DELETE_FAILED", "UNABLE_TO_LOCK_ROW")
    ]
    server.script = [said(refusals)]
    records = [Record(f"p-{number}", {}, crm_id=f"00Q{number:015}") for number in range(2)]
    told = scripted(server.url).delete(records)
    assert [(result.state, result.code) for result in told] == [
        ("rejected", "DELETE_FAILED"),
        ("retry", "UNABLE_TO_LOCK_ROW"),
    ]


def test_an_answer_to_a_deletion_that_is_too_short_is_taken_for_nobodys(server):
    server.script = [said([])]
    with pytest.raises(TransientError):
        scripted(server.url).delete([Record("p-1", {}, crm_id="00Q000000000001AAA")])


def test_fields_are_described_with_what_a_mapping_has_to_know(crm):
    fields = {field.name: field for field in crm.describe()}
    assert (fields["City"].kind, fields["City"].max_length) == ("text", 40)
    assert (fields["LastName"].is_required, fields["FirstName"].is_required) == (True, False)
    assert fields["Status"].values is not None
    assert fields["Status"].is_required is False, "Salesforce fills it"
    assert fields["LeadSource"].values is None, "it takes any text"
    assert fields["IsConverted"].is_writable is False
    assert (fields["Email"].kind, fields["NumberOfEmployees"].kind) == ("email", "integer")
    assert [name for name, field in fields.items() if field.is_key] == ["Afluente_Id__c"]


def test_a_key_that_is_not_unique_in_salesforce_is_described_as_none(server):
    field = {"name": "Afluente_Id__c", "type": "string", "length": 255, "externalId": True, "unique": False}
    server.script = [said({"fields": [field]})]
    assert [described.is_key for described in scripted(server.url).describe()] == [False]


def test_everybody_is_listed_once_page_by_page_while_somebody_is_added(crm, sandbox):
    crm.write([record(f"p-{number:03}", LastName=f"Sample{999 - number}") for number in range(200)])
    crm.write([record(f"q-{number:03}", LastName=f"Before{number}") for number in range(5)])
    first = crm.list_people()
    theirs = by_hand(sandbox, LastName="Later")
    second = crm.list_people(first.cursor)
    people = [*first.people, *second.people]
    assert (len(first.people), second.cursor) == (200, None)
    assert len({person.crm_id for person in people}) == len(people) == 206
    assert [(person.crm_id, person.key) for person in people][-1] == (theirs, None)
    assert people[0].values == {"last_name": "Sample999", "full_name": "Sample999", "company": "Brandt GmbH"}


def test_people_are_found_by_address_whatever_its_case_and_by_a_number_as_americans_write_it(crm, sandbox):
    ada = by_hand(sandbox, Email="Ada.Brandt@Example.org")
    bob = by_hand(sandbox, Phone="(202) 555-0123")
    eve = by_hand(sandbox, MobilePhone="+493023125001")
    crm.write([record("p-9", Email="ada.brandt@example.org")])
    found = crm.find(
        [
            Lookup("ada", ("ada.brandt@example.org",)),
            Lookup("bob", (), ("+12025550123",)),
            Lookup("eve", ("nobody@example.org",), ("+493023125001",)),
            Lookup("nobody", ("else@example.org",)),
        ]
    )
    assert {key: {person.crm_id for person in people} for key, people in found.items()} == {
        "ada": {ada, next(person.crm_id for person in found["ada"] if person.key == "p-9")},
        "bob": {bob},
        "eve": {eve},
    }
    asked = [counted["calls"] for counted in calls(sandbox) if counted["route"] == "GET query"]
    assert asked == [2], "one for addresses, one for numbers"


def test_many_long_addresses_are_asked_for_in_parts_that_fit_an_address(crm, sandbox):
    lookups = [Lookup(str(number), (f"{'x' * 60}{number}@example.org",)) for number in range(200)]
    theirs = by_hand(sandbox, Email=lookups[-1].emails[0])
    assert {key: [person.crm_id for person in people] for key, people in crm.find(lookups).items()} == {"199": [theirs]}


def test_pages_of_a_question_are_followed_below_the_account_only(server):
    row = {"attributes": {}, "Id": "00Q1", "Afluente_Id__c": "p-1"}
    more = {"done": False, "nextRecordsUrl": "/services/data/v67.0/query/01g-1", "records": [row]}
    server.script = [said(more), said({"done": True, "records": [{**row, "Id": "00Q2", "Afluente_Id__c": "p-2"}]})]
    assert set(scripted(server.url).read(["p-1", "p-2"])) == {"p-1", "p-2"}
    assert [asked["path"] for asked in server.asked][-1] == "/services/data/v67.0/query/01g-1"
    server.script = [said({"done": False, "nextRecordsUrl": "https://elsewhere.example.org/x", "records": [row]})]
    assert set(scripted(server.url).read(["p-1"])) == {"p-1"}


def test_a_field_of_the_mapping_that_is_not_there_is_an_error_that_names_it(sandbox):
    crm = DESTINATION.connect(Connection("crm", sandbox.address, fields=(SentField("Nope"),)))
    with pytest.raises(TerminalError, match="INVALID_FIELD"):
        crm.read(["p-1"])


def test_whose_lead_was_converted_is_neither_listed_nor_found_and_contacts_have_no_such_question(server):
    server.script = [said({"done": True, "records": []})]
    for crm in (scripted(server.url), scripted(server.url, options={"object": "Contact"})):
        crm.list_people()
        crm.find([Lookup("ada", ("ada@example.org",))])
    asked = [call["query"]["q"] for call in server.asked]
    assert ["IsConverted = false" in question for question in asked] == [True, True, False, False]
    assert ["Company" in question for question in asked] == [True, True, False, False]
