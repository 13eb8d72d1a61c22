"""`python -m pipeline.intake.posted.reader`: reads bodies of strangers for a receiver, in a process of its own.

It holds no key, no secret and no connection but the one to its receiver, may use so much memory and so much time for a
body, and gives way to everybody else on the machine. It ends with its receiver.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import pickle
import resource
import signal
import socket
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from connectors.kit import Connector, sources
from pipeline.errors import place_of
from pipeline.intake.posted.messages import (
    PATIENCE,
    Failed,
    Introduction,
    Job,
    NotTaken,
    Outcome,
    Read,
    Ready,
    receive,
    send,
    to_introduction,
    to_job,
)
from pipeline.intake.posted.records import NotTakenError, read_posted
from pipeline.stages.mapping.contents import Contents, read_reading

_NICENESS = 10
_MOST_BYTES = 1 << 30  # of address space: a body that wants more is refused
_GROWN_BYTES = 300 << 20  # of memory in use after a body: then another reader takes over, so that none stays large
_GRACE_SECONDS = 2.0  # the receiver ends a reader that hangs; this is for where the receiver is no more


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.intake.posted.reader", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="descriptor of the socket to the receiver")
    for number in (signal.SIGINT, signal.SIGTERM):  # it ends when its receiver has read what is under way
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=parser.parse_args().fd) as line, contextlib.suppress(EOFError, OSError):
        introduction = to_introduction(receive(line))
        known = _connectors(introduction)
        _give_way()
        send(line, Ready(sorted(known)))
        serve(line, known, seconds=introduction.seconds)


def serve(line: socket.socket, known: Mapping[str, Connector], *, seconds: float) -> None:
    """Answer jobs until the other side ends. Raises EOFError and OSError then."""
    is_last = False
    while not is_last:
        job = to_job(receive(line))
        # Whose signals end the process, whatever it does.
        signal.setitimer(signal.ITIMER_PROF, seconds + _GRACE_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds + _GRACE_SECONDS)
        outcome = _read(known, job)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        is_last = outcome.is_last
        try:
            send(line, outcome)
        except ValueError as error:  # half a character, that a connector's own function made
            send(line, Failed(place_of(error), is_last))


def _read(known: Mapping[str, Connector], job: Job) -> Outcome:
    try:
        records = read_posted(
            known[job.slug],
            job.body,
            job.content_type,
            header_value=job.header_value,
            readings=[None if text is None else _contents(text) for text in job.readings],
        )
    except NotTakenError as error:
        return NotTaken(error.status, error.error, error.message, error.extra, is_last=_is_grown())
    except MemoryError:
        message = "reading this body takes more memory than a body may take"
        return NotTaken(413, "too_many_values", message, is_last=True)
    except Exception as error:  # noqa: BLE001 - a bug is told, and the next body is read
        return Failed(place_of(error))
    return Read(records, is_last=_is_grown())


@lru_cache(maxsize=64)
def _contents(text: str) -> Contents:
    return Contents(read_reading(text))


def _connectors(introduction: Introduction) -> dict[str, Connector]:
    """Those that can be had here. A company's own functions are found once its files were looked through."""
    sources()
    known: dict[str, Connector] = {}
    for slug, pickled in introduction.connectors.items():
        # Whatever a module raises that is imported for it: the receiver reads bodies of that source itself.
        with contextlib.suppress(Exception):
            known[slug] = pickle.loads(pickled)  # noqa: S301 - the receiver wrote it
    return known


def _give_way() -> None:
    with contextlib.suppress(OSError, ValueError):  # a system that has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    gc.freeze()


def _is_grown() -> bool:
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):  # another system: the limit of address space has to do
        return False
    return pages * resource.getpagesize() > _GROWN_BYTES


if __name__ == "__main__":
    main()
