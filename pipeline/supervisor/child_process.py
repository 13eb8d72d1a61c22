"""One program as a child of this process: started through the launcher, watched until ready, stopped in steps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigurationError

_LAUNCHER = Path(__file__).with_name("launcher.py")
_LOG_LIMIT_BYTES = 10_000_000  # an older log is set aside once, at start-up
_TAIL_LINES = 15


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


def open_log(data: Path, name: str) -> int:
    """Descriptor of `logs/NAME.log`, appending; a long one of earlier runs is moved to `NAME.log.1` first."""
    folder = data / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.log"
    if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
        path.replace(folder / f"{name}.log.1")
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)


def log_tail(data: Path, name: str) -> str:
    """The last lines a program logged, for an error that says why it did not start."""
    try:
        with (data / "logs" / f"{name}.log").open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_TAIL_LINES:])


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
