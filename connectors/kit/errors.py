"""Every error of the house, sorted by what the worker does next (docs/decisions/0002-errors-by-consequence.md).

TransientError  try again later, with backoff and jitter; a Retry-After is honoured.
QuotaError      wait for the upstream's quota; uses up no attempt.
RecordError     park this one record in quarantine, go on with the rest.
TerminalError   stop this source or destination and call a human: retrying cannot help.
Anything else is a bug: a bounded number of attempts, then quarantine with the place of the traceback.

No message may hold a value of a lead: they end up in logs, in Flower and in `last_error` columns.
"""

from __future__ import annotations


class AfluenteError(Exception):
    """Root of everything this project raises on purpose."""


class TransientError(AfluenteError):
    """The same call may succeed later. `retry_after` is in seconds, None when the upstream gave none."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaError(AfluenteError):
    """The upstream's limit is reached. `retry_after` is in seconds. `window` names the declared window that is full,
    where the upstream told no time: it goes on as that window empties."""

    def __init__(self, message: str, *, retry_after: float, window: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.window = window


class RecordError(AfluenteError):
    """One record cannot go on. `code` is stable and machine-readable, `field` names the culprit, if one is known."""

    def __init__(self, code: str, *, field: str | None = None, message: str = "") -> None:
        super().__init__(f"{code}{f' ({field})' if field else ''}: {message}")
        self.code = code
        self.field = field
        self.message = message


class TerminalError(AfluenteError):
    """A source or destination cannot work until a human acts (bad credentials, revoked token, wrong field name)."""


class ConfigurationError(AfluenteError):
    """Settings, a declaration or a mapping are wrong. The message says file, path, value allowed and remedy."""
