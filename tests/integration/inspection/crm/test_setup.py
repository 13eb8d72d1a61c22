"""`afluente destination setup`: what a mapping needs is made, or said to whoever makes it by hand."""

from __future__ import annotations

from tests.support.command_line import answer, run
from tests.support.hubspot_crm import by_hand
from tests.support.services import forget_caches

CONTACT = {
    "lastname": {"from": "last_name", "required": True, "default": "Unknown"},
    "plan": {"from": "product_interest", "as": "picklist", "picklist": ["gold", "silver"], "unlisted": "leave_out"},
    "their_note": {"from": "message"},
}
SEATS = {"from": "employee_count", "as": "integer"}


def set_up(*options, code=0):
    return answer("destination", "setup", "crm", *options, code=code)["setup"]


def test_properties_of_hubspot_are_made_and_then_the_whole_check_holds(crm_of):
    sandbox = crm_of("hubspot", CONTACT, options={"external_id_property": "our_id"})
    wanted = ["property our_id (string, unique)", "property plan (enumeration)", "property their_note (string)"]
    tried = set_up("--dry-run")
    assert (tried["made"], tried["by_hand"]) == (wanted, [])
    assert by_hand(sandbox, "GET", "/crm/v3/properties/contacts/plan").status_code == 404
    done = set_up()
    assert (done["made"], done["by_hand"], done["refused"]) == (wanted, [], None)
    assert set_up()["made"] == []
    assert answer("destination", "check", "crm")["ok"]


def test_what_each_object_of_the_mapping_needs_is_made(crm_of, tmp_path):
    sandbox = crm_of("hubspot", CONTACT, options={"external_id_property": "our_id"})
    mapping = tmp_path / "mappings" / "destinations" / "own.yaml"
    mapping.write_text(
        """
destination: own
version: 2
objects:
  contacts: {of: person, links: {companies: company}, fields: {lastname: {constant: X, required: true}}}
  companies: {of: company, fields: {name: {from: company, required: true}, their_rank: {from: industry}}}
  notes: {of: touch, links: {contacts: person}, fields: {hs_timestamp: {from: occurred_at, as: datetime}}}
"""
    )
    forget_caches()
    assert set_up()["made"] == [
        "property our_id (string, unique) of contacts",
        "property our_id (string, unique) of companies",
        "property their_rank (string) of companies",
        "property our_id (string, unique) of notes",
    ]
    assert set_up()["made"] == []
    for path in ("contacts/our_id", "companies/their_rank", "notes/our_id"):
        assert by_hand(sandbox, "GET", f"/crm/v3/properties/{path}").status_code == 200


def test_a_name_that_looks_like_one_that_is_there_is_said_before_it_is_made(crm_of):
    crm_of("hubspot", {**CONTACT, "jobtitel": {"from": "job_title"}})
    said = "mappings/destinations/own.yaml: fields.jobtitel: the CRM has no such field (did you mean jobtitle?)"
    assert set_up("--dry-run")["doubtful"] == [said]
    assert f"Before you let it be made: {said}" in run("destination", "setup", "crm", "--dry-run").stdout


def test_columns_of_dataverse_are_made_and_then_the_whole_check_holds(crm_of):
    fields = {"lastname": {"from": "last_name", "required": True, "default": "Unknown"}}
    fields |= {"subject": {"constant": "Demo"}, "new_seats": SEATS}
    crm_of("dataverse", fields)
    assert set_up()["made"] == ["column new_seats (Integer)"]
    assert answer("destination", "check", "crm")["ok"]


def test_where_the_crm_lets_us_make_nothing_it_says_what_to_make_by_hand(crm_of):
    sandbox = crm_of("dataverse", {"subject": {"constant": "Demo"}, "new_seats": SEATS})
    sandbox.dialect.metadata.may_customize = False
    told = set_up(code=1)
    assert "0x80040220" in told["refused"]
    said = [sentence.removeprefix("mappings/destinations/own.yaml: ") for sentence in told["by_hand"]]
    assert said == [
        "fields.new_seats: the CRM has no such field: make it there, or take the line out",
        "fields.lastname: the CRM requires it and the mapping does not send it: add a line",
    ]


def test_what_salesforce_needs_is_said_and_not_made(crm_of):
    fields = {"LastName": {"constant": "X"}, "Company": {"constant": "Y"}, "Zodiac": {"from": "first_name"}}
    crm_of("salesforce", fields)
    told = set_up(code=1)
    assert (told["made"], len(told["by_hand"])) == ([], 1)
    done = run("destination", "setup", "crm")
    assert "By hand:\n  mappings/destinations/own.yaml: fields.Zodiac: the CRM has no such field" in done.stdout
    crm_of("salesforce")
    assert "crm has all that its mapping needs." in run("destination", "setup", "crm").stdout


def test_a_table_is_made_and_then_the_whole_check_holds(configured, target, monkeypatch):
    monkeypatch.setenv("TEAM_USER", "postgres")
    fields = {"last_name": {"from": "last_name", "max": 80}, "seen_at": {"from": "latest_at", "as": "datetime"}}
    configured(fields, kind="sql", base_url=target.url, secrets={"user": "env:TEAM_USER"})
    tried = set_up("--dry-run")
    assert (tried["made"], tried["by_hand"]) == (['table "afluente"."contacts" with 5 columns'], [])
    assert set_up()["made"] == tried["made"]
    assert answer("destination", "check", "crm")["ok"]
    assert target.execute("SELECT count(*) FROM afluente.contacts") == [(0,)]
    more = {**fields, "city": {"from": "city", "max": 40}}
    configured(more, kind="sql", base_url=target.url, secrets={"user": "env:TEAM_USER"})
    assert set_up()["made"] == ['column city varchar(40) of "afluente"."contacts"']
    assert answer("destination", "check", "crm")["ok"]
