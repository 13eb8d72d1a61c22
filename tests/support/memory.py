"""How much memory a piece of code takes: what Python allocates while it runs, the largest at one time."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable


def most_memory(run: Callable[[], object]) -> int:
    """Bytes that `run` holds at most. Ends the tracing: else who asks next is told the peak of all before."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
