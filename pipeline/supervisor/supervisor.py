"""The supervisor behind `afluente up`: starts everything, keeps it running, stops it in order.

One loop in the main thread: the kernel ties a child's life to the thread that started it, and signals arrive here.
docs/decisions/0005-supervisor.md tells why there is no process manager from outside.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Self

from pipeline.errors import ConfigurationError
from pipeline.logs import configure_logging, get_logger
from pipeline.rule_files import read_rules_in_force
from pipeline.settings.installation import ensure_credentials, socket_folder
from pipeline.settings.loading import Settings, load_settings
from pipeline.settings.loading import settings as process_settings
from pipeline.supervisor.child_process import ServerProcess, log_tail
from pipeline.supervisor.data_folder import describe_process, write_runtime
from pipeline.supervisor.embedded import Embedded, embedded_servers
from pipeline.supervisor.preparation import (
    ask_broker,
    find_lacking,
    forget_former_beat,
    migrate_database,
    signing_sources,
)
from pipeline.supervisor.programs import (
    Addresses,
    ProgramPlan,
    choose_addresses,
    environment_for,
    plan_programs,
)

READY_SECONDS = 120.0
_STEADY_SECONDS = 10.0  # a program that ran this long and then died is started again at once
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
_STARTING_DEATHS = 4  # a program that dies this often before it was ever ready will not become so
_TICK_SECONDS = 1.0
_INTERRUPT_SECONDS = 10.0

_log = get_logger(__name__)


def run_up(data: Path | None, port: int, workers: int) -> int:
    """Run the whole system on `data` until SIGTERM or Ctrl-C. Returns the exit code.

    Prints `ready http://127.0.0.1:PORT` on a line of its own when leads can come. Raises ConfigurationError if the
    folder is in use, the port is taken, rules are wrong or a part does not start.
    """
    settings = load_settings(data=data)
    read_rules_in_force()  # no worker starts without them
    os.environ["AFLUENTE_DATA"] = str(settings.data)  # for what this process itself reads of the settings later
    process_settings.cache_clear()
    configure_logging(settings.log_format)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it greets each of its plugins
    servers = embedded_servers(settings)
    servers.hold()
    with Supervisor(settings, servers) as supervisor:
        addresses = choose_addresses(port=port, uses_sandbox=settings.uses_sandbox)
        return supervisor.run(addresses, workers=workers)


class _Program:
    """A planned program and what became of it."""

    def __init__(self, plan: ProgramPlan) -> None:
        self.plan = plan
        self.process: ServerProcess | None = None
        self.started_at = 0.0
        self.restart_at: float | None = None
        self.pause = 0.0
        self.deaths = 0
        self.was_ready = False


class Supervisor:
    """Runs the programs of one installation. Use it as a context manager: leaving it stops whatever runs."""

    def __init__(self, settings: Settings, servers: Embedded) -> None:
        self._settings = settings
        self._data = settings.data
        self._servers = servers
        self._programs: list[_Program] = []
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
            (self._data / "runtime.json").unlink(missing_ok=True)  # while the folder is still ours
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
        while not self._stop_requests:
            self._wait(_TICK_SECONDS)
            self._keep_running()
        print("stopping: work under way is finished first; once more to hurry", flush=True)
        return 0

    def _prepare(self, addresses: Addresses, *, workers: int) -> None:
        self._addresses = addresses
        ensure_credentials(self._data, signing_sources(self._settings))
        self._environment = environment_for(self._settings, addresses)
        self._programs = [_Program(plan) for plan in plan_programs(self._settings, addresses, workers=workers)]
        for program in self._programs:
            if program.plan.name == "sandbox":  # needs nothing of the others: it starts while they do
                self._start(program)
        self._servers.start()
        self._write_runtime()
        if not self._settings.is_embedded_broker:
            ask_broker(self._settings.broker_url)
        if not migrate_database(self._settings.database_url):
            self._finish_upgrade()
        if self._settings.is_embedded_broker:
            forget_former_beat(self._data)
        for program in self._programs:
            if program.process is None and not self._stop_requests:
                self._start(program)
        self._write_runtime()

    def _finish_upgrade(self) -> None:
        """What a migration left to do, before anything else runs. Raises ConfigurationError if it fails."""
        print(f"updating the people of before; `tail -f {self._data / 'logs' / 'migrate.log'}` shows it", flush=True)
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
            raise ConfigurationError(f"the people of before could not be updated:\n{log_tail(self._data, 'migrate')}")

    def _start(self, program: _Program) -> None:
        plan = program.plan
        if plan.ready_file is not None:
            plan.ready_file.unlink(missing_ok=True)
        program.restart_at = None
        program.started_at = time.monotonic()
        program.process = ServerProcess(
            plan.name,
            self._data,
            plan.command,
            steps=((signal.SIGTERM, plan.stop_seconds),),
            death_signal="TERM",
            environment={**self._environment, **dict(plan.secrets)},
            folder=str(Path.cwd()),  # relative paths in afluente.yaml mean the folder `up` was called in
        )

    def _keep_running(self) -> None:
        """Start again what has died, each program after a pause that grows while it keeps dying."""
        changed = False
        for server in self._servers.processes():
            if server.exit_code() is not None:
                _log.error("process_restarted", name=server.name, code=server.exit_code())
                self._servers.restart(server.name)
                changed = True
        for program in self._programs:
            now = time.monotonic()
            if program.process is not None and program.process.exit_code() is not None and program.restart_at is None:
                was_steady = now - program.started_at > _STEADY_SECONDS
                program.deaths += 1
                program.pause = (
                    0.0 if was_steady else min(program.pause * 2 or _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
                )
                program.restart_at = now + program.pause
            if program.restart_at is not None and now >= program.restart_at:
                code = program.process.exit_code() if program.process else None
                _log.error("process_restarted", name=program.plan.name, code=code, pause_seconds=program.pause)
                if program.plan.name == "beat" and self._settings.is_embedded_broker:
                    forget_former_beat(self._data)
                self._start(program)
                changed = True
        if changed:
            self._write_runtime()

    def _wait_ready(self) -> bool:
        """True when all are ready, False if a stop was requested first. Raises ConfigurationError if one cannot be."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._stop_requests:
            waiting = [program for program in self._programs if not program.was_ready]
            for program in waiting:
                program.was_ready = self._is_up(program)
            waiting = [program for program in waiting if not program.was_ready]
            if not waiting:
                return True
            for program in waiting:
                if program.deaths >= _STARTING_DEATHS or time.monotonic() > deadline:
                    name = program.plan.name
                    raise ConfigurationError(
                        f"{name} does not get ready; the end of {self._data / 'logs' / (name + '.log')}:\n"
                        f"{log_tail(self._data, name)}"
                    )
            self._keep_running()
            self._wait(0.05)
        return False

    def _is_up(self, program: _Program) -> bool:
        return program.process is not None and program.process.exit_code() is None and program.plan.is_ready()

    def _announce(self) -> None:
        if self._addresses is None:
            return
        lines = [f"data      {self._data}"]
        if self._settings.is_embedded_database:
            lines.append(f"database  embedded PostgreSQL, socket in {socket_folder(self._data)}")
        entry = "flower.auth" if self._settings.flower_auth else "user afluente, flower_password in credentials.json"
        lines.append(f"flower    {self._addresses.flower} ({entry})")
        if self._addresses.sandbox:
            lines.append(
                f"sandbox   {self._addresses.sandbox} (a CRM to try with: leads go there and to no real one,\n"
                f"          because {self._settings.config_path} names no destination)"
            )
        lines += [f"note      {sentence}" for sentence in find_lacking(self._settings.database_url)]
        lines.append(f"ready {self._addresses.receiver}")
        print("\n".join(lines), flush=True)
        _log.info("system_ready", address=self._addresses.receiver)

    def _write_runtime(self) -> None:
        running = [*self._servers.processes()]
        running += [program.process for program in self._programs if program.process is not None]
        write_runtime(
            self._data,
            {
                "pid": os.getpid(),
                "started_at": self._started_at,
                "addresses": self._addresses.named() if self._addresses else {},
                "processes": [describe_process(process.name, process.pid) for process in running],
            },
        )

    def _stop_programs(self) -> None:
        """Intake first, then what makes work, then the workers, each with its time; who hurries, kills."""
        self._stop_requests = max(self._stop_requests, 1)
        patience = self._stop_requests
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
