"""What makes a wrong writer of a right one, by name, with the checks that must notice it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Spoil = Callable[[type[Any]], type[Any]]
SPOILED: dict[str, tuple[Spoil, set[str]]] = {}


def must_fail(*checks: str) -> Callable[[Spoil], Spoil]:
    def declare(spoil: Spoil) -> Spoil:
        SPOILED[spoil.__name__] = (spoil, set(checks))
        return spoil

    return declare
