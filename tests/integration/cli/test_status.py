"""`afluente status` as somebody reads it who was woken: what is wrong first, nothing said twice, and an exit code."""

from __future__ import annotations

import os

import pytest

from pipeline.delivery.breaker import Breaker
from pipeline.delivery.shared_state import shared_redis
from pipeline.health import status as health_status
from pipeline.settings.loading import settings
from pipeline.supervisor.data_folder import describe_process, write_runtime
from tests.support.command_line import answer, capture, run, work

pytestmark = pytest.mark.usefixtures("database", "redis_url")


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path))
    return tmp_path


def halt() -> None:
    Breaker(shared_redis(settings().broker_url)).halt("sandbox", 60.0, "sandbox: answered 500")


def test_problems_come_first_and_no_name_stands_twice():
    halt()
    said = run("status").stdout.splitlines()
    assert said[0] == "Problems:"
    assert said[1].startswith("  sandbox: calls are halted (answered 500); one is tried in ")


def test_processes_take_one_line_while_all_run_and_a_table_once_one_is_gone(data):
    here, gone = describe_process("hot", os.getpid()), {"name": "bulk", "pid": 2**22 - 1, "created": 1.0}
    write_runtime(data, {"processes": [here]})
    assert "processes  all 1 run: hot\n" in run("status").stdout
    write_runtime(data, {"processes": [here, gone]})
    said = run("status").stdout
    assert "all 2 run" not in said
    assert any(line.split()[:1] == ["bulk"] and line.split()[-1] == "NO" for line in said.splitlines())


def test_check_exits_1_on_any_problem_and_plain_status_keeps_0():
    assert run("status", "--check").returncode == 0
    capture({"message": "nobody"})
    work()
    assert "quarantine: 1 waits for a human" in run("status").stdout
    assert run("status").returncode == 0
    assert run("status", "--check").returncode == 1
    assert answer("status", "--check", code=1)["problems"]


def test_a_disk_that_is_nearly_full_is_a_problem(monkeypatch):
    monkeypatch.setattr(health_status, "LEAST_FREE_BYTES", 10**18)
    assert any(line.startswith("disk: ") and "make room" in line for line in answer("status")["problems"])


def test_the_data_folder_may_be_given_before_any_command(tmp_path):
    write_runtime(tmp_path, {"addresses": {"receiver": "http://127.0.0.1:7"}})
    assert "http://127.0.0.1:7" in run("--data", str(tmp_path), "status").stdout
    assert "http://127.0.0.1:7" not in run("status").stdout


def test_the_version_names_the_commit_of_a_checkout():
    said = run("--version").stdout.split()
    assert said[0] == "afluente"
    assert said[2] == "(commit" or len(said) == 2  # a checkout without git, or a package
