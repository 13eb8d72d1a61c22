"""What the settings say of where a session may connect to; `connecting.py` judges by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Reach:
    """`private`: what a name of the internet that leads into a private network comes to: "refuse"; "warn": it is called
    (`afluente doctor` says so); "allow": whatever is named is called. `networks` may be called in any case. `setting`
    is what allows it, for messages."""

    private: Literal["refuse", "warn", "allow"] = "warn"
    networks: tuple[str, ...] = ()
    setting: str | None = None
