"""One owner for a data folder: the lock, the record of what runs in it, and what a killed owner left running."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from pipeline.errors import ConfigurationError
from pipeline.logs import get_logger
from pipeline.settings.installation import read_runtime, unusable

LEFTOVER_SECONDS = 10.0  # patience with processes of a killed owner before they are killed too
_SAME_START_SECONDS = 0.05  # the kernel counts in hundredths of a second

_log = get_logger(__name__)


@contextmanager
def hold_folder(data: Path) -> Iterator[None]:
    """Be the only one to run servers in `data`. Raises ConfigurationError naming the process that does already.

    The kernel drops the lock with the process, however it ends: there is no stale lock. Children do not inherit it
    (Python opens files close-on-exec).
    """
    _make_folder(data)
    with (data / "lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise ConfigurationError(
                f"process {owner} already runs Afluente in {data}: stop that one (kill {owner}),"
                " or choose another folder with --data"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
        file.truncate(0)


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"the data folder {unusable(data, error)}") from error


@contextmanager
def told_in_words(data: Path) -> Iterator[None]:
    """A block that writes into `data`: what the system refuses there is raised as a ConfigurationError that says what
    to do."""
    try:
        yield
    except OSError as error:
        place = Path(error.filename) if isinstance(error.filename, str) else data
        raise ConfigurationError(unusable(place, error)) from error


def write_runtime(data: Path, runtime: Mapping[str, Any]) -> None:
    """Replace `runtime.json` at once: readers see the old or the new one, never half of it."""
    temporary = data / "runtime.json.new"
    temporary.write_text(json.dumps(runtime, indent=1) + "\n", encoding="utf-8")
    temporary.replace(data / "runtime.json")


def describe_process(name: str, pid: int) -> dict[str, Any]:
    """`{"name", "pid", "created"}`: pid and creation time (Unix seconds) together name a process beyond doubt."""
    try:
        created: float | None = psutil.Process(pid).create_time()
    except psutil.Error:
        created = None
    return {"name": name, "pid": pid, "created": created}


def find_recorded(data: Path) -> list[psutil.Process]:
    """The recorded processes that still run. A pid that the system has given to another program since is left out."""
    found = []
    for entry in read_runtime(data).get("processes", []):
        try:
            process = psutil.Process(int(entry["pid"]))
            is_same = abs(process.create_time() - float(entry["created"])) < _SAME_START_SECONDS
            if is_same and is_alive(process):
                found.append(process)
        except (psutil.Error, KeyError, TypeError, ValueError):
            continue
    return found


def find_working_in(folder: Path) -> list[psutil.Process]:
    """Processes whose working folder is `folder`: PostgreSQL and Redis each work in a folder of their own, which no
    other program has a reason to enter."""
    place = str(folder.resolve())
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] in {"postgres", "redis-server", "valkey-server"} and process.cwd() == place:
                found.append(process)
        except psutil.Error:
            continue
    return found


def stop_leftovers(data: Path, extra: Iterable[psutil.Process] = ()) -> int:
    """Stop what a killed owner of `data` left running; call it only while holding the folder. Returns how many."""
    leftovers = list({process.pid: process for process in [*find_recorded(data), *extra]}.values())
    leftovers = [process for process in leftovers if process.pid != os.getpid()]
    if not leftovers:
        return 0
    families = [process for leftover in leftovers for process in _family(leftover)]
    _signal(leftovers, kill=False)
    alive = wait_ended(families, LEFTOVER_SECONDS)
    _signal(alive, kill=True)
    wait_ended(alive, LEFTOVER_SECONDS)
    _log.warning("leftovers_stopped", count=len(families), killed=len(alive))
    return len(families)


def wait_ended(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait up to `seconds` for all to end; returns those that have not. A zombie nobody collects has ended."""
    deadline = time.monotonic() + seconds
    alive = [process for process in processes if is_alive(process)]
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = [process for process in alive if is_alive(process)]
    return alive


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return [process]


def _signal(processes: Iterable[psutil.Process], *, kill: bool) -> None:
    for process in processes:
        try:
            if kill:
                process.kill()
            elif process.name() == "postgres":
                process.send_signal(2)  # SIGINT: fast shutdown; SIGTERM would wait for every client to leave
            else:
                process.terminate()
        except psutil.Error:
            continue
