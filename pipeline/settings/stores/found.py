"""What a store of secrets gives, and the one error for a secret that cannot be had. Neither shows a value."""

from __future__ import annotations

from datetime import datetime

import msgspec

from pipeline.errors import ConfigurationError


class SecretUnavailableError(ConfigurationError):
    """A secret cannot be read now. The text names the reference and why, never a value nor what the store answered.

    `is_refused`: the store answered, and it will say the same until somebody changes something there or here.
    """

    def __init__(self, text: str, *, is_refused: bool = False) -> None:
        super().__init__(text)
        self.is_refused = is_refused


class FoundSecret(msgspec.Struct, frozen=True):
    """A secret as it was read. `version` as its store names it; `lease_seconds` for how long the store vouches for it;
    `expires_at` when it stops being of use, where the store knows."""

    value: str
    fetched_at: datetime
    version: str | None = None
    expires_at: datetime | None = None
    lease_seconds: float | None = None

    def __repr__(self) -> str:
        return f"<FoundSecret version {self.version}>"
