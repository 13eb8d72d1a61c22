"""`afluente destination check`: one record, from the address to its deletion, and nothing of it left anywhere."""

from __future__ import annotations

import json

import pytest
import requests

from pipeline.inspection.crm.checks import check_destination
from tests.support.command_line import answer, problem, run
from tests.support.crm import calls, order, records

STEPS = [
    "address and credentials",
    "rights",
    "fields",
    "limits",
    "record written",
    "record read back",
    "record deleted",
]
LEAD = {
    "LastName": {"from": "last_name", "required": True, "default": "Unknown"},
    "Company": {"from": "company", "required": True, "default": "Unknown"},
    "Email": {"from": "email", "as": "email", "max": 80},
}
ROW = {
    "last_name": {"from": "last_name", "max": 80},
    "email": {"from": "email", "as": "email", "max": 254},
    "city": {"from": "city", "max": 40},
}


def check(*options, code=0):
    told = answer("destination", "check", "crm", *options, code=code)
    assert told["ok"] is (code == 0)
    return {made["name"]: made for made in told["checks"]}, told["checks"]


@pytest.mark.parametrize("kind", ["salesforce", "hubspot", "dataverse"])
def test_with_the_shipped_mapping_all_steps_hold_and_no_record_is_left(crm_of, kind):
    sandbox = crm_of(kind)
    _, told = check()
    assert [made["name"] for made in told] == STEPS
    assert [made["ok"] for made in told] == [True] * 7
    assert records(sandbox) == []
    assert sum(call["created"] for call in calls(sandbox)) == 1


def test_every_field_that_was_sent_is_compared(crm_of):
    crm_of("salesforce")
    told, _ = check()
    assert told["record read back"]["detail"] == "24 of 24 fields as they were sent"


def test_without_a_record_nothing_is_written(crm_of):
    sandbox = crm_of("salesforce")
    _, told = check("--no-write")
    assert [made["name"] for made in told] == STEPS[:4]
    assert [call["route"] for call in calls(sandbox) if call["created"] or call["changed"]] == []


def test_a_mapping_that_does_not_fit_is_told_line_by_line_before_any_record_is_written(crm_of):
    sandbox = crm_of(
        "salesforce",
        {
            **LEAD,
            "Zodiac": {"from": "first_name"},
            "City": {"from": "city", "max": 200},
            "Status": {"from": "product_interest", "as": "picklist", "picklist": ["Open - Not Contacted", "Fresh"]},
            "IsConverted": {"constant": True, "as": "boolean"},
            "NumberOfEmployees": {"from": "company"},
        },
    )
    _, told = check(code=1)
    wrong = {made["detail"].removeprefix("mappings/destinations/own.yaml: "): made for made in told if not made["ok"]}
    assert list(wrong) == [
        "fields.Zodiac: the CRM has no such field",
        "fields.City.max: is 200, the CRM takes 40 characters",
        "fields.Status.picklist: 'Fresh' is no value of the CRM's field",
        "fields.IsConverted: the CRM does not let us write it",
        "fields.NumberOfEmployees.as: is text, the CRM has integer",
    ]
    assert {made["name"] for made in wrong.values()} == {"fields"}
    assert all(made["remedy"] for made in wrong.values())
    assert [call["route"] for call in calls(sandbox) if "composite" in call["route"]] == []


