"""What an operator reads while a CRM gets nothing: what waits, for what and until when, and which command helps."""

from __future__ import annotations

import pytest

from connectors.kit import Usage, WindowUsage
from pipeline.delivery.accounts import quota_of
from pipeline.delivery.governor import Governor
from pipeline.delivery.sender import deliver
from pipeline.delivery.shared_state import shared_redis
from pipeline.settings.loading import settings
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_objects import ADA, BEN, come, company, crm
from tests.support.command_line import answer, lines, run
from tests.support.crm_objects import SALESFORCE

__all__ = ["company", "crm"]

pytestmark = pytest.mark.parametrize("crm", ["salesforce"], indirect=True)


def send() -> None:
    for lane in ("hot", "bulk"):
        deliver("crm", lane, budget_seconds=2)


def use_up_the_quota(seconds: float = 3000) -> None:
    Governor(shared_redis(settings().broker_url)).slow_down("crm", seconds)


def listed() -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in answer("destination", "list")}


def test_the_other_objects_of_a_mapping_are_listed_with_their_crm_until_the_mapping_names_them_no_more(company, crm):
    come(ADA)
    send()
    found = listed()
    assert {name: (row["kind"], row["state"]) for name, row in found.items()} == {
        "crm": ("salesforce", "ready"),
        "crm/Account": ("salesforce", "ready"),
        "crm/Task": ("salesforce", "ready"),
    }
    crm.configure(mapping="alone")
    assert {name: row["state"] for name, row in listed().items()} == {
        "crm": "ready",
        "crm/Account": "gone",
        "crm/Task": "gone",
    }


def test_an_object_that_is_due_waits_for_what_its_crm_waits_for(company, crm):
    come(ADA)
    use_up_the_quota()
    waits = {row["destination"]: row["waits"] for row in lines("deliveries", "export")}
    assert {name for name in waits if "quota is used up" in waits[name]} == {"crm", "crm/Task"}


@pytest.mark.long
def test_a_quota_that_is_used_up_is_said_with_its_end(company, crm):
    come(ADA)
    use_up_the_quota()
    said = "the CRM's quota is used up; the next call is made in "
    assert any(problem.startswith(f"crm: {said}") for problem in answer("status")["problems"])
    assert str(listed()["crm"]["waits"]).startswith(said)
    assert f"crm: {said}" in run("destination", "list").stdout


def test_after_the_quota_was_raised_one_command_sends_what_waited_and_a_refusal_makes_it_wait_again(company, crm):
    crm.configure(mapping="alone")
    come(ADA)
    use_up_the_quota()
    send()
    assert crm.calls() == 0
    crm.order(status=429, retry_after=2000)
    run("destination", "resume", "crm")
    send()
    assert "quota is used up" in str(listed()["crm"]["waits"])
    crm.order()
    resumed = run("destination", "resume", "crm")
    assert (resumed.returncode, resumed.stdout) == (0, "crm: calls were not halted; what is due is sent\n")
    send()
    assert (listed()["crm"]["sent"], listed()["crm"]["waits"]) == (1, None)


def test_a_limit_that_an_answer_told_counts_no_more_once_a_human_says_that_it_was_raised(company, crm):
    crm.configure(mapping="alone", windows={"day": {"seconds": 86400}})
    come(ADA)
    send()
    known, client = quota_of("crm", settings()), shared_redis(settings().broker_url)
    governor = Governor(client)
    (day,) = [window for window in known.windows if window.seconds == 86400]
    spent = governor.spend(
        "crm", at=governor.take("crm", rate=1000, burst=10, windows=known.windows).at, windows=known.windows
    )
    governor.observe("crm", Usage(windows=(WindowUsage(day.name, 1, 1),)), counted=spent or (), windows=known.windows)
    come(BEN)
    send()
    assert "in the window day" in str(listed()["crm"]["waits"])
    assert run("destination", "resume", "crm").returncode == 0
    send()
    assert listed()["crm"]["sent"] == 2


def test_halted_calls_are_said_with_the_command_that_lets_them_go_on(company, crm, monkeypatch):
    monkeypatch.setenv("CRM_TOKEN", "wrong")
    crm.configure(mapping="whole", secrets={"access_token": "env:CRM_TOKEN"})
    come(ADA)
    send()
    (problem,) = [problem for problem in answer("status")["problems"] if "halted" in problem]
    assert problem.endswith("`afluente doctor` says what to mend, `afluente destination resume crm` goes on")
    assert run("destination", "list").stdout.endswith("once mended, `afluente destination resume crm`\n")


@pytest.mark.parametrize("code", ["UNABLE_TO_LOCK_ROW", "FIELD_CUSTOM_VALIDATION_EXCEPTION"])
def test_what_is_tried_again_and_what_waits_for_a_human_name_the_field_they_are_about(company, crm, code):
    crm.order(record_error={"code": code, "field": "Email", "message": "not now"})
    crm.configure(mapping="alone")
    come(ADA)
    send()
    assert listed()["crm"]["last_error"] == f"{code} Email: not now"
    assert f"crm: {code} Email: not now" in run("status").stdout


def test_a_link_is_held_against_the_fields_of_the_crm_as_any_field_is(company, crm):
    assert ".links." not in run("destination", "check", "crm", "--no-write").stdout
    write_destination(company, "linked", SALESFORCE.mapping.replace("whole", "linked").replace("WhatId:", "WhattId:"))
    crm.configure(mapping="linked")
    done = run("destination", "check", "crm", "--no-write")
    assert done.returncode == 1
    assert "objects.Task.links.WhattId: the CRM has no such field (did you mean WhatId?)" in done.stdout
    assert "ours to write" in done.stdout
