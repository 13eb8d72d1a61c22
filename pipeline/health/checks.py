"""What a check of `afluente doctor` is, and how one asks the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from sqlalchemy import Connection

from pipeline.errors import AfluenteError
from pipeline.store.engine import StoreError, transaction

PROBE_SECONDS = 10.0
Answer = TypeVar("Answer")


class Check(msgspec.Struct, frozen=True):
    """One thing looked at. `remedy` says what to do and is empty when `ok`; neither text shows a secret."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def passed(name: str, detail: str) -> Check:
    return Check(name, ok=True, detail=detail)


def failed(name: str, detail: str, remedy: str) -> Check:
    return Check(name, ok=False, detail=detail, remedy=remedy)


def asked(read: Callable[[Connection], Answer], *, timeout_seconds: float | None = PROBE_SECONDS) -> Answer | None:
    """What the database says; None while it is away: a check of its own says so."""
    try:
        with transaction(synchronous=False, timeout_seconds=timeout_seconds) as connection:
            return read(connection)
    except (AfluenteError, StoreError):
        return None
