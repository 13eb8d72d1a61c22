"""PostgreSQL and Redis from wheels, started in a folder: the default when no URL is set.

They are children of this process on Unix sockets in the data folder, keep their files there between runs, and end
with this process even if it is killed. docs/decisions/0004-embedded-servers.md tells the choices.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from shutil import disk_usage

import psutil

from pipeline.errors import ConfigurationError
from pipeline.settings.installation import socket_folder
from pipeline.settings.loading import Settings
from pipeline.store.databases import make_database
from pipeline.supervisor.child_process import ServerProcess
from pipeline.supervisor.data_folder import find_working_in, hold_folder, stop_leftovers
from pipeline.supervisor.postgresql_server import FIRST_DRAFT, PostgreSQL, prepare_socket_folder
from pipeline.supervisor.redis_server import Redis

DATABASE = "afluente"
_DEATHS_OF_BAD_FILES = 4
_ROOM_BYTES = 50_000_000


class Embedded:
    """The embedded servers of one data folder, which it holds for itself while they run.

    `database` and `broker` say which to start: where the settings name an outside server, nothing is started for it.
    `postgresql_settings` override what `postgresql_server.SETTINGS` says.
    """

    def __init__(
        self,
        data: Path,
        *,
        database: bool = True,
        broker: bool = True,
        postgresql_settings: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data.resolve()
        self._sockets = socket_folder(self.data)
        self._postgresql = PostgreSQL(self.data, self._sockets, settings=postgresql_settings) if database else None
        self._redis = Redis(self.data, self._sockets) if broker else None
        self._held = ExitStack()
        self._is_held = False

    def hold(self) -> None:
        """Take the folder, and stop what a killed owner left in it. Raises ConfigurationError if it is in use."""
        self._held.enter_context(hold_folder(self.data))
        self._is_held = True
        stop_leftovers(self.data, self._lost_servers())

    def start(self) -> None:
        """Start them and return when both answer and the database exists.

        Raises ConfigurationError if the folder is in use or a server does not start (with the end of its log).
        """
        try:
            if not self._is_held:
                self.hold()
            self._begin()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop Redis, then PostgreSQL, and let go of the folder. Harmless if nothing runs."""
        if self._redis is not None:
            self._redis.stop()
        if self._postgresql is not None:
            self._postgresql.stop()
        self._held.close()
        self._is_held = False

    def processes(self) -> list[ServerProcess]:
        """The servers that were started, to be watched and recorded."""
        servers = (self._postgresql, self._redis)
        return [server.process for server in servers if server is not None and server.process is not None]

    def restart(self, name: str, deaths: int) -> ServerProcess:
        """Start one server again that has ended by itself, for the `deaths`-th time in a row, and do not wait for it:
        whoever needs it waits. Raises OSError or ConfigurationError if that cannot be done now.

        A Redis that keeps dying although the disk has room has files it cannot read: they are set aside.
        """
        server = self._postgresql if name == "postgres" else self._redis
        if server is None:
            raise ConfigurationError(f"{name} is not run here")
        server.stop()
        if isinstance(server, Redis) and deaths >= _DEATHS_OF_BAD_FILES and disk_usage(self.data).free > _ROOM_BYTES:
            server.set_files_aside()
        server.begin()
        if server.process is None:
            raise ConfigurationError(f"{name} was not started")
        return server.process

    def _begin(self) -> None:
        if self._postgresql is not None:
            self._postgresql.begin()
        if self._redis is not None:
            if self._postgresql is None:
                prepare_socket_folder(self._sockets, None)
            self._redis.begin()
        if self._postgresql is not None:
            self._postgresql.wait()
            make_database(self.data, DATABASE)
        if self._redis is not None:
            self._redis.wait()

    def _lost_servers(self) -> list[psutil.Process]:
        return [process for name in ("postgres", FIRST_DRAFT, "redis") for process in find_working_in(self.data / name)]


def embedded_servers(settings: Settings) -> Embedded:
    """What the settings leave to us: no server where they name an outside one."""
    return Embedded(settings.data, database=settings.is_embedded_database, broker=settings.is_embedded_broker)
