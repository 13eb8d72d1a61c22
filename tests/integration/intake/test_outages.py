"""The receiver while PostgreSQL or Redis is away: nothing is acknowledged that is not stored, and it recovers."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest
import requests

from pipeline.settings.installation import embedded_database_url
from pipeline.supervisor.embedded import Embedded
from tests.support.intake_server import KEY, Receiver, count_events, free_port, running_receiver
from tests.support.services import SECRET_KEYS, forget_caches

TOKEN = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def own_postgresql(tmp_path_factory) -> Iterator[Embedded]:
    """A PostgreSQL that the tests may stop, migrated; settings point to it."""
    data = tmp_path_factory.mktemp("outage")
    servers = Embedded(data, broker=False)
    servers.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFLUENTE_DATABASE_URL", embedded_database_url(data))
        patch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
        patch.setenv("AFLUENTE_SECRET_KEYS", SECRET_KEYS)
        patch.setenv("AFLUENTE_API_KEYS", f"tests:admin:{KEY}")
        patch.setenv("AFLUENTE_DATA", str(data))
        forget_caches()
        from pipeline.store.engine import engine
        from pipeline.store.schema import migrate

        migrate(engine())
        try:
            yield servers
        finally:
            servers.stop()
    forget_caches()


@pytest.fixture
def process(own_postgresql) -> Iterator[Receiver]:
    """The receiver as it is run: a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "pipeline.intake", "--port", str(port)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    receiver = Receiver(f"http://127.0.0.1:{port}")
    receiver.process = running
    try:
        wait_until(lambda: answers(receiver, "/health/live"))
        yield receiver
    finally:
        running.kill()
        running.communicate()


def answers(receiver: Receiver, path: str) -> bool:
    try:
        return receiver.get(path).status_code == 200
    except requests.RequestException:
        return False


