"""Whether values of people are shown as they are or by their shape, for as long as a command or a request runs.

Set by whoever checked what the asker may; read by the use cases out of which values come.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

CLEAR, MASKED = "people.read", "people.read_masked"  # the permissions
MASKED_OUTCOME = "masked"  # of an entry of the audit log: shapes were shown, no values

_is_masked: ContextVar[bool] = ContextVar("is_masked", default=False)


@contextmanager
def masked_sight(*, is_masked: bool) -> Iterator[None]:
    """Within the block values of people are shown by their shape, or (`is_masked` False) as they are. A thread begun
    inside must be given the context, as `asyncio.to_thread` does by itself."""
    token = _is_masked.set(is_masked)
    try:
        yield
    finally:
        _is_masked.reset(token)


def sees_masked() -> bool:
    """Whether whoever asks sees shapes only."""
    return _is_masked.get()
