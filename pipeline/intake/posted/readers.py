"""The readers of a receiver: processes of its own that read large bodies, so that none of them holds up its answers.

A reader that dies is replaced and the body given to the next one, once; one that takes too long is ended, and the
body's sender is asked to come back. Where no reader can be had, bodies are read in this process, as slow as that is for
the others. docs/decisions/0024-strangers-bytes-in-their-own-process.md says why.
"""

from __future__ import annotations

import os
import pickle
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import psutil

from connectors.kit import Connector, Webhook
from pipeline.intake.posted.messages import (
    PATIENCE,
    Failed,
    Introduction,
    Job,
    NotTaken,
    Outcome,
    receive,
    send,
    to_outcome,
    to_ready,
)
from pipeline.intake.posted.records import NotTakenError, PostedRecord, read_posted
from pipeline.logs import get_logger
from pipeline.stages.mapping.contents import Contents

DIED, HUNG = "died", "hung"
MOST = 2
_BODY_SECONDS = 10.0  # for one body; the slowest of 256 kB takes a third of a second
_LOOK_SECONDS = 0.25
_LATER_SECONDS = 3.0  # when the receiver has answered its first requests
_START_SECONDS = 60.0  # on a machine that is busy with the rest of the start
_AGAIN_SECONDS = 30.0  # after a start that failed
_KEPT_VARIABLES = frozenset(
    ["PATH", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX", "AFLUENTE_HOME", "AFLUENTE_CONFIG"]
)
_log = get_logger(__name__)


class ReaderEndedError(Exception):
    """No reader got through this body: DIED under it twice, or HUNG. Nothing is known of it."""


class ReaderFaultError(Exception):
    """A bug in what reads bodies. The text says where."""


class _NoReaderError(Exception):
    """None can be started, or none knows the source."""


class Readers:
    """At most as many processes as threads call `read` at once; started when they are needed, the first one before.

    `on_end` is told why a reader ended that should not have (DIED, HUNG), from whichever thread saw it.
    """

    def __init__(
        self,
        connectors: Mapping[str, Connector],
        *,
        seconds: float | None = None,
        on_end: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._seconds = _BODY_SECONDS if seconds is None else seconds
        self._on_end = on_end
        self._connectors = {connector.source: connector for connector in connectors.values()}
        self._guard = threading.Lock()
        self._starts = threading.Lock()
        self._idle: list[_Reader] = []
        self._all: set[_Reader] = set()
        self._is_stopping = False
        self._not_before = 0.0
        self._first: threading.Timer | None = None

    def start(self) -> None:
        """Start the first reader soon, in the background: the first large body need not wait for it."""
        self._first = threading.Timer(_LATER_SECONDS, self._start_first)
        self._first.daemon = True
        self._first.start()

    def stop(self) -> None:
        """End all of them. A body that is being read is given up: its sender has had no answer."""
        if self._first is not None:
            self._first.cancel()
        with self._guard:
            self._is_stopping = True
            readers, self._all, self._idle = self._all, set(), []
        for reader in readers:
            reader.kill()
        for reader in readers:
            reader.close()

    @property
    def pids(self) -> list[int]:
        """Of the processes there are."""
        with self._guard:
            return [reader.pid for reader in self._all]

    def read(
        self,
        connector: Connector,
        body: bytes,
        content_type: str,
        *,
        header_value: str | None,
        readings: Sequence[Contents | None] = (),
    ) -> list[PostedRecord]:
        """As read_posted has it, somewhere else. Blocks.

        Raises NotTakenError as that does, ReaderEndedError, and ReaderFaultError.
        """
        texts = [None if reading is None else reading.reading.text() for reading in readings]
        job = Job(connector.source, body, content_type, header_value, texts)
        try:
            outcome = self._ask(connector, job)
        except _NoReaderError:
            return read_posted(connector, body, content_type, header_value=header_value, readings=readings)
        if isinstance(outcome, NotTaken):
            raise NotTakenError(outcome.status, outcome.error, outcome.message, **outcome.extra)
        if isinstance(outcome, Failed):
            raise ReaderFaultError(outcome.place)
        return outcome.records

    def _ask(self, connector: Connector, job: Job) -> Outcome:
        if self._connectors.get(job.slug) is not connector:
            raise _NoReaderError
        for _ in range(2):
            reader = self._take()
            if job.slug not in reader.slugs:
                self._give_back(reader)
                raise _NoReaderError
            try:
                outcome = reader.ask(job, self._seconds)
            except TimeoutError:
                self._end(reader, HUNG)
                raise ReaderEndedError(HUNG) from None
            except (OSError, EOFError, ValueError):  # ValueError: what it said makes no sense
                self._end(reader, DIED)
                continue
            if outcome.is_last:
                self._end(reader)
            else:
                self._give_back(reader)
            return outcome
        raise ReaderEndedError(DIED)

    def _start_first(self) -> None:
        if self.pids:
            return
        with suppress(_NoReaderError, ReaderEndedError):
            self._give_back(self._take())

    def _take(self) -> _Reader:
        reader = self._take_idle()
        if reader is not None:
            return reader
        with self._starts:  # one at a time: while the first one starts, its bodies wait for it
            reader = self._take_idle()
            if reader is not None:
                return reader
            if time.monotonic() < self._not_before:
                raise _NoReaderError
            try:
                return self._start()
            except (OSError, EOFError, ValueError) as error:
                if self._is_stopping:
                    raise ReaderEndedError(DIED) from None
                self._not_before = time.monotonic() + _AGAIN_SECONDS
                _log.error("reader_not_started", error=type(error).__name__)
                raise _NoReaderError from None

    def _take_idle(self) -> _Reader | None:
        with self._guard:
            if self._is_stopping:
                raise ReaderEndedError(DIED)
            while self._idle:
                reader = self._idle.pop()
                if reader.is_alive:
                    return reader
                self._all.discard(reader)
                reader.close()
        return None

    def _start(self) -> _Reader:
        reader = _Reader()
        with self._guard:
            self._all.add(reader)
            is_stopping = self._is_stopping
        try:
            if is_stopping:
                raise EOFError
            reader.introduce(self._introduction(), _START_SECONDS)
        except (OSError, EOFError, ValueError):
            self._end(reader)
            raise
        return reader

    def _introduction(self) -> Introduction:
        pickled = {}
        for slug, connector in self._connectors.items():
            # A function that has no name to be found by: bodies of that source are read in this process.
            with suppress(pickle.PicklingError, AttributeError, TypeError):
                pickled[slug] = pickle.dumps(_as_read(connector))
        return Introduction(pickled, self._seconds)

    def _give_back(self, reader: _Reader) -> None:
        with self._guard:
            if not self._is_stopping:
                self._idle.append(reader)

    def _end(self, reader: _Reader, reason: str | None = None) -> None:
        with self._guard:
            self._all.discard(reader)
            is_stopping = self._is_stopping
        reader.kill()
        reader.close()
        if reason is not None and not is_stopping:
            _log.warning("reader_ended", error=reason)
            self._on_end(reason)


class _Reader:
    """One process and the line to it."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "pipeline.intake.posted.reader", "--fd", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env=_environment(),
                    pass_fds=[theirs.fileno()],
                )
            except OSError:
                self._line.close()
                raise
        self.slugs: frozenset[str] = frozenset()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def introduce(self, introduction: Introduction, seconds: float) -> None:
        """Raises OSError, EOFError and ValueError if it does not start."""
        self._line.settimeout(seconds)
        send(self._line, introduction)
        self.slugs = frozenset(to_ready(receive(self._line, seconds=seconds)).slugs)

    def ask(self, job: Job, seconds: float) -> Outcome:
        """Raises TimeoutError, OSError and EOFError for a reader that is of no use any more.

        `seconds` are those that it may work or sleep. It gives way to everybody else, so on a busy machine it waits for
        a processor meanwhile: that is not held against it, up to PATIENCE times as long.
        """
        began_at, spent = time.monotonic(), self._processor_seconds()
        self._line.settimeout(seconds)
        send(self._line, job)
        waiting = select.poll()
        waiting.register(self._line, select.POLLIN)
        pause = seconds
        while not waiting.poll(pause * 1_000):
            is_late = time.monotonic() - began_at >= PATIENCE * seconds
            if is_late or not self._is_starved() or self._processor_seconds() - spent >= seconds:
                raise TimeoutError
            pause = _LOOK_SECONDS
        return to_outcome(receive(self._line, seconds=seconds))

    def _is_starved(self) -> bool:
        """It would work if it got a processor, or its memory back."""
        try:
            return psutil.Process(self.pid).status() in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
        except psutil.Error:
            return False

    def _processor_seconds(self) -> float:
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Of one that has ended or is about to."""
        self._process.wait()
        self._line.close()


def _as_read(connector: Connector) -> Connector:
    """What reading needs of a connector: handshakes are often functions without a name."""
    intake = connector.intake
    return replace(connector, intake=replace(intake, handshake=None)) if isinstance(intake, Webhook) else connector


def _environment() -> dict[str, str]:
    """What it takes to find the code and the company's files, and none of the secrets that our own variables hold."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_VARIABLES or name.startswith(("LC_", "PYTHON"))
    }
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
