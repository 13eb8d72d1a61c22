"""What a check of `afluente doctor` is."""

from __future__ import annotations

import msgspec


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
