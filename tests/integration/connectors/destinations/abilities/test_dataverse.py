"""What Dataverse's writer is able to do beside writing, against the sandbox over sockets."""

from __future__ import annotations

import pytest

from connectors.destinations.dataverse import DESTINATION
from connectors.kit import Lookup, Record, SentField, TerminalError
from tests.support.dataverse import FIELDS, bad, batch, call, done, guid, said, sandbox_writer
from tests.support.dataverse import writer as scripted

SENT = tuple(SentField(name) for name in FIELDS)


@pytest.fixture
def crm(dataverse):
    return sandbox_writer(dataverse, fields=SENT)


def make_lead(sandbox, **fields):
    answer = call(sandbox, "POST", "leads", json={"lastname": "Sample", "subject": "Demo", **fields})
    assert answer.status_code == 204, answer.text
    return answer.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")


def test_it_has_all_abilities():
    assert DESTINATION.abilities == (
        "reads",
        "deletes",
        "describes",
        "lists",
        "finds",
        "adopts",
        "sets_up",
        "tells_changes",
    )


def test_what_was_written_is_read_back_by_our_key_in_one_call_though_it_holds_a_quote(crm):
    written = crm.write([*batch(2), Record("it's", FIELDS)])
    found = crm.read(["key-0", "it's", "nobody"])
    assert set(found) == {"key-0", "it's"}
    assert found["key-0"].crm_id == written[0].crm_id
    assert found["key-0"].fields == FIELDS


def test_a_reference_to_another_record_is_not_asked_for(dataverse):
    crm = sandbox_writer(dataverse, fields=(*SENT, SentField("ownerid@odata.bind")))
    crm.write(batch(1))
    assert crm.read(["key-0"])["key-0"].fields == FIELDS


def test_deleted_by_id_or_by_key_rows_are_gone_and_a_repeat_says_so(crm):
    written = crm.write([*batch(1), Record("it's", FIELDS)])
    both = [Record("key-0", {}, crm_id=written[0].crm_id), Record("it's", {})]
    assert [(result.state, result.code) for result in crm.delete(both)] == [("written", None)] * 2
    assert crm.read(["key-0", "it's"]) == {}
    assert [(result.state, result.code) for result in crm.delete(both)] == [("written", "record_gone")] * 2


def test_a_row_that_dataverse_does_not_let_go_is_told_beside_those_that_went(server):
    server.script = [
        said(done(""), bad("0x80040220", "no right", status=403), bad("0x80044150", "deadlock", status=500))
    ]
    records = [Record(f"key-{number}", {}, crm_id=guid(number)) for number in range(3)]
    told = scripted(server.url).delete(records)
    assert [(result.state, result.code) for result in told] == [
        ("written", None),
        ("rejected", "0x80040220"),
        ("retry", "0x80044150"),
    ]


def test_columns_are_described_with_what_a_mapping_has_to_know(crm):
    fields = {field.name: field for field in crm.describe()}
    assert (fields["lastname"].max_length, fields["lastname"].is_required) == (50, True)
    assert fields["emailaddress1"].kind == "email"
    assert (fields["leadqualitycode"].kind, fields["leadqualitycode"].values) == ("integer", ("1", "2", "3"))
    assert (fields["new_reroutedat"].kind, fields["donotemail"].kind) == ("datetime", "boolean")
    assert fields["leadid"].is_writable is False
    assert "ownerid@odata.bind" in fields
    assert [name for name, field in fields.items() if field.is_key] == ["new_afluenteid"]


def test_a_table_that_is_not_there_is_named(dataverse):
    with pytest.raises(TerminalError, match="there is no table nopes"):
        sandbox_writer(dataverse, options={"table": "nopes"}).describe()


def test_what_the_mapping_needs_is_made_once_and_takes_what_the_mapping_sends(dataverse):
    wanted = (
        *SENT,
        SentField("new_note"),
        SentField("new_plan", "picklist", 40, ("gold",)),
        SentField("new_seats", "integer"),
        SentField("new_partner", "boolean"),
        SentField("new_day", "date"),
        SentField("nickname"),  # none of ours to make
    )
    crm = sandbox_writer(dataverse, fields=wanted, options={"external_id_field": "new_theirid"})
    tried = crm.setup(dry_run=True)
    assert tried == (
        "column new_theirid (String)",
        "column new_note (Memo)",
        "column new_plan (String)",
        "column new_seats (Integer)",
        "column new_partner (Boolean)",
        "column new_day (DateTime)",
        "alternate key of new_theirid",
    )
    assert "new_plan" not in {field.name for field in crm.describe()}, "a dry run makes nothing"
    assert crm.setup() == tried
    assert crm.setup() == ()
    fields = {field.name: field for field in crm.describe()}
    assert (fields["new_plan"].max_length, fields["new_day"].kind, fields["new_partner"].kind) == (
        40,
        "date",
        "boolean",
    )
    assert fields["new_theirid"].is_key


def test_who_may_not_change_the_table_is_told_so(dataverse):
    dataverse.dialect.metadata.may_customize = False
    with pytest.raises(TerminalError, match="0x80040220"):
        sandbox_writer(dataverse, fields=(*SENT, SentField("new_plan"))).setup()


def test_everybody_is_listed_once_page_by_page_while_somebody_is_added_and_somebody_goes(crm, dataverse):
    for begin in range(0, 502, 251):
        crm.write([Record(f"key-{number:03}", FIELDS) for number in range(begin, begin + 251)])
    first = crm.list_people()
    crm.delete([Record("key-000", {})])
    make_lead(dataverse, firstname="Closed", statecode=1)
    theirs = make_lead(dataverse, firstname="Later")
    second = crm.list_people(first.cursor)
    listed = [person.crm_id for page in (first, second) for person in page.people]
    assert (len(first.people), len(listed), len(set(listed)), second.cursor) == (500, 503, 503, None)
    assert (second.people[-1].crm_id, second.people[-1].key) == (theirs, None)
    assert first.people[0].key == "key-000"
    assert first.people[0].values == {
        "email": "ada.brandt@example.org",
        "last_name": "Brandt",
        "company": "Brandt GmbH",
    }


def test_people_are_found_by_address_and_by_a_number_at_either_column(crm, dataverse):
    ada = make_lead(dataverse, emailaddress1="Ada.O'Neil@Example.org")
    bob = make_lead(dataverse, telephone1="+493023125001")
    eve = make_lead(dataverse, mobilephone="202-555-0123")
    make_lead(dataverse, emailaddress1="closed@example.org", statecode=1)
    found = crm.find(
        [
            Lookup("ada", ("ada.o'neil@example.org",)),
            Lookup("bob", (), ("+493023125001",)),
            Lookup("eve", (), ("+12025550123",)),
            Lookup("closed", ("closed@example.org",)),
        ]
    )
    assert {key: [person.crm_id for person in several] for key, several in found.items()} == {
        "ada": [ada],
        "bob": [bob],
        "eve": [eve],
    }
    assert {person.key for several in found.values() for person in several} == {None}
