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
from pipeline.intake.receiver.rate_limits import RateLimits
from pipeline.logs import get_logger
from pipeline.settings.loading import Settings
from pipeline.store.engine import transaction

_AT_ONCE = 16
_OF_AN_ACCOUNT = 12  # connections: nobody keeps all others out
_NOTED, _NOTED_PER_SECOND = 30.0, 1 / 60  # attempts of a stranger that are entries: more of them tell nothing more
_REST_SECONDS = 0.2  # after the machine had no descriptor or thread left
_PATIENCE_SECONDS = 10.0  # with what is asked, and with a command whose typist has left
_RUN = "from pipeline.cli import main; main()"
_TERMINAL = ("TERM", "COLUMNS", "LINES", "NO_COLOR")
_NOT_YOURS = ("AFLUENTE_TOKEN", "AFLUENTE_SOCKET")  # of the console's environment: the command is another's
_REFUSED = 1
_log = get_logger(__name__)


class Lines:
    """Open connections by account."""

    def __init__(self) -> None:
        self._open: dict[int, int] = {}
        self._lock = threading.Lock()

    def enter(self, uid: int) -> bool:
        """Count one more, unless there are as many as there may be."""
        with self._lock:
            count = self._open.get(uid, 0)
            if count >= _OF_AN_ACCOUNT:
                return False
            self._open[uid] = count + 1
            return True

    def leave(self, uid: int) -> None:
        with self._lock:
            self._open[uid] -= 1
            if not self._open[uid]:
                del self._open[uid]


class CommandServer:
    """Threads that serve the socket `path`. Everybody may connect: what they may do is for the settings to say."""

    def __init__(self, known: Settings, path: Path) -> None:
        """Raises ConfigurationError where the socket cannot be made."""
        self._accounts = known.access.accounts
        self._path = path
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._lines = Lines()
        self._noted = RateLimits(most=1_000)
        self._stopped = threading.Event()
        self._listening = _listen(path)
        self._made = path.lstat().st_ino
        self._thread = threading.Thread(target=self._run, name="command-socket", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more commands. Those that run go on to their end."""
        self._stopped.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with suppress(FileNotFoundError):
            if self._path.lstat().st_ino == self._made:  # else it is that of a console which took this one's place
                self._path.unlink()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._accept()
            except (OSError, RuntimeError):
                self._stopped.wait(_REST_SECONDS)

    def _accept(self) -> None:
        """One connection, in a thread of its own. Raises OSError and RuntimeError for what the machine has no more
        of."""
        line, _ = self._listening.accept()
        try:
            line.settimeout(_PATIENCE_SECONDS)
            uid = peer_uid(line)
            if not self._lines.enter(uid):
                _turn_away(line)
                return
            try:
                threading.Thread(target=self._serve, args=(line, uid), name="typed-command", daemon=True).start()
            except RuntimeError:
                self._lines.leave(uid)
                raise
        except BaseException:
            line.close()
            raise

    def _serve(self, line: socket.socket, uid: int) -> None:
        try:
            self._speak(line)
        finally:
            self._lines.leave(uid)

    def _speak(self, line: socket.socket) -> None:
        with line:
            try:
                send(line, self._answer(line))
            except (OSError, AfluenteError):
                pass  # whoever typed has left, or never spoke as a command does
            except Exception as error:  # noqa: BLE001 - one command, and the console serves the others
                _log.error("typed_command_failed", place=place_of(error))

    def _answer(self, line: socket.socket) -> Ended:
        typist = typist_of(peer_uid(line), self._accounts)
        typed, streams = receive(line, Typed, descriptors=STREAMS, seconds=_PATIENCE_SECONDS)
        try:
            if not typist.roles and not self._noted.take(typist.name, rate_per_second=_NOTED_PER_SECOND, burst=_NOTED):
                _note_stranger(typist)
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
        if ended not in _ready([ended, line.fileno()], None):
            running.send_signal(signal.SIGINT)
            if not _ready([ended], _PATIENCE_SECONDS):
                running.kill()
        code = running.wait()
    finally:
        os.close(ended)
    return code if code >= 0 else 128 - code


def _ready(descriptors: list[int], seconds: float | None) -> list[int]:
    """By `poll`, which takes any number that a busy console may have come to."""
    waiting = select.poll()
    for descriptor in descriptors:
        waiting.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in waiting.poll(None if seconds is None else seconds * 1_000)]


def _turn_away(line: socket.socket) -> None:
    with line, suppress(OSError):
        send(line, Ended(_REFUSED, f"an account may have {_OF_AN_ACCOUNT} commands at once: wait until one has ended"))


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