@pytest.mark.parametrize(
    ("kind", "fields", "wrong"),
    [
        (
            "hubspot",
            {
                "lastname": {"constant": "Sample"},
                "zodiac": {"from": "first_name"},
                "lifecyclestage": {"constant": "fresh"},
                "createdate": {"from": "latest_at", "as": "datetime"},
                "message": {"from": "message", "max": 65_537},
                "afluente_employee_count": {"from": "company"},
            },
            ["zodiac", "lifecyclestage.constant", "createdate", "message.max", "afluente_employee_count.as"],
        ),
        (
            "dataverse",
            {
                "subject": {"constant": "Demo"},
                "lastname": {"constant": "Sample"},
                "zodiac": {"from": "first_name"},
                "leadqualitycode": {"from": "product_interest", "as": "integer", "values": {"Demo": 4}},
                "leadid": {"from": "person_id"},
                "description": {"from": "message", "max": 2_001},
                "numberofemployees": {"from": "company"},
            },
            ["zodiac", "leadqualitycode.values.Demo", "leadid", "description.max", "numberofemployees.as"],
        ),
    ],
)
def test_each_way_in_which_a_mapping_does_not_fit_is_told_of_each_crm(crm_of, kind, fields, wrong):
    sandbox = crm_of(kind, fields)
    _, told = check(code=1)
    places = [made["detail"].removeprefix("mappings/destinations/own.yaml: ") for made in told if not made["ok"]]
    assert [place.partition(":")[0].removeprefix("fields.") for place in places] == wrong
    assert records(sandbox) == []


def test_each_way_in_which_a_mapping_does_not_fit_is_told_of_a_table(table, monkeypatch):
    monkeypatch.setenv("TEAM_USER", "postgres")
    fields = {
        "zodiac": {"from": "first_name"},
        "plan": {"from": "product_interest", "as": "picklist", "picklist": ["gold", "tin"]},
        "joined": {"from": "city"},
        "city": {"from": "city", "max": 41},
        "employee_count": {"from": "company"},
    }
    team = table(fields, "joined text GENERATED ALWAYS AS (last_name || city) STORED, must text NOT NULL")
    team.execute("CREATE TYPE plan AS ENUM ('gold', 'silver'); ALTER TABLE afluente.contacts ADD COLUMN plan plan")
    told = answer("mapping", "check", "--destination", "crm", code=1)["mappings"]["mappings/destinations/own.yaml"]
    assert [sentence.partition(": ")[0].removeprefix("fields.") for sentence in told] == [
        "zodiac",
        "plan.picklist",
        "joined",
        "city.max",
        "employee_count.as",
        "must",
    ]


def test_what_the_crm_requires_and_the_mapping_does_not_send_is_told(crm_of):
    crm_of("salesforce", {"LastName": {"from": "last_name"}})
    _, told = check(code=1)
    assert [made["detail"].partition(": ")[2] for made in told if not made["ok"]] == [
        "fields.LastName: the CRM requires it, and a person may have none",
        "fields.Company: the CRM requires it and the mapping does not send it",
    ]


def test_a_crm_without_a_field_for_our_id_is_told(crm_of):
    crm_of("hubspot", options={"external_id_property": "nobodys_id"})
    told, _ = check(code=1)
    assert "nobodys_id" in told["address and credentials"]["detail"]
    crm_of("dataverse", options={"external_id_field": "new_city"})
    told, _ = check(code=1)
    assert "no field that keeps our id" in told["fields"]["detail"]


@pytest.mark.parametrize(
    ("faults", "failing"),
    [
        ({"on": "/services/data/v67.0/query", "status": 500}, "record read back"),
        ({"on": "/services/data/v67.0/composite/sobjects/Lead", "write_then_drop": 1.0}, "record written"),
        ({"on": "/services/data/v67.0/composite/sobjects/Lead", "garbled_answer": 1.0}, "record written"),
    ],
)
def test_the_record_is_removed_though_a_step_fails_after_it_was_made(crm_of, faults, failing):
    sandbox = crm_of("salesforce")
    order(sandbox, **faults)
    told, _ = check(code=1)
    assert told[failing]["ok"] is False
    assert told["record deleted"] == {
        "name": "record deleted",
        "ok": True,
        "detail": "nothing of it is left",
        "remedy": "",
    }
    assert records(sandbox) == []
    assert sum(call["created"] for call in calls(sandbox)) == 1


def test_the_record_is_removed_though_somebody_interrupts(crm_of):
    sandbox = crm_of("salesforce")

    def interrupt(made):
        if made.name == "record written":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_destination("crm", on_check=interrupt)
    assert sum(call["created"] for call in calls(sandbox)) == 1
    assert records(sandbox) == []


