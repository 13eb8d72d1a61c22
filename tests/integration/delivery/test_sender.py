"""Delivery from PostgreSQL to a CRM over HTTP, with the CRM's faults on request."""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from connectors.sandbox.server import Sandbox
from pipeline import flow
from pipeline.access.destinations import secrets_for
from pipeline.delivery import claims, sender
from pipeline.delivery.breaker import Breaker
from pipeline.delivery.governor import Governor
from pipeline.delivery.sender import SendReport, deliver
from pipeline.delivery.shared_state import shared_redis
from pipeline.records import FieldValue, Person, Profile, new_id
from pipeline.settings.loading import settings
from pipeline.store.deliveries.deliveries import claim_deliveries, sweep_deliveries, want_deliveries
from pipeline.store.engine import count_statements, transaction
from pipeline.store.people.people import write_people
from tests.support.secret_stores import playing_vault
from tests.support.services import forget_caches


class Crm:
    """The sandbox, with the pipeline's settings pointing to it."""

    def __init__(self, sandbox: Sandbox, config: Path) -> None:
        self.address = sandbox.address
        self._config = config
        self.configure()

    def configure(self, *, tuning: dict[str, Any] | None = None, **destination: Any) -> None:
        known = {"kind": "salesforce", "base_url": self.address, "calls_per_second": 200, "burst": 50}
        document = {
            "destinations": {"crm": known | destination},
            "tuning": {"delivery_linger_seconds": 0.0} | (tuning or {}),
        }
        self._config.write_text(json.dumps(document), encoding="utf-8")
        forget_caches()

    def order(self, **faults: Any) -> None:
        self._ask("/_faults", json.dumps(faults).encode())

    def records(self) -> list[dict[str, Any]]:
        return self._ask("/_records")

    def calls(self, answer: str = "") -> int:
        found = self._ask("/_calls")["calls"]
        return sum(call["calls"] for call in found if "token" not in call["route"] and answer in call["answer"])

    def written(self) -> dict[str, int]:
        return self._ask("/_calls")["records"]

    def issue_token(self) -> str:
        form = b"grant_type=client_credentials&client_id=sandbox&client_secret=sandbox"
        return self._ask("/services/oauth2/token", form)["access_token"]

    def _ask(self, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(self.address + path, data=body)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture
def crm(database, redis_url, tmp_path, monkeypatch) -> Iterator[Crm]:
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    with Sandbox(port=0, state=tmp_path / "crm.sqlite") as sandbox:
        yield Crm(sandbox, tmp_path / "afluente.yaml")


def make_people(count: int, *, lane: str = "bulk", **fields: Any) -> list[Person]:
    """People in the store whose delivery is wanted."""
    made = []
    for number in range(count):
        known = {"email": f"person{number}@example.com", "last_name": f"Name{number}", "company": "Example"} | fields
        made.append(Person(new_id(), "default", 1, profile_of(known), is_new=True))
    with transaction() as connection:
        write_people(connection, made)
    want(made, lane)
    return made


def profile_of(fields: dict[str, Any]) -> Profile:
    now = datetime.now(UTC)
    return Profile({name: FieldValue(value, "test", new_id(), now) for name, value in fields.items()})


def want(people: list[Person], lane: str = "bulk") -> None:
    with transaction() as connection:
        want_deliveries(connection, [("crm", person.person_id, lane) for person in people])


def change(person: Person, **fields: Any) -> None:
    person.version += 1
    person.is_new = False
    person.profile.fields.update(profile_of(fields).fields)
    with transaction() as connection:
        write_people(connection, [person])
    want([person])


def rows(columns: str = "state, attempts, last_error") -> list[Any]:
    with transaction() as connection:
        return list(connection.exec_driver_sql(f"SELECT {columns} FROM deliveries"))


def states() -> dict[str, int]:
    with transaction() as connection:
        return dict(connection.exec_driver_sql("SELECT state, count(*) FROM deliveries GROUP BY state").all())


def make_due_now() -> None:
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET next_attempt_at = now() WHERE state = 'due'")


def forget_breaker() -> None:
    """As if the breaker's pause were over."""
    Breaker(shared_redis(settings().broker_url)).success("crm")


def deliver_until(done: Callable[[], bool], *, seconds: float = 30.0) -> list[SendReport]:
    """Call `deliver` as the sweep does until `done`."""
    reports = []
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not done after {seconds} s: {states()}"
        reports.append(deliver("crm", "bulk", budget_seconds=1.0))
        time.sleep(0.05)
    return reports


def test_people_reach_the_crm_in_full_batches_and_once(crm):
    people = make_people(450)
    report = deliver("crm", "bulk", budget_seconds=10)
    assert report == SendReport(sent=450)
    assert crm.calls() == 3
    assert {record["external_id"] for record in crm.records()} == {str(person.person_id) for person in people}
    assert rows("state, attempts, wanted_version, sent_version") == [("sent", 0, 1, 1)] * 450
    assert all(external_id for (external_id,) in rows("external_id"))

    assert deliver("crm", "bulk", budget_seconds=10) == SendReport()
    assert crm.calls() == 3


def test_ten_changes_of_a_person_make_one_call_with_the_last_of_them(crm):
    (person,) = make_people(1)
    for number in range(10):
        change(person, company=f"Company {number}")
    deliver("crm", "bulk", budget_seconds=5)
    assert crm.calls() == 1
    assert crm.records()[0]["fields"]["Company"] == "Company 9"


def test_a_change_during_the_call_is_sent_after_it(crm):
    (person,) = make_people(1)
    crm.order(latency_ms=400)
    sending = threading.Thread(target=deliver, args=("crm", "bulk"), kwargs={"budget_seconds": 5})
    sending.start()
    time.sleep(0.2)
    change(person, company="Newer")
    sending.join()
    assert crm.records()[0]["fields"]["Company"] == "Newer"
    assert rows("state, wanted_version, sent_version") == [("sent", 2, 2)]


def test_several_senders_at_once_send_nobody_twice(crm):
    make_people(1_500)
    senders = [threading.Thread(target=deliver, args=("crm", "bulk"), kwargs={"budget_seconds": 20}) for _ in range(4)]
    for one in senders:
        one.start()
    for one in senders:
        one.join()
    assert states() == {"sent": 1_500}
    assert crm.written() == {"written": 1_500, "created": 1_500, "changed": 0, "unchanged": 0, "rejected": 0}


def expire_leases() -> None:
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE deliveries SET lease_until = now() - interval '1 s' WHERE state = 'in_flight'"
        )
        sweep_deliveries(connection, max_attempts=12)


