"""`afluente quarantine` through the real command line: seen, fixed, replayed, given up, and always counted."""

from __future__ import annotations

import json
import time

import pytest

from tests.support.command_line import answer, capture, deliver, lines, problem, run, start, work

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def parked(database):
    """The event of a lead that has nothing to identify a person by."""
    (event_id,) = capture({"message": "please call me", "first_name": "Secretforename"})
    work()
    return str(event_id)


def test_the_list_counts_by_reason_and_shows_each_without_personal_data(parked):
    capture({"message": "me too"}, {"email": "ada@example.com"})
    work()
    found = answer("quarantine", "list")
    assert found["open"] == 2
    assert found["groups"] == [{"source": "api", "destination": None, "reason": "nothing_to_identify", "count": 2}]
    row = found["rows"][-1]
    assert (row["event_id"], row["stage"], row["code"]) == (parked, "normalize", "nothing_to_identify")
    text = run("quarantine", "list").stdout
    assert row["quarantine_id"] in text
    assert "Secretforename" not in text


def test_the_list_can_be_limited_to_a_reason_or_source(parked):
    assert answer("quarantine", "list", "--reason", "missing_required")["rows"] == []
    assert answer("quarantine", "list", "--source", "web_form")["open"] == 0
    assert len(answer("quarantine", "list", "--source", "api", "--reason", "nothing_to_identify")["rows"]) == 1


def test_one_is_shown_by_its_own_id_or_its_events(parked):
    by_event = answer("quarantine", "show", parked)
    assert answer("quarantine", "show", by_event["quarantine_id"]) == by_event
    assert f"afluente quarantine fix {by_event['quarantine_id']} --set" in run("quarantine", "show", parked).stdout


def test_a_fixed_lead_goes_on_with_the_value_set_by_hand(parked):
    assert answer("quarantine", "fix", parked, "--set", "email=Ada@Example.com", "--set", "job_title=CTO") == {
        "replayed": 1,
        "left_out": {},
    }
    work()
    (person,) = lines("people", "export")
    assert (person["email"], person["job_title"], person["first_name"]) == ("ada@example.com", "CTO", "Secretforename")
    assert answer("quarantine", "list")["open"] == 0
    (row,) = lines("leads", "export")
    assert (row["event_id"], row["state"], row["email"]) == (parked, "settled", "ada@example.com")


def test_a_replay_runs_only_what_it_names(parked):
    capture({"fields": {"name": "Nobody"}}, source="web_form")
    work()
    assert answer("quarantine", "replay", "--source", "web_form") == {"replayed": 1, "left_out": {}}
    states = {row["source"]: row["state"] for row in lines("leads", "export")}
    assert states == {"api": "quarantined", "web_form": "pending"}
    work()
    assert answer("quarantine", "replay", "--all") == {"replayed": 2, "left_out": {}}
    assert answer("quarantine", "replay", parked) == {"replayed": 0, "left_out": {}}
    assert answer("balance")["all"]["difference"] == 0


def test_a_replayed_delivery_is_made_again():
    capture({"email": "ada@example.com"})
    work()
    deliver("rejected", code="REQUIRED_FIELD_MISSING", message="required fields are missing")
    (row,) = answer("quarantine", "list")["rows"]
    assert (row["destination"], row["code"]) == ("sandbox", "REQUIRED_FIELD_MISSING")
    assert "correct the person's data" in problem("quarantine", "fix", row["quarantine_id"], "--set", "city=X", code=1)
    assert answer("quarantine", "replay", "--reason", "REQUIRED_FIELD_MISSING") == {"replayed": 1, "left_out": {}}
    assert deliver() == 1
    assert lines("deliveries", "export")[0]["state"] == "sent"


def test_a_discarded_lead_stays_counted_and_keeps_its_why(parked):
    quarantine_id = answer("quarantine", "show", parked)["quarantine_id"]
    assert answer("quarantine", "discard", quarantine_id, "--why", "a test by the agency") == {
        "discarded": quarantine_id
    }
    assert answer("quarantine", "list")["open"] == 0
    (closed,) = answer("quarantine", "list", "--closed")["rows"]
    assert (closed["resolution"], closed["why"]) == ("discarded", "a test by the agency")
    assert answer("balance")["all"]["quarantined"] == 1
    assert "not open any more" in problem("quarantine", "discard", quarantine_id, "--why", "again", code=1)


@pytest.fixture
def shifted(database, tmp_path):
    """A row with a cell too many: whatever stands after it is in the wrong column."""
    file = tmp_path / "leads.csv"
    file.write_text("Email 1,First Name,Last Name\nada@example.org,Ada,Sample\neva@example.org,x,y,Eva\n")
    answer("import", str(file), "--source", "datablist")
    work()
    (row,) = answer("quarantine", "list")["rows"]
    assert row["code"] == "ragged_row"
    return row["quarantine_id"]


@pytest.mark.parametrize("chosen", [("--all",), ("--reason", "ragged_row"), ("--source", "datablist")])
def test_rows_with_shifted_cells_are_left_out_of_a_replay_of_many(shifted, chosen):
    assert answer("quarantine", "replay", *chosen) == {"replayed": 0, "left_out": {"ragged_row": 1}}
    done = run("quarantine", "replay", *chosen)
    assert "left out 1 rows that could not be read (1 ragged_row)" in done.stderr
    work()
    assert len(lines("people", "export")) == 1


