"""The supervisor behind `afluente up`: starts everything, keeps it running, stops it in order.

One loop in the main thread: the kernel ties a child's life to the thread that started it, and signals arrive here.
docs/decisions/0005-supervisor.md tells why there is no process manager from outside.
"""

from __future__ import annotations

import logging
import os
import select
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Self

from pipeline.errors import ConfigurationError
from pipeline.logs import configure_logging, get_logger
from pipeline.settings.installation import ensure_credentials, socket_folder
from pipeline.settings.loading import Settings, load_settings
from pipeline.settings.loading import settings as process_settings
from pipeline.settings.retention_settings import longest_of_logs
from pipeline.startup.rule_files import read_rules_in_force
from pipeline.supervisor.addresses import Addresses, choose_addresses, keep_ports, read_ports
from pipeline.supervisor.child_process import ServerProcess
from pipeline.supervisor.data_folder import describe_process, told_in_words, write_runtime
from pipeline.supervisor.embedded import Embedded, embedded_servers
from pipeline.supervisor.halts import watch_halts
from pipeline.supervisor.kept import Kept, Program
from pipeline.supervisor.log_files import Logs, log_tail
from pipeline.supervisor.preparation import (
    ask_broker,
    find_lacking,
    forget_former_beat,
    migrate_database,
    refuse_unknown_kinds,
    signing_sources,
)
from pipeline.supervisor.programs import ProgramPlan, environment_for, plan_programs
from pipeline.supervisor.terminal import say

READY_SECONDS = 120.0
_STARTING_DEATHS = 4  # a program that dies this often before it was ever ready will not become so
_TICK_SECONDS = 1.0
_FIRST_NOTE_SECONDS = 8.0  # a start takes about five
_NOTE_SECONDS = 15.0
_INTERRUPT_SECONDS = 10.0

_log = get_logger(__name__)


def run_up(
    data: Path | None,
    port: int,
    workers: int,
    *,
    look: Callable[[Settings], Iterable[str]] | None = None,
    usual: Path | None = None,
) -> int:
    """Run the whole system on `data` until SIGTERM or Ctrl-C. Returns the exit code.

    `look` gives sentences to warn with before anything starts; `usual` is the folder that other commands take unless
    they are told. Prints `ready http://127.0.0.1:PORT` on a line of its own when leads can come. Raises
    ConfigurationError if the folder is in use or cannot be written, the port is taken, settings or rules are wrong or a
    part does not start.
    """
    settings = load_settings(data=data)
    read_rules_in_force()  # no worker starts without them
    refuse_unknown_kinds(settings)
    os.environ["AFLUENTE_DATA"] = str(settings.data)  # for what this process itself reads of the settings later
    process_settings.cache_clear()
    configure_logging(settings.log_format)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it greets each of its plugins
    servers = embedded_servers(settings)
    with told_in_words(settings.data):
        servers.hold()
        ensure_credentials(settings.data, signing_sources(settings))
        for sentence in look(settings) if look is not None else ():
            say(f"warning: {sentence}")
        with Supervisor(settings, servers, is_named=settings.data != usual) as supervisor:
            addresses = choose_addresses(
                port=port, uses_sandbox=settings.uses_sandbox, former=read_ports(settings.data)
            )
            return supervisor.run(addresses, workers=workers)


