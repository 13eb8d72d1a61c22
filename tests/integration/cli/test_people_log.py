"""`afluente people log` through the real command line, and how many pairs of people wait for a human."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from pipeline.health.metrics import collect_gauges
from pipeline.store.engine import transaction
from pipeline.store.identity.identity_log import stream_log
from pipeline.store.identity.people_moves import Change, log_changes
from tests.support.command_line import answer, problem, run
from tests.support.identity_rows import leads, rows

pytestmark = pytest.mark.usefixtures("database")

ADA = {"full_name": "Ada Sample", "email": "ada@example.com"}
BEA = {"full_name": "Bea Muster", "email": "bea@muster.example"}
MARRIED = [
    {"full_name": "Ada Sample", "phone": "+34 612 345 001"},
    {"full_name": "Ada Muster", "phone": "+34 612 345 001"},
]
KINDS = ["merged", "split", "joined", "parted", "accepted", "rejected", "duplicate", "rerouted"]


def logged(*arguments: str) -> list[dict]:
    done = run("people", "log", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def note(action: str, number: int, *, at: datetime | None = None, brand: str = "default") -> None:
    with transaction() as connection:
        log_changes(connection, [Change(brand, action, UUID(int=number), None, "rules")])
        if at is not None:
            connection.exec_driver_sql("UPDATE identity_log SET at = %s WHERE person_id = %s", (at, UUID(int=number)))


def numbers(*arguments: str) -> list[int]:
    return [UUID(line["person_id"]).int for line in logged(*arguments)]


def test_what_happened_is_told_across_people_newest_first_with_what_a_human_typed():
    ada, bea = map(str, leads(ADA, BEA))
    run("people", "merge", ada, bea, "--by", "vera", "--why", "one desk")
    run("people", "unmerge", ada, "--by", "carl")
    leads({**ADA, "city": "Berlin"})
    found = logged()
    told = ("action", "person_id", "other_id", "decided_by", "why")
    assert [tuple(line[name] for name in told) for line in found] == [
        ("duplicate", ada, None, "rules", None),
        ("parted", ada, None, "carl", None),
        ("split", ada, bea, "carl", None),
        ("joined", ada, bea, "vera", "one desk"),
        ("merged", ada, bea, "vera", None),
    ]  # fmt: skip
    assert list(found[0]) == ["id", "at", "brand", "action", "person_id", "other_id", "event_id", "decided_by", "why"]
    assert (found[0]["brand"], found[0]["event_id"] is None) == ("default", False)
    assert datetime.fromisoformat(found[0]["at"]).tzinfo is not None
    shown = run("people", "log").stdout
    title, _, *body = shown.splitlines()
    assert title.split() == ["at", "action", "person", "other", "event", "decided_by", "why"]
    assert [line.split()[1] for line in body] == ["duplicate", "parted", "split", "joined", "merged"]
    assert "one desk" in shown


@pytest.mark.parametrize(("word", "expected"), [("accept", ["accepted", "merged"]), ("reject", ["rejected"])])
def test_an_answered_review_is_one_line_beside_what_it_did(word, expected):
    ada, other = map(str, leads(*MARRIED))
    number = str(answer("people", "review", "list")["reviews"][0]["review"])
    run("people", "review", word, number, "--by", "vera", "--why", "asked them")
    found = logged()
    assert [line["action"] for line in found] == expected
    assert [line["why"] for line in found] == ["asked them", None][: len(found)]
    assert {(line["person_id"], line["other_id"], line["decided_by"]) for line in found} == {(ada, other, "vera")}


@pytest.mark.short(5)
@pytest.mark.parametrize(("since", "expected"), [
    ("30m", [1]),
    ("90m", [1, 2]),
    ("24h", [1, 2, 3]),
    ("7d", [1, 2, 3, 4]),
    ("2w", [1, 2, 3, 4, 5]),
    ("0h", []),
    (" 24h ", [1, 2, 3]),
    ("2020-03-01", [1, 2, 3, 4, 5, 6]),
    ("2020-03-01T08:00", [1, 2, 3, 4, 5, 6]),
    ("2020-03-01T08:00:01", [1, 2, 3, 4, 5]),
    ("2020-03-01T08:00Z", [1, 2, 3, 4, 5, 6]),
    ("2020-03-01T09:00+01:00", [1, 2, 3, 4, 5, 6]),
    ("2020-03-01T08:00-01:00", [1, 2, 3, 4, 5]),
    ("2020-03-02", [1, 2, 3, 4, 5]),
    ("0001-01-01T00:00+14:00", [1, 2, 3, 4, 5, 6]),
    ("9999-12-31", []),
])  # fmt: skip
def test_it_begins_when_asked(since, expected):
    now = datetime.now(UTC)
    for number, ago in enumerate(({"minutes": 5}, {"hours": 1}, {"hours": 20}, {"days": 6}, {"days": 13}), start=1):
        note("duplicate", number, at=now - timedelta(**ago))
    note("duplicate", 6, at=datetime(2020, 3, 1, 8, tzinfo=UTC))
    assert numbers("--since", since) == expected


@pytest.mark.parametrize(
    "since", ["", "yesterday", "24", "h", "-1h", "1.5h", "24 h", "24H", "٣h", "2026-13-01", "1y", "5e3h"]
)
def test_a_time_that_is_none_is_wrong_use(since):
    said = problem("people", "log", f"--since={since}", code=2)
    assert f"--since {since!r} is not a time; write it as 24h, 7d, 2026-03-01" in said


def test_a_time_before_all_time_is_wrong_use():
    assert "--since '999999999w' is before all time" in problem("people", "log", "--since", "999999999w", code=2)


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_alone_can_be_asked_for(kind):
    for number, other in enumerate(KINDS):
        note(other, number)
    assert [line["action"] for line in logged("--action", kind)] == [kind]


def test_several_kinds_can_be_asked_for_together_with_a_time_and_a_number():
    for number in range(9):
        note(("merged", "split", "duplicate")[number % 3], number)
    asked = ("--action", "merged", "--action", "split", "--since", "1h")
    assert numbers(*asked) == [7, 6, 4, 3, 1, 0]
    assert numbers(*asked, "--limit", "2") == [7, 6]


def test_an_unknown_kind_an_unknown_brand_and_an_impossible_number_are_wrong_use():
    assert run("people", "log", "--action", "married").returncode == 2
    for limit in ("0", "many", "9" * 30):
        assert run("people", "log", "--limit", limit).returncode == 2
    assert "there is no brand 'nope'; known: default" in problem("people", "log", "--brand", "nope", code=2)


def test_a_brand_is_told_of_alone():
    note("merged", 1)
    note("merged", 2, brand="other")
    assert numbers("--brand", "default") == [1]
    assert numbers() == [2, 1]


@pytest.mark.long
def test_a_table_ends_and_says_that_there_is_more_and_json_tells_all():
    with transaction() as connection:
        log_changes(connection, [Change("default", "merged", UUID(int=one), None, "rules") for one in range(1_200)])
    shown = run("people", "log").stdout.splitlines()
    assert len(shown) == 2 + 50 + 1
    assert shown[-1] == "There is more: see it with --limit 100, or all of it with --json"
    assert len(run("people", "log", "--limit", "1200").stdout.splitlines()) == 2 + 1_200
    assert numbers() == list(reversed(range(1_200)))


def test_nothing_is_said_to_be_nothing():
    assert run("people", "log").stdout == "Nothing happened.\n"
    assert run("people", "log", "--json").stdout == ""


def test_the_log_is_read_along_an_index_in_pieces_and_never_sorted():
    with transaction() as connection:
        log_changes(connection, [Change("default", "merged", UUID(int=one), None, "rules") for one in range(1_200)])
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        found = stream_log(connection, since=datetime(2026, 3, 1, tzinfo=UTC), limit=1_000)
        assert next(found)["person_id"].int == 1_199
        (statement,) = connection.exec_driver_sql("SELECT statement FROM pg_cursors").scalars()
        found.close()
        select = statement[statement.index("SELECT") :]
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {select}").scalars())
    assert "Index Scan Backward using identity_log_at" in plan
    assert "Sort" not in plan


@pytest.mark.long
@pytest.mark.usefixtures("redis_url")
def test_status_and_metrics_count_the_pairs_that_wait_as_the_list_does():
    assert waiting() == (0, 0, 0)
    assert "may be one" not in run("status").stdout
    ada, other = leads(*MARRIED)
    assert waiting() == (1, 1, 1)
    assert "1 pair of people may be one: say it with `afluente people review list`" in run("status").stdout
    leads(*({"full_name": f"Bea {name}", "phone": "+34 612 345 002"} for name in ("Sample", "Muster")))
    assert waiting() == (2, 2, 2)
    assert "2 pairs of people may be one" in run("status").stdout
    run("people", "merge", str(ada), str(other))
    assert waiting() == (1, 1, 1)
    number = str(answer("people", "review", "list")["reviews"][0]["review"])
    run("people", "review", "reject", number)
    assert waiting() == (0, 0, 0)


@pytest.mark.usefixtures("redis_url")
def test_a_pair_that_a_human_keeps_apart_does_not_wait_although_its_row_is_there_still():
    leads(*MARRIED)
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO identity_decisions (one, other, same, decision_id, brand, decided_by)"
            " SELECT least(one, other), greatest(one, other), false, gen_random_uuid(), brand, 'carl'"
            " FROM identity_reviews"
        )
    assert rows("SELECT count(*) FROM identity_reviews") == [(1,)]
    assert answer("status")["reviews_waiting"] == 0
    assert waiting() == (0, 0, 0)


def waiting() -> tuple[int, int, int]:
    """Pairs of people for a human: by status, by metrics, and by the list itself."""
    status = answer("status")["reviews_waiting"]
    (gauge,) = (one for one in collect_gauges() if one.name == "afluente_reviews_waiting")
    (sample,) = gauge.samples
    return status, int(sample.value), answer("people", "review", "list")["waiting"]
