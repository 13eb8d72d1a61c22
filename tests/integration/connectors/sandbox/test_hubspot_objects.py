"""HubSpot's dialect beside contacts: companies, notes, tasks, and what is associated with what."""

from __future__ import annotations

import pytest

from connectors.sandbox.server import Sandbox
from tests.support.hubspot_crm import by_hand, make_contact

ASSOCIATIONS = "/crm/v4/associations/{}/{}/batch/{}"
AT = "2026-03-02T09:00:00Z"


def post(hubspot, path, **body):
    answer = by_hand(hubspot, "POST", path, body)
    return answer.status_code, answer.json() if answer.content else None


def create(hubspot, name, *inputs):
    return post(hubspot, f"/crm/v3/objects/{name}/batch/create", inputs=list(inputs))


def make(hubspot, name, /, **properties):
    status, made = post(hubspot, f"/crm/v3/objects/{name}", properties=properties)
    assert status == 201, made
    return made["id"]


def associate(hubspot, names, *pairs):
    inputs = [{"from": {"id": one}, "to": {"id": other}} for one, other in pairs]
    return post(hubspot, ASSOCIATIONS.format(*names, "associate/default"), inputs=inputs)


def associated(hubspot, names, *ids):
    status, body = post(hubspot, ASSOCIATIONS.format(*names, "read"), inputs=[{"id": crm_id} for crm_id in ids])
    assert status in (200, 207)
    return {found["from"]["id"]: [str(to["toObjectId"]) for to in found["to"]] for found in body["results"]}


@pytest.mark.parametrize(
    ("name", "properties", "status"),
    [
        ("companies", {"name": "Brandt"}, 201),
        ("companies", {"domain": "brandt.example"}, 201),
        ("companies", {"city": "Bonn"}, 400),
        ("companies", {"name": "Brandt", "industry": "Machines"}, 400),
        ("notes", {"hs_timestamp": AT}, 201),
        ("notes", {"hs_note_body": "Called"}, 400),
        ("tasks", {"hs_timestamp": AT, "hs_task_status": "COMPLETED"}, 201),
        ("tasks", {"hs_timestamp": AT, "hs_task_status": "Done"}, 400),
        ("tasks", {"hs_task_subject": "Call"}, 400),
        ("notes", {"hs_timestamp": AT, "email": "ada@example.org"}, 400),
    ],
)
def test_each_object_has_its_own_properties_and_what_it_needs(hubspot, name, properties, status):
    assert post(hubspot, f"/crm/v3/objects/{name}", properties=properties)[0] == status


def test_an_association_is_seen_from_both_sides_until_it_is_undone_or_one_of_them_goes(hubspot):
    ada, ben = (make_contact(hubspot, email=f"{name}@example.org") for name in ("ada", "ben"))
    brandt = make(hubspot, "companies", name="Brandt")
    names = ("contacts", "companies")
    status, body = associate(hubspot, names, (ada, brandt), (ben, brandt))
    assert (status, len(body["results"])) == (200, 2)
    assert associate(hubspot, names, (ada, brandt))[0] == 200
    assert associated(hubspot, names, ada, ben) == {ada: [brandt], ben: [brandt]}
    assert associated(hubspot, names[::-1], brandt) == {brandt: [ada, ben]}
    path = ASSOCIATIONS.format(*names, "archive")
    assert post(hubspot, path, inputs=[{"from": {"id": ada}, "to": [{"id": brandt}]}])[0] == 204
    assert associated(hubspot, names[::-1], brandt) == {brandt: [ben]}
    by_hand(hubspot, "DELETE", f"/crm/v3/objects/companies/{brandt}")
    assert associated(hubspot, names, ada, ben) == {}


def test_only_what_is_there_is_associated_and_the_rest_is_told(hubspot):
    ada = make_contact(hubspot, email="ada@example.org")
    brandt = make(hubspot, "companies", name="Brandt")
    status, body = associate(hubspot, ("contacts", "companies"), (ada, brandt), (ada, "70000000099"))
    assert (status, len(body["results"]), body["numErrors"]) == (207, 1, 1)
    assert post(hubspot, ASSOCIATIONS.format("companies", "companies", "associate/default"), inputs=[])[0] == 400


def test_a_note_is_made_with_its_associations_or_not_at_all(hubspot):
    ada = make_contact(hubspot, email="ada@example.org")
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}]

    def note(trace_id, contact):
        to = [{"to": {"id": contact}, "types": types}]
        return {"objectWriteTraceId": trace_id, "properties": {"hs_timestamp": AT}, "associations": to}

    status, body = create(hubspot, "notes", note("a", ada), note("b", "70000000099"))
    assert (status, len(body["results"])) == (207, 1)
    assert body["errors"][0]["context"] == {"objectWriteTraceId": ["b"]}
    made = body["results"][0]["id"]
    assert associated(hubspot, ("contacts", "notes"), ada) == {ada: [made]}
    wrong = note("c", ada)
    wrong["associations"][0]["types"] = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 204}]
    assert create(hubspot, "notes", wrong)[0] == 400


def test_a_long_list_of_associations_comes_page_by_page(hubspot):
    hubspot.dialect.associations.page_size = 2
    ada = make_contact(hubspot, email="ada@example.org")
    notes = [make(hubspot, "notes", hs_timestamp=AT) for _ in range(3)]
    associate(hubspot, ("notes", "contacts"), *((note, ada) for note in notes))
    path = ASSOCIATIONS.format("contacts", "notes", "read")
    _, first = post(hubspot, path, inputs=[{"id": ada}])
    after = first["results"][0]["paging"]["next"]["after"]
    _, rest = post(hubspot, path, inputs=[{"id": ada, "after": after}])
    found = [to["toObjectId"] for body in (first, rest) for to in body["results"][0]["to"]]
    assert found == [int(note) for note in notes]


def test_where_a_property_of_notes_is_not_unique_nothing_is_upserted_by_it_and_two_may_have_one_value(hubspot):
    hubspot.dialect.objects["notes"].refuse_unique_values()
    properties = {"hs_timestamp": AT, "afluente_id": "n1"}
    entry = {"id": "n1", "idProperty": "afluente_id", "objectWriteTraceId": "n1", "properties": properties}
    status, body = post(hubspot, "/crm/v3/objects/notes/batch/upsert", inputs=[entry])
    assert (status, "non-unique" in body["message"]) == (400, True)
    assert make(hubspot, "notes", **properties) != make(hubspot, "notes", **properties)
    own = {"name": "own_id", "label": "Own", "type": "string", "fieldType": "text", "groupName": "note"}
    assert post(hubspot, "/crm/v3/properties/notes", **own, hasUniqueValue=True)[0] == 400
    assert post(hubspot, "/crm/v3/properties/notes", **own)[0] == 201


def test_associations_survive_the_sandboxs_end(tmp_path):
    names = ("contacts", "companies")
    with Sandbox(port=0, state=tmp_path / "crm.sqlite", dialect="hubspot") as hubspot:
        ada, brandt = make_contact(hubspot, email="ada@example.org"), make(hubspot, "companies", name="Brandt")
        associate(hubspot, names, (ada, brandt))
    with Sandbox(port=0, state=tmp_path / "crm.sqlite", dialect="hubspot") as hubspot:
        assert associated(hubspot, names, ada) == {ada: [brandt]}
        assert post(hubspot, "/crm/v3/objects/companies/search", filterGroups=[], properties=["name"])[1]["total"] == 1
