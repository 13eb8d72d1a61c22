"""What tests of processes do over and over: wait for something to hold, and see whether a process is gone."""

from __future__ import annotations

import time

import psutil


def wait_until(holds, *, seconds: float) -> bool:
    """True as soon as `holds()` is, False if it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