def test_a_sender_that_outlives_its_lease_leaves_no_older_data_over_newer(crm):
    (person,) = make_people(1, company="Older")
    crm.order(latency_ms=1500)
    late = threading.Thread(target=deliver, args=("crm", "bulk"), kwargs={"budget_seconds": 0})
    late.start()
    time.sleep(0.5)
    crm.order()
    change(person, company="Newer")
    expire_leases()
    deliver("crm", "bulk", budget_seconds=0)
    assert crm.records()[0]["fields"]["Company"] == "Newer"
    late.join()
    assert crm.records()[0]["fields"]["Company"] == "Older", "the late call came last"
    assert states() == {"due": 1}
    deliver("crm", "bulk", budget_seconds=0)
    assert crm.records()[0]["fields"]["Company"] == "Newer"
    assert rows("state, wanted_version, sent_version, attempts") == [("sent", 2, 2, 0)]


def test_a_sender_that_outlives_its_lease_while_another_calls_makes_that_one_s_answer_void(crm):
    (person,) = make_people(1, company="Older")
    crm.order(latency_ms=900)
    late = threading.Thread(target=deliver, args=("crm", "bulk"), kwargs={"budget_seconds": 0})
    late.start()
    time.sleep(0.3)
    change(person, company="Newer")
    expire_leases()
    other = threading.Thread(target=deliver, args=("crm", "bulk"), kwargs={"budget_seconds": 0})
    other.start()
    late.join()
    other.join()
    crm.order()
    assert states() == {"due": 1}
    deliver("crm", "bulk", budget_seconds=0)
    assert crm.records()[0]["fields"]["Company"] == "Newer"
    assert states() == {"sent": 1}


