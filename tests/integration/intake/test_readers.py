"""Large bodies are read in processes of their own: what becomes of requests when one dies, hangs or is away."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import psutil
import pytest

from connectors.kit import Connector, Webhook, sources
from pipeline.intake.posted import messages
from pipeline.intake.posted import readers as posted_readers
from pipeline.intake.posted.read_bodies import ReadBody
from pipeline.intake.posted.readers import Readers
from pipeline.intake.posted.records import NotTakenError, plains_of, read_posted
from pipeline.intake.receiver.body_work import SMALL_BYTES
from pipeline.settings.loading import load_settings
from pipeline.stages.mapping.contents import Contents, Reading
from tests.support.hostile import BODIES
from tests.support.intake_server import Receiver, count_events, free_port, running_receiver
from tests.support.services import forget_caches
from tests.support.troublesome import TROUBLESOME

JSON = "application/json"
PADDING = "x" * 10_000  # makes a body large enough to be read elsewhere
NAMELESS = dataclasses.replace(
    TROUBLESOME, source="nameless_function", intake=Webhook(max_records=100), prepare=lambda record: record
)


@pytest.fixture
def receiver(database, monkeypatch) -> Iterator[Receiver]:
    monkeypatch.setenv("AFLUENTE_API_KEYS", "a:admin:an-api-key-of-the-tests")
    monkeypatch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
    forget_caches()
    own = {connector.source: connector for connector in (TROUBLESOME, NAMELESS)}
    with running_receiver(load_settings(), connectors={**sources(), **own}) as running:
        yield running


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers]:
    started = Readers({**sources(), "troublesome": TROUBLESOME})
    started.start()
    try:
        yield started
    finally:
        started.stop()


def large_form(**fields: str) -> dict[str, object]:
    return {"submission_id": str(uuid.uuid4()), "fields": {"email": "ada@example.org", "notes": PADDING, **fields}}


def lead(**more: object) -> dict[str, object]:
    return {"leads": [{"id": uuid.uuid4().hex, "email": "ada@example.org", "notes": PADDING, **more}]}


def post(receiver: Receiver, record: dict[str, object]) -> int:
    return receiver.post("/in/default/troublesome", json=record).status_code


def reading_processes(parent: int | None = None) -> list[psutil.Process]:
    return [child for child in psutil.Process(parent).children() if is_reader(child)]


def is_reader(process: psutil.Process) -> bool:
    try:
        return "pipeline.intake.posted.reader" in process.cmdline()
    except psutil.Error:  # it ends just now, or has ended and nobody has asked how
        return False


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# ---- deaths and stops ----


@pytest.mark.long
def test_a_body_whose_reader_is_killed_in_the_middle_is_read_by_the_next_and_stored_once(receiver, tmp_path):
    begun, until = tmp_path / "begun", tmp_path / "until"
    statuses: list[int] = []
    sender = threading.Thread(target=lambda: statuses.append(post(receiver, lead(begun=str(begun), until=str(until)))))
    sender.start()
    wait_until(begun.exists)
    (process,) = reading_processes()
    process.kill()
    until.touch()
    sender.join(60)
    assert statuses == [200]
    assert count_events("troublesome") == 1
    assert process.pid not in {other.pid for other in reading_processes()}


@pytest.mark.long
def test_a_body_that_kills_each_reader_is_503_and_the_next_body_is_taken(receiver):
    answer = receiver.post("/in/default/troublesome", json=lead(does="die"))
    assert (answer.status_code, answer.json()["error"]) == (503, "not_read")
    assert int(answer.headers["Retry-After"]) >= 1
    assert count_events("troublesome") == 0
    assert post(receiver, lead()) == 200
    assert 'afluente_intake_readers_ended_total{reason="died"} 2.0' in receiver.get("/metrics").text


@pytest.mark.long
def test_a_reader_that_announces_more_than_there_is_memory_is_ended_and_the_next_body_is_taken(receiver):
    answer = receiver.post("/in/default/troublesome", json=lead(does="boast"))
    assert (answer.status_code, answer.json()["error"]) == (503, "not_read")
    assert post(receiver, lead()) == 200
    assert len(reading_processes()) == 1


@pytest.mark.long
def test_a_body_that_takes_too_long_is_503_while_others_are_answered_and_its_reader_ends(
    database, monkeypatch, request
):
    monkeypatch.setattr(posted_readers, "_BODY_SECONDS", 3.0)
    receiver: Receiver = request.getfixturevalue("receiver")
    assert post(receiver, lead()) == 200  # so that there is a reader
    (process,) = reading_processes()
    statuses: list[int] = []
    sender = threading.Thread(target=lambda: statuses.append(post(receiver, lead(does="hang"))))
    sender.start()
    wait_until(lambda: process.cpu_percent() > 0 or statuses)
    with Receiver(receiver.address).http as others:
        for body in ({"email": "small@example.org"}, large_form()):
            assert others.post(receiver.address + "/in/default/web_form", json=body, timeout=20).status_code == 202
    sender.join(60)
    assert statuses == [503]
    assert not psutil.pid_exists(process.pid)
    assert 'afluente_intake_readers_ended_total{reason="hung"} 1.0' in receiver.get("/metrics").text


@pytest.mark.parametrize("does", ["nothing", "hang"])
def test_a_receiver_that_stops_leaves_no_reader_behind_whatever_that_does(database, monkeypatch, does):
    monkeypatch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
    forget_caches()
    readers = Readers({"troublesome": TROUBLESOME})
    body = json.dumps(lead(does=does)).encode()
    reading = threading.Thread(target=lambda: attempt(readers, TROUBLESOME, body, JSON))
    reading.start()
    wait_until(lambda: reading_processes() and (does == "hang" or not reading.is_alive()))
    readers.stop()
    reading.join(10)
    assert not reading.is_alive()
    assert reading_processes() == []


@pytest.mark.long
def test_the_readers_of_a_receiver_that_was_killed_end_by_themselves(database, monkeypatch):
    monkeypatch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
    command = [sys.executable, "-m", "pipeline.intake", "--port", str(free_port())]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: reading_processes(process.pid))
        (reader,) = reading_processes(process.pid)
        wait_until(lambda: reader.nice() > psutil.Process().nice())  # it has begun
        os.kill(reader.pid, signal.SIGTERM)  # as a whole group gets it: requests under way still need it
        os.kill(reader.pid, signal.SIGINT)
        with pytest.raises(psutil.TimeoutExpired):
            reader.wait(0.5)
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not reader.is_running() or reader.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.long
def test_a_reader_that_hangs_ends_by_itself_where_its_receiver_is_no_more():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-m", "pipeline.intake.posted.reader", "--fd", str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        try:
            theirs.close()
            messages.send(ours, messages.Introduction({"troublesome": pickle.dumps(TROUBLESOME)}, 0.5))
            assert messages.to_ready(messages.receive(ours, seconds=60)).slugs == ["troublesome"]
            body = json.dumps(lead(does="hang")).encode()
            messages.send(ours, messages.Job("troublesome", body, JSON, None))
            ours.close()
            # By its own work, or by the clock where the machine lets it work too little.
            assert -process.wait(60) in (signal.SIGPROF, signal.SIGALRM)
        finally:
            process.kill()
            process.wait()


# ---- what a reader is ----


def test_a_reader_holds_no_secret_and_gives_way_to_others_within_bounds(monkeypatch):
    for name in ("AFLUENTE_SECRET_KEYS", "AFLUENTE_API_KEYS", "AFLUENTE_DATABASE_URL", "HOOKS_SECRET"):
        monkeypatch.setenv(name, "held by the receiver")
    own = Readers(sources())
    try:
        assert read(own, sources()["web_form"], json.dumps(large_form()).encode())
        (process,) = [psutil.Process(pid) for pid in own.pids]
        assert_is_bounded(process)
    finally:
        own.stop()


def assert_is_bounded(process: psutil.Process) -> None:
    names = set(process.environ())
    assert {name for name in names if name.startswith("AFLUENTE_")} <= {"AFLUENTE_HOME", "AFLUENTE_CONFIG"}
    assert not {name for name in names if "SECRET" in name or "KEY" in name}
    assert process.nice() >= psutil.Process().nice() + 10 or process.nice() == 19
    assert process.rlimit(psutil.RLIMIT_AS)[0] <= 1 << 30
    assert process.num_fds() <= 8


def test_reading_a_hostile_body_costs_the_receiver_a_small_part_of_what_reading_it_here_costs(readers):
    connector = sources()["web_form"]
    hostile = BODIES["json: a list of records"](250_000)
    attempt(readers, connector, hostile.body, hostile.content_type)  # the reader has started
    gc.disable()  # its pauses are no part of the comparison
    try:
        elsewhere = min(cpu_seconds(lambda: attempt(readers, connector, hostile.body, JSON)) for _ in range(5))
        here = min(cpu_seconds(lambda: attempt(None, connector, hostile.body, JSON)) for _ in range(5))
    finally:
        gc.enable()
    assert elsewhere < here / 4


# ---- what comes back ----


@pytest.mark.parametrize("slug", ["web_form", "standard_webhooks", "troublesome"])
def test_each_body_is_taken_or_refused_elsewhere_as_it_is_here(readers, slug):
    connector = {**sources(), "troublesome": TROUBLESOME}[slug]
    bodies = [(make(20_000).content_type, make(20_000).body) for make in BODIES.values()]
    bodies += [(JSON, json.dumps(large_form()).encode()), (JSON, json.dumps(lead(occurred_at="2026-03-02")).encode())]
    bodies += [(JSON, json.dumps({"leads": [1, None, {"id": "a"}, {"email": "ada@example.org"}]}).encode())]
    for content_type, body in bodies:
        assert attempt(readers, connector, body, content_type) == attempt(None, connector, body, content_type)


def test_a_record_read_elsewhere_has_the_keys_of_every_reading_also_of_one_that_came_up_meanwhile(readers):
    known, new = Contents(Reading(ignored=("notes",))), Contents(Reading(ignored=("fields.notes",)))
    connector, body = (
        sources()["web_form"],
        json.dumps({"fields": {"email": "a@example.org", "notes": PADDING}}).encode(),
    )
    records = readers.read(connector, body, JSON, header_value=None, readings=[known, None])
    former = ReadBody(connector, body, JSON, None, [known, None], records).former(0)
    (plain,) = plains_of(connector, body, JSON, header_value=None)
    assert former is not None
    assert plain is not None
    assert former.content == plain.content
    keys = [former.key_under(contents) for contents in (known, None, new)]
    assert keys == [plain.key_under(contents) for contents in (known, None, new)]
    assert len(set(keys)) == 3


def test_a_source_whose_function_cannot_be_found_elsewhere_is_read_in_the_receiver(receiver):
    record = {"id": "1", "email": "ada@example.org", "notes": PADDING}
    assert receiver.post("/in/default/nameless_function", json=record).status_code == 200
    assert count_events("nameless_function") == 1


@pytest.mark.long
def test_where_no_reader_can_be_started_bodies_are_read_in_the_receiver(monkeypatch):
    monkeypatch.setattr(posted_readers.sys, "executable", "/nonexistent/python")
    without = Readers(sources())
    body = json.dumps(large_form()).encode()
    assert read(without, sources()["web_form"], body) == read(None, sources()["web_form"], body)
    assert without.pids == []


def attempt(readers: Readers | None, connector: Connector, body: bytes, content_type: str) -> object:
    try:
        return read(readers, connector, body, content_type)
    except NotTakenError as error:
        return error.status, error.error, error.message, error.extra
    except posted_readers.ReaderEndedError as error:
        return str(error)


def read(readers: Readers | None, connector: Connector, body: bytes, content_type: str = JSON) -> object:
    assert len(body) > 0
    take = read_posted if readers is None else readers.read
    return take(connector, body, content_type, header_value="message-1" if len(body) > SMALL_BYTES else None)


def cpu_seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun
