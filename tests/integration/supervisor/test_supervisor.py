"""The supervisor with small programs in place of the pipeline's own: start, watch, restart, drain, in order.

The pipeline's own programs run under it in tests/end_to_end.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time

import pytest

from pipeline.errors import ConfigurationError
from pipeline.store.engine import transaction
from pipeline.supervisor.addresses import choose_addresses
from pipeline.supervisor.preparation import forget_former_beat
from tests.support.services import SECRET_KEYS
from tests.support.supervised import PROGRAM, Up
from tests.support.watching import has_ended, wait_until

pytestmark = pytest.mark.long  # whole systems


@pytest.fixture
def up(tmp_path, services):
    """Starts supervisors, on the PostgreSQL and Redis of the test session unless a test wants embedded ones."""
    started = []
    outside = {"AFLUENTE_DATABASE_URL": services.make_empty_database(), "AFLUENTE_BROKER_URL": services.broker_url}

    def start(parts: dict, *arguments: str, **environment: str) -> Up:
        started.append(Up(tmp_path / "data", parts, *arguments, **{**outside, **environment}))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()
    services.drop_database(outside["AFLUENTE_DATABASE_URL"])


def test_it_says_ready_once_every_program_is(up):
    slow = PROGRAM.replace("ready.touch()", "time.sleep(1.5); ready.touch()")
    began = time.monotonic()
    running = up({"quick": {}, "slow": {"code": slow}}).wait_ready()
    assert time.monotonic() - began > 1.5
    assert running.printed[-1] == f"ready {running.runtime()['addresses']['receiver']}"


@pytest.mark.parametrize(
    ("arguments", "environment", "is_told"),
    [
        (["up", "--port", "0", "--data", "."], {}, True),
        (["--data", ".", "up", "--port", "0"], {}, True),
        (["--data", ".", "up", "--port", "0"], {"AFLUENTE_DATA": "."}, False),
        (["up", "--port", "0"], {"AFLUENTE_DATA": "."}, False),
    ],
)
def test_who_names_the_folder_is_told_how_other_commands_find_it(up, arguments, environment, is_told):
    running = up({}, *arguments, **environment).wait_ready()
    hint = f"other commands find this installation by AFLUENTE_DATA={running.data}"
    assert (hint in "\n".join(running.printed)) is is_told


def test_outside_servers_are_used_and_none_is_started(up):
    running = up({"only": {}}).wait_ready()
    assert [entry["name"] for entry in running.runtime()["processes"]] == ["only"]
    assert not (running.data / "postgres").exists()


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("AFLUENTE_DATABASE_URL", "postgresql://leads:geheim@127.0.0.1:1/leads"),
        ("AFLUENTE_BROKER_URL", "redis://:geheim@127.0.0.1:1/0"),
    ],
)
def test_an_outside_server_that_does_not_answer_is_named_without_its_password(up, variable, url):
    running = up({"only": {}}, **{variable: url})
    error = running.process.communicate(timeout=60)[1]
    assert running.process.returncode != 0
    assert f"{variable} must name" in error.splitlines()[-1]
    assert "geheim" not in error


def test_programs_end_stage_by_stage_and_everything_is_cleared_away(up):
    running = up({"last": {"stage": 2}, "first": {"stage": 0}, "middle": {"stage": 1}}).wait_ready()
    pids = [entry["pid"] for entry in running.runtime()["processes"]]
    assert running.stop() == 0
    assert [line for line in running.story() if line.startswith("ends")] == ["ends first", "ends middle", "ends last"]
    assert all(has_ended(pid) for pid in pids)
    assert not (running.data / "runtime.json").exists()


def test_a_program_that_does_not_end_in_its_time_is_killed(up):
    running = up({"deaf": {"mode": "deaf", "seconds": 1.0}}).wait_ready()
    pid = running.pid("deaf")
    began = time.monotonic()
    assert running.stop(signal.SIGINT) == 0
    assert 1.0 <= time.monotonic() - began < 10
    assert has_ended(pid)


def test_a_second_signal_hurries(up):
    running = up({"deaf": {"mode": "deaf", "seconds": 50.0}}).wait_ready()
    running.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert running.process.poll() is None
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 10


def test_a_killed_program_is_started_again_and_the_record_follows(up):
    running = up({"worker": {}}).wait_ready()
    for kills in range(1, 4):
        pid = running.pid("worker")
        os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda begun=kills: running.story().count("begins worker") > begun, seconds=15)
        assert running.pid("worker") != pid
    running.process.terminate()
    assert "process_restarted" in running.process.communicate(timeout=30)[1]


def test_pauses_grow_while_a_program_keeps_dying(up):
    dying = "import sys, time; from pathlib import Path; Path(sys.argv[3]).touch(); time.sleep(0.3); sys.exit(3)"
    running = up({"steady": {}, "dying": {"code": dying}}).wait_ready()
    time.sleep(4)
    running.process.terminate()
    logged = running.process.communicate(timeout=30)[1]
    assert 2 <= logged.count("process_restarted") <= 6


def test_a_program_that_never_gets_ready_ends_up_with_the_end_of_its_log(up):
    broken = "import sys; sys.exit('this part is broken')"
    running = up({"fine": {}, "broken": {"code": broken}})
    error = running.process.communicate(timeout=60)[1]
    assert running.process.returncode != 0
    assert "broken does not get ready" in error
    assert "this part is broken" in error
    assert not (running.data / "runtime.json").exists()


def test_programs_end_with_a_killed_supervisor(up):
    running = up({"one": {}, "two": {}}).wait_ready()
    pids = [running.pid("one"), running.pid("two")]
    running.process.kill()
    running.process.communicate()
    assert wait_until(lambda: all(has_ended(pid) for pid in pids), seconds=15)


def test_what_outlived_a_killed_supervisor_is_stopped_by_the_next(up):
    running = up({"deaf": {"mode": "deaf"}}).wait_ready()
    pid = running.pid("deaf")
    running.process.kill()
    running.process.communicate()
    time.sleep(0.3)
    assert not has_ended(pid)
    again = up({"deaf": {"mode": "polite"}}).wait_ready()
    assert has_ended(pid)
    assert again.stop() == 0


def test_a_second_up_on_the_same_folder_is_refused_and_harms_nothing(up):
    running = up({"only": {}}).wait_ready()
    second = up({"only": {}})
    error = second.process.communicate(timeout=60)[1]
    assert second.process.returncode != 0
    assert f"process {running.process.pid} already runs Afluente in {running.data}" in error
    assert running.runtime()["pid"] == running.process.pid
    assert running.stop() == 0


def test_an_embedded_server_that_dies_is_started_again(up):
    running = up({"only": {}}, AFLUENTE_DATABASE_URL="", AFLUENTE_BROKER_URL="").wait_ready()
    for name in ("redis", "postgres"):
        pid = running.pid(name)
        os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda name=name, killed=pid: running.pid(name) != killed, seconds=15)
    assert running.stop() == 0


def test_a_beat_that_dies_with_the_embedded_redis_is_started_again_once_that_answers(up):
    running = up({"beat": {}}, AFLUENTE_BROKER_URL="").wait_ready()
    for name in ("redis", "beat"):
        os.kill(running.pid(name), signal.SIGKILL)
    assert wait_until(lambda: running.story().count("begins beat") == 2, seconds=30), running.process.poll()
    running.process.terminate()
    assert "the embedded Redis does not answer" in running.process.communicate(timeout=60)[1]
    assert running.process.returncode == 0


def test_a_former_beat_cannot_be_forgotten_while_redis_is_away(tmp_path):
    with pytest.raises(ConfigurationError, match="the embedded Redis does not answer"):
        forget_former_beat(tmp_path)


def test_a_long_log_is_set_aside_at_the_start(up, tmp_path):
    logs = tmp_path / "data" / "logs"
    logs.mkdir(parents=True)
    (logs / "only.log").write_bytes(b"x" * 10_000_001)
    running = up({"only": {"code": "print('new', flush=True)\n" + PROGRAM}}).wait_ready()
    assert (logs / "only.log").read_text() == "new\n"
    assert (logs / "only.log.1").stat().st_size == 10_000_001
    assert running.stop() == 0


def test_a_taken_port_is_an_error_and_the_other_parts_move_aside():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} is taken .*--port"):
            choose_addresses(port=port, uses_sandbox=True)
    with socket.socket() as other:
        try:
            other.bind(("127.0.0.1", 8081))
            other.listen()
        except OSError:
            pass  # taken already, which serves as well
        chosen = choose_addresses(port=0, uses_sandbox=True)
        assert not chosen.sandbox.endswith(":8081")
        assert len(set(chosen.named().values())) == 4


def test_without_a_sandbox_no_address_is_given_for_it():
    assert set(choose_addresses(port=0, uses_sandbox=False).named()) == {"receiver", "console", "flower"}


def test_a_source_set_up_under_another_name_signs_with_its_own_secret(up, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "afluente.yaml").write_text("sources: {partner: {connector: standard_webhooks}}\n")
    data = up({"only": {}}).wait_ready().data
    made = json.loads((data / "credentials.json").read_text())["sources"]
    assert {"partner", "standard_webhooks"} <= set(made)
    assert made["partner"] != made["standard_webhooks"]
    assert (data / "credentials.json").stat().st_mode & 0o077 == 0


def test_people_of_before_are_brought_over_before_anything_starts(up, database):
    with transaction() as connection:
        connection.exec_driver_sql("INSERT INTO unfinished_upgrades (name) VALUES ('evidence')")
    keys = {"AFLUENTE_SECRET_KEYS": SECRET_KEYS, "AFLUENTE_DATABASE_URL": database}
    running = up({"only": {}}, **keys).wait_ready()
    assert "bringing the database up to date" in running.printed[0]
    with transaction() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM unfinished_upgrades").scalar() == 0
    running.stop()
    again = up({"only": {}}, **keys).wait_ready()
    assert "bringing the database up to date" not in again.printed[0]


def test_it_does_not_start_when_they_cannot_be_brought_over(up, database):
    with transaction() as connection:
        connection.exec_driver_sql("INSERT INTO unfinished_upgrades (name) VALUES ('evidence')")
        connection.exec_driver_sql("ALTER TABLE touches RENAME COLUMN position TO place")
    running = up({"only": {}}, AFLUENTE_SECRET_KEYS=SECRET_KEYS, AFLUENTE_DATABASE_URL=database)
    error = running.process.communicate(timeout=60)[1]
    assert running.process.returncode != 0
    assert "the database could not be updated" in error
    assert not (running.data / "story").exists()