def test_a_sender_that_was_stopped_longer_than_its_lease_calls_nobody(crm, monkeypatch):
    make_people(5)
    stopped = [0.0]
    genuine = sender.deliveries.read_people_to_send

    def read_and_stop(*arguments):
        stopped[0] = 1_000.0
        return genuine(*arguments)

    monkeypatch.setattr(sender.deliveries, "read_people_to_send", read_and_stop)
    monkeypatch.setattr(sender, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + stopped[0]))
    deliver("crm", "bulk", budget_seconds=5)
    assert crm.calls() == 0
    assert states() == {"due": 5}
    assert {attempts for (attempts,) in rows("attempts")} == {0}


def test_records_the_crm_refuses_are_quarantined_and_the_rest_of_their_batch_is_sent(crm):
    make_people(200)
    crm.order(record_error={"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "field": "City", "rate": 0.2})
    report = deliver("crm", "bulk", budget_seconds=10)
    assert report.rejected
    assert (report.sent + report.rejected, len(crm.records())) == (200, report.sent)
    assert states() == {"sent": report.sent, "quarantined": report.rejected}
    with transaction() as connection:
        found = connection.exec_driver_sql("SELECT DISTINCT stage, code, field FROM quarantine").all()
    assert [tuple(one) for one in found] == [("deliver", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "City")]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("company", "x" * 256, "too_long"),
        ("email", "not an address", "invalid_email"),
        ("employee_count", -1, "out_of_range"),
        ("employee_count", 10**8, "too_long"),
    ],
)
def test_a_person_the_crm_would_refuse_is_quarantined_before_any_call(crm, field, value, code):
    make_people(1, **{field: value})
    assert deliver("crm", "bulk", budget_seconds=5) == SendReport(rejected=1)
    assert crm.calls() == 0
    ((state, error),) = rows("state, last_error")
    assert (state, error.partition(":")[0].split()[0]) == ("quarantined", code)
    assert str(value) not in error


def test_a_record_the_crm_cannot_take_just_now_is_tried_again_and_at_last_given_to_a_human(crm):
    crm.configure(tuning={"delivery_attempts": 3})
    make_people(1)
    crm.order(record_error={"code": "UNABLE_TO_LOCK_ROW"})
    for attempt in (1, 2):
        assert deliver("crm", "bulk", budget_seconds=2).retried == 1
        ((state, attempts, error, is_later),) = rows("state, attempts, last_error, next_attempt_at > now()")
        assert (state, attempts, is_later) == ("due", attempt, True)
        assert error.startswith("UNABLE_TO_LOCK_ROW")
        make_due_now()
    deliver("crm", "bulk", budget_seconds=2)
    assert states() == {"quarantined": 1}


def test_records_left_out_of_an_answer_are_sent_again_and_stay_single(crm):
    make_people(100)
    crm.order(short_answer=1.0)
    report = deliver("crm", "bulk", budget_seconds=3)
    assert report.retried > 0
    crm.order()
    make_due_now()
    deliver_until(lambda: states() == {"sent": 100})
    assert len(crm.records()) == 100


@pytest.mark.long
def test_an_outage_of_any_length_costs_no_delivery_an_attempt_and_ends_by_itself(crm):
    make_people(600)
    crm.order(status=500, seconds=6)
    reports = deliver_until(lambda: states() == {"sent": 600})
    assert any(report.wait_seconds > 0 for report in reports)
    assert crm.calls("500") < 30, "the breaker keeps the number of calls small"
    assert {attempts for (attempts,) in rows("attempts")} == {0}
    assert len(crm.records()) == 600


