"""Posts that got lost: a source is asked what it has posted, and what is missing comes in once, whatever comes when."""

from __future__ import annotations

import json
import threading
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.inspection.polling.reconciled import read_completeness
from pipeline.inspection.stories import tell_event
from pipeline.intake.arrivals import JSON
from pipeline.intake.bodies import events_of_body
from pipeline.intake.contents import store_events
from pipeline.intake.instances import SourceBook
from pipeline.intake.posted.read_bodies import ReadBody
from pipeline.intake.posted.records import read_posted
from pipeline.intake.reconciling.runs import due_reconciles, run_reconcile
from pipeline.settings.loading import settings
from pipeline.store.engine import count_statements, transaction
from pipeline.tasks import reconcile_source
from tests.support.command_line import answer, work
from tests.support.intake_server import Receiver, count_events, running_receiver, stored_events
from tests.support.listed_posts import TypeformApi, days_ago, listing, make_due
from tests.support.posted_sources import post
from tests.support.store_rows import states
from tests.support.watching import wait_until

pytestmark = pytest.mark.usefixtures("database", "redis_url")
SOURCE = "typeform"


@pytest.fixture
def typeform(database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TypeformApi]:
    api = TypeformApi(most=3)
    with listing(api, SOURCE, tmp_path, monkeypatch):
        yield api


@pytest.fixture
def receiver(typeform: TypeformApi) -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


def reconcile():
    report = run_reconcile(SOURCE, "default", at_once=True)
    assert report.poll.error is None
    return report.poll


def counted(days: int = 1) -> tuple[int, int, int]:
    """What is known of that day: expected, received, recovered."""
    day = days_ago(days).date()
    (row,) = [row for row in read_completeness(SOURCE, since=day) if row.day == day]
    return row.expected, row.received, row.recovered


def deliver(receiver: Receiver, typeform: TypeformApi, *responses: dict) -> None:
    for response in responses:
        assert post(receiver, SOURCE, typeform.post_of(response)).status_code == 200


def test_what_got_lost_comes_in_and_what_came_is_left_alone(typeform: TypeformApi, receiver: Receiver) -> None:
    came, lost = [typeform.respond() for _ in range(5)], [typeform.respond() for _ in range(2)]
    deliver(receiver, typeform, *came)
    assert due_reconciles() == [(SOURCE, "default")]
    report = reconcile()
    assert (report.accepted, report.repeated) == (2, 5)
    assert counted() == (7, 5, 2)
    assert counted(2) == (0, 0, 0)
    work()
    assert states() == {"settled": 7}
    bodies = b"".join(event.envelope.body for event in stored_events(SOURCE))
    assert all(response["token"].encode() in bodies for response in lost)
    assert due_reconciles() == []


def test_what_was_found_is_still_told_apart_from_what_came_when_asked_again(
    typeform: TypeformApi, receiver: Receiver
) -> None:
    deliver(receiver, typeform, typeform.respond())
    typeform.respond()
    for _ in range(3):
        reconcile()
    assert counted() == (2, 1, 1)
    assert count_events(SOURCE) == 2


def test_a_recovered_lead_reads_as_if_it_had_been_posted(typeform: TypeformApi, receiver: Receiver) -> None:
    typeform.respond()
    reconcile()
    (event,) = stored_events(SOURCE)
    assert event.envelope.origin["via"] == "reconcile"
    with transaction() as connection:
        told = tell_event(connection, event.event_id)
        (is_unproven,) = connection.exec_driver_sql("SELECT unproven FROM events").one()
    assert told is not None
    assert "read by Afluente itself" in (told.verification or "")
    assert not is_unproven
    assert b"Where may we write to?" in event.envelope.body  # the titles of its questions, of the form itself
    work()
    assert states() == {"settled": 1}


def test_a_post_that_comes_after_its_recovery_is_no_second_event(typeform: TypeformApi, receiver: Receiver) -> None:
    response = typeform.respond()
    reconcile()
    for _ in range(2):
        deliver(receiver, typeform, response)
    assert count_events(SOURCE) == 1
    reconcile()
    assert counted() == (1, 0, 1)
    work()
    assert states() == {"settled": 1}


def test_what_a_source_changes_after_its_late_post_is_a_revision(typeform: TypeformApi, receiver: Receiver) -> None:
    response = typeform.respond()
    reconcile()
    deliver(receiver, typeform, response)
    response["answers"][0]["email"] = "changed@example.org"
    deliver(receiver, typeform, response)
    assert count_events(SOURCE) == 2
    work()
    assert states() == {"settled": 1, "suppressed": 1}


def test_what_is_here_is_not_stored_again_though_the_list_words_it_differently(
    typeform: TypeformApi, receiver: Receiver
) -> None:
    response = typeform.respond()
    deliver(receiver, typeform, response)
    response["answers"][0]["email"] = "corrected@example.org"
    assert reconcile().accepted == 0
    assert count_events(SOURCE) == 1
    assert counted() == (1, 1, 0)


def test_a_post_and_a_reading_at_once_are_one_event(typeform: TypeformApi, receiver: Receiver) -> None:
    responses = [typeform.respond() for _ in range(12)]
    begun = threading.Event()
    typeform.before = lambda asked: begun.set() if asked.path.endswith("responses") else None
    reading = threading.Thread(target=reconcile)
    reading.start()
    begun.wait(20)
    deliver(receiver, typeform, *responses)
    reading.join(60)
    assert count_events(SOURCE) == 12
    expected, received, recovered = counted()
    assert (expected, received + recovered) == (12, 12)


