"""The sweep after erasures: no byte of what was deleted is left in the files of the database and of Redis."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import redis

from pipeline.errors import TransientError
from pipeline.logs import get_logger
from pipeline.records.base import Fact
from pipeline.settings.loading import Settings, settings
from pipeline.store import remains
from pipeline.store.engine import transaction
from pipeline.store.remains import Rewritten

MOST_BYTES = 1_000_000_000  # of a table that is written anew as a whole, unless said otherwise
_REWRITE_SECONDS = 120.0
_REWRITTEN, _DAY_SECONDS = "afluente:file_rewritten", 72_000  # less than a day: its hour may wander
_log = get_logger(__name__)


class Swept(Fact, frozen=True):
    """What a sweep did. `log_segments` None: `problems` say why the write-ahead log was not written over. `elsewhere`:
    where this cannot reach."""

    tables: list[Rewritten]
    log_segments: int | None
    redis: str
    removed: list[str]
    elsewhere: list[str]
    problems: list[str]
    seconds: float

    @property
    def is_whole(self) -> bool:
        """Whether nothing of what was deleted is left where this can reach."""
        return not self.problems and all(table.way == "rewritten" for table in self.tables)


def sweep(*, most_bytes: int = MOST_BYTES, on_table: Callable[[Rewritten], None] = lambda _table: None) -> Swept:
    """Rewrite tables and indexes, write over the write-ahead log, have Redis write its file anew, and remove what was
    set aside. Safe beside running workers: who wants a table that is being rewritten waits.

    Raises TransientError if the database is away, or a transaction stays open that could still see what was deleted.
    """
    began = time.monotonic()
    known = settings()
    problems: list[str] = []
    with transaction() as connection:
        remains.keep_out_of_statistics(connection)
    tables = []
    for table in remains.sweep_tables(most_bytes=most_bytes):
        on_table(table)
        tables.append(table)
        if table.way == "left":
            problems.append(f"{table.table}: others were at it, so it was left: run this again")
    log = None
    try:
        log = remains.overwrite_log()
    except PermissionError as error:
        problems.append(f"the write-ahead log was not written over: {error}")
    said = _rewrite_redis(known, problems)
    removed = _remove_set_aside(known.data) if known.is_embedded_broker else []
    segments = None if log is None else log.segments
    elsewhere = [] if log is None else log.elsewhere
    swept = Swept(tables, segments, said, removed, elsewhere, problems, time.monotonic() - began)
    _log.info("swept", tables=len(tables), segments=segments, redis=said, problems=len(problems))
    return swept


def rewrite_queue_file_daily() -> str | None:
    """Have Redis write its file anew without what was consumed, if that was not asked for within a day; gives what
    became of it, or why not."""
    url = _redis_url(settings())
    try:
        if url is None or not _is_first_of_day(url):
            return None
    except redis.RedisError:
        return None  # away: the next one asks
    problems: list[str] = []
    said = _rewrite_redis(settings(), problems)
    return problems[0] if problems else said


def _is_first_of_day(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=5) as client:
        return bool(client.set(_REWRITTEN, "1", nx=True, ex=_DAY_SECONDS))


def _redis_url(known: Settings) -> str | None:
    """As redis-py knows it; None of a kind that kombu alone understands."""
    url = known.broker_url.replace("redis+socket://", "unix://")
    return url if url.startswith(("redis://", "rediss://", "unix://")) else None


def _rewrite_redis(known: Settings, problems: list[str]) -> str:
    url = _redis_url(known)
    if url is None:
        problems.append("Redis: its address is not one that can be asked for this: run BGREWRITEAOF on each server")
        return "not asked"
    try:
        with redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=5) as client:
            if not client.info("persistence").get("aof_enabled"):
                return "keeps no log of its writes"
            _wait_for_rewrite(client)  # one that began before may miss what was deleted since
            client.bgrewriteaof()
            _wait_for_rewrite(client)
            if client.info("persistence")["aof_last_bgrewrite_status"] != "ok":
                raise TransientError("Redis could not write its file anew")
    except (redis.RedisError, TransientError) as error:
        problems.append(f"Redis did not write its file anew ({type(error).__name__}): run BGREWRITEAOF there")
        return "not rewritten"
    return "rewritten"


def _wait_for_rewrite(client: redis.Redis) -> None:
    ends_at = time.monotonic() + _REWRITE_SECONDS
    while time.monotonic() < ends_at:
        now = client.info("persistence")
        if not now["aof_rewrite_in_progress"] and not now["aof_rewrite_scheduled"]:
            return
        time.sleep(0.05)
    raise TransientError("Redis is still writing its file anew")


def _remove_set_aside(data: Path) -> list[str]:
    """Files of a Redis that could not read them any more: hints to rows, which nobody will read again."""
    removed = []
    for folder in sorted(data.glob("redis.unreadable-*")):
        shutil.rmtree(folder, ignore_errors=True)
        removed.append(folder.name)
    return removed