def test_after_three_failed_claims_nothing_is_claimed_until_the_breaker_s_pause_is_over(crm):
    make_people(800)
    crm.order(status=500)
    for _ in range(3):
        deliver("crm", "bulk", budget_seconds=1)
    make_due_now()
    calls = crm.calls()
    report = deliver("crm", "bulk", budget_seconds=0)
    assert 0 < report.wait_seconds <= 1
    assert crm.calls() == calls
    assert states() == {"due": 800}


@pytest.mark.parametrize("fault", ["write_then_drop", "write_then_fail", "garbled_answer"])
def test_an_answer_that_got_lost_makes_no_second_record(crm, fault):
    make_people(400)
    crm.order(**{fault: 0.5})
    deliver_until(lambda: states() == {"sent": 400}, seconds=60)
    assert len(crm.records()) == 400
    assert crm.written()["created"] == 400


@pytest.mark.long
def test_a_crm_that_limits_calls_is_called_less_often_and_no_attempt_is_lost(crm):
    crm.configure(calls_per_second=8, burst=1, batch_size=20)
    make_people(200)
    crm.order(limit_per_second=5, burst=1)
    deliver_until(lambda: states() == {"sent": 200}, seconds=60)
    assert crm.calls("over limit") <= 6
    assert Governor(shared_redis(settings().broker_url)).state("crm").factor < 1, "all workers call less often now"
    assert {attempts for (attempts,) in rows("attempts")} == {0}


def test_wrong_credentials_halt_the_destination_visibly_and_mending_them_is_enough(crm, tmp_path):
    secret = tmp_path / "token"
    secret.write_text("a token that was revoked", encoding="utf-8")
    crm.configure(secrets={"access_token": f"file:{secret}"})
    make_people(250)
    report = deliver("crm", "bulk", budget_seconds=5)
    assert report.wait_seconds == 60
    state = Breaker(shared_redis(settings().broker_url)).state("crm")
    assert state.state == "open"
    assert "token" in (state.reason or "")
    assert "revoked" not in (state.reason or "")
    assert states() == {"due": 250}
    assert {attempts for (attempts,) in rows("attempts")} == {0}
    assert sum("token" in (error or "") for (error,) in rows("last_error")) == 200
    assert deliver("crm", "bulk", budget_seconds=5).wait_seconds > 50
    assert crm.calls() == 1

    secret.write_text(crm.issue_token(), encoding="utf-8")
    forget_breaker()
    make_due_now()
    deliver_until(lambda: states() == {"sent": 250})


def test_a_token_that_was_replaced_in_its_store_is_read_again_and_halts_nobody(crm, monkeypatch):
    with playing_vault() as (vault, env):
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        vault.put("secret/crm", token="a token that was revoked")
        crm.configure(secrets={"access_token": "vault:secret/crm#token"})
        assert secrets_for(settings(), "crm")["access_token"] == "a token that was revoked"
        vault.put("secret/crm", token=crm.issue_token())
        make_people(3)
        report = deliver("crm", "bulk", budget_seconds=5)
        assert report.wait_seconds < 5
        assert Breaker(shared_redis(settings().broker_url)).state("crm").state == "closed"
        assert states() == {"due": 3}
        make_due_now()
        deliver_until(lambda: states() == {"sent": 3})
    assert {attempts for (attempts,) in rows("attempts")} <= {0, 1}


def test_a_secret_that_is_missing_halts_the_destination_and_names_the_variable(crm, monkeypatch):
    monkeypatch.delenv("CRM_TOKEN", raising=False)
    crm.configure(secrets={"access_token": "env:CRM_TOKEN"})
    make_people(1)
    assert deliver("crm", "bulk", budget_seconds=5).wait_seconds == 60
    assert "CRM_TOKEN" in (Breaker(shared_redis(settings().broker_url)).state("crm").reason or "")
    assert states() == {"due": 1}


