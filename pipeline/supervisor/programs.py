"""Which programs `afluente up` runs: command, environment, how each shows that it is ready, how it is stopped."""

from __future__ import annotations

import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.lanes import NODES
from pipeline.settings.installation import embedded_flower_password, sandbox_token
from pipeline.settings.loading import Settings
from pipeline.supervisor.addresses import HOST, Addresses, port_of

_ANSWER_SECONDS = 0.5  # the socket listens before its program does: who asks too early waits in its queue
WARM_SECONDS = 25.0  # what a worker gets to finish its batch; killed later, the leases bring it back


@dataclass(frozen=True, slots=True)
class ProgramPlan:
    """One program. `stage` orders the stop: lower numbers end first, equal ones together."""

    name: str
    command: tuple[str, ...]
    is_ready: Callable[[], bool]
    stage: int
    stop_seconds: float
    secrets: tuple[tuple[str, str], ...] = ()  # environment variables of this program alone: command lines are public
    ready_file: Path | None = None
    socket: socket.socket | None = None  # on which it listens; ours, so it outlives the program


def environment_for(settings: Settings, addresses: Addresses) -> dict[str, str]:
    """The environment all programs share: ours, with what was decided here made explicit."""
    environment = {
        # Flower takes each of its options from a variable of that name: they would be another project's.
        **{name: value for name, value in settings.environ.items() if not name.startswith("FLOWER_")},
        "AFLUENTE_DATA": str(settings.data),
        "PYTHONSAFEPATH": "1",  # programs come from the installation, never from the folder they are started in
        "PYTHONUNBUFFERED": "1",
        "OPENBLAS_NUM_THREADS": "1",  # a pool of idle threads per worker process otherwise
    }
    if settings.config_path.exists():
        environment["AFLUENTE_CONFIG"] = str(settings.config_path.resolve())
    if settings.home is not None:
        environment["AFLUENTE_HOME"] = str(settings.home)
    if addresses.sandbox:
        environment["AFLUENTE_SANDBOX_URL"] = addresses.sandbox
    return environment


def plan_programs(settings: Settings, addresses: Addresses, *, workers: int) -> list[ProgramPlan]:
    """Every program besides the embedded servers, in the order in which they are worth starting."""
    programs = [
        ProgramPlan(
            name="receiver",
            command=(sys.executable, "-m", "pipeline.intake", *_where(addresses, "receiver")),
            is_ready=lambda: _answers(f"{addresses.receiver}/health/ready"),
            stage=0,
            stop_seconds=10.0,
            socket=addresses.sockets.get("receiver"),
        )
    ]
    if addresses.console:
        console = addresses.console
        programs.append(
            ProgramPlan(
                name="console",
                command=(sys.executable, "-m", "pipeline.console", *_where(addresses, "console")),
                is_ready=lambda: _answers(f"{console}/health"),
                stage=0,
                stop_seconds=10.0,
                socket=addresses.sockets.get("console"),
            )
        )
    programs += [
        _plan_node(settings, name, queues, count if count is not None else workers) for name, queues, count in NODES
    ]
    programs.append(
        ProgramPlan(
            name="beat",
            command=_celery("beat", "--loglevel", "INFO"),
            is_ready=lambda: True,  # it has no port; the supervisor watches that it stays
            stage=1,
            stop_seconds=10.0,
        )
    )
    programs.append(
        ProgramPlan(
            name="flower",
            # Loopback only: /metrics and /healthcheck answer without a password even with one set.
            command=_celery(
                "flower",
                *(f"--address={HOST}", f"--port={port_of(addresses.flower)}", "--max_tasks=10000"),
                f"--conf={os.devnull}",  # else it runs a flowerconfig.py of the current folder
            ),
            is_ready=lambda: _answers(f"{addresses.flower}/healthcheck"),
            stage=3,
            stop_seconds=5.0,
            secrets=(("FLOWER_BASIC_AUTH", _flower_auth(settings)), *_handed_over(addresses, "flower")),
            socket=addresses.sockets.get("flower"),
        )
    )
    if addresses.sandbox:
        sandbox = addresses.sandbox
        state = settings.data / "sandbox.db"
        programs.append(
            ProgramPlan(
                name="sandbox",
                command=(
                    sys.executable,
                    *("-m", "connectors.sandbox", *_where(addresses, "sandbox"), "--state", str(state)),
                ),
                is_ready=lambda: _answers(f"{sandbox}/_health"),
                stage=4,
                stop_seconds=5.0,
                secrets=(("SANDBOX_TOKEN", sandbox_token(settings.data) or ""),),
                socket=addresses.sockets.get("sandbox"),
            )
        )
    return programs


def _plan_node(settings: Settings, name: str, queues: Sequence[str], count: int) -> ProgramPlan:
    ready_file = settings.data / "run" / f"{name}.ready"  # pipeline/app.py makes it when the node consumes
    return ProgramPlan(
        name=name,
        command=_celery(
            "worker",
            *("-n", f"{name}@%h", "-Q", ",".join(queues), "-c", str(count), "--loglevel", "INFO"),
            *("--without-gossip", "--without-mingle"),  # nodes need not know each other; heartbeats stay for Flower
        ),
        is_ready=ready_file.exists,
        stage=2,
        stop_seconds=WARM_SECONDS,
        ready_file=ready_file,
    )


def _celery(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pipeline.supervisor.celery_program", "-A", "pipeline.app", *arguments)


def _where(addresses: Addresses, name: str) -> tuple[str, ...]:
    """Options that say where to listen: on the socket that was taken, else at the address."""
    listening = addresses.sockets.get(name)
    if listening is not None:
        return ("--fd", str(listening.fileno()))
    return ("--host", HOST, "--port", str(port_of(addresses.named()[name])))


def _handed_over(addresses: Addresses, name: str) -> tuple[tuple[str, str], ...]:
    """The same for a Celery program, whose options are Celery's: celery_program.py reads the variable."""
    listening = addresses.sockets.get(name)
    return () if listening is None else (("LISTENING_SOCKET_FD", str(listening.fileno())),)


def _flower_auth(settings: Settings) -> str:
    if settings.flower_auth is not None:
        return settings.flower_auth.resolve(settings.environ)
    return f"afluente:{embedded_flower_password(settings.data)}"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - our own address on loopback
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
