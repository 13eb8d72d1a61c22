"""Whole systems run beside each other here, in several processes of the tests."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def preferred_ports_are_taken() -> Iterator[None]:
    """Two systems that start at the same moment would both find Flower's and the sandbox's usual port free, and one of
    them would then ask the other's. While these are taken each system takes ports of its own."""
    with contextlib.ExitStack() as held:
        for port in (5555, 8081):
            listener = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # taken already, by another process of the tests too, serves as well
                listener.bind(("127.0.0.1", port))
                listener.listen()
                threading.Thread(target=_hang_up, args=(listener,), daemon=True).start()
        yield


def _hang_up(listener: socket.socket) -> None:
    """Whoever asks there is not left to wait: tests of the same process too whose settings name the usual sandbox."""
    with contextlib.suppress(OSError):  # it was closed
        while True:
            listener.accept()[0].close()
