"""The command's end of the socket: it hands over what was typed with its own input and output, and waits."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

from pipeline.console.command_socket.wire import Ended, Typed, receive, send
from pipeline.errors import ForbiddenError, NotRunningError, TransientError

_TERMINAL = ("TERM", "COLUMNS", "LINES", "NO_COLOR")


def run_there(path: str, arguments: Sequence[str]) -> int:
    """The exit code of the command that the console ran. Raises NotRunningError where nobody serves the socket,
    ForbiddenError where the console refuses whoever types."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        try:
            line.connect(path)
        except OSError as error:
            raise NotRunningError(
                f"nobody serves {path} ({error.strerror}): the console runs commands here, see that it is up"
            ) from None
        terminal = {name: os.environ[name] for name in _TERMINAL if name in os.environ}
        sys.stdout.flush()
        try:
            with suppress(OSError):  # it may have been turned away before it spoke, and told why
                send(line, Typed(list(arguments), terminal), [0, 1, 2])
            ended, _ = receive(line, Ended)
        except (OSError, TransientError):
            raise NotRunningError("the console ended before the command did: see whether it was done") from None
    if ended.refused is not None:
        raise ForbiddenError(ended.refused)
    return ended.exit_code