def test_the_list_names_source_and_place_and_says_the_line_once(shifted):
    text = run("quarantine", "list").stdout
    row = " ".join(text.split())
    assert "datablist" in row
    assert "leads.csv:3" in row
    assert "line 3:" not in row
    (found,) = answer("quarantine", "list")["rows"]
    assert (found["source"], found["line"]) == ("datablist", 3)


def test_remedies_fit_the_reason(shifted, parked, tmp_path):
    file = tmp_path / "leads.jsonl"
    file.write_text('{"email": "a@example.org"}\n{"email": \n')
    answer("import", str(file), "--source", "api")
    (broken,) = answer("quarantine", "list", "--reason", "unreadable_json")["rows"]
    remedies = {one: run("quarantine", "show", one).stdout for one in (shifted, parked, broken["quarantine_id"])}
    assert "--set email=VALUE" in remedies[parked]
    assert "--as-is" not in remedies[parked]
    assert "--set FIELD=VALUE" in remedies[shifted]
    assert "--as-is" in remedies[shifted]
    assert "the file, then import it again" in remedies[broken["quarantine_id"]]
    assert "--set" not in remedies[broken["quarantine_id"]]
    assert "replay" not in remedies[broken["quarantine_id"]]


def test_one_row_with_shifted_cells_is_replayed_only_if_it_is_said_so(shifted):
    assert "--as-is" in problem("quarantine", "replay", shifted, code=1)
    assert "--as-is is for one ID" in problem("quarantine", "replay", "--all", "--as-is", code=2)
    assert answer("quarantine", "replay", shifted, "--as-is") == {"replayed": 1, "left_out": {}}


def test_a_row_with_shifted_cells_is_fixed_by_hand(shifted):
    assert answer("quarantine", "fix", shifted, "--set", "first_name=Eva")["replayed"] == 1
    work()
    assert {person["first_name"] for person in lines("people", "export")} == {"Ada", "Eva"}


@pytest.mark.long
def test_wrong_use_says_what_to_write(parked):
    assert "say what to replay" in problem("quarantine", "replay", code=2)
    assert "--all means everything" in problem("quarantine", "replay", "--all", "--source", "api", code=2)
    assert "did you mean email?" in problem("quarantine", "fix", parked, "--set", "emial=a@example.com", code=2)
    assert "write it as field=value" in problem("quarantine", "fix", parked, "--set", "email", code=2)
    assert "is not an id" in problem("quarantine", "show", "17", code=2)
    unknown = "01930000-0000-7000-8000-000000000000"
    assert "nothing in quarantine has the id" in problem("quarantine", "show", unknown, code=1)


@pytest.fixture
def refused(database):
    """Two people whom the CRM refused, and a lead without an address."""
    capture({"email": "ada@example.com"}, {"email": "bea@example.com"}, {"message": "call me"})
    work()
    deliver("rejected", code="FIELD_INTEGRITY", field="Country", message="bad value")


@pytest.mark.usefixtures("refused")
def test_what_a_crm_refused_is_listed_and_replayed_apart_from_leads():
    found = answer("quarantine", "list", "--destination", "sandbox")
    assert found["groups"] == [{"source": None, "reason": "FIELD_INTEGRITY", "count": 2, "destination": "sandbox"}]
    assert {row["reason"] for row in found["rows"]} == {"FIELD_INTEGRITY"}
    assert answer("quarantine", "list", "--field", "Country")["open"] == 2
    assert answer("quarantine", "list", "--stage", "normalize")["open"] == 1
    assert "one of" in problem("quarantine", "list", "--stage", "nowhere", code=2)
    tried = answer("quarantine", "replay", "--destination", "sandbox", "--dry-run")
    assert (tried["replayed"], tried["dry_run"]) == (2, True)
    assert answer("quarantine", "list")["open"] == 3
    assert answer("quarantine", "replay", "--destination", "sandbox")["replayed"] == 2
    assert deliver() == 2


def test_many_are_shown_in_groups_and_one_by_one_only_if_asked_for(database):
    capture(*({"message": f"call me {number}"} for number in range(12)))
    work()
    short = run("quarantine", "list").stdout
    assert len(short.splitlines()) < 8
    assert len(run("quarantine", "list", "--rows").stdout.splitlines()) > 12


def test_a_value_that_is_none_of_its_field_is_refused_and_not_kept(parked):
    told = problem("quarantine", "fix", parked, "--set", "email=notanemail", code=2)
    assert "email" in told
    assert "notanemail" not in told
    assert "wait again" in problem("quarantine", "fix", parked, "--set", "job_title=CTO", code=1)
    assert answer("quarantine", "show", parked)["has_patch"] is False


@pytest.mark.long
def test_a_fix_tells_what_became_of_the_lead_if_it_is_waited_for(parked):
    waiting = start("quarantine", "fix", parked, "--set", "email=ada@example.com", "--wait", "--json")
    try:
        deadline = time.monotonic() + 60
        while lines("leads", "export")[0]["state"] == "quarantined":
            assert time.monotonic() < deadline, "it was not replayed"
            time.sleep(0.1)
        work()
        said, _ = waiting.communicate(timeout=60)
    finally:
        waiting.kill()
    became = json.loads(said)["became"]
    assert (became["state"], became["event_id"]) == ("settled", parked)
