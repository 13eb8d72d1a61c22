"""Leads that Salesforce made contacts of, people who were contacts before, records that were merged or deleted."""

from __future__ import annotations

import pytest

from connectors.destinations.salesforce import DESTINATION
from connectors.kit import Connection, Record, SentField
from tests.support.crm import call, calls, order, record, records
from tests.support.scripted_crm import good, said
from tests.support.scripted_crm import writer as scripted

ROOT = "/services/data/v67.0"
FIELDS = (SentField("LastName"), SentField("Email", "email"))


@pytest.fixture
def crm(sandbox):
    return opened(sandbox)


def opened(sandbox, **options):
    connection = Connection("crm", sandbox.address, options=options, fields=FIELDS, timeout_seconds=5.0)
    return DESTINATION.connect(connection)


def act(sandbox, action, **asked):
    answer = call(sandbox, "POST", f"{ROOT}/actions/custom/apex/{action}", json={"inputs": [asked]})
    assert answer.status_code == 200, answer.text
    return answer.json()[0]["outputValues"]


def convert(sandbox, crm_id):
    return act(sandbox, "ConvertLead", leadId=crm_id)["contactId"]


def make_contact(sandbox, **fields):
    answer = call(sandbox, "POST", f"{ROOT}/sobjects/Contact", json={"LastName": "Brandt", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def stored(sandbox, crm_id):
    return next(known["fields"] for known in records(sandbox) if known["id"] == crm_id)


def of(sandbox, kind):
    return [known for known in records(sandbox) if known["object"] == kind]


def again(crm, written, **fields):
    """The same record as the engine hands it over the next time."""
    known = record(written.key, **fields)
    return crm.write([Record(known.key, known.fields, crm_id=written.crm_id)])[0]


def queries(sandbox):
    return sum(counted["calls"] for counted in calls(sandbox) if counted["route"] == "GET query")


class TestConvertedLeads:
    def test_what_is_new_goes_to_the_contact_and_the_lead_stays_as_it_was(self, sandbox, crm):
        (made,) = crm.write([record("p-1", City="Berlin")])
        contact = convert(sandbox, made.crm_id)
        lead = stored(sandbox, made.crm_id)
        result = again(crm, made, City="Bonn", Title="Director", Rating="Hot")
        assert (result.state, result.code, result.crm_id, result.created) == ("written", "on_contact", contact, False)
        assert "not on Contact: Company, Rating" in (result.message or "")
        assert stored(sandbox, contact) == {"LastName": "Brandt", "MailingCity": "Bonn", "Title": "Director"}
        assert stored(sandbox, made.crm_id) == lead

    def test_the_next_time_the_contact_is_written_and_no_lead_is_made(self, sandbox, crm):
        (made,) = crm.write([record("p-1")])
        contact = convert(sandbox, made.crm_id)
        moved = again(crm, made, Title="Director")
        assert again(crm, moved, Title="Owner").crm_id == contact
        assert stored(sandbox, contact)["Title"] == "Owner"
        assert len(of(sandbox, "Lead")) == len(of(sandbox, "Contact")) == 1

    def test_a_lead_that_was_converted_before_we_knew_its_id_is_followed_when_salesforce_refuses(self, sandbox, crm):
        (made,) = crm.write([record("p-1")])
        contact = convert(sandbox, made.crm_id)
        results = crm.write([record("p-1", Title="Director"), record("p-2")])
        assert [(result.state, result.code) for result in results] == [("written", "on_contact"), ("written", None)]
        assert stored(sandbox, contact)["Title"] == "Director"

    def test_what_is_read_back_is_what_is_written_to(self, sandbox):
        fields = (*FIELDS, SentField("City"), SentField("Company"))
        crm = DESTINATION.connect(Connection("crm", sandbox.address, fields=fields))
        made = crm.write([record("p-1", City="Berlin"), record("p-2", City="Berlin")])
        contact = convert(sandbox, made[0].crm_id)
        again(crm, made[0], City="Bonn")
        found = crm.read(["p-1", "p-2"])
        assert found["p-1"].crm_id == contact
        assert found["p-1"].fields == {"LastName": "Brandt", "Email": None, "City": "Bonn"}
        assert found["p-2"].fields["Company"] == "Brandt GmbH"

    def test_two_people_of_one_contact_are_written_one_after_the_other(self, sandbox, crm):
        made = crm.write([record("p-1"), record("p-2")])
        contact = convert(sandbox, made[0].crm_id)
        act(sandbox, "ConvertLead", leadId=made[1].crm_id, contactId=contact)
        known = [Record(one.key, {"LastName": "Brandt", "Title": one.key}, crm_id=one.crm_id) for one in made]
        first, second = crm.write(known)
        assert (first.state, second.state, second.code) == ("written", "retry", "same_record")
        assert crm.write([known[1]])[0].state == "written"

    def test_an_owner_of_the_mapping_does_not_take_the_contact_from_whose_customer_it_is(self, sandbox, crm):
        (made,) = crm.write([record("p-1")])
        contact = convert(sandbox, made.crm_id)
        assert "OwnerId" in (again(crm, made, OwnerId="005000000000001").message or "")
        assert "OwnerId" not in stored(sandbox, contact)

    def test_left_as_it_is_where_the_option_says_so(self, sandbox):
        crm = opened(sandbox, converted="leave")
        (made,) = crm.write([record("p-1")])
        contact = convert(sandbox, made.crm_id)
        result = again(crm, made, Title="Director")
        assert (result.state, result.code) == ("written", "converted_lead")
        assert "Title" not in stored(sandbox, contact)

    def test_a_refused_contact_is_told_with_its_code_and_no_value(self, sandbox, crm):
        (made,) = crm.write([record("p-1")])
        convert(sandbox, made.crm_id)
        result = again(crm, made, Email="not an address")
        assert (result.state, result.code, result.field) == ("rejected", "INVALID_EMAIL_ADDRESS", "Email")
        assert "not an address" not in (result.message or "")

    def test_what_was_written_is_told_although_the_contacts_call_fails(self, server):
        rows = [
            {"Id": f"00Q{number}", "Afluente_Id__c": f"p-{number}", "IsConverted": number == 1,
             "ConvertedContactId": "0031" if number == 1 else None}
            for number in (1, 2)
        ]  # fmt: skip
        server.script = [
            said({"done": True, "records": rows}),
            said({"fields": [{"name": "LastName", "updateable": True}]}),
            said([good(2)]),
            said({}, 503),
        ]
        known = [Record(f"p-{number}", {"LastName": "New"}, crm_id=f"00Q{number}") for number in (1, 2)]
        results = scripted(server.url).write(known)
        assert [(result.state, result.code) for result in results] == [("retry", "call_failed"), ("written", None)]

    def test_who_is_to_be_forgotten_goes_as_lead_and_as_contact(self, sandbox, crm):
        (made,) = crm.write([record("p-1")])
        contact = convert(sandbox, made.crm_id)
        assert [done.state for done in crm.delete([Record("p-1", {}, crm_id=contact)])] == ["written"]
        assert records(sandbox) == []


class TestContactsThatWereThere:
    def test_a_contact_with_the_address_is_written_and_no_lead_is_made(self, sandbox):
        contact = make_contact(sandbox, Email="Ada.Brandt@example.org")
        results = opened(sandbox, find_contacts=True).write(
            [record("p-1", Email="ada.brandt@example.org", Title="Director"), record("p-2", Email="ben@example.org")]
        )
        assert [(result.crm_id == contact, result.code) for result in results] == [(True, "on_contact"), (False, None)]
        assert stored(sandbox, contact)["Title"] == "Director"
        assert len(of(sandbox, "Lead")) == 1

    def test_of_two_contacts_with_the_address_none_is_guessed(self, sandbox):
        for _ in range(2):
            make_contact(sandbox, Email="ada@example.org")
        (result,) = opened(sandbox, find_contacts=True).write([record("p-1", Email="ada@example.org")])
        assert (result.state, result.code, result.created) == ("written", "several_contacts", True)
        assert len(of(sandbox, "Lead")) == 1

    def test_nobody_is_looked_for_unless_the_option_says_so(self, sandbox, crm):
        make_contact(sandbox, Email="ada@example.org")
        assert crm.write([record("p-1", Email="ada@example.org")])[0].created is True
        assert queries(sandbox) == 0


class TestMergedRecords:
    def test_the_survivor_is_written_under_our_id_and_nobody_is_made_again(self, sandbox, crm):
        (made,) = crm.write([record("p-1")])
        theirs = call(sandbox, "POST", f"{ROOT}/sobjects/Lead", json={"LastName": "B", "Company": "C"}).json()["id"]
        last = call(sandbox, "POST", f"{ROOT}/sobjects/Lead", json={"LastName": "D", "Company": "E"}).json()["id"]
        act(sandbox, "MergeRecords", masterId=theirs, mergedId=made.crm_id)
        act(sandbox, "MergeRecords", masterId=last, mergedId=theirs)
        result = again(crm, made, City="Bonn")
        assert (result.state, result.code, result.crm_id) == ("written", "merged_in_crm", last)
        assert [(known["external_id"], known["fields"]["City"]) for known in of(sandbox, "Lead")] == [("p-1", "Bonn")]
        assert again(crm, result, City="Mainz").code is None, "found by our id again"

    def test_a_survivor_that_is_another_persons_record_is_left_to_them(self, sandbox, crm):
        ada, ben = crm.write([record("p-1"), record("p-2", City="Berlin")])
        act(sandbox, "MergeRecords", masterId=ben.crm_id, mergedId=ada.crm_id)
        result = again(crm, ada, City="Bonn")
        assert (result.state, result.code) == ("written", "merged_in_crm")
        assert stored(sandbox, ben.crm_id)["City"] == "Berlin"
        assert len(of(sandbox, "Lead")) == 1

    def test_a_contact_that_was_merged_is_followed_too(self, sandbox, crm):
        (made,) = crm.write([record("p-1")])
        moved = again(crm, made, Title="Director") if convert(sandbox, made.crm_id) else made
        survivor = make_contact(sandbox)
        act(sandbox, "MergeRecords", masterId=survivor, mergedId=moved.crm_id)
        result = again(crm, moved, Title="Owner")
        assert (result.code, result.crm_id) == ("on_contact", survivor)
        assert stored(sandbox, survivor)["Title"] == "Owner"

    def test_a_record_that_lost_our_id_gets_it_back_instead_of_a_double(self, sandbox, crm):
        (made,) = crm.write([record("p-1")])
        call(sandbox, "PATCH", f"{ROOT}/sobjects/Lead/{made.crm_id}", json={"Afluente_Id__c": "typo"})
        assert again(crm, made).code == "merged_in_crm", "another's id is another's record"
        (other,) = crm.write([record("p-2")])
        sandbox.records.rename("Lead", "p-2", "id=nobody")
        result = again(crm, other, City="Bonn")
        assert (result.code, result.crm_id) == ("key_put_back", other.crm_id)
        assert len(of(sandbox, "Lead")) == 2


class TestDeletedRecords:
    def test_made_again_unless_the_option_says_otherwise(self, sandbox, crm):
        (made,) = crm.write([record("p-1")])
        call(sandbox, "DELETE", f"{ROOT}/sobjects/Lead/{made.crm_id}")
        result = again(crm, made)
        assert (result.state, result.created) == ("written", True)
        assert result.crm_id != made.crm_id

    @pytest.mark.parametrize("kind", ["Lead", "Task"])
    def test_left_so_where_the_option_says_leave(self, sandbox, kind):
        connection = Connection("crm", sandbox.address, options={"gone": "leave"}, object=kind)
        crm = DESTINATION.connect(connection)
        fields = {"Subject": "Call"} if kind == "Task" else {"LastName": "Brandt", "Company": "Brandt GmbH"}
        (made,) = crm.write([Record("p-1", fields)])
        call(sandbox, "DELETE", f"{ROOT}/sobjects/{kind}/{made.crm_id}")
        (result,) = crm.write([Record("p-1", fields, crm_id=made.crm_id)])
        assert (result.state, result.code) == ("written", "record_gone")
        assert "options.gone" in (result.message or "")
        assert records(sandbox) == []

    def test_a_contact_that_is_gone_becomes_a_lead_again_only_where_there_is_none(self, sandbox, crm):
        contact = make_contact(sandbox)
        call(sandbox, "DELETE", f"{ROOT}/sobjects/Contact/{contact}")
        known = record("p-1")
        (result,) = crm.write([Record("p-1", known.fields, crm_id=contact)])
        assert (result.state, result.created) == ("written", True)

    def test_one_question_is_asked_for_a_batch_of_known_records_and_none_for_new_ones(self, sandbox, crm):
        made = crm.write([record(f"p-{number}") for number in range(200)])
        assert queries(sandbox) == 0
        crm.write([Record(one.key, {"City": "Bonn"}, crm_id=one.crm_id) for one in made])
        assert queries(sandbox) == 1


def test_a_lock_that_lasts_one_call_is_met_again(sandbox, crm):
    order(sandbox, record_error={"code": "UNABLE_TO_LOCK_ROW", "on_call": 2})
    states = [crm.write([record("p-1", City=city)])[0].state for city in ("Bonn", "Mainz", "Mainz")]
    assert states == ["written", "retry", "written"]
