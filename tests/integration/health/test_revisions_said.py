"""What a record said before and says now is told: of each event, of the person, and where an id may be none."""

from __future__ import annotations

import pytest

from pipeline.health.service_checks import check_revisions
from pipeline.health.status import collect_status
from pipeline.inspection.stories import tell_story
from pipeline.store.engine import transaction
from tests.support.command_line import answer, capture, run, work

pytestmark = pytest.mark.usefixtures("database", "redis_url")


def lead(number: int) -> dict[str, str]:
    return {"external_id": "p-1", "email": f"ada{number}@sample.example", "full_name": "Ada Sample"}


def test_each_event_of_a_record_tells_the_whole_chain():
    first, second, third = capture(lead(1), lead(2), lead(3))
    work()
    with transaction() as connection:
        stories = [tell_story(connection, event) for event in (first, second, third)]
        person = tell_story(connection, stories[2].person_id)
    for story in stories:
        assert [(revision.event_id, revision.revises, revision.superseded_by) for revision in story.revisions] == [
            (first, None, third),
            (second, first, third),
            (third, second, None),
        ]
    assert stories[0].idempotency[0].revisions == 2
    assert [event.event_id for event in person.events] == [first, second, third]
    shown = run("explain", str(first)).stdout
    assert f"event {third} took the place of this one" in shown
    assert answer("balance")["all"]["revised"] == 2
    assert "revised" in run("balance").stdout


def test_an_id_that_comes_with_ever_other_content_is_a_problem():
    capture(*map(lead, range(5)))
    assert not list(check_revisions())
    assert not any("different contents" in problem for problem in collect_status()["problems"])
    capture(lead(5))
    (check,) = check_revisions()
    assert (check.ok, check.detail) == (False, "one id came with 6 different contents")
    (problem,) = [problem for problem in collect_status()["problems"] if "different contents" in problem]
    assert problem.startswith("source api: one id came with 6 different contents; ")


def test_a_record_that_has_one_content_tells_of_no_revisions():
    (first,) = capture(lead(1))
    work()
    assert "Revisions" not in run("explain", str(first)).stdout
    assert "revised" not in run("balance").stdout
