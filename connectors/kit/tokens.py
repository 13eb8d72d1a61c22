"""What gives access tokens, whoever keeps them."""

from __future__ import annotations

from typing import Protocol


class TokenSource(Protocol):
    """Gives the token to send. `renew` is called when the upstream refused the last one."""

    def token(self) -> str: ...

    def renew(self) -> bool:
        """True if there is a new token to try. Raises TransientError or TerminalError."""
        ...
