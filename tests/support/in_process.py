"""Runs a program's `main` in the process of the tests so that neither notices the other.

A command changes what belongs to its whole process: streams, `sys.argv`, the way logs go, caches of settings and
connections. All of it is as before when the block ends.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO
from unittest.mock import patch

import structlog

from tests.support.paths import ROOT
from tests.support.services import forget_caches


@dataclass
class Streams:
    """What was written to stdout and stderr; complete once the block has ended."""

    out: str = ""
    err: str = ""


def exit_code(program: Callable[[], None]) -> int:
    """Run `program` to its end; gives the code that a process would exit with."""
    try:
        program()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def program_state(argv: list[str], environment: dict[str, str], stdin: str) -> Iterator[Streams]:
    """A block in which this process looks like one just started with these arguments in the checkout's root."""
    streams = Streams()
    out, err = io.BytesIO(), io.BytesIO()
    with (
        _text(out) as stdout,
        _text(err) as stderr,
        _text(io.BytesIO(stdin.encode())) as given,
        patch.multiple(sys, argv=argv, stdin=given, stdout=stdout, stderr=stderr),
        patch.dict(os.environ, environment),
        patch.object(os, "execv", _refuse_to_become),
        contextlib.chdir(ROOT),
        _logging_as_it_is(),
        _no_caches(),
    ):
        try:
            yield streams
        finally:
            stdout.flush()
            stderr.flush()
            streams.out, streams.err = out.getvalue().decode(), err.getvalue().decode()


def _refuse_to_become(program: str, arguments: list[str]) -> None:
    raise RuntimeError(f"this command would replace the process of the tests by {program}: use run_process or start")


def _text(buffer: io.BytesIO) -> TextIO:
    return io.TextIOWrapper(buffer, encoding="utf-8", newline="\n", write_through=True)


@contextlib.contextmanager
def _no_caches() -> Iterator[None]:
    forget_caches()
    try:
        yield
    finally:
        forget_caches()


@contextlib.contextmanager
def _logging_as_it_is() -> Iterator[None]:
    """Loggers that a command makes write to its stderr; none may keep that stream, or the command's level, after it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configuration = structlog.get_config()
    configure = structlog.configure

    def configure_for_now(**options: object) -> None:
        configure(**{**options, "cache_logger_on_first_use": False})

    try:
        with patch.object(structlog, "configure", configure_for_now):
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        configure(**configuration)
