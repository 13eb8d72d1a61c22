"""What Tryton's writer is able to do beside writing: on a real Tryton, and where a server says what is wrong."""

from __future__ import annotations

import contextlib
import json
import uuid

import pytest

from connectors.destinations.tryton import DESTINATION
from connectors.kit import Connection, Lookup, Record, SentField, TransientError
from tests.support.tryton import PASSWORD, USER, needs_tryton, running_tryton

ADA = {
    "first_name": "Ada",
    "last_name": "von Brandt",
    "email": "ada.brandt@example.org",
    "phone": "+493023125001",
    "description": "Sample Works",
    "comment": "Call me.\nOr write.",
    "comment.City": "Bonn",
}
FIELDS = tuple(SentField(name) for name in ADA)


def said(result):
    return 200, {}, json.dumps({"id": 1, "result": result}).encode()


LOGIN = said([7, "key", None])
PREFERENCES = said({"company": 3, "employee": 4})


def test_it_has_all_abilities_but_to_set_up():
    assert DESTINATION.abilities == ("reads", "deletes", "describes", "lists", "finds", "adopts", "tells_changes")


@pytest.fixture
def scripted(server):
    secrets = {"user": "robot", "password": "very-secret-1"}
    options = {"database": "crm"}
    return DESTINATION.connect(
        Connection("crm", server.url, options=options, secrets=secrets, fields=FIELDS, timeout_seconds=5.0)
    )


def test_an_opportunity_that_is_closed_stays_and_the_others_go(server, scripted):
    rows = [{"id": 1, "reference": "a", "state": "won"}, {"id": 2, "reference": "b", "state": "lead"}]
    parties = said([{"id": 9, "code": "b"}])
    server.script = [LOGIN, PREFERENCES, said(rows), said(None), said(None), parties, said(None)]
    told = scripted.delete([Record(key, {}) for key in "abc"])
    assert [(result.state, result.code) for result in told] == [
        ("rejected", "opportunity_closed"),
        ("written", None),
        ("written", "record_gone"),
    ]
    asked = [json.loads(call["body"]) for call in server.asked][2:]
    assert [
        (call["method"].removeprefix("model."), call["params"][0]) for call in asked if "search" not in call["method"]
    ] == [
        ("sale.opportunity.cancel", [2]),
        ("sale.opportunity.delete", [2]),
        ("party.party.delete", [9]),
    ]


def test_an_answer_that_is_no_list_is_tried_again_later(server, scripted):
    server.script = [LOGIN, PREFERENCES, said({"odd": 1})]
    with pytest.raises(TransientError, match="cannot be read"):
        scripted.read(["a"])


@pytest.fixture(scope="module")
def tryton(tmp_path_factory):
    with running_tryton(tmp_path_factory.mktemp("tryton")) as running:
        yield running


@pytest.mark.long
@needs_tryton
class TestOnARealTryton:
    @pytest.fixture
    def crm(self, tryton):
        secrets = {"user": USER, "password": PASSWORD}
        options = {"database": "crm"}
        connection = Connection(
            "crm", tryton.url, options=options, secrets=secrets, fields=FIELDS, timeout_seconds=60.0
        )
        with contextlib.closing(DESTINATION.connect(connection)) as opened:
            yield opened

    def test_what_was_written_is_read_back_by_the_names_of_the_mapping(self, crm):
        key = str(uuid.uuid4())
        (written,) = crm.write([Record(key, ADA)])
        found = crm.read([key, "nobody"])
        assert set(found) == {key}
        assert (found[key].crm_id, found[key].fields) == (written.crm_id, ADA)

    def test_deleted_people_are_gone_with_their_parties_and_a_repeat_says_so(self, crm, tryton):
        keys = [str(uuid.uuid4()) for _ in range(2)]
        crm.write([Record(key, ADA) for key in keys])
        assert [result.code for result in crm.delete([Record(key, {}) for key in keys])] == [None, None]
        assert crm.read(keys) == {}
        assert tryton.all("party.party", "code", where=[["code", "in", keys]]) == []
        assert [result.code for result in crm.delete([Record(key, {}) for key in keys])] == ["record_gone"] * 2

    def test_a_lead_that_was_won_is_kept(self, crm, tryton):
        key = str(uuid.uuid4())
        (written,) = crm.write([Record(key, ADA)])
        tryton.rpc("model.sale.opportunity.lost", [int(written.crm_id)], tryton.context)
        (told,) = crm.delete([Record(key, {})])
        assert (told.state, told.code) == ("rejected", "opportunity_closed")
        assert set(crm.read([key])) == {key}

    def test_fields_are_described_by_the_names_of_the_mapping(self, crm):
        fields = {field.name: field for field in crm.describe()}
        assert {*ADA, "party.lang", "employee", "conversion_probability"} <= fields.keys()
        assert fields["comment"].is_writable
        assert not fields["start_date"].is_writable, "dates are not written"
        assert (fields["employee"].kind, fields["conversion_probability"].kind) == ("many2one", "number")
        assert [name for name, field in fields.items() if field.is_required] == []
        assert [name for name, field in fields.items() if field.is_key] == ["reference"]

    def test_people_are_listed_and_found_with_our_key_or_none(self, crm, tryton):
        mechanisms = [["create", [{"type": "email", "value": "Eve_1@Example.org"}]]]
        theirs = tryton.new("party.party", name="Eve Sample", contact_mechanisms=mechanisms)
        other = [["create", [{"type": "email", "value": "Evex1@Example.org"}]]]
        tryton.new("party.party", name="Not Eve", contact_mechanisms=other)
        key = str(uuid.uuid4())
        crm.write([Record(key, {**ADA, "email": "bob@example.org", "phone": "+493023125099"})])
        listed = {person.crm_id: person for person in crm.list_people().people}
        assert (listed[str(theirs)].key, listed[str(theirs)].values) == (
            None,
            {"full_name": "Eve Sample", "email": "Eve_1@Example.org"},
        )
        assert key in {person.key for person in listed.values()}
        found = crm.find(
            [
                Lookup("eve", ("eve_1@example.org",)),
                Lookup("bob", (), ("+493023125099",)),
                Lookup("nobody", ("no@example.org",), ("+493023125098",)),
            ]
        )
        assert {name: [person.crm_id for person in several] for name, several in found.items()}["eve"] == [str(theirs)]
        assert [person.key for person in found["bob"]] == [key]
        assert "nobody" not in found
