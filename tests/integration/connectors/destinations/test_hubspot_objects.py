"""Companies, notes and tasks of HubSpot: made once, associated with what they belong to, each call asked for."""

from __future__ import annotations

import pytest

from connectors.kit import Link, QuotaError, Record, RecordError, SentField, TerminalError, TransientError
from tests.support.hubspot_crm import batch, by_hand, connection, good, make_contact, paths, said, sent, writer

AT = "2026-03-02T09:00:00Z"
ASSOCIATE = "/crm/v4/associations/{}/{}/batch/associate/default"


def open_object(crm, name, subject="touch", **more):
    url = getattr(crm, "address", None) or crm.url
    secrets = {} if hasattr(crm, "address") else {"access_token": "t"}
    return writer(url, object=name, subject=subject, secrets=secrets, **more)


def make_company(hubspot, key, **fields):
    (result,) = open_object(hubspot, "companies", "company").write([Record(key, {"name": key, **fields})])
    assert (result.state, result.created) == ("written", True)
    return result.crm_id


def note(key, contact, company=None, crm_id=None):
    links = [Link("contacts", "contacts", contact)] + ([Link("companies", "companies", company)] if company else [])
    return Record(key, {"hs_timestamp": AT, "hs_note_body": f"Note {key}"}, links=tuple(links), crm_id=crm_id)


def person(key, company, crm_id=None):
    links = (Link("companies", "companies", company),)
    return Record(key, {"email": f"{key}@example.org", "lastname": key}, links=links, crm_id=crm_id)


def associated(hubspot, name, to):
    """Our keys of each row -> ids that it is associated with."""
    kind = {"contacts": "contact", "companies": "company", "notes": "note", "tasks": "task"}[name]
    return {
        record["fields"].get("afluente_id"): record["fields"].get(f"associations.{to}", [])
        for record in hubspot.records_of(kind)
    }


@pytest.fixture
def hubspot(hubspot):
    hubspot.records_of = lambda kind: [
        {**record, "id": hubspot.dialect.record_id(record["id"])}
        for record in hubspot.records.stream()
        if record["object"] == kind
    ]
    return hubspot


@pytest.fixture
def marked(hubspot):
    """An account where notes and tasks have no unique property."""
    for name in ("notes", "tasks"):
        hubspot.dialect.objects[name].refuse_unique_values()
    return hubspot


def calls_of(hubspot):
    calls = hubspot.records.calls()
    return {call["route"]: call["calls"] for call in calls if "token" not in call["route"]}