def test_a_record_that_cannot_be_deleted_is_named_for_whoever_does_it_by_hand(crm_of):
    sandbox = crm_of("hubspot")
    order(sandbox, on="/crm/v3/objects/contacts/gdpr-delete", status=500)
    told, _ = check(code=1)
    (left,) = records(sandbox)
    assert left["id"] in told["record deleted"]["remedy"]


def test_a_record_that_the_crm_refuses_is_told_with_its_code_and_field(crm_of):
    sandbox = crm_of("salesforce")
    order(sandbox, record_error={"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "field": "Phone"})
    told, _ = check(code=1)
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION, Phone" in told["record written"]["detail"]
    assert told["record deleted"]["ok"]


def test_what_the_crm_makes_of_a_value_is_said_and_what_it_empties_is_a_fault(table, monkeypatch):
    monkeypatch.setenv("TEAM_USER", "postgres")
    team = table(ROW)
    team.execute(
        "CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.city := upper(NEW.city); RETURN NEW; END $$;"
        " CREATE TRIGGER tidy BEFORE INSERT ON afluente.contacts FOR EACH ROW EXECUTE FUNCTION tidy()"
    )
    told, _ = check()
    assert "changed by the CRM: city 'Springfield' is 'SPRINGFIELD'" in told["record read back"]["detail"]
    team.execute(
        "CREATE OR REPLACE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.city := NULL; RETURN NEW; END $$"
    )
    told, _ = check(code=1)
    assert "empty there: city" in told["record read back"]["detail"]
    assert team.rows() == []


def test_an_account_that_may_not_write_is_told_before_anything_is(table, target, monkeypatch):
    monkeypatch.setenv("TEAM_USER", "looks_only")
    team = table(ROW)
    team.execute("CREATE ROLE looks_only LOGIN; GRANT USAGE ON SCHEMA afluente TO looks_only")
    team.execute("GRANT SELECT ON afluente.contacts TO looks_only")
    try:
        told, made = check(code=1)
        assert "no right to INSERT, UPDATE" in told["address and credentials"]["detail"]
        assert len(made) == 1
    finally:
        team.execute("DROP OWNED BY looks_only; DROP ROLE looks_only")


def test_who_is_not_let_in_or_not_reached_is_told_what_to_mend(crm_of, configured, monkeypatch):
    sandbox = crm_of("salesforce", secrets={"access_token": "env:CRM_TOKEN"})
    monkeypatch.setenv("CRM_TOKEN", "wrong")
    told, made = check(code=1)
    assert "token" in told["address and credentials"]["detail"]
    assert "destinations.crm.secrets" in told["address and credentials"]["remedy"]
    assert len(made) == 1
    sandbox.stop()
    told, _ = check(code=1)
    assert "base_url" in told["address and credentials"]["remedy"]
    configured(kind="salesforce", base_url="ftp://nowhere.example.org")
    told, _ = check(code=1)
    assert "ftp://" in told["settings"]["detail"]


def test_a_used_up_quota_is_told_as_such(crm_of):
    sandbox = crm_of("salesforce")
    order(sandbox, daily_limit=1)
    told, _ = check(code=1)
    assert "daily quota" in json.dumps(told)


def test_lines_for_people_tell_what_to_do_and_an_unknown_destination_is_a_wrong_use(crm_of):
    crm_of("salesforce", {**LEAD, "Emial": {"from": "email"}})
    done = run("destination", "check", "crm")
    assert done.returncode == 1
    assert "failed  fields" in done.stdout
    assert "(did you mean Email?)" in done.stdout
    assert "do: make it there, or take the line out" in done.stdout
    assert "there is no destination 'other'" in problem("destination", "check", "other", code=2)


def test_mapping_check_names_file_and_path_of_what_the_crm_does_not_take(crm_of):
    crm_of("salesforce", {**LEAD, "City": {"from": "city", "max": 41}})
    path = "mappings/destinations/own.yaml"
    assert answer("mapping", "check")["mappings"][path] == []
    told = answer("mapping", "check", "--destination", "crm", code=1)["mappings"][path]
    assert told == [
        "fields.City.max: is 41, the CRM takes 40 characters: say max: 40, or make the field longer",
    ]
    assert "no destination" in problem("mapping", "check", "--destination", "other", code=2)


def test_mapping_check_says_that_the_crm_was_asked_where_all_fits(crm_of):
    crm_of("salesforce", LEAD)
    path = "mappings/destinations/own.yaml"
    assert (
        f"crm was asked: {path} fits the fields that it has" in run("mapping", "check", "--destination", "crm").stdout
    )
    assert answer("mapping", "check", "--destination", "crm")["asked"] == "crm"
    assert "asked" not in run("mapping", "check").stdout


def test_every_object_that_a_mapping_names_is_compared_with_what_the_crm_tells_of_it(crm_of, tmp_path):
    crm_of("salesforce", LEAD)
    objects = {
        "Account": {"of": "company", "fields": {"Name": "company", "BillingCity": {"from": "city", "max": 41}}},
        "Contact": {"of": "person", "links": {"AccountId": "company"}, "fields": {**LEAD, "Zodiac": {"from": "city"}}},
    }
    objects["Contact"]["fields"].pop("Company")
    mapping = {"destination": "own", "version": 1, "objects": objects}
    (tmp_path / "mappings" / "destinations" / "own.yaml").write_text(json.dumps(mapping))
    told = answer("mapping", "check", "--destination", "crm", code=1)["mappings"]["mappings/destinations/own.yaml"]
    assert [sentence.partition(": ")[0] for sentence in told] == [
        "objects.Contact.fields.Zodiac",
        "objects.Account.fields.Name",
        "objects.Account.fields.BillingCity.max",
    ]


def test_doctor_tells_of_a_mapping_that_does_not_fit_and_writes_nothing(crm_of):
    sandbox = crm_of("salesforce", {**LEAD, "City": {"from": "city", "max": 41}, "Nope": {"from": "city"}})
    checks = {made["name"]: made for made in answer("doctor", code=None)["checks"]}
    assert checks["destination crm"]["ok"]
    assert "fields.City.max" in checks["mapping of crm"]["detail"]
    assert "and 1 more" in checks["mapping of crm"]["detail"]
    assert requests.get(f"{sandbox.address}/_calls", timeout=5).json()["records"]["written"] == 0


def test_an_object_that_the_kind_of_crm_does_not_take_is_told_without_asking_the_crm(crm_of, tmp_path):
    sandbox = crm_of("hubspot", LEAD)
    path = tmp_path / "mappings" / "destinations" / "own.yaml"
    path.write_text(
        json.dumps({"destination": "own", "version": 1, "objects": {"Zebra": {"of": "person", "fields": LEAD}}})
    )
    (said,) = answer("mapping", "check", code=1)["mappings"]["mappings/destinations/own.yaml"]
    assert said.startswith("objects.Zebra is no object that HubSpot takes; allowed: ")
    assert calls(sandbox) == []


def test_where_a_secret_is_in_a_variable_its_remedy_says_that_what_runs_keeps_the_former(crm_of, monkeypatch, tmp_path):
    monkeypatch.setenv("CRM_TOKEN", "revoked")
    crm_of("salesforce", LEAD, secrets={"access_token": "env:CRM_TOKEN"})
    told, _ = check(code=1)
    remedy = told["address and credentials"]["remedy"]
    assert "`afluente destination resume crm`; for a new value of CRM_TOKEN start Afluente again" in remedy
    (tmp_path / "token").write_text("revoked")
    crm_of("salesforce", LEAD, secrets={"access_token": f"file:{tmp_path / 'token'}"})
    told, _ = check(code=1)
    assert told["address and credentials"]["remedy"].endswith("then `afluente destination resume crm`")