def test_without_redis_nothing_is_claimed_or_called(crm, monkeypatch):
    make_people(1)
    monkeypatch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
    forget_caches()
    report = deliver("crm", "bulk", budget_seconds=0.2)
    assert report.wait_seconds > 0
    assert states() == {"due": 1}
    assert crm.calls() == 0


def test_redis_wiped_between_calls_changes_nothing(crm, redis_client: redis.Redis):
    crm.configure(batch_size=20)
    make_people(600)
    wiping = threading.Event()

    def wipe() -> None:
        while not wiping.wait(0.05):
            redis_client.flushall()

    thread = threading.Thread(target=wipe)
    thread.start()
    try:
        deliver_until(lambda: states() == {"sent": 600})
    finally:
        wiping.set()
        thread.join()
    assert len(crm.records()) == 600


def test_the_hot_lane_sends_at_once_and_the_bulk_lane_waits_a_moment_for_a_full_batch(crm):
    crm.configure(tuning={"delivery_linger_seconds": 0.6})
    make_people(1, lane="hot")
    make_people(1, lane="bulk")
    started = time.monotonic()
    deliver("crm", "hot", budget_seconds=5)
    assert time.monotonic() - started < 0.4
    assert states() == {"sent": 1, "due": 1}
    deliver("crm", "bulk", budget_seconds=5)
    assert 0.4 < time.monotonic() - started < 2
    assert states() == {"sent": 2}


def test_a_batch_takes_the_same_few_statements_whatever_its_size(crm):
    make_people(1)
    deliver("crm", "bulk", budget_seconds=5)  # opens what a process opens once: the writer, the blind index
    counts = []
    for size in (2, 200):
        make_people(size)
        with count_statements() as seen:
            deliver("crm", "bulk", budget_seconds=5)
        counts.append(seen.count)
    # Look for jobs, claim, read and record the batch, then a claim that finds nothing; two of them say SET LOCAL. Of
    # who is new there one more asks which record the CRM had before.
    assert counts[0] == counts[1] <= 9, seen.statements


def test_no_transaction_is_open_while_the_crm_is_called(crm):
    make_people(5)
    crm.order(latency_ms=500)
    sending = threading.Thread(target=deliver, args=("crm", "bulk"), kwargs={"budget_seconds": 5})
    sending.start()
    time.sleep(0.3)
    with transaction() as connection:
        open_ones = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND xact_start IS NOT NULL"
        ).scalar_one()
    assert states() == {"in_flight": 5}, "the call is under way"
    assert open_ones == 0
    sending.join()


def test_a_bug_in_one_person_s_path_stops_nobody_else_and_ends_in_quarantine_with_its_place(crm, monkeypatch):
    crm.configure(tuning={"delivery_attempts": 2})
    culprit = make_people(1)[0]
    make_people(20)
    genuine = claims.map_person

    def stumble(mapping, person_id, values, attribution, **known):
        if person_id == culprit.person_id:
            raise KeyError(values["email"])
        return genuine(mapping, person_id, values, attribution, **known)

    monkeypatch.setattr(claims, "map_person", stumble)
    assert deliver("crm", "bulk", budget_seconds=5) == SendReport(sent=20, retried=1)
    make_due_now()
    deliver("crm", "bulk", budget_seconds=5)
    assert states() == {"sent": 20, "quarantined": 1}
    with transaction() as connection:
        ((code, message),) = connection.exec_driver_sql("SELECT code, message FROM quarantine").all()
    assert code == "bug"
    assert message.startswith("KeyError at ")
    assert "@" not in message


def test_a_look_that_finds_nothing_due_uses_up_neither_the_quota_nor_the_probe(crm):
    crm.configure(calls_per_second=0.01, burst=1)
    client = shared_redis(settings().broker_url)
    Breaker(client, failures_to_open=1, first_pause_seconds=0.1).failure("crm", "answered 500")
    time.sleep(0.1)
    for lane in ("hot", "bulk", "hot"):
        assert deliver("crm", lane, budget_seconds=0.1) == SendReport()
    make_people(1)
    assert deliver("crm", "bulk", budget_seconds=0.1).sent == 1


