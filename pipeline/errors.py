"""The errors of the house, as the pipeline names them. Most live in the kit because connectors raise them too.

Those of this module are for whoever asks the pipeline for something: a command, the console, a program. Their text says
what, where and what to do, and holds no value of a lead.
"""

from __future__ import annotations

import traceback

from connectors.kit.errors import (
    AfluenteError,
    ConfigurationError,
    QuotaError,
    RecordError,
    TerminalError,
    TransientError,
)

__all__ = [
    "AfluenteError",
    "ConfigurationError",
    "ForbiddenError",
    "NotFoundError",
    "NotRunningError",
    "QuotaError",
    "RecordError",
    "RefusedError",
    "TerminalError",
    "TransientError",
    "UsageError",
    "place_of",
]


class UsageError(AfluenteError):
    """It cannot be asked for like this, whatever is stored. `argument` is the one that is wrong, if it is one's fault;
    the error's text begins with it, `message` does not."""

    def __init__(self, message: str, *, argument: str | None = None) -> None:
        super().__init__(f"{argument} {message}" if argument else message)
        self.message = message
        self.argument = argument


class NotFoundError(AfluenteError):
    """Nothing has the id or the name that was asked for."""


class RefusedError(AfluenteError):
    """It is there, but what is known of it forbids what was asked for."""


class ForbiddenError(AfluenteError):
    """Whoever asks may not do this, whatever is stored."""


class NotRunningError(AfluenteError):
    """A part of the installation that is needed for this does not run, or cannot be reached."""


def place_of(error: BaseException) -> str:
    """Where a bug is, as `TypeError at stages/mapping.py:87`: no message, because messages quote values."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/pipeline/" in frame.filename or "/connectors/" in frame.filename]
    if not (ours or frames):
        return type(error).__name__
    frame = (ours or frames)[-1]
    path = "/".join(frame.filename.rsplit("/", 2)[-2:])
    return f"{type(error).__name__} at {path}:{frame.lineno}"
