"""What HubSpot's writer is able to do beside writing, against the sandbox over sockets."""

from __future__ import annotations

import pytest

from connectors.destinations.hubspot import DESTINATION
from connectors.kit import Connection, Lookup, Record, SentField, TerminalError
from tests.support.hubspot_crm import CONTACTS, READ, bad, batch, by_hand, make_contact, paths, people, person, said
from tests.support.hubspot_crm import writer as scripted

FIELDS = (SentField("email", "email"), SentField("firstname"), SentField("lastname"))


@pytest.fixture
def crm(hubspot):
    return writer(hubspot)


def writer(hubspot, fields=FIELDS, **more):
    return DESTINATION.connect(Connection("crm", hubspot.address, fields=fields, timeout_seconds=5.0, **more))


def test_it_has_all_abilities():
    assert DESTINATION.abilities == ("reads", "deletes", "describes", "lists", "finds", "adopts", "sets_up")


def test_what_was_written_is_read_back_by_our_key_as_hubspot_keeps_it(crm):
    (result,) = crm.write([person(1, email="Ada@Example.org")])
    found = crm.read(["key-1", "nobody"])
    assert set(found) == {"key-1"}
    assert found["key-1"].crm_id == result.crm_id
    assert found["key-1"].fields == {"email": "ada@example.org", "firstname": "Ada", "lastname": "Brandt1"}
    assert crm.read(["nobody"]) == {}


def test_erased_by_id_or_by_key_contacts_are_gone_and_a_repeat_says_so(crm):
    first, _ = crm.write(people(2))
    both = [Record("key-0", {}, crm_id=first.crm_id), Record("key-1", {})]
    assert [result.state for result in crm.delete(both)] == ["written"] * 2
    assert crm.read(["key-0", "key-1"]) == {}
    assert crm.delete([Record("key-1", {})])[0].code == "record_gone"


def test_whom_an_erasure_did_not_reach_is_tried_again_later(server):
    server.script = [(204, {}, b""), said({"status": "error", "policyName": "DAILY"}, 429)]
    told = scripted(server.url).delete([Record(f"key-{number}", {}, crm_id=f"90{number}") for number in range(3)])
    assert [(result.state, result.code) for result in told] == [
        ("written", None),
        ("retry", "not_reached"),
        ("retry", "not_reached"),
    ]
    assert paths(server) == [f"{CONTACTS}/gdpr-delete"] * 2, "the third would be refused as well"


def test_an_erasure_that_hubspot_refuses_is_told_with_its_code(server):
    server.script = [said(bad("VALIDATION_ERROR"), 400)]
    (told,) = scripted(server.url).delete([Record("key-0", {}, crm_id="900")])
    assert (told.state, told.code) == ("rejected", "VALIDATION_ERROR")


def test_properties_are_described_with_what_a_mapping_has_to_know(crm):
    fields = {field.name: field for field in crm.describe()}
    assert (fields["lifecyclestage"].kind, fields["lifecyclestage"].values[0]) == ("picklist", "subscriber")
    assert fields["createdate"].is_writable is False
    assert (fields["afluente_employee_count"].kind, fields["message"].max_length) == ("number", 65_536)
    assert [name for name, field in fields.items() if field.is_key] == ["afluente_id"]
    assert not any(field.is_required for field in fields.values())


def test_what_the_mapping_needs_is_made_once_and_takes_what_the_mapping_sends(hubspot):
    wanted = (
        *FIELDS,
        SentField("plan", "picklist", values=("gold", "silver")),
        SentField("seats", "integer"),
        SentField("is_partner", "boolean"),
        SentField("seen_at", "datetime"),
        SentField("Not a name of HubSpot's"),
    )
    crm = writer(hubspot, wanted, options={"external_id_property": "their_id"})
    tried = crm.setup(dry_run=True)
    assert tried == (
        "property their_id (string, unique)",
        "property plan (enumeration)",
        "property seats (number)",
        "property is_partner (bool)",
        "property seen_at (datetime)",
    )
    assert not {"plan", "their_id"} & {field.name for field in crm.describe()}, "a dry run makes nothing"
    assert crm.setup() == tried
    assert crm.setup() == ()
    values = {"plan": "gold", "seats": 3, "is_partner": True, "seen_at": "2026-03-02T09:14:55Z"}
    (result,) = crm.write([person(1, **values)])
    assert (result.state, result.message) == ("written", None)
    assert {field.name: field.is_key for field in crm.describe()}["their_id"]


