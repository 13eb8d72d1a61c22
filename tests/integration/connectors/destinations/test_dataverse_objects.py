"""Accounts and tasks of Dataverse beside people: by the alternate key, bound to what they belong to."""

from __future__ import annotations

import pytest

from connectors.destinations.dataverse import DESTINATION
from connectors.kit import Link, Record, SentField
from tests.support.dataverse import bad, call, good, line, records, said, sandbox_writer, sent, writer

PARENT, REGARDING = "parentcustomerid_account", "regardingobjectid_contact_task"
NOBODY = "99999999-0000-11f1-8000-0022482746b6"


def open_table(sandbox, name, subject, **more):
    return sandbox_writer(sandbox, object=name, subject=subject, **more)


def make(sandbox, name, subject, *wanted):
    results = open_table(sandbox, name, subject).write(list(wanted))
    assert {result.state for result in results} == {"written"}, results
    return [result.crm_id for result in results]


def contact(key, account=None):
    links = (Link(PARENT, "accounts", account),) if account else ()
    return Record(key, {"lastname": key}, links=links)


def task(key, role=REGARDING, table="contacts", *, to):
    return Record(key, {"subject": key, "scheduledend": "2026-03-02T09:00:00Z"}, links=(Link(role, table, to),))


def bound(sandbox, table, role):
    return {
        record["external_id"]: record["fields"].get(f"{role}@odata.bind")
        for record in records(sandbox)
        if record["object"] == table
    }


def test_people_tasks_and_their_company_are_bound_to_one_another_and_a_repeat_changes_nothing(dataverse):
    (account,) = make(dataverse, "accounts", "company", Record("brandt", {"name": "Brandt GmbH"}))
    for _ in range(2):
        ada, ben = make(dataverse, "contacts", "person", contact("ada", account), contact("ben"))
        make(dataverse, "tasks", "touch", task("t1", to=ada), task("t2", to=ben))
    assert bound(dataverse, "contacts", PARENT) == {"ada": f"/accounts({account})", "ben": None}
    assert bound(dataverse, "tasks", REGARDING) == {"t1": f"/contacts({ada})", "t2": f"/contacts({ben})"}
    assert len(records(dataverse)) == 5


def test_all_of_a_call_are_parts_of_one_batch_that_goes_on_after_an_error(server):
    server.script = [said(good(0, key="ada", contactid=NOBODY), bad("0x80040265", "no", place=2))]
    written, refused = writer(server.url, object="contacts").write([contact("ada", NOBODY), contact("ben")])
    assert (written.state, refused.state) == ("written", "rejected")
    (asked,) = server.asked
    assert asked["headers"]["Prefer"] == "odata.continue-on-error"
    first, second = sent(asked)
    assert line(first).startswith("PATCH")
    assert "/contacts(new_afluenteid='ada')" in line(first)
    assert first[3] == {"lastname": "ada", f"{PARENT}@odata.bind": f"/accounts({NOBODY})"}
    assert second[3] == {"lastname": "ben"}


def test_a_task_about_another_contact_is_about_that_one_alone(dataverse):
    ada, ben = make(dataverse, "contacts", "person", contact("ada"), contact("ben"))
    (lead,) = make(dataverse, "leads", "person", Record("eve", {"lastname": "Eve", "subject": "Demo"}))
    for to in (ada, ben):
        make(dataverse, "tasks", "touch", task("t1", to=to))
    assert bound(dataverse, "tasks", REGARDING) == {"t1": f"/contacts({ben})"}
    make(dataverse, "tasks", "touch", task("t1", "regardingobjectid_lead_task", "leads", to=lead))
    assert bound(dataverse, "tasks", REGARDING) == {"t1": None}


def test_who_is_bound_to_a_row_that_somebody_deleted_is_refused_and_blames_no_setting(dataverse):
    (account,) = make(dataverse, "accounts", "company", Record("brandt", {"name": "Brandt GmbH"}))
    assert call(dataverse, "DELETE", f"accounts({account})").status_code == 204
    results = open_table(dataverse, "contacts", "person").write([contact(f"p{n}", account) for n in range(3)])
    assert {(result.state, result.code, result.blames_setting) for result in results} == {
        ("rejected", "0x80040217", False)
    }


@pytest.mark.parametrize(
    ("role", "table"),
    [("regardingobjectid", "contacts"), (REGARDING, "accounts"), ("parentaccountid", "accounts")],
    ids=["no navigation property", "of another table", "of another table's rows"],
)
def test_a_reference_by_a_wrong_name_or_to_a_wrong_table_is_refused(dataverse, role, table):
    (result,) = open_table(dataverse, "tasks", "touch").write([task("t1", role, table, to=NOBODY)])
    assert (result.state, result.code) == ("rejected", "0x80048d19")


def test_rows_of_each_table_are_read_and_deleted_by_their_own_id(dataverse):
    (account,) = make(dataverse, "accounts", "company", Record("brandt", {"name": "Brandt GmbH"}))
    (ada,) = make(dataverse, "contacts", "person", contact("ada", account))
    make(dataverse, "tasks", "touch", task("t1", to=ada), task("t2", to=ada))
    tasks = open_table(dataverse, "tasks", "touch", fields=(SentField("subject"),))
    found = tasks.read(["t1", "t2", "t3"])
    assert {key: row.fields for key, row in found.items()} == {"t1": {"subject": "t1"}, "t2": {"subject": "t2"}}
    gone = tasks.delete([Record("t1", {}, crm_id=found["t1"].crm_id), Record("t2", {})])
    assert [result.state for result in gone] == ["written", "written"]
    assert tasks.read(["t1", "t2"]) == {}


def test_setup_makes_column_and_key_of_each_table(dataverse):
    options = {"external_id_field": "acme_ourid"}
    made = {
        name: open_table(dataverse, name, subject, options=options, fields=(SentField("acme_rank"),)).setup()
        for name, subject in (("accounts", "company"), ("tasks", "touch"))
    }
    assert made["tasks"] == (
        "column acme_ourid (String) of tasks",
        "column acme_rank (Memo) of tasks",
        "alternate key of acme_ourid of tasks",
    )
    assert made["accounts"][2] == "alternate key of acme_ourid of accounts"


def test_a_text_too_long_for_an_account_or_a_task_is_refused(dataverse):
    (account,) = open_table(dataverse, "accounts", "company").write([Record("brandt", {"name": "B" * 161})])
    (ada,) = make(dataverse, "contacts", "person", contact("ada"))
    long = Record("t1", {"subject": "s" * 201}, links=(Link(REGARDING, "contacts", ada),))
    (refused,) = open_table(dataverse, "tasks", "touch").write([long])
    assert (account.code, account.field, refused.code, refused.field) == (
        "0x80044331",
        "name",
        "0x80044331",
        "subject",
    )


def test_each_table_that_a_mapping_may_name_is_told_with_its_links():
    roles = {known.name: known.links for known in DESTINATION.objects}
    assert roles["leads"] == ("parentaccountid",)
    assert set(roles["tasks"]) == {REGARDING, "regardingobjectid_lead_task"}
