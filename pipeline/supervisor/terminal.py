"""What `afluente up` says on its terminal."""

from __future__ import annotations

import sys
from contextlib import suppress


def say(text: str) -> None:
    """Lines on stdout, at once. Where stdout is a file on a full disk they are lost, which ends nothing."""
    with suppress(OSError, ValueError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
