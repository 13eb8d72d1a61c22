"""A disk that is full ends nothing: what fails for want of room is tried again until there is some."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import psutil
import pytest

from pipeline.settings.installation import embedded_database_url
from pipeline.store.engine import make_engine
from tests.support.supervised import Up
from tests.support.watching import has_ended, wait_until

pytestmark = pytest.mark.long  # a disk of its own for each, and minutes for all

EMBEDDED = {"AFLUENTE_DATABASE_URL": "", "AFLUENTE_BROKER_URL": ""}


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own, of 400 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m,mode=700", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("this account may not mount a small disk")
    yield folder
    for process in psutil.process_iter(["cmdline"]):
        if str(folder) in " ".join(process.info["cmdline"] or ()):
            process.kill()
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def running(small_disk):
    up = Up(small_disk / "data", {"only": {}}, **EMBEDDED).wait_ready()
    yield up
    if up.process.poll() is None:
        up.process.kill()
        up.process.communicate()


def fill(disk) -> None:
    with (disk / "ballast").open("ab", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass


def make_room(disk) -> None:
    (disk / "ballast").unlink()


def answers(data) -> bool:
    engine = make_engine(embedded_database_url(data))
    try:
        with engine.connect() as connection:
            return connection.exec_driver_sql("SELECT 1").scalar() == 1
    except Exception:  # noqa: BLE001 - any way of not answering
        return False
    finally:
        engine.dispose()


def test_a_program_that_dies_on_a_full_disk_is_started_again_and_the_record_follows_once_there_is_room(
    running, small_disk
):
    pid = running.pid("only")
    fill(small_disk)
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: has_ended(pid), seconds=5)
    time.sleep(2)
    assert running.process.poll() is None
    make_room(small_disk)
    assert wait_until(lambda: running.pid("only") != pid, seconds=15)
    assert not has_ended(running.pid("only"))
    assert running.stop() == 0


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_a_server_killed_on_a_full_disk_comes_back_when_there_is_room(running, small_disk, name):
    pid = running.pid(name)
    fill(small_disk)
    os.kill(pid, signal.SIGKILL)
    time.sleep(6)  # several tries fail
    assert running.process.poll() is None
    make_room(small_disk)
    assert wait_until(lambda: running.pid(name) != pid and not has_ended(running.pid(name)), seconds=30)
    assert wait_until(lambda: answers(running.data), seconds=30)
    assert not list(running.data.glob("redis.unreadable-*")), "its files were whole: nothing to set aside"
    assert running.stop() == 0


def test_it_can_be_stopped_on_a_full_disk(running, small_disk):
    fill(small_disk)
    assert running.stop() == 0


def test_a_start_on_a_full_disk_is_a_sentence(small_disk):
    fill(small_disk)
    up = Up(small_disk, {"only": {}}, **EMBEDDED)
    error = up.process.communicate(timeout=60)[1]
    assert up.process.returncode != 0
    assert "No space left on device" in error
    assert "make room" in error
