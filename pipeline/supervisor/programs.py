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

from pipeline.errors import ConfigurationError
from pipeline.lanes import NODES
from pipeline.settings.installation import embedded_flower_password
from pipeline.settings.loading import Settings

HOST = "127.0.0.1"
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


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts are reached, as runtime.json names them. `sandbox` None: a real CRM is configured."""

    receiver: str
    flower: str
    sandbox: str | None

    def named(self) -> dict[str, str]:
        known = {"receiver": self.receiver, "flower": self.flower, "sandbox": self.sandbox}
        return {name: address for name, address in known.items() if address}


def choose_addresses(*, port: int, uses_sandbox: bool) -> Addresses:
    """Ports for all parts. Raises ConfigurationError if `port` (0: any) is taken; the others move to a free one."""
    if port and not _is_free(port):
        raise ConfigurationError(
            f"port {port} is taken by another program: stop it or choose another with --port (0 takes any free one)"
        )
    taken = {port}
    return Addresses(
        receiver=_address(port or _free_port(taken)),
        flower=_address(_preferred(5555, taken)),
        sandbox=_address(_preferred(8081, taken)) if uses_sandbox else None,
    )


def environment_for(settings: Settings, addresses: Addresses) -> dict[str, str]:
    """The environment all programs share: ours, with what was decided here made explicit."""
    environment = {
        **settings.environ,
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
    receiver_port = _port(addresses.receiver)
    programs = [
        ProgramPlan(
            name="receiver",
            command=(sys.executable, "-m", "pipeline.intake", "--host", HOST, "--port", str(receiver_port)),
            is_ready=lambda: _answers(f"{addresses.receiver}/health/ready"),
            stage=0,
            stop_seconds=10.0,
        )
    ]
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
                *(f"--address={HOST}", f"--port={_port(addresses.flower)}", "--max_tasks=10000"),
                f"--conf={os.devnull}",  # else it runs a flowerconfig.py of the current folder
            ),
            is_ready=lambda: _answers(f"{addresses.flower}/healthcheck"),
            stage=3,
            stop_seconds=5.0,
            secrets=(("FLOWER_BASIC_AUTH", _flower_auth(settings)),),
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
                    *("-m", "connectors.sandbox", "--host", HOST, "--port", str(_port(sandbox)), "--state", str(state)),
                ),
                is_ready=lambda: _answers(f"{sandbox}/_calls"),
                stage=4,
                stop_seconds=5.0,
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


def _flower_auth(settings: Settings) -> str:
    if settings.flower_auth is not None:
        return settings.flower_auth.resolve(settings.environ)
    return f"afluente:{embedded_flower_password(settings.data)}"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address on loopback
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _address(port: int) -> str:
    return f"http://{HOST}:{port}"


def _port(address: str) -> int:
    return int(address.rsplit(":", 1)[1])


def _preferred(port: int, taken: set[int]) -> int:
    if port not in taken and _is_free(port):
        taken.add(port)
        return port
    return _free_port(taken)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            taken.add(port)
            return port
