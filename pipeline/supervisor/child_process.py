"""One program as a child of this process: started through the launcher, watched until ready, stopped in steps."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.supervisor.log_files import log_tail, open_log

_HARMLESS = frozenset({"PATH", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "MALLOC_ARENA_MAX"})
_LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True)
class User:
    """A system account by number."""

    uid: int
    gid: int
    name: str


def launch_command(
    command: Sequence[str], *, death_signal: str, user: User | None = None, reach: Sequence[Path] = ()
) -> list[str]:
    """`command` wrapped so that it gets `death_signal` when this process dies, and runs as `user`.

    Start it from a thread that lives as long as the process: the kernel counts the death of the starting thread.
    """
    options = ["--parent", str(os.getpid()), "--signal", death_signal]
    if user is not None:
        options += ["--user", f"{user.uid}:{user.gid}"]
        for path in reach:
            options += ["--reach", str(path)]
    # The interpreter itself, not the virtual environment's link to it: isolated and without site it starts quicker.
    return [sys.executable, "-I", "-S", str(_LAUNCHER), *options, "--", *command]


def bare_environment() -> dict[str, str]:
    """For a program that is not ours: what it takes to run, and none of the secrets that our own variables hold."""
    return {name: value for name, value in os.environ.items() if name in _HARMLESS or name.startswith("LC_")}


class ServerProcess:
    """A running program. `steps` are the signals that stop it, each with the seconds it is given."""

    def __init__(
        self,
        name: str,
        data: Path,
        command: Sequence[str],
        *,
        steps: Sequence[tuple[signal.Signals, float]],
        death_signal: str,
        user: User | None = None,
        reach: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        folder: str = "/",
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        self.name = name
        self._data = data
        self._steps = steps
        log = open_log(data, name)
        try:
            self._process = subprocess.Popen(
                launch_command(command, death_signal=death_signal, user=user, reach=reach),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=folder,  # by default none of ours: another account cannot always enter it
                pass_fds=[listening.fileno() for listening in sockets],
                start_new_session=True,  # a Ctrl-C in the terminal is ours to pass on, in order
                umask=0o077,
            )
        finally:
            os.close(log)

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait_ready(self, is_ready: Callable[[], bool], *, seconds: float) -> None:
        """Return when `is_ready`. Raises ConfigurationError with the end of its log if it ends or takes longer."""
        deadline = time.monotonic() + seconds
        pause = 0.005
        while not is_ready():
            code = self.exit_code()
            if code is not None or time.monotonic() > deadline:
                what = f"ended with code {code}" if code is not None else f"is not ready after {seconds:.0f} s"
                raise ConfigurationError(
                    f"{self.name} {what}; the end of {self._data / 'logs' / (self.name + '.log')}:\n"
                    f"{log_tail(self._data, self.name)}"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def begin_stop(self) -> None:
        """Send the first signal of its steps, and do not wait."""
        if self.exit_code() is None:
            self._process.send_signal(self._steps[0][0])

    def stop(self) -> None:
        """Stop it, step by step; returns when it has ended."""
        for number, seconds in self._steps:
            if self.exit_code() is not None:
                return
            self._process.send_signal(number)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        if self.exit_code() is None:
            self.kill()

    def kill(self) -> None:
        """End it and what it started, at once."""
        if self.exit_code() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
