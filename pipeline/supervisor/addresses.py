"""Where the parts of one installation are reached: sockets taken before anything starts, handed to the programs as they
are. Who holds the socket has the port: two installations that start at one moment cannot both think it theirs."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.logs import get_logger

HOST = "127.0.0.1"
_USUAL_PORTS = {"flower": 5555, "sandbox": 8081, "console": 8082}
_BACKLOG = 2048  # connections that wait while a program is started again

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts are reached, as runtime.json names them. `sandbox` None: a real CRM is configured.

    `sockets` by the same names: they listen already, and queue who comes until the program takes over.
    """

    receiver: str
    flower: str
    sandbox: str | None
    console: str | None = None
    sockets: Mapping[str, socket.socket] = field(default_factory=dict)

    def named(self) -> dict[str, str]:
        known = {"receiver": self.receiver, "console": self.console, "flower": self.flower, "sandbox": self.sandbox}
        return {name: address for name, address in known.items() if address}

    def close(self) -> None:
        """Let go of the sockets: who comes from now on is refused once the programs have let go of theirs too."""
        for listening in self.sockets.values():
            listening.close()


def choose_addresses(*, port: int, uses_sandbox: bool, former: Mapping[str, int] | None = None) -> Addresses:
    """Sockets for all parts. Raises ConfigurationError if `port` (0: any) is taken.

    The others take the port they had (`former`, by name), else their usual one, else any that is free.
    """
    former = former or {}
    receiver = _listen(port)
    if receiver is None:
        raise ConfigurationError(
            f"port {port} is taken by another program: stop it or choose another with --port (0 takes any free one)"
        )
    sockets = {"receiver": receiver}
    for name in ("console", "flower", "sandbox") if uses_sandbox else ("console", "flower"):
        wanted = (former.get(name, 0), _USUAL_PORTS[name])
        found = next((taken for number in wanted if number and (taken := _listen(number)) is not None), None)
        taken = found or _listen(0)
        if taken is None:
            raise ConfigurationError(f"no port is free on {HOST} for {name}: stop a program that listens there")
        sockets[name] = taken
    return Addresses(
        receiver=_address(sockets["receiver"]),
        console=_address(sockets["console"]),
        flower=_address(sockets["flower"]),
        sandbox=_address(sockets["sandbox"]) if uses_sandbox else None,
        sockets=sockets,
    )


def read_ports(data: Path) -> dict[str, int]:
    """The ports that an earlier `up` on this folder had, by name. Empty if it left none that can be read."""
    try:
        found = json.loads((data / "ports.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: port for name, port in found.items() if type(port) is int and 0 < port < 65536}


def keep_ports(data: Path, addresses: Addresses) -> None:
    """Remember them, so that bookmarks hold at the next start. Nothing depends on it: a full disk is only logged."""
    ports = {name: port_of(address) for name, address in addresses.named().items()}
    try:
        temporary = data / "ports.json.new"
        temporary.write_text(json.dumps(ports) + "\n", encoding="utf-8")
        temporary.replace(data / "ports.json")
    except OSError as error:
        _log.warning("ports_not_kept", reason=error.strerror)


def port_of(address: str) -> int:
    return int(address.rsplit(":", 1)[1])


def _listen(port: int) -> socket.socket | None:
    """A socket that listens on `port` (0: any); None if another has it."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier run may linger
    try:
        listening.bind((HOST, port))
        listening.listen(_BACKLOG)  # with SO_REUSEADDR, only who listens has the port for itself
    except OSError:
        listening.close()
        return None
    return listening


def _address(listening: socket.socket) -> str:
    return f"http://{HOST}:{listening.getsockname()[1]}"
