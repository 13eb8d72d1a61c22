"""Redis as the memory that all workers share: quota and breakers. Everything in it may vanish at any moment.

Keys live beside Celery's in the broker's database under the prefix `afluente:`, so one URL configures both.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from pipeline.errors import ConfigurationError, TransientError

PREFIX = "afluente:"
_TIMEOUT_SECONDS = 2.0  # a Redis that answers slower than this is as good as away
_AWAY_RETRY_SECONDS = 1.0
_SCHEMES = ("redis", "rediss", "unix", "redis+socket")


def redis_url(broker_url: str) -> str:
    """The broker's URL as redis-py reads it: kombu says `redis+socket://PATH?virtual_host=N` for `unix://PATH?db=N`.

    Raises ConfigurationError for a transport that is not Redis.
    """
    parts = urlsplit(broker_url)
    if parts.scheme not in _SCHEMES:
        raise ConfigurationError(
            f"AFLUENTE_BROKER_URL begins with {parts.scheme!r}; allowed: {', '.join(f'{name}://' for name in _SCHEMES)}"
        )
    if parts.scheme != "redis+socket":
        return broker_url
    query = urlencode([("db" if name == "virtual_host" else name, value) for name, value in parse_qsl(parts.query)])
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return f"unix://{user}{parts.path}{'?' + query if query else ''}"


@cache
def shared_redis(broker_url: str) -> Redis:
    """The client of this process (fork-safe: redis-py's pool begins anew in a child). Connects on first use.

    Nothing is retried here: a script that takes tokens would take them twice, and the caller knows better when to
    come back.
    """
    return Redis.from_url(
        redis_url(broker_url),
        decode_responses=True,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        client_name="afluente",
    )


@contextmanager
def translated_redis_errors() -> Iterator[None]:
    """Turns every Redis error into TransientError: without shared memory nobody may call, but soon somebody may."""
    try:
        yield
    except RedisError as error:
        raise TransientError(
            f"Redis does not serve the shared quota ({type(error).__name__}); deliveries wait",
            retry_after=_AWAY_RETRY_SECONDS,
        ) from error


class SharedScript:
    """A Lua script of this folder: it runs as a whole on one key by Redis's clock. Its first argument is what to do."""

    def __init__(self, client: Redis, name: str) -> None:
        source = importlib.resources.files("pipeline.delivery").joinpath(f"{name}.lua").read_text(encoding="utf-8")
        self._prefix = f"{PREFIX}{name}:"
        # Called by its digest, and loaded again by redis-py when Redis has forgotten it (restart, failover).
        self._script = client.register_script(source)

    def run(self, destination: str, *arguments: str | float) -> float:
        """The number that the script answers. Raises TransientError while Redis is away."""
        return float(self.ask(destination, *arguments))

    def ask(self, name: str, *arguments: str | float) -> Any:
        """Whatever the script answers. Raises TransientError while Redis is away."""
        with translated_redis_errors():
            return self._script(keys=[self.key(name)], args=list(arguments))

    def key(self, name: str) -> str:
        return self._prefix + name