def test_a_key_without_the_right_to_make_properties_says_which_it_lacks(server):
    message = "This app hasn't been granted all required scopes: [crm.schemas.contacts.write]."
    server.script = [
        said({"results": []}),
        said({"status": "error", "category": "MISSING_SCOPES", "message": message}, 403),
    ]
    with pytest.raises(TerminalError, match=r"crm\.schemas\.contacts\.write"):
        scripted(server.url, fields=FIELDS).setup()


def test_everybody_is_listed_once_page_by_page_while_somebody_is_added_and_somebody_goes(crm, hubspot):
    written = crm.write(people(100))
    crm.write([person(number) for number in range(100, 105)])
    first = crm.list_people()
    crm.delete([Record("key-0", {}, crm_id=written[0].crm_id)])
    theirs = make_contact(hubspot, email="later@example.org")
    second = crm.list_people(first.cursor)
    listed = [person.crm_id for page in (first, second) for person in page.people]
    assert (len(first.people), second.cursor) == (100, None)
    assert (len(set(listed)), len(listed)) == (106, 106)
    assert [(person.crm_id, person.key) for person in second.people][-1] == (theirs, None)
    assert second.people[0].values == {
        "email": "ada100@example.org",
        "first_name": "Ada",
        "last_name": "Brandt100",
    }


def test_people_are_found_by_address_and_by_a_number_at_either_property(crm, hubspot):
    ada = make_contact(hubspot, email="ada.brandt@example.org")
    bob = make_contact(hubspot, lastname="Bob", phone="+493023125001")
    eve = make_contact(hubspot, lastname="Eve", mobilephone="(202) 555-0123")
    found = crm.find(
        [
            Lookup("ada", ("Ada.Brandt@example.org", "else@example.org")),
            Lookup("bob", ("nobody@example.org",), ("+493023125001",)),
            Lookup("eve", (), ("+12025550123",)),
            Lookup("nobody", ("no@example.org",)),
        ]
    )
    assert {key: [person.crm_id for person in several] for key, several in found.items()} == {
        "ada": [ada],
        "bob": [bob],
        "eve": [eve],
    }


def test_whom_hubspot_knows_by_an_address_of_a_merged_contact_is_found_by_it(server):
    merged = {"email": "now@example.org", "hs_additional_emails": "then@example.org;old@example.org"}
    server.script = [batch([{"id": "901", "properties": merged}])]
    found = scripted(server.url).find([Lookup("ada", ("then@example.org",))])
    assert [person.crm_id for person in found["ada"]] == ["901"]
    assert paths(server) == [READ]


def test_more_than_a_hundred_addresses_are_asked_for_by_the_hundred(crm, hubspot):
    theirs = make_contact(hubspot, email="person150@example.org")
    found = crm.find([Lookup(str(number), (f"person{number}@example.org",)) for number in range(151)])
    assert {key: [person.crm_id for person in several] for key, several in found.items()} == {"150": [theirs]}


def test_a_contact_that_was_erased_is_not_listed_or_found(crm, hubspot):
    theirs = make_contact(hubspot, email="gone@example.org")
    assert by_hand(hubspot, "POST", f"{CONTACTS}/gdpr-delete", {"objectId": theirs}).status_code == 204
    assert crm.list_people().people == ()
    assert crm.find([Lookup("gone", ("gone@example.org",))]) == {}