def wait_until(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def lead() -> dict[str, str]:
    return {"external_id": str(uuid.uuid4()), "email": "ada@example.org"}


@pytest.mark.long
def test_while_the_database_is_away_nothing_is_acknowledged_and_afterwards_all_goes_on(own_postgresql, process):
    assert process.post_leads(lead()).status_code == 202
    refused = lead()
    own_postgresql.stop()
    try:
        answer = process.post_leads(refused)
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        form = process.post("/in/default/web_form", json={"submission_id": "x"})
        assert (form.status_code, "Retry-After" in form.headers) == (503, True)
        assert process.get("/health/ready").status_code == 503
        assert process.get("/health/live").status_code == 200
        assert 'afluente_up{part="database"} 0.0' in process.get("/metrics").text
    finally:
        own_postgresql.start()
    again = process.post_leads(refused)
    assert again.status_code == 202
    assert again.json()["accepted"][0]["repeated"] is False  # the refusal had stored nothing
    wait_until(lambda: answers(process, "/health/ready"))


@pytest.mark.long
def test_a_restart_of_the_database_costs_an_idle_receiver_nothing(own_postgresql, process):
    assert {process.post_leads(lead()).status_code for _ in range(5)} == {202}
    own_postgresql.stop()
    own_postgresql.start()
    assert process.post_leads(lead()).status_code == 202


@pytest.mark.long
def test_every_acknowledged_lead_survives_a_kill_of_receiver_and_database(own_postgresql, process):
    acknowledged: list[str] = []
    stop = threading.Event()

    def send() -> None:
        client = Receiver(process.address)
        while not stop.is_set():
            try:
                answer = client.post_leads(lead())
            except requests.RequestException:
                return
            if answer.status_code == 202:
                acknowledged.append(answer.json()["accepted"][0]["event_id"])

    senders = [threading.Thread(target=send) for _ in range(8)]
    for sender in senders:
        sender.start()
    time.sleep(1)
    kill_hard(own_postgresql)
    process.process.kill()
    stop.set()
    for sender in senders:
        sender.join()
    own_postgresql.restart("postgres", 1)
    own_postgresql._postgresql.wait()
    assert len(acknowledged) > 20
    with closing(psycopg2.connect(dsn())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT event_id::text FROM events WHERE event_id = ANY(%s::uuid[])", (acknowledged,))
        assert {row[0] for row in cursor} == set(acknowledged)


def family_of(servers: Embedded) -> list[psutil.Process]:
    """The postmaster and its children."""
    (postmaster,) = (psutil.Process(server.pid) for server in servers.processes())
    return [postmaster, *postmaster.children(recursive=True)]


def kill_hard(servers: Embedded) -> None:
    """SIGKILL to all of them, as a power cut would end them."""
    family = family_of(servers)
    for member in family:
        member.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=10)


def dsn() -> str:
    return os.environ["AFLUENTE_DATABASE_URL"].replace("+psycopg2", "")


@pytest.mark.long
def test_a_stop_waits_for_the_requests_under_way(own_postgresql, process):
    with closing(psycopg2.connect(dsn())) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE event_keys IN ACCESS EXCLUSIVE MODE")
        statuses: list[int] = []
        sender = threading.Thread(target=lambda: statuses.append(process.post_leads(lead()).status_code))
        sender.start()
        time.sleep(0.5)
        process.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.process.poll() is None
        connection.rollback()
    sender.join(10)
    assert statuses == [202]
    assert process.process.wait(15) is not None


@pytest.mark.long
def test_while_the_database_hangs_every_question_is_answered_within_seconds(own_postgresql, process):
    answer = process.post_leads(lead())
    event_id = answer.json()["accepted"][0]["event_id"]
    assert process.get_lead(event_id).status_code == 200
    assert process.get("/health/ready").status_code == 200
    family = family_of(own_postgresql)
    for server in family:
        server.suspend()
    time.sleep(1.1)  # probes that come together share an answer
    try:
        for ask in (
            lambda: process.get("/health/ready"),
            lambda: process.get_lead(event_id),
            lambda: process.get_lead(event_id),
            lambda: process.get_lead(event_id),
            lambda: process.get("/health/ready"),
        ):
            begun = time.monotonic()
            assert ask().status_code == 503
            assert time.monotonic() - begun < 9
        begun = time.monotonic()
        assert process.get("/metrics").status_code in (200, 503)
        assert time.monotonic() - begun < 9
        assert process.get("/health/live").status_code == 200
    finally:
        for server in family:
            server.resume()
    wait_until(lambda: process.get("/health/ready").status_code == 200)
    assert process.get_lead(event_id).status_code == 200


def test_a_database_that_hangs_is_waited_for_only_so_long(own_postgresql, monkeypatch):
    monkeypatch.setattr("pipeline.intake.receiver.group_writer.WAIT_SECONDS", 1.0)
    with running_receiver() as receiver, closing(psycopg2.connect(dsn())) as connection:
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE event_keys IN ACCESS EXCLUSIVE MODE")
            begun = time.monotonic()
            assert receiver.post_leads(lead()).status_code == 503
            assert 0.9 < time.monotonic() - begun < 4
            connection.rollback()
        wait_until(lambda: receiver.post_leads(lead()).status_code == 202)


def test_too_many_waiting_events_are_refused_at_once(own_postgresql, monkeypatch):
    monkeypatch.setattr("pipeline.intake.receiver.group_writer.WAITING_EVENTS", 200)
    with running_receiver() as receiver, closing(psycopg2.connect(dsn())) as connection:
        statuses: list[tuple[int, float]] = []

        def send() -> None:
            begun = time.monotonic()
            status = Receiver(receiver.address).post_leads([lead() for _ in range(100)]).status_code
            statuses.append((status, time.monotonic() - begun))

        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE event_keys IN ACCESS EXCLUSIVE MODE")
            senders = [threading.Thread(target=send) for _ in range(20)]
            for sender in senders:
                sender.start()
            wait_until(lambda: any(status == 503 for status, _ in statuses), 5)
            assert all(seconds < 3 for _, seconds in statuses)
            connection.rollback()
        for sender in senders:
            sender.join()
        assert {status for status, _ in statuses} == {202, 503}


@pytest.mark.long
def test_a_redis_that_accepts_and_never_answers_slows_no_one(own_postgresql, monkeypatch, tmp_path):
    path = short_socket(tmp_path)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen(64)
        monkeypatch.setenv("AFLUENTE_BROKER_URL", f"redis+socket://{path}")
        forget_caches()
        import pipeline.hints

        monkeypatch.setattr(pipeline.hints, "_paused_until", 0.0)
        with running_receiver() as receiver:
            seconds = []
            for _ in range(100):
                begun = time.monotonic()
                assert receiver.post_leads(lead()).status_code == 202
                seconds.append(time.monotonic() - begun)
                time.sleep(0.01)
        assert max(seconds) < 0.8  # one knock at that door takes a second
        assert statistics.median(seconds) < 0.1
    monkeypatch.undo()
    forget_caches()


def short_socket(tmp_path: Path) -> Path:
    path = Path("/tmp") / f"afluente-deaf-{os.getpid()}.sock"
    path.unlink(missing_ok=True)
    return path


def test_one_unstorable_request_does_not_take_its_neighbors_along(own_postgresql, monkeypatch):
    """Whatever a table refuses: the group is halved until only the culprit is refused."""
    from pipeline.intake.receiver import group_writer as writing

    def store(events):
        if any(event.external_id == "poison" for event in events):
            raise RuntimeError("a table refused this")
        return writing.store_group(events)

    real = writing.GroupWriter
    monkeypatch.setattr("pipeline.intake.receiver.receiver.GroupWriter", lambda **options: real(store=store, **options))
    with running_receiver() as receiver, closing(psycopg2.connect(dsn())) as connection:
        statuses: dict[int, int] = {}

        def send(number: int) -> None:
            sent = lead() if number != 7 else {"external_id": "poison"}
            statuses[number] = Receiver(receiver.address).post_leads(sent).status_code

        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE event_keys IN ACCESS EXCLUSIVE MODE")  # so that they meet in one group
            senders = [threading.Thread(target=send, args=(number,)) for number in range(16)]
            for sender in senders:
                sender.start()
            time.sleep(1)
            connection.rollback()
        for sender in senders:
            sender.join()
    assert statuses.pop(7) == 500
    assert set(statuses.values()) == {202}


def test_hints_follow_a_commit_when_redis_is_there(database, redis_url, redis_client, monkeypatch):
    monkeypatch.setattr("pipeline.hints._paused_until", 0.0)  # other tests have met a Redis that was away
    with running_receiver() as receiver:
        assert receiver.post_leads(lead()).status_code == 202
        wait_until(lambda: redis_client.llen("hot") > 0, 5)
        assert count_events() == 1
