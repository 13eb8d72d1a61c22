"""Hints: "there is work". Losing one costs seconds (the sweep finds what is due), so they never raise and never wait.

At most one hint per lane (or destination and lane) waits in Redis at a time: a flag beside the queue says so, and the
task that takes the hint clears it first. A worker that was down for a night comes back to a few messages, not to
a million.
"""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

import redis
from kombu import Connection
from kombu.exceptions import KombuError

from pipeline.lanes import DELIVER_QUEUES, FETCH_QUEUE, LANES, WEBHOOK_QUEUE
from pipeline.logs import get_logger
from pipeline.settings.loading import settings

_FLAG_MILLISECONDS = 3_000  # a hint that got lost blocks its successors this long
_PAUSE_SECONDS = 1.0  # after a failure nobody knocks at Redis's door again for this long
_TIMEOUTS = {"socket_timeout": 1, "socket_connect_timeout": 1}
_log = get_logger(__name__)


class _Line:
    """This process's line to Redis, made on first use, made anew after a fork or a failure."""

    def __init__(self) -> None:
        url = settings().broker_url
        self.flags = redis.Redis.from_url(
            url.replace("redis+socket://", "unix://"),
            socket_timeout=1,
            socket_connect_timeout=1,
            retry=None,
        )
        self.connection = Connection(url, transport_options={**_TIMEOUTS, "priority_steps": [0]})
        self.producer: Any = None

    def send(self, flag: str, task: str, arguments: dict[str, Any], queue: str) -> None:
        from pipeline.app import app

        if not self.flags.set(flag, b"1", nx=True, px=_FLAG_MILLISECONDS):
            return
        if self.producer is None:
            self.producer = app.amqp.Producer(self.connection)
        app.send_task(task, kwargs=arguments, queue=queue, producer=self.producer, retry=False, ignore_result=True)


@cache
def _line(pid: int) -> _Line:  # noqa: ARG001 - a forked child has another pid, hence a line of its own
    return _Line()


_paused_until = 0.0


def hint_dispatch(lane: str) -> bool:
    """Say that events of `lane` are due. True if the hint is on its way (or one already waits)."""
    return _hint(f"afluente:hint:dispatch:{lane}", "leads.dispatch", {"lane": lane}, lane)


def hint_deliver(destination: str, lane: str) -> bool:
    """Say that deliveries to `destination` are due in `lane`."""
    queue = DELIVER_QUEUES[lane]
    return _hint(
        f"afluente:hint:deliver:{destination}:{lane}",
        "deliveries.deliver",
        {"destination": destination, "lane": lane},
        queue,
    )


def hint_fetch(source: str, brand: str) -> bool:
    """Say that records of a source are to be read, of which ids came."""
    flag = f"afluente:hint:fetch:{source}:{brand}"
    return _hint(flag, "sources.fetch", {"source": source, "brand": brand}, FETCH_QUEUE)


def hint_webhooks() -> bool:
    """Say that messages to other systems are due."""
    return _hint("afluente:hint:webhooks", "webhooks.send", {}, WEBHOOK_QUEUE)


def hint_all() -> None:
    """Say that anything may be due, in every lane and at every CRM, as after a replay."""
    for lane in LANES:
        if not hint_dispatch(lane):
            return
        for destination in settings().destinations:
            hint_deliver(destination, lane)


def take_hint(*parts: str) -> None:
    """Called first by the task that a hint started: from now on a new hint may queue up behind it."""
    try:
        _line(os.getpid()).flags.delete(":".join(("afluente:hint", *parts)))
    except redis.RedisError:
        _line.cache_clear()  # the flag runs out by itself


def _hint(flag: str, task: str, arguments: dict[str, Any], queue: str) -> bool:
    global _paused_until  # noqa: PLW0603 - one pause for the process, as there is one Redis
    if time.monotonic() < _paused_until:
        return False
    try:
        _line(os.getpid()).send(flag, task, arguments, queue)
    except (redis.RedisError, KombuError, OSError) as error:
        _paused_until = time.monotonic() + _PAUSE_SECONDS
        _line.cache_clear()
        _log.warning("hint_lost", task=task, queue=queue, error=type(error).__name__)
        return False
    return True