def test_a_destination_that_has_to_wait_long_does_not_hold_up_the_process(crm):
    make_people(1)
    Governor(shared_redis(settings().broker_url)).slow_down("crm", retry_after=8)
    started = time.monotonic()
    report = deliver("crm", "bulk", budget_seconds=10)
    assert time.monotonic() - started < 1
    assert 7 < report.wait_seconds <= 8


@pytest.mark.long
def test_a_sender_killed_in_the_middle_of_a_call_leaves_no_trace_but_a_delay(crm):
    make_people(100)
    crm.order(latency_ms=1500)
    victim = multiprocessing.get_context("spawn").Process(
        target=deliver, args=("crm", "bulk"), kwargs={"budget_seconds": 5}
    )
    victim.start()
    deadline = time.monotonic() + 20
    while states() != {"in_flight": 100}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    victim.kill()
    victim.join()
    assert deliver("crm", "bulk", budget_seconds=1) == SendReport(), "its claim still holds"
    crm.order()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET lease_until = now() - interval '1 second'")
        sweep_deliveries(connection, max_attempts=12)
    deliver_until(lambda: states() == {"sent": 100})
    assert len(crm.records()) == 100
    assert crm.written()["created"] == 100


def test_a_person_whose_sender_is_lost_as_often_as_the_setting_allows_is_given_to_a_human(crm):
    crm.configure(tuning={"delivery_attempts": 2})
    make_people(1)
    assert [lose_a_sender(), lose_a_sender()] == [{"due": 1}, {"quarantined": 1}]
    with transaction() as connection:
        ((code, message),) = connection.exec_driver_sql("SELECT code, message FROM quarantine").all()
    assert code == "sender_lost"
    assert "2 times" in message


def test_a_person_whose_sender_is_lost_more_often_than_is_usual_stays_due_where_the_setting_allows_it(crm):
    crm.configure(tuning={"delivery_attempts": 15})
    make_people(1)
    assert [lose_a_sender() for _ in range(15)] == [{"due": 1}] * 14 + [{"quarantined": 1}]


def lose_a_sender() -> dict[str, int]:
    """A claim whose lease runs out unanswered, and the sweep that finds it; gives the states afterwards."""
    with transaction() as connection:
        claim_deliveries(connection, "crm", "bulk", limit=10, lease_seconds=-1)
    flow.sweep()
    return states()


def test_a_destination_that_is_unknown_or_switched_off_is_left_alone(crm):
    make_people(1)
    assert deliver("another", "bulk", budget_seconds=1) == SendReport()
    crm.configure(enabled=False)
    assert deliver("crm", "bulk", budget_seconds=1) == SendReport()
    assert states() == {"due": 1}


def test_a_sender_out_of_time_says_that_more_is_due(crm):
    make_people(500)
    report = deliver("crm", "bulk", budget_seconds=0)
    assert (report.sent, report.more_due) == (200, True)


@pytest.mark.long
def test_two_lanes_use_a_crm_s_whole_quota_and_are_hardly_ever_refused(crm):
    rate = 25
    crm.configure(calls_per_second=rate, burst=5, batch_size=1)
    crm.order(limit_per_second=rate, burst=10)
    make_people(200, lane="bulk")
    make_people(20, lane="hot")
    ends: dict[str, float] = {}

    def send(lane: str) -> None:
        while deliver("crm", lane, budget_seconds=2).sent:
            ends[lane] = time.monotonic()

    started = time.monotonic()
    lanes = [threading.Thread(target=send, args=(lane,)) for lane in ("bulk", "bulk", "hot")]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    assert states() == {"sent": 220}
    assert crm.calls("over limit") == 0
    # Its whole share of time is docs/decisions/0011-governor.md's: a machine on which more runs takes some of it.
    assert 220 / (max(ends.values()) - started) > 0.8 * rate
    assert ends["hot"] - started < 2, "the hot lane's turns come first"
