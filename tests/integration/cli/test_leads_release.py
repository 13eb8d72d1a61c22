"""`afluente leads release` through the real command line: what a rule took for a test or spam, and was real."""

from __future__ import annotations

import pytest

from pipeline.records import new_id
from pipeline.store.engine import transaction
from tests.support.command_line import answer, capture, lines, problem, run, work

pytestmark = pytest.mark.usefixtures("database")

LINKS = " ".join(f"https://shop{number}.example/" for number in range(6))
REAL = {"email": "ada@example.com", "full_name": "Ada Sample", "message": LINKS}


def states() -> dict[str, str]:
    return {row["event_id"]: row["state"] for row in lines("leads", "export")}


def suppressed(record, source: str = "api") -> str:
    (event_id,) = capture(record, source=source)
    work()
    assert states()[str(event_id)] == "suppressed"
    return str(event_id)


@pytest.mark.long
@pytest.mark.parametrize(
    ("record", "source", "reason", "by"),
    [
        (REAL, "api", "spam", "by the rule link_stuffed"),
        ({"email": "test@acme.example"}, "api", "test", "by the rule test_lead"),
        ({"fields": {"email": "ada@example.com"}, "hp": "x"}, "web_form", "spam", "by its source's mapping"),
        ({"email": "ada@example.com", "is_test": True}, "api", "test", "by its source's mapping"),
    ],
)
def test_a_suppressed_lead_says_why_and_goes_on_when_released(record, source, reason, by):
    event_id = suppressed(record, source)
    assert f"suppressed: {reason}, {by}" in run("explain", event_id).stdout

    assert answer("leads", "release", event_id, "--why", "their own form")["reason"] == reason
    assert states()[event_id] == "pending"
    work()

    assert states()[event_id] == "settled"
    assert len(lines("people", "export")) == 1
    (kept,) = answer("explain", event_id)["quarantine"]
    assert (kept["code"], kept["resolution"], kept["why"]) == ("released", "replayed", "their own form")
    assert answer("balance")["all"]["difference"] == 0
    assert answer("quarantine", "list")["open"] == 0


def test_a_released_lead_is_not_suppressed_by_a_later_run_either():
    event_id = suppressed(REAL)
    run("leads", "release", event_id, "--why", "real")
    work()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE events SET state = 'pending', claim = NULL")
    work()
    assert states()[event_id] == "settled"
    assert len(lines("people", "export")) == 1
    (row,) = lines("leads", "export")
    assert "link_stuffed" in row["flags"]["message"]


def test_a_released_lead_that_nobody_can_be_found_by_waits_in_quarantine():
    event_id = suppressed({"full_name": "Test Test"})
    run("leads", "release", event_id, "--why", "real")
    work()
    assert states()[event_id] == "quarantined"
    assert answer("quarantine", "list")["groups"] == [
        {"source": "api", "destination": None, "reason": "nothing_to_identify", "count": 1}
    ]


@pytest.mark.long
def test_releasing_twice_releases_once():
    event_id = suppressed(REAL)
    run("leads", "release", event_id, "--why", "real")
    assert "is pending, not suppressed" in problem("leads", "release", event_id, "--why", "real", code=1)
    work()
    assert "is settled, not suppressed" in problem("leads", "release", event_id, "--why", "real", code=1)


def test_what_a_rule_quarantined_is_released_as_well():
    event_id = suppressed(REAL)
    with transaction() as connection:  # as it would stand under `link_stuffed: {severity: quarantine}`
        connection.exec_driver_sql("UPDATE events SET state = 'quarantined', reason = NULL")
        connection.exec_driver_sql(
            "INSERT INTO quarantine (quarantine_id, event_id, brand, source, stage, code, message)"
            " VALUES (%s, %s, 'default', 'api', 'normalize', 'link_stuffed', 'x')",
            (new_id(), event_id),
        )
    assert answer("leads", "release", event_id, "--why", "real")["released"] == event_id
    work()
    assert states()[event_id] == "settled"
    assert answer("quarantine", "list")["open"] == 0


def test_only_what_a_rule_may_be_mistaken_about_can_be_released():
    (nobody,) = capture({"message": "call me"})
    erased = suppressed(REAL)
    work()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE events SET reason = 'erased' WHERE state = 'suppressed'")
    assert "only these can be released: test, spam, unknown_person" in problem(
        "leads", "release", erased, "--why", "x", code=1
    )
    assert "is quarantined: `afluente quarantine show" in problem("leads", "release", str(nobody), "--why", "x", code=1)
    assert "no event has the id" in problem("leads", "release", str(new_id()), "--why", "x", code=1)
    assert "--why needs a text" in problem("leads", "release", erased, "--why", " ", code=2)
    assert set(states().values()) == {"suppressed", "quarantined"}
