"""`afluente destination adopt` and `pairs`, and reviews of whom only a CRM knows, as they are typed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.command_line import answer, capture, problem, run, work
from tests.support.crm_before_us import Known, SandboxBefore, lead, people_of, sandbox_before


@pytest.fixture
def crm(database, redis_url, tmp_path, monkeypatch) -> Iterator[SandboxBefore]:
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    with sandbox_before(tmp_path, "salesforce") as before:
        yield before


@pytest.mark.long
def test_what_is_there_is_counted_and_a_second_run_says_the_same(crm):
    crm.fill(people_of(6, 2))
    capture(lead(0), lead(4))
    work()
    said = {
        "destination": "crm",
        "dry_run": False,
        "records": 8,
        "keyed": 0,
        "recognized": 3,
        "strangers": 5,
        "pairs": 2,
        "changed": 0,
        "pages": 1,
    }
    assert answer("destination", "adopt", "crm", "--dry-run") == {**said, "dry_run": True, "pairs": 1}
    assert answer("destination", "adopt", "crm") == said
    assert answer("destination", "adopt", "crm") == said
    done = run("destination", "adopt", "crm")
    assert done.returncode == 0
    assert "3 are of people whose leads are here" in done.stdout
    assert "2 people have several records there: `afluente destination pairs crm`" in done.stderr + done.stdout


@pytest.mark.long
def test_pairs_name_the_record_that_is_written_to_and_the_others(crm):
    crm.fill(people_of(2, 1))
    assert answer("destination", "pairs", "crm") == {"destination": "crm", "people": 0, "pairs": []}
    answer("destination", "adopt", "crm")
    (pair,) = answer("destination", "pairs", "crm")["pairs"]
    first, second = pair["crm_ids"]
    assert (first < second, pair["has_leads"]) == (True, False)
    table = run("destination", "pairs", "crm").stdout
    assert first in table
    assert second in table


def test_a_doubtful_record_is_named_in_the_reviews(crm):
    crm.fill([Known("Ada", "Brandt", phone="+49 30 23125001")])
    answer("destination", "adopt", "crm")
    capture({"full_name": "Ada Sol", "phone": "+49 30 23125001", "external_id": "a"})
    work()
    (record,) = crm.records()
    shown = run("people", "review", "list").stdout
    assert f"crm {record}" in " ".join(shown.split())
    assert "Ada Sol" in shown


def test_a_name_that_is_no_destination_is_refused(crm):
    assert "there is no destination 'crn'" in problem("destination", "adopt", "crn", code=2)
    assert "known: crm" in problem("destination", "pairs", "crn", code=2)
