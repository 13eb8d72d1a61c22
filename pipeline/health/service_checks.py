"""Checks of PostgreSQL and Redis: reachable, new enough, set up so that nothing gets lost, clocks in step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.delivery.shared_state import shared_redis, translated_redis_errors
from pipeline.errors import AfluenteError, ConfigurationError
from pipeline.health.checks import Check, failed, passed
from pipeline.health.doubtful_ids import doubtful_ids
from pipeline.health.machine_checks import host_of
from pipeline.health.thresholds import REVISIONS_REMEDY, describe_revisions
from pipeline.identity.matching.evidence import KEYS_VERSION
from pipeline.settings.loading import Settings
from pipeline.store.engine import StoreError, engine, server_time, server_version, transaction
from pipeline.store.identity.upgrades import is_finished
from pipeline.store.keyring import blind_index
from pipeline.store.schema import is_current

_OLDEST_POSTGRESQL = 140_000  # 14: what the statements and the partitions are tested with, and still maintained
_OLDEST_REDIS = (6, 2)
_WITHOUT_KNOWN_HOLES = {"Redis": (8, 6, 7), "Valkey": (9, 1, 2)}  # as of 2026-11; docs/dependencies.md
_SKEW_SECONDS = 2.0  # ids and webhook signatures carry this machine's time, leases the database's


def check_database(known: Settings) -> Iterator[Check]:
    start = (
        "start it with `afluente up`" if known.is_embedded_database else "check AFLUENTE_DATABASE_URL and the server"
    )
    try:
        with transaction(synchronous=False) as connection:
            number, version = server_version(connection)
    except (AfluenteError, StoreError) as error:
        yield failed("database", str(error), start)
        return
    ok = number >= _OLDEST_POSTGRESQL
    yield Check("database", ok, f"PostgreSQL {version}", "" if ok else "use PostgreSQL 14 or newer")
    if not is_current(engine()):
        yield failed("migrations", "the tables are missing or of another version", "run `afluente migrate`")
        return
    with transaction(synchronous=False) as connection:
        is_filed = is_finished(connection, KEYS_VERSION)
    if is_filed:
        yield passed("migrations", "current")
    else:
        waiting = "the evidence of earlier leads is not filed as this version needs it: new leads wait"
        yield failed("migrations", waiting, "run `afluente migrate`, unless it runs already")
    try:
        blind_index()
    except (AfluenteError, StoreError) as error:
        remedy = "add the key that sealed it to AFLUENTE_SECRET_KEYS, after the first"
        yield failed("index key", str(error), remedy)
    else:
        yield passed("index key", "opens with the keys that are set")


def check_revisions() -> Iterator[Check]:
    """Sources whose ids come with ever other content: those ids may be of no record."""
    try:
        with transaction(synchronous=False) as connection:
            found = doubtful_ids(connection) if is_current(engine()) else {}
    except (AfluenteError, StoreError):  # its own check says so
        return
    for source, many in sorted(found.items()):
        yield failed(f"ids of {source}", describe_revisions(many), REVISIONS_REMEDY)


def check_redis(known: Settings) -> Iterator[Check]:
    start = "start it with `afluente up`" if known.is_embedded_broker else "check AFLUENTE_BROKER_URL and the server"
    try:
        with translated_redis_errors():
            info: dict[str, Any] = shared_redis(known.broker_url).info()
    except ConfigurationError as error:
        yield failed("redis", str(error), "set AFLUENTE_BROKER_URL to one of these")
        return
    except AfluenteError as error:
        yield failed(
            "redis", f"does not answer at {host_of(known.broker_url)}: {type(error.__cause__).__name__}", start
        )
        return
    ok = _parts(info.get("redis_version")) >= _OLDEST_REDIS
    remedy = "" if ok else "use Redis 6.2 or newer, or Valkey"
    yield Check("redis", ok, f"{_told_server(info)} at {host_of(known.broker_url)}", remedy)
    policy = info.get("maxmemory_policy", "unknown")
    if policy == "noeviction":
        yield passed("redis eviction", "noeviction")
    else:
        remedy = "set maxmemory-policy noeviction: any other deletes queued messages when memory is short"
        yield failed("redis eviction", f"maxmemory-policy is {policy}", remedy)
    is_kept = bool(info.get("aof_enabled"))
    kept = "on" if is_kept else "off: messages are lost with Redis, and found again in the database within seconds"
    yield passed("redis append-only file", kept)


def _told_server(info: dict[str, Any]) -> str:
    """Name and version, and whether holes are known of it; distributions mend them without another version."""
    name, version = ("Valkey", info.get("valkey_version")) if info.get("valkey_version") else ("Redis", None)
    version = version or info.get("redis_version", "0")
    if _parts(version) >= _WITHOUT_KNOWN_HOLES[name]:
        return f"{name} {version}"
    sound = ".".join(map(str, _WITHOUT_KNOWN_HOLES[name]))
    return f"{name} {version} (holes are known of versions before {sound}: docs/dependencies.md)"


def _parts(version: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in str(version or "0").split(".") if part.isdigit())


def check_clocks(known: Settings) -> Iterator[Check]:
    """This machine's clock against the others'. A part that is away has its own check."""
    clocks: tuple[tuple[str, Callable[[], float]], ...] = (
        ("PostgreSQL", _database_time),
        ("Redis", lambda: _redis_time(known)),
    )
    for name, read in clocks:
        before = time.time()
        try:
            there = read()
        except (AfluenteError, StoreError):
            continue
        after = time.time()
        # The answer was made some time between the two readings: only what lies outside counts.
        skew = max(before - there, there - after, 0.0)
        ok = skew <= _SKEW_SECONDS
        remedy = "" if ok else "let both machines keep time with NTP: ids, leases and signatures rest on it"
        yield Check(f"clock of {name}", ok, f"{skew:.1f} s from this machine's", remedy)


def _database_time() -> float:
    with transaction(synchronous=False) as connection:
        return server_time(connection)


def _redis_time(known: Settings) -> float:
    with translated_redis_errors():
        seconds, microseconds = shared_redis(known.broker_url).time()
    return float(seconds) + float(microseconds) / 1e6