def test_a_post_that_is_stored_in_the_middle_of_a_reading_wins(typeform: TypeformApi, receiver: Receiver) -> None:
    body = json.dumps(typeform.post_of(typeform.respond())).encode()
    instance = SourceBook(settings()).find("default", SOURCE)
    posted = read_posted(instance.connector, body, JSON, header_value=None)
    read = ReadBody(instance.connector, body, JSON, None, (), posted)
    reading = threading.Thread(target=reconcile)
    with transaction() as connection:
        store_events(connection, events_of_body(instance, read, {}, verified_by="HmacSha256"))
        reading.start()  # it looks, sees nothing, and stores
        assert wait_until(is_somebody_waiting, seconds=30)
    reading.join(60)
    assert count_events(SOURCE) == 1
    assert counted() == (1, 1, 0)


def is_somebody_waiting() -> bool:
    with transaction() as connection:
        return bool(
            connection.exec_driver_sql(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            ).scalar_one()
        )


def test_what_is_listed_twice_counts_once(typeform: TypeformApi, receiver: Receiver) -> None:
    response = typeform.respond()
    typeform.forms["f-2"] = "The same, elsewhere"
    typeform.responses["f-2"] = [response]
    for _ in range(2):
        reconcile()
        assert counted() == (1, 0, 1)


def test_a_page_costs_one_look_up_however_many_records_it_has(typeform: TypeformApi, receiver: Receiver) -> None:
    typeform.most = 1_000
    for _ in range(20):
        typeform.respond()
    reconcile()
    with count_statements() as few:
        reconcile()
    for _ in range(40):
        deliver(receiver, typeform, typeform.respond())
    with count_statements() as many:
        reconcile()
    assert len(many.statements) == len(few.statements)


def test_a_form_of_many_questions_is_not_in_memory_once_for_each_of_its_responses(
    typeform: TypeformApi, receiver: Receiver
) -> None:
    typeform.most = 1_000
    typeform.forms["f-1"] = "A long form. " * 20_000  # 260 kB
    for _ in range(100):
        typeform.respond()
    tracemalloc.start()
    try:
        reconcile()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counted() == (100, 0, 100)
    assert peak < 200_000_000  # of 26 MB of bodies, all at once: 600


@pytest.mark.parametrize("keeps_to_window", [True, False])
def test_records_younger_than_the_grace_and_older_than_the_window_are_left_alone(
    typeform: TypeformApi, receiver: Receiver, keeps_to_window: bool
) -> None:
    typeform.keeps_to_window = keeps_to_window
    typeform.respond(at=datetime.now(UTC))
    typeform.respond(at=days_ago(3, hour=23))
    assert reconcile().accepted == 0
    report = run_reconcile(SOURCE, "default", at_once=True, begin=days_ago(3).date())
    assert report.poll.accepted == 1
    assert counted(3) == (1, 0, 1)


def test_one_bad_record_goes_to_quarantine_alone_and_once(typeform: TypeformApi, receiver: Receiver) -> None:
    typeform.respond()
    typeform.respond(token=None)
    typeform.responses["f-1"] += [None, {"token": "t" * 10, "submitted_at": "yesterday", "answers": 7}]
    typeform.most = 10
    assert [reconcile().rejected for _ in range(2)] == [2, 0]  # what goes to quarantine now
    assert counted() == (1, 0, 1)
    work()
    assert states() == {"settled": 1, "quarantined": 3}


def test_a_page_that_fails_moves_no_numbers_and_keeps_what_was_found(typeform: TypeformApi, receiver: Receiver) -> None:
    typeform.forms["f-2"] = "Other"
    typeform.respond()
    reconcile()
    typeform.respond()
    typeform.broken = {"/forms/f-2/responses"}
    report = run_reconcile(SOURCE, "default", at_once=True)
    assert "500" in (report.poll.error or "")
    assert (report.poll.accepted, report.days) == (1, {})
    assert counted() == (1, 0, 1)
    with transaction() as connection:
        (seconds,) = connection.exec_driver_sql("SELECT extract(epoch FROM next_run_at - now()) FROM cursors").one()
    assert 0 < seconds < 60  # soon again, not in an hour
    assert run_reconcile(SOURCE, "default", at_once=True).poll.error
    with transaction() as connection:
        (failures,) = connection.exec_driver_sql("SELECT failures FROM cursors").one()
    assert failures == 2  # though a page was read: the third try waits longer than the second
    typeform.broken = set()
    make_due()
    assert due_reconciles() == [(SOURCE, "default")]
    assert run_reconcile(SOURCE, "default").poll.error is None
    assert counted() == (2, 0, 2)


def test_only_one_reading_of_a_source_goes_on_at_a_time(typeform: TypeformApi, receiver: Receiver) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()

    def wait(_asked: object) -> None:
        is_asked.set()
        may_answer.wait(20)

    typeform.before = wait
    reading = threading.Thread(target=reconcile)
    reading.start()
    is_asked.wait(20)
    assert not run_reconcile(SOURCE, "default", at_once=True).poll.ran
    may_answer.set()
    reading.join(60)


def test_the_task_of_the_queue_asks_what_is_due(typeform: TypeformApi, receiver: Receiver) -> None:
    typeform.respond()
    assert reconcile_source(SOURCE, "default") == {"recovered": 1, "known": 0}
    assert due_reconciles() == []


def test_what_only_the_list_tells_of_a_response_is_no_drift(typeform: TypeformApi, receiver: Receiver) -> None:
    listed = {"landing_id": "l1", "response_id": "r1", "response_type": "completed"}
    typeform.respond(**listed)
    reconcile()
    work()
    assert states() == {"settled": 1}
    assert answer("mapping", "drift", SOURCE) == []