class TestLinks:
    def test_people_and_notes_are_associated_with_what_they_belong_to_and_a_repeat_changes_nothing(self, hubspot):
        brandt = make_company(hubspot, "brandt")
        contacts = open_object(hubspot, "contacts", "person")
        ada, ben = contacts.write([person("ada", brandt), person("ben", brandt)])
        notes = open_object(hubspot, "notes")
        records = [note("n1", ada.crm_id, brandt), note("n2", ben.crm_id)]
        for _ in range(2):
            assert {result.state for result in notes.write(records)} == {"written"}
        assert associated(hubspot, "contacts", "companies") == {"ada": [brandt], "ben": [brandt]}
        assert associated(hubspot, "notes", "contacts") == {"n1": [ada.crm_id], "n2": [ben.crm_id]}
        assert associated(hubspot, "notes", "companies") == {"n1": [brandt], "n2": []}

    def test_who_leaves_a_company_of_ours_is_associated_with_the_new_one_and_what_others_associated_stays(
        self, hubspot
    ):
        old, new = make_company(hubspot, "old"), make_company(hubspot, "new")
        theirs = by_hand(hubspot, "POST", "/crm/v3/objects/companies", {"properties": {"name": "Theirs"}}).json()["id"]
        contacts = open_object(hubspot, "contacts", "person")
        (ada,) = contacts.write([person("ada", old)])
        pair = {"from": {"id": ada.crm_id}, "to": {"id": theirs}}
        by_hand(hubspot, "POST", ASSOCIATE.format("contacts", "companies"), {"inputs": [pair]})
        contacts.write([person("ada", new, ada.crm_id)])
        assert sorted(associated(hubspot, "contacts", "companies")["ada"]) == sorted([theirs, new])

    def test_a_link_to_what_somebody_deleted_is_told_and_the_others_are_linked(self, hubspot):
        brandt, gone = make_company(hubspot, "brandt"), make_company(hubspot, "gone")
        by_hand(hubspot, "DELETE", f"/crm/v3/objects/companies/{gone}")
        ada, ben = open_object(hubspot, "contacts", "person").write([person("ada", brandt), person("ben", gone)])
        assert (ada.state, ben.state, ben.code, ben.field) == ("written", "rejected", "link_gone", "companies")
        assert associated(hubspot, "contacts", "companies") == {"ada": [brandt], "ben": []}

    def test_each_call_is_asked_for_and_what_got_none_is_linked_by_the_next_write(self, hubspot):
        brandt = make_company(hubspot, "brandt")
        granted = [1]

        def take(cost):
            if sum(granted) < cost:
                raise QuotaError("no grant", retry_after=1)
            granted.append(-cost)

        contacts = open_object(hubspot, "contacts", "person", before_call=take)
        records = [person("ada", brandt), Record("ben", {"email": "ben@example.org"})]
        before = sum(calls_of(hubspot).values())
        ada, ben = contacts.write(records)
        assert sum(calls_of(hubspot).values()) == before + 1
        assert (ada.state, ada.code, ben.state) == ("retry", "not_linked", "written")
        granted.append(2)
        assert [result.state for result in contacts.write(records[:1])] == ["written"]
        assert sum(calls_of(hubspot).values()) == before + 3
        assert associated(hubspot, "contacts", "companies")["ada"] == [brandt]
        granted.append(1)
        with pytest.raises(QuotaError):  # of which nothing would be left
            contacts.write(records[:1])

    @pytest.mark.parametrize("answer", [{"results": []}, {}])
    def test_an_answer_that_leaves_an_association_out_is_no_association(self, server, answer):
        there = said({"results": [{"id": "500", "properties": {"afluente_id": "brandt"}}]})
        server.script = [batch([good(0, key="ada")]), said(answer), there]
        (result,) = open_object(server, "contacts", "person").write([person("ada", "500")])
        assert (result.state, result.code) == ("retry", "not_linked")
        assert paths(server)[1:] == [ASSOCIATE.format("contacts", "companies"), "/crm/v3/objects/companies/batch/read"]

    def test_a_refused_call_of_associations_is_halved_by_whoever_called(self, server):
        there = said({"results": [{"id": "500", "properties": {"afluente_id": "brandt"}}]})
        refused = said({"status": "error", "category": "VALIDATION_ERROR", "message": "no"}, 400)
        server.script = [batch([good(0, key="ada")]), refused, there]
        with pytest.raises(RecordError) as raised:
            open_object(server, "contacts", "person").write([person("ada", "500")])
        assert raised.value.field == "companies"


class TestMarks:
    def test_without_a_unique_property_a_note_whose_answer_was_lost_is_found_at_its_contact(self, marked):
        marked.dialect.search_lag_seconds = 60.0
        ada = make_contact(marked, email="ada@example.org")
        records = [note(f"n{number}", ada) for number in range(3)]
        for _ in range(3):  # by a process each, which know nothing of each other
            assert {result.state for result in open_object(marked, "notes").write(records)} == {"written"}
        assert associated(marked, "notes", "contacts") == {f"n{number}": [ada] for number in range(3)}
        assert len(marked.records_of("note")) == 3

    def test_a_note_that_is_another_contacts_by_now_is_found_by_its_mark(self, marked):
        ada, ben = make_contact(marked, email="ada@example.org"), make_contact(marked, email="ben@example.org")
        open_object(marked, "notes").write([note("n1", ada)])
        (again,) = open_object(marked, "notes").write([note("n1", ben)])
        assert again.state == "written"
        assert len(marked.records_of("note")) == 1

    def test_of_a_contact_with_more_notes_than_a_page_and_a_batch_all_are_looked_at(self, marked):
        marked.dialect.search_lag_seconds = 60.0
        marked.dialect.associations.page_size = 50
        ada = make_contact(marked, email="ada@example.org")
        records = [note(f"n{number}", ada) for number in range(130)]
        for begin in (0, 100):
            open_object(marked, "notes").write(records[begin : begin + 100])
        again = open_object(marked, "notes").write(records[30:])
        assert {result.state for result in again} == {"written"}
        assert len(marked.records_of("note")) == 130

    def test_one_that_somebody_deleted_is_made_again(self, marked):
        ada = make_contact(marked, email="ada@example.org")
        notes = open_object(marked, "notes")
        (made, _) = notes.write([note("n1", ada), note("n2", ada)])
        by_hand(marked, "DELETE", f"/crm/v3/objects/notes/{made.crm_id}")
        (again,) = notes.write([note("n1", ada, crm_id=made.crm_id)])
        assert (again.state, again.created) == ("written", True)
        assert again.crm_id != made.crm_id

    def test_a_call_that_makes_a_note_is_not_made_where_nobody_could_look_before(self, marked):
        ada = make_contact(marked, email="ada@example.org")
        notes = open_object(marked, "notes")
        notes.write([note("n0", ada)])
        marked.faults.order(marked.faults.current().__class__(status=503, on="/crm/v4"))
        with pytest.raises(TransientError):
            notes.write([note("n1", ada)])
        assert len(marked.records_of("note")) == 1


