"""The names of the tests are the same in every process, at every time: workers that share a run compare them."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests.support.paths import ROOT


def start_collecting(hash_seed: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-o", "addopts=--import-mode=importlib", "-q"]
    return subprocess.Popen(
        [*command, "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        text=True,
    )


def collected(running: subprocess.Popen[str]) -> list[str]:
    printed, _ = running.communicate(timeout=200)
    assert running.returncode == 0, printed[-2000:]
    return [line for line in printed.splitlines() if "::" in line]


@pytest.mark.long
def test_two_processes_seconds_apart_collect_the_same_tests_in_the_same_order():
    first = start_collecting("1")
    time.sleep(2.1)  # seconds: the time in the head of a gzip file counts them
    second = start_collecting("2")
    names = collected(first)
    assert len(names) > 9000
    assert collected(second) == names