class Supervisor:
    """Runs the programs of one installation. Use it as a context manager: leaving it stops whatever runs."""

    def __init__(self, settings: Settings, servers: Embedded, *, is_named: bool = False) -> None:
        """`is_named`: `up` was told its folder by `--data`, so other commands have to be told too."""
        self._settings = settings
        self._data = settings.data
        self._servers = servers
        self._is_named = is_named
        self._embedded: list[Kept] = []
        self._programs: list[Program] = []
        self._logs = Logs(settings.data, keep_seconds=longest_of_logs(settings.retention))
        self._is_runtime_stale = False
        self._environment: dict[str, str] = {}
        self._addresses: Addresses | None = None
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._stop_requests = 0
        self._wakeups, self._waker = socket.socketpair()
        self._former: dict[signal.Signals, Callable[[int, FrameType | None], None] | int | None] = {}
        self._former_waker = -1

    def __enter__(self) -> Self:
        for end in (self._wakeups, self._waker):
            end.settimeout(0)
        self._former_waker = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._former[number] = signal.signal(number, self._request_stop)
        self._former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)  # only to be woken
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop_programs()
        finally:
            with suppress(OSError):
                (self._data / "runtime.json").unlink()  # while the folder is still ours
            self._servers.stop()
            signal.set_wakeup_fd(self._former_waker)
            for number, handler in self._former.items():
                signal.signal(number, handler)
            self._wakeups.close()
            self._waker.close()

    def run(self, addresses: Addresses, *, workers: int) -> int:
        """Start everything, say so, keep it running. Returns 0 once stopped on request."""
        self._prepare(addresses, workers=workers)
        if not self._wait_ready():
            return 0
        self._announce()
        halts = watch_halts(self._settings)
        while not self._stop_requests:
            self._wait(_TICK_SECONDS)
            self._keep_running()
            halts.look_when_due()
        say("stopping: work under way is finished first; once more to hurry")
        return 0

    def _prepare(self, addresses: Addresses, *, workers: int) -> None:
        self._addresses = addresses
        keep_ports(self._data, addresses)
        self._environment = environment_for(self._settings, addresses)
        self._programs = [
            Program(plan, self._start) for plan in plan_programs(self._settings, addresses, workers=workers)
        ]
        for program in self._programs:
            if program.name == "sandbox":  # needs nothing of the others: it starts while they do
                program.begin()
        self._servers.start()
        self._embedded = [Kept(process.name, self._servers.restart, process) for process in self._servers.processes()]
        self._write_runtime()
        if not self._settings.is_embedded_broker:
            ask_broker(self._settings.broker_url)
        if not migrate_database(self._settings.database_url):
            self._finish_upgrade()
        for program in self._programs:
            if program.process is None and not self._stop_requests:
                program.begin()
        self._write_runtime()

    def _finish_upgrade(self) -> None:
        """What a migration left to do, before anything else runs. Raises ConfigurationError if it fails."""
        say(f"bringing the database up to date; `tail -f {self._data / 'logs' / 'migrate.log'}` shows it")
        command = (sys.executable, "-c", "from pipeline.cli import main; main()", "migrate")
        process = ServerProcess(
            "migrate",
            self._data,
            command,
            steps=((signal.SIGINT, _INTERRUPT_SECONDS),),
            death_signal="TERM",
            environment=self._environment,
            folder=str(Path.cwd()),
        )
        while process.exit_code() is None and not self._stop_requests:
            self._wait(_TICK_SECONDS)
        if process.exit_code() is None:
            process.stop()
        elif process.exit_code() != 0:
            raise ConfigurationError(f"the database could not be updated:\n{log_tail(self._data, 'migrate')}")

    def _start(self, plan: ProgramPlan) -> ServerProcess:
        if plan.ready_file is not None:
            plan.ready_file.unlink(missing_ok=True)
        if plan.name == "beat" and self._settings.is_embedded_broker:
            forget_former_beat(self._data)
        return ServerProcess(
            plan.name,
            self._data,
            plan.command,
            steps=((signal.SIGTERM, plan.stop_seconds),),
            death_signal="TERM",
            environment={**self._environment, **dict(plan.secrets)},
            folder=str(Path.cwd()),  # relative paths in afluente.yaml mean the folder `up` was called in
            sockets=[plan.socket] if plan.socket is not None else [],
        )

    def _keep_running(self) -> None:
        """Start again what has died, each after a pause that grows while it keeps dying; let no log grow for ever.

        Nothing here ends `up`: what fails for want of room on the disk is logged and tried again.
        """
        everything: list[Kept] = [*self._embedded, *self._programs]
        changes = [kept.keep(time.monotonic()) for kept in everything]
        self._logs.rotate_when_due()
        if any(changes) or self._is_runtime_stale:
            self._write_runtime()

    def _wait_ready(self) -> bool:
        """True when all are ready, False if a stop was requested first. Raises ConfigurationError if one cannot be."""
        began = time.monotonic()
        tell_at = began + _FIRST_NOTE_SECONDS
        while not self._stop_requests:
            waiting = [program for program in self._programs if not program.look_ready()]
            if not waiting:
                return True
            now = time.monotonic()
            names = ", ".join(program.name for program in waiting)
            for program in waiting:
                if program.deaths >= _STARTING_DEATHS or now - began > READY_SECONDS:
                    raise ConfigurationError(
                        f"{program.name} does not get ready (waiting for {names}); the end of"
                        f" {self._data / 'logs' / (program.name + '.log')}:\n{log_tail(self._data, program.name)}"
                    )
            if now > tell_at:
                say(f"waiting for {names} since {now - began:.0f} s; logs are in {self._data / 'logs'}")
                tell_at = now + _NOTE_SECONDS
            self._keep_running()
            self._wait(0.05)
        return False

    def _announce(self) -> None:
        if self._addresses is None:
            return
        lines = [f"data      {self._data}"]
        if self._settings.is_embedded_database:
            lines.append(f"database  embedded PostgreSQL, socket in {socket_folder(self._data)}")
        if self._addresses.console:
            lines.append(f"console   {self._addresses.console}")
        entry = "flower.auth" if self._settings.flower_auth else "user afluente, flower_password in credentials.json"
        lines.append(f"flower    {self._addresses.flower} ({entry})")
        if self._addresses.sandbox:
            lines.append(
                f"sandbox   {self._addresses.sandbox} (a CRM to try with: leads go there and to no real one,\n"
                f"          because {self._settings.config_path} names no destination)"
            )
        lines += [f"note      {sentence}" for sentence in find_lacking(self._settings.database_url)]
        lines.append(f"logs      {self._data / 'logs'}")
        if self._is_named:
            lines.append(
                f"          other commands find this installation by AFLUENTE_DATA={shlex.quote(str(self._data))}"
            )
        lines.append(f"ready {self._addresses.receiver}")
        say("\n".join(lines))
        _log.info("system_ready", address=self._addresses.receiver)

    def _write_runtime(self) -> None:
        running = [kept.process for kept in [*self._embedded, *self._programs] if kept.process is not None]
        try:
            write_runtime(
                self._data,
                {
                    "pid": os.getpid(),
                    "started_at": self._started_at,
                    "addresses": self._addresses.named() if self._addresses else {},
                    "processes": [describe_process(process.name, process.pid) for process in running],
                },
            )
        except OSError as error:
            if not self._is_runtime_stale:
                _log.error("runtime_not_written", reason=error.strerror)
            self._is_runtime_stale = True
        else:
            self._is_runtime_stale = False

    def _stop_programs(self) -> None:
        """Intake first, then what makes work, then the workers, each with its time; who hurries, kills."""
        self._stop_requests = max(self._stop_requests, 1)
        patience = self._stop_requests
        if self._addresses is not None:
            self._addresses.close()  # who comes now is refused, and not left waiting
        for stage in sorted({program.plan.stage for program in self._programs}):
            ending = [p for p in self._programs if p.plan.stage == stage and p.process is not None]
            deadline = time.monotonic() + max((p.plan.stop_seconds for p in ending), default=0.0)
            for program in ending:
                if program.process is not None:
                    program.process.begin_stop()
            while any(p.process is not None and p.process.exit_code() is None for p in ending):
                if time.monotonic() > deadline or self._stop_requests > patience:
                    break
                self._wait(0.5)
            for program in ending:
                if program.process is not None:
                    if program.process.exit_code() is None:
                        _log.warning("process_killed", name=program.plan.name, seconds=program.plan.stop_seconds)
                    program.process.kill()

    def _request_stop(self, *_: object) -> None:
        self._stop_requests += 1

    def _wait(self, seconds: float) -> None:
        """Sleep until a signal (a child's death is one) or `seconds` have passed."""
        if select.select([self._wakeups], [], [], seconds)[0]:
            self._wakeups.recv(4096)