class TestObjects:
    def test_a_task_goes_with_status_owner_and_time_and_one_without_time_is_refused(self, hubspot):
        ada = make_contact(hubspot, email="ada@example.org")
        links = (Link("contacts", "contacts", ada),)
        fields = {"hs_timestamp": AT, "hs_task_subject": "Call", "hs_task_status": "NOT_STARTED"}
        good_one = Record("t1", {**fields, "hubspot_owner_id": "77"}, links=links)
        without = Record("t2", {"hs_task_subject": "Call"}, links=links)
        written, refused = open_object(hubspot, "tasks").write([good_one, without])
        assert (written.state, refused.state) == ("written", "rejected")
        (task,) = hubspot.records_of("task")
        assert task["fields"]["hubspot_owner_id"] == "77"
        assert task["fields"]["associations.contacts"] == [ada]

    @pytest.mark.parametrize("names_id", [True, False], ids=["by id", "by key"])
    def test_companies_and_notes_are_archived_by_one_call_and_contacts_erased(self, hubspot, names_id):
        ada = make_contact(hubspot, email="ada@example.org", afluente_id="ada")
        notes = open_object(hubspot, "notes")
        results = notes.write([note("n1", ada), note("n2", ada)])
        gone = [Record(result.key, {}, crm_id=result.crm_id if names_id else None) for result in results]
        assert [result.state for result in notes.delete([*gone, Record("never", {})])] == ["written"] * 3
        assert hubspot.records_of("note") == []
        assert calls_of(hubspot)["POST notes/batch/archive"] == 1
        assert associated(hubspot, "contacts", "notes") == {"ada": []}
        open_object(hubspot, "contacts", "person").delete([Record("ada", {}, crm_id=ada)])
        assert calls_of(hubspot)["POST contacts/gdpr-delete"] == 1

    def test_a_note_of_an_account_without_a_unique_property_is_deleted_by_its_mark(self, marked):
        ada = make_contact(marked, email="ada@example.org")
        notes = open_object(marked, "notes")
        notes.write([note("n1", ada)])
        assert [result.code for result in notes.delete([Record("n1", {})])] == [None]
        assert marked.records_of("note") == []

    def test_setup_makes_the_key_of_each_object_in_its_group_and_without_unique_values_where_it_must(self, hubspot):
        options = {"external_id_property": "our_id"}
        hubspot.dialect.objects["tasks"].takes_unique_values = False
        made = {
            name: open_object(hubspot, name, options=options, fields=(SentField("their_rank"),)).setup()
            for name in ("companies", "notes", "tasks")
        }
        assert made["companies"] == (
            "property our_id (string, unique) of companies",
            "property their_rank (string) of companies",
        )
        assert made["notes"][0] == "property our_id (string, unique) of notes"
        assert made["tasks"][0] == "property our_id (string) of tasks"
        shown = by_hand(hubspot, "GET", "/crm/v3/properties/companies/our_id").json()
        assert (shown["groupName"], shown["hasUniqueValue"]) == ("companyinformation", True)
        tasks = open_object(hubspot, "tasks", options=options)
        tasks.check()
        assert any(field.is_key for field in tasks.describe())
        assert tasks.setup() == ()

    def test_a_company_without_our_key_says_what_to_make(self, server):
        issue = "Property values were not valid"
        told = {"category": "VALIDATION_ERROR", "message": f'{issue}: [{{"error":"PROPERTY_DOESNT_EXIST",'}
        told["message"] += '"name":"afluente_id","message":"afluente_id does not exist"}]'
        server.script = [said(told, 400)]
        with pytest.raises(TerminalError, match=r"as the key of companies .* of companies with unique values"):
            open_object(server, "companies", "company").write([Record("brandt", {"name": "Brandt"})])

    def test_the_call_of_an_object_goes_to_its_own_path(self, server):
        server.script = [batch([good(0, key="brandt")])]
        open_object(server, "companies", "company").write([Record("brandt", {"name": "Brandt"})])
        assert paths(server) == ["/crm/v3/objects/companies/batch/upsert"]
        assert sent(server)["inputs"][0]["idProperty"] == "afluente_id"
        assert connection(server.url).object is None
