"""Polled records and lines of JSON files: stored as they came, prepared when they are mapped, read with their page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import orjson
import pytest

from pipeline.intake.files.reading import open_rows
from pipeline.intake.polls import run_poll
from tests.support.command_line import answer, lines, run, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.http_server import Answered, Call, serving_http
from tests.support.intake_server import quarantined, stored_events
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database", "redis_url")

ANSWER = {
    "campaign": {"name": "Spring"},
    "next": "token-2",
    "transcript": "x" * 9_000,
    "leads": [{"id": "1", "contact": {"mail": "ada@example.org"}}, {"id": "2", "contact": {"mail": "bo@example.org"}}],
}
SAID = """intake=Poll(url="http://127.0.0.1:1/feed", records_at="leads", cursor=Cursor(param="after", field="id")),
    event_id="id", prepare=prepare"""
MAPPING = "lead: {email: mail}\ntouch: {campaign_name: ^.campaign.name}\nignored: [id, contact]\n"
WRONG = "def prepare(record):\n    return {**record, 'mail': record['contact']['male']}"
RIGHT = "def prepare(record):\n    return {**record, 'mail': record['contact']['mail']}"


@pytest.fixture
def company(tmp_path, monkeypatch) -> Iterator[CompanySources]:
    yield from company_sources(tmp_path, monkeypatch)


@pytest.fixture
def feed(company) -> Iterator[str]:
    def answered(call: Call) -> Answered:
        return 200, {}, orjson.dumps(ANSWER if "after" not in call.path else ANSWER | {"leads": []})

    with serving_http(answered) as address:
        (company.folder / "afluente.yaml").write_text(f"sources: {{feed: {{url: '{address}/feed'}}}}\n")
        forget_caches()
        yield f"{address}/feed"


def test_a_fault_in_prepare_stops_no_poll_and_is_mended_by_a_replay(company, feed):
    company.declare("feed", SAID, MAPPING, before=WRONG)
    report = run_poll("feed", "default")
    assert (report.accepted, report.error) == (2, None)
    assert [json.loads(event.envelope.body) for event in stored_events("feed")] == ANSWER["leads"]
    work()
    assert {code for code, _ in quarantined("feed")} == {"prepare_failed"}
    company.declare("feed", SAID, MAPPING, before=RIGHT)
    run("quarantine", "replay", "--all")
    work()
    rows = [(row["state"], row["email"]) for row in lines("leads", "export", "--source", "feed")]
    assert rows == [("settled", "ada@example.org"), ("settled", "bo@example.org")]


def test_what_stands_beside_a_polled_list_can_be_mapped_and_is_nobody_to_decide_about(company, feed):
    company.declare("feed", SAID, MAPPING, before=RIGHT)
    run_poll("feed", "default")
    work()
    told = [answer("explain", row["event_id"]) for row in lines("leads", "export", "--source", "feed")]
    touched = [{row["field"]: row["normalized"] for row in story["fields"]}.get("campaign_name") for story in told]
    assert touched == ["Spring", "Spring"]
    assert [row["custom"] for row in lines("leads", "export", "--source", "feed")] == [{}, {}]
    assert "^" not in str(answer("mapping", "drift"))
    origin = stored_events("feed")[0].envelope.origin
    assert origin["^"] == {"campaign": {"name": "Spring"}, "next": "token-2"}, "the long text is not kept twice over"


def test_phones_of_a_json_file_are_looked_at_as_prepare_gives_them(company, tmp_path):
    prepare = "def prepare(record):\n    return {**record, 'phone': record['contact']['phone']}"
    company.declare("rows", "intake=Webhook(), prepare=prepare", "lead: {email: mail, phone: phone}\n", before=prepare)
    file = tmp_path / "leads.jsonl"
    leads = [{"mail": "ada@example.org", "contact": {"phone": phone}} for phone in ("612345678", "+34915550143")]
    file.write_bytes(b"\n".join(map(orjson.dumps, leads)))
    notes = open_rows(file, source="rows", brand="default").notes
    assert (notes.phones_seen, notes.phones_without_country) == (2, 1)


def test_lines_of_a_json_file_are_stored_as_they_came_and_prepared_when_mapped(company, tmp_path):
    company.declare("rows", 'intake=Webhook(), prepare=prepare, event_id="id"', "lead: {email: mail}\n", before=WRONG)
    file = tmp_path / "leads.jsonl"
    file.write_bytes(b"\n".join(orjson.dumps(lead) for lead in ANSWER["leads"]))
    assert run("import", str(file), "--source", "rows").returncode == 0
    work()
    assert {code for code, _ in quarantined("rows")} == {"prepare_failed"}
    company.declare("rows", 'intake=Webhook(), prepare=prepare, event_id="id"', "lead: {email: mail}\n", before=RIGHT)
    run("quarantine", "replay", "--all")
    work()
    rows = [(row["state"], row["email"]) for row in lines("leads", "export", "--source", "rows")]
    assert rows == [("settled", "ada@example.org"), ("settled", "bo@example.org")]
