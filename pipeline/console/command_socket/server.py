"""The console's end of the socket: it sees who is there, and runs what they type as a process of its own.

The process has the console's environment, so the database and the keys, and the files that whoever types passed it as
input and output. What it may do is bound by the roles of the account, in the check that stands before each command.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from pipeline.audit.acting import acting_as
from pipeline.audit.entries import record_action
from pipeline.console.command_socket.typists import VARIABLE, Typist, typist_of, write_typist
from pipeline.console.command_socket.wire import STREAMS, Ended, Typed, peer_uid, receive, send
from pipeline.errors import AfluenteError, ConfigurationError, place_of
from pipeline.logs import get_logger
from pipeline.settings.loading import Settings
from pipeline.store.engine import transaction

_AT_ONCE = 16
_PATIENCE_SECONDS = 10.0  # with what is asked, and with a command whose typist has left
_RUN = "from pipeline.cli import main; main()"
_TERMINAL = ("TERM", "COLUMNS", "LINES", "NO_COLOR")
_NOT_YOURS = ("AFLUENTE_TOKEN", "AFLUENTE_SOCKET")  # of the console's environment: the command is another's
_REFUSED = 1
_log = get_logger(__name__)


class CommandServer:
    """Threads that serve the socket `path`. Everybody may connect: what they may do is for the settings to say."""

    def __init__(self, known: Settings, path: Path) -> None:
        """Raises ConfigurationError where the socket cannot be made."""
        self._accounts = known.access.accounts
        self._path = path
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._listening = _listen(path)
        self._thread = threading.Thread(target=self._run, name="command-socket", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more commands. Those that run go on to their end."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while True:
            try:
                line, _ = self._listening.accept()
            except OSError:
                return  # stopped
            threading.Thread(target=self._serve, args=(line,), name="typed-command", daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line:
            line.settimeout(_PATIENCE_SECONDS)
            try:
                send(line, self._answer(line))
            except (OSError, AfluenteError):
                pass  # whoever typed has left, or never spoke as a command does
            except Exception as error:  # noqa: BLE001 - one command, and the console serves the others
                _log.error("typed_command_failed", place=place_of(error))

    def _answer(self, line: socket.socket) -> Ended:
        typist = typist_of(peer_uid(line), self._accounts)
        typed, streams = receive(line, Typed, descriptors=STREAMS)
        try:
            if refusal := _refusal(typist, typed, streams):
                return Ended(_REFUSED, refusal)
            if not self._places.acquire(blocking=False):
                return Ended(_REFUSED, f"{_AT_ONCE} commands run already: try again in a moment")
            try:
                return Ended(_run_for(typist, typed, streams, line))
            finally:
                self._places.release()
        finally:
            for descriptor in streams:
                os.close(descriptor)


def _refusal(typist: Typist, typed: Typed, streams: list[int]) -> str | None:
    if not typist.roles:
        _note_stranger(typist)
        return f"the account {typist.name} has no role here: access.accounts in afluente.yaml names those that have"
    if len(streams) != STREAMS or not typed.arguments or typed.arguments[0].startswith("-"):
        return "only a command can be run through the socket, and no option in front of it"
    return None


def _note_stranger(typist: Typist) -> None:
    with suppress(AfluenteError), acting_as(typist.actor()), transaction() as connection:
        record_action(connection, "command.run", outcome="refused", reason="the account has no role")


def _run_for(typist: Typist, typed: Typed, streams: list[int], line: socket.socket) -> int:
    told = write_typist(typist)
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_YOURS}
    environment |= {name: typed.terminal[name][:100] for name in _TERMINAL if name in typed.terminal}
    try:
        running = subprocess.Popen(
            [sys.executable, "-c", _RUN, *typed.arguments],
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            pass_fds=(told,),
            env={**environment, VARIABLE: str(told)},
            start_new_session=True,  # a signal of the console's terminal is not for it
        )
    finally:
        os.close(told)
    return _wait(running, line)


def _wait(running: subprocess.Popen[bytes], line: socket.socket) -> int:
    """Until the command ends, or whoever typed it has left: then it is asked to end, and made to."""
    ended = os.pidfd_open(running.pid)
    try:
        ready, _, _ = select.select([ended, line.fileno()], [], [])
        if ended not in ready:
            running.send_signal(signal.SIGINT)
            if not select.select([ended], [], [], _PATIENCE_SECONDS)[0]:
                running.kill()
        code = running.wait()
    finally:
        os.close(ended)
    return code if code >= 0 else 128 - code


def _listen(path: Path) -> socket.socket:
    if not (hasattr(socket, "SO_PEERCRED") and hasattr(os, "pidfd_open")):
        raise ConfigurationError("access.socket: only on Linux does the kernel say who is at the other end")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()  # of a console that was killed
        listening.bind(str(path))
        path.chmod(0o666)
        listening.listen(_AT_ONCE)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"access.socket: {path} cannot be listened on ({error.strerror}): name a path in a folder that the console"
            " may write and others may enter"
        ) from error
    return listening
