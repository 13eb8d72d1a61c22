"""The errors of the house, as the pipeline names them. They live in the kit because connectors raise them too."""

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
    "QuotaError",
    "RecordError",
    "TerminalError",
    "TransientError",
    "place_of",
]


def place_of(error: BaseException) -> str:
    """Where a bug is, as `TypeError at stages/mapping.py:87`: no message, because messages quote values."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/pipeline/" in frame.filename or "/connectors/" in frame.filename]
    if not (ours or frames):
        return type(error).__name__
    frame = (ours or frames)[-1]
    path = "/".join(frame.filename.rsplit("/", 2)[-2:])
    return f"{type(error).__name__} at {path}:{frame.lineno}"
