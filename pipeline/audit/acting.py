"""Who is acting, for as long as a command or a request runs. Set by whoever authenticated; read by the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pipeline.records.actors import SYSTEM, Actor

_acting: ContextVar[Actor] = ContextVar("acting", default=SYSTEM)


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """What is recorded within the block was done by this actor. A thread begun inside must be given the context
    (`contextvars.copy_context`), as `asyncio.to_thread` does by itself."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


def current_actor() -> Actor:
    """Who acts here; the program itself where nobody was authenticated: tasks of workers, beat."""
    return _acting.get()
