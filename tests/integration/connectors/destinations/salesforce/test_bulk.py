"""Jobs of Bulk API 2.0, over sockets: what is sent, what is read of the results, and what is no job any more."""

from __future__ import annotations

import csv
import io

import pytest

from connectors.destinations.salesforce import DESTINATION
from connectors.destinations.salesforce.jobs import as_csv
from connectors.kit import Connection, Jobs, Link, Record, TransientError
from tests.support.crm import calls, record, records
from tests.support.scripted_crm import said
from tests.support.scripted_crm import writer as scripted

JOB = "/services/data/v67.0/jobs/ingest/7501"
FAILED = (
    "sf__Id,sf__Error,LastName,Afluente_Id__c\n"
    '"","STRING_TOO_LONG:LastName: data value too large: Brandt:LastName--","Brandt","p-2"\n'
    '"","UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--","Moss","p-3"\n'
    '"","CANNOT_UPDATE_CONVERTED_LEAD:cannot reference converted lead:--","Kairo","p-4"\n'
)
SUCCESSFUL = 'sf__Id,sf__Created,LastName,Afluente_Id__c\n"00Q5","true","One\n, Two","p-5"\n"00Q1","false","Y","p-1"\n'


@pytest.fixture
def crm(sandbox):
    return DESTINATION.connect(Connection("crm", sandbox.address, options={"bulk_above": 10}))


def finish(crm, job_id):
    while crm.job_state(job_id).state == "running":
        pass
    return crm.job_results(job_id)


def text(content):
    return (200, {"Content-Type": "text/csv"}, content.encode())


def test_rows_come_back_in_any_order_and_each_has_its_own_id(sandbox, crm):
    assert isinstance(crm, Jobs)
    job_id = crm.open_job()
    wanted = [record(f"p-{number}", Description=f'"{number}",\n; é') for number in range(40)]
    crm.fill_job(job_id, wanted)
    assert crm.job_state(job_id).state == "running"
    results = finish(crm, job_id)
    stored = {known["external_id"]: known for known in records(sandbox)}
    assert {key: result.crm_id for key, result in results.items()} == {
        key: known["id"] for key, known in stored.items()
    }
    assert {result.state for result in results.values()} == {"written"}
    assert stored["p-7"]["fields"]["Description"] == '"7",\n; é'
    crm.drop_job(job_id)
    assert crm.job_state(job_id).state == "gone"


def test_a_table_leaves_empty_what_a_record_says_nothing_of_and_empties_what_it_empties():
    made = [
        Record("p-1", {"LastName": "A", "DoNotCall": True, "City": None}),
        Record("p-2", {"LastName": "", "NumberOfEmployees": 7}, links=(Link("AccountId", "Account", "0011"),)),
    ]
    rows = list(csv.reader(io.StringIO(as_csv(made, "Key__c").decode())))
    assert rows == [
        ["Key__c", "LastName", "DoNotCall", "City", "NumberOfEmployees", "AccountId"],
        ["p-1", "A", "true", "#N/A", "", ""],
        ["p-2", "#N/A", "", "", "7", "0011"],
    ]


def test_what_does_not_fit_into_a_job_is_left_out_of_it_whole():
    made = [Record(f"p-{number}", {"Description": "x" * 31_000}) for number in range(1_000)]
    rows = list(csv.reader(io.StringIO(as_csv(made, "Key__c").decode())))
    assert 600 < len(rows) - 1 < 1_000
    assert all(len(row) == 2 and len(row[1]) == 31_000 for row in rows[1:])


def test_failures_are_told_by_code_and_field_and_without_values(server):
    server.script = [text(SUCCESSFUL), text(FAILED)]
    results = scripted(server.url).job_results("7501")
    assert {key: (result.state, result.code, result.field, result.crm_id) for key, result in results.items()} == {
        "p-1": ("written", None, None, "00Q1"),
        "p-2": ("rejected", "STRING_TOO_LONG", "LastName", None),
        "p-3": ("retry", "UNABLE_TO_LOCK_ROW", None, None),
        "p-4": ("retry", "CANNOT_UPDATE_CONVERTED_LEAD", None, None),
        "p-5": ("written", None, None, "00Q5"),
    }
    assert (results["p-5"].created, results["p-1"].created) == (True, False)
    assert "Brandt" not in (results["p-2"].message or "")
    assert [asked["path"] for asked in server.asked] == [f"{JOB}/successfulResults/", f"{JOB}/failedResults/"]


def test_a_job_that_somebody_gave_up_takes_nothing_more_and_writes_nothing(sandbox, crm):
    job_id = crm.open_job()
    crm.drop_job(job_id)
    with pytest.raises(TransientError, match="takes nothing more"):
        crm.fill_job(job_id, [record("p-1")])
    assert records(sandbox) == []


def test_a_job_that_is_being_worked_on_cannot_be_dropped(server):
    refused = said([{"errorCode": "INVALIDJOBSTATE", "message": "no"}], 400)
    server.script = [refused, refused]
    with pytest.raises(TransientError, match="being worked on"):
        scripted(server.url).drop_job("7501")


def test_why_a_job_failed_is_told(server):
    server.script = [said({"id": "7501", "state": "Failed", "errorMessage": "InvalidBatch : No such field 'Brandt'"})]
    found = scripted(server.url).job_state("7501")
    assert found.state == "over"
    assert (found.message or "").startswith("InvalidBatch")
    assert "Brandt" not in (found.message or "")


@pytest.mark.parametrize("options", [{}, {"bulk_above": 0}, {"bulk_above": 9, "find_contacts": True}])
def test_no_jobs_where_they_are_off_or_people_are_looked_for_first(server, options):
    assert scripted(server.url, options=options).job_above is None


def test_a_job_is_a_handful_of_calls_whatever_its_size(sandbox, crm):
    job_id = crm.open_job()
    crm.fill_job(job_id, [record(f"p-{number}") for number in range(2_000)])
    assert len(finish(crm, job_id)) == 2_000
    assert sum(counted["calls"] for counted in calls(sandbox) if "token" not in counted["route"]) == 7
