"""Sources of several lists: each stream and each parent has a position of its own, and none holds the others."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from connectors.kit.sources.parts import BESIDE
from pipeline.health.status import collect_status
from pipeline.inspection.polling.polled import read_states
from pipeline.intake.polls import due_polls, run_poll
from pipeline.store.engine import transaction
from tests.support.command_line import answer, problem, run, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.intake_server import stored_events
from tests.support.paged_api import PagedApi, serving_api
from tests.support.services import forget_caches
from tests.support.store_rows import states

pytestmark = pytest.mark.usefixtures("database", "redis_url")

MAPPING = """source: acme
version: 1
lead: {email: mail}
touch: {form_id: ^.parent.id, form_name: ^.parent.title}
ignored: [id, updated_at]
"""
OPTIONS = {
    "records_at": "leads",
    "event_id": "id",
    "pages": {"by": "offset", "size": 3},
    "cursor": {"param": "since", "field": "updated_at"},
}
FORMS = {
    "url": "forms/{parent}/leads",
    "parent": {"url": "forms", "records_at": "leads", "pages": {"by": "offset", "size": 2}},
}


def lead(number: int, prefix: str = "a", second: int | None = None) -> dict[str, str]:
    at = f"2026-03-01T10:00:{number if second is None else second:02d}Z"
    return {"id": f"{number}", "updated_at": at, "mail": f"{prefix}{number}@example.org"}


@pytest.fixture
def company(tmp_path, monkeypatch) -> Iterator[CompanySources]:
    yield from company_sources(tmp_path, monkeypatch)


@pytest.fixture
def api(company) -> Iterator[PagedApi]:
    with serving_api(PagedApi(most=3)) as running:
        path = company.folder / "mappings" / "sources" / "acme.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MAPPING)
        running.url = running.url.removesuffix("/leads")
        yield running


@pytest.fixture
def write(company, api):
    def write(**options: object) -> None:
        acme = {"connector": "rest_poll", "url": f"{api.url}/v2", "options": {**OPTIONS, **options}}
        crm = {"kind": "salesforce", "base_url": "http://127.0.0.1:9"}
        (company.folder / "afluente.yaml").write_text(
            json.dumps({"sources": {"acme": acme}, "destinations": {"crm": crm}})
        )
        forget_caches()

    return write


def cursors_of() -> dict[str, str | None]:
    return {state.stream: state.cursor for state in read_states("acme")}


def make_due() -> None:
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE cursors SET next_run_at = now() - interval '1 second'")


def test_two_streams_are_read_each_from_its_own_position(write, api):
    write(streams={"contacts": {"url": "contacts"}, "leads": {"url": "/v3/leads", "params": {"type": "lead"}}})
    api.lists = {
        "/v2/contacts": [lead(n, "c") for n in range(5)],
        "/v3/leads": [lead(n, "l", n + 10) for n in range(2)],
    }
    assert due_polls() == [("acme", "default", "contacts"), ("acme", "default", "leads")]
    assert [run_poll(*due).accepted for due in due_polls()] == [5, 2]
    assert {asked.query.get("type") for asked in api.asked if asked.path == "/v3/leads"} == {"lead"}
    make_due()
    for due in due_polls():
        run_poll(*due)
    assert cursors_of() == {"contacts": "2026-03-01T10:00:04Z", "leads": "2026-03-01T10:00:11Z"}


def test_true_and_false_go_out_as_the_web_writes_them_for_the_source_a_stream_and_its_parents(write, api):
    archived = {**FORMS, "params": {"archived": True}}
    archived["parent"] = {**FORMS["parent"], "params": {"deleted": False}}
    write(params={"active": True}, streams={"leads": {"url": "leads"}, "archive": archived})
    api.lists = {"/v2/leads": [lead(1)], "/v2/forms": [{"id": "f-1"}], "/v2/forms/f-1/leads": [lead(2, "f")]}
    for due in due_polls():
        assert run_poll(*due).accepted == 1
    asked = {asked.path: asked.query for asked in api.asked}
    assert asked["/v2/leads"]["active"] == "true"
    assert asked["/v2/forms"]["deleted"] == "false"
    assert asked["/v2/forms/f-1/leads"]["archived"] == "true"


def test_true_in_a_body_stays_true(write, api):
    write(method="POST", body={"archived": True}, streams={"leads": {"url": "leads"}})
    api.lists = {"/v2/leads": [lead(1)]}
    run_poll("acme", "default", "leads")
    assert api.asked[0].body["archived"] is True


def test_the_same_id_in_two_streams_is_two_records_and_in_one_stream_one(write, api):
    write(streams={"contacts": {"url": "contacts"}, "leads": {"url": "leads"}})
    api.lists = {"/v2/contacts": [lead(1, "c")], "/v2/leads": [lead(1, "l")]}
    for _ in range(2):
        for stream in ("contacts", "leads"):
            run_poll("acme", "default", stream, at_once=True)
    assert len(stored_events("acme")) == 2
    work()
    assert states() == {"settled": 2}


def test_a_stream_that_fails_does_not_hold_the_others(write, api):
    write(streams={"contacts": {"url": "contacts"}, "leads": {"url": "leads"}})
    api.lists = {"/v2/leads": [lead(1)]}
    api.broken = {"/v2/contacts"}
    told = answer("source", "poll", "acme", code=1)
    assert (told["accepted"], [stream["stream"] for stream in told["streams"]]) == (1, ["contacts", "leads"])
    assert told["error"].startswith("contacts: ")
    rows = {row["stream"]: row["last_error"] for row in answer("source", "status", "acme")}
    assert ("500" in rows["contacts"], rows["leads"]) == (True, None)
    assert "contacts" in run("source", "status", "acme").stdout


def test_one_stream_is_polled_by_hand_and_from_where_one_likes(write, api):
    write(streams={"contacts": {"url": "contacts"}, "leads": {"url": "leads"}})
    api.lists = {"/v2/contacts": [lead(1, "c")], "/v2/leads": [lead(1, "l")]}
    assert answer("source", "poll", "acme", "--stream", "leads")["accepted"] == 1
    assert {asked.path for asked in api.asked} == {"/v2/leads"}
    answer("source", "poll", "acme", "--stream", "leads", "--from", "2026-02-01T00:00:00Z")
    assert api.asked[-1].query["since"].startswith("2026-01-31")
    assert "contacts, leads" in problem("source", "poll", "acme", "--stream", "nope", code=2)
    assert "contacts, leads" in problem("source", "poll", "acme", "--from", "2026-02-01T00:00:00Z", code=2)


def forms(count: int) -> list[dict[str, str]]:
    return [{"id": f"f-{number}", "title": f"Form {number}"} for number in range(count)]


@pytest.mark.long
def test_each_form_is_read_from_a_position_of_its_own_and_its_leads_know_it(write, api):
    write(streams={"leads": FORMS})
    api.lists = {"/v2/forms": forms(5)}
    api.lists |= {f"/v2/forms/f-{n}/leads": [lead(10 * n, "f", n), lead(10 * n + 1, "f", n)] for n in range(5)}
    report = run_poll("acme", "default", "leads")
    assert (report.accepted, report.error, report.end) == (10, None, "each of its parents was read")
    assert cursors_of()["leads/f-3"] == "2026-03-01T10:00:03Z"
    work()
    assert states() == {"settled": 10}
    (event,) = [event for event in stored_events("acme") if b'"f41@' in event.envelope.body]
    assert event.envelope.origin[BESIDE]["parent"] == {"id": "f-4", "title": "Form 4"}
    make_due()
    api.lists["/v2/forms/f-2/leads"].append(lead(99, "f", 30))
    assert run_poll("acme", "default", "leads").accepted == 1


def test_a_form_that_fails_waits_alone_and_is_told(write, api):
    write(streams={"leads": FORMS})
    api.lists = {"/v2/forms": forms(3)}
    api.lists |= {f"/v2/forms/f-{n}/leads": [lead(n)] for n in range(3)}
    api.broken = {"/v2/forms/f-0/leads"}
    report = run_poll("acme", "default", "leads")
    assert (report.accepted, report.error) == (2, None)
    assert "1 of 3 could not be read" in report.notes[0]
    failing = {state.stream for state in read_states("acme") if state.last_error}
    assert failing == {"leads/f-0"}
    calls = len(api.asked)
    make_lister_due = "UPDATE cursors SET next_run_at = now() - interval '1 s' WHERE stream IN ('leads', 'leads/f-1')"
    with transaction() as connection:
        connection.exec_driver_sql(make_lister_due)
    api.broken = set()
    run_poll("acme", "default", "leads")
    assert "/v2/forms/f-0/leads" not in [asked.path for asked in api.asked[calls:]]  # its time has not come
    assert answer("source", "poll", "acme")["accepted"] == 1  # by hand it has


def test_forms_that_fail_are_one_line_of_what_is_wrong(write, api):
    write(streams={"leads": FORMS})
    api.lists = {"/v2/forms": forms(6)}
    api.lists |= {f"/v2/forms/f-{n}/leads": [lead(n)] for n in range(6)}
    api.broken = {f"/v2/forms/f-{n}/leads" for n in range(1, 6)}
    run_poll("acme", "default", "leads")
    (told,) = [problem for problem in collect_status()["problems"] if problem.startswith("source acme")]
    assert told.startswith(
        "source acme, stream leads: 5 of its 6 parents cannot be read (leads/f-1, leads/f-2, leads/f-3, …): polling"
    )
    assert "afluente source poll acme --stream leads" in told
    api.broken = {"/v2/forms/f-4/leads"}
    run_poll("acme", "default", "leads", at_once=True)
    (told,) = [problem for problem in collect_status()["problems"] if problem.startswith("source acme")]
    assert told.startswith("source acme, stream leads/f-4: polling")


def test_a_source_that_wants_to_be_left_alone_is_left_alone_by_all_its_forms(write, api):
    write(streams={"leads": FORMS})
    api.lists = {"/v2/forms": forms(3)}
    slow = (429, {"Retry-After": "600"}, b"")
    api.before = lambda asked: api.answers.append(slow) if "f-" in asked.path else None
    report = run_poll("acme", "default", "leads")
    assert ("429" in report.error, report.is_terminal) == (True, False)
    assert len([asked for asked in api.asked if "f-" in asked.path]) == 1
    assert due_polls() == []


def test_ids_that_count_within_a_form_are_told_apart_by_it(write, api):
    own = {**FORMS, "parent": {**FORMS["parent"], "own_ids": True}}
    for streams, revised in (({"leads": own}, 0), ({"leads": FORMS}, 2)):
        with transaction() as connection:
            connection.exec_driver_sql("TRUNCATE cursors, events, event_keys, event_bodies")
        write(streams=streams)
        api.lists = {"/v2/forms": forms(3)}
        api.lists |= {f"/v2/forms/f-{n}/leads": [lead(1)] for n in range(3)}
        assert run_poll("acme", "default", "leads", at_once=True).revised == revised


def test_parents_are_bounded_and_what_is_beyond_is_told(write, api):
    bounded = {**FORMS, "parent": {**FORMS["parent"], "most": 2}}
    write(streams={"leads": bounded})
    api.lists = {"/v2/forms": forms(4)}
    report = run_poll("acme", "default", "leads")
    assert "more than 2" in report.notes[0]
    assert {asked.path for asked in api.asked} == {"/v2/forms", "/v2/forms/f-0/leads", "/v2/forms/f-1/leads"}


def test_an_id_of_a_parent_that_may_be_somebodys_stands_in_clear_nowhere(write, api):
    write(streams={"leads": FORMS})
    api.lists = {"/v2/forms": [{"id": "ada@example.org/../x", "title": "Calendar"}]}
    run_poll("acme", "default", "leads")
    assert api.asked[-1].path == "/v2/forms/ada%40example.org%2F..%2Fx/leads"
    assert "ada" not in str(cursors_of())


@pytest.mark.parametrize(
    ("streams", "told"),
    [
        (
            {"leads": {"url": "https://elsewhere.example.com/x"}},
            "streams.leads.url: a stream's address is at another host",
        ),
        ({"leads": {"url": "forms/{parent}"}}, "streams.leads.url: has {parent}, and no parent is declared"),
        ({"leads": {"url": "leads", "params": {"form": "{parent}"}}}, "streams.leads: {parent} is not sent by this"),
        ({"leads": {**FORMS, "url": "leads"}}, "streams.leads.parent: its id goes nowhere"),
        ({"Leads": {"url": "leads"}}, "streams.Leads: a stream's name is lower-case"),
        ({"leads": {"url": "leads", "pages": {"by": "page", "size": 0}}}, "streams.leads.pages.size: 0 is too small"),
        ({"leads": {**FORMS, "parent": {"url": "http://elsewhere.example.com"}}}, "at another host"),
    ],
)
def test_a_wrong_stream_is_told_with_its_place(write, api, streams, told):
    write(streams=streams)
    assert told in answer("source", "status", "acme")[0]["why_not"]
    assert api.asked == []


def test_the_place_of_a_parents_id_counts_only_where_the_stream_sends_it(write, api):
    own = {**FORMS, "url": "leads"}
    write(params={"form": "{parent}"}, streams={"leads": own})
    assert answer("source", "status", "acme")[0]["why_not"] is None
    write(params={"form": "{parent}"}, streams={"leads": {**own, "params": {"status": "new"}}})
    assert "streams.leads.parent: its id goes nowhere" in answer("source", "status", "acme")[0]["why_not"]
    assert api.asked == []
