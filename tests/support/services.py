"""Real servers for tests: one embedded PostgreSQL and one Redis for a whole test session, in a folder that goes away.

A migrated template database is made once; every test that asks gets a copy of it, in about 20 ms: the folder lies in
memory where the machine has room for that, and files are copied, not written block by block through the log.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg2
import pytest
import sqlalchemy
from psycopg2 import sql

from pipeline.settings.installation import embedded_broker_url, embedded_database_url, socket_folder
from pipeline.store.databases import make_database
from pipeline.supervisor.embedded import Embedded

SECRET_KEYS = "VGhlIGZpcnN0IGtleSBvZiB0aGUgdGVzdHMsIDMyIGI,VGhlIHNlY29uZCBrZXkgb2YgdGhlIHRlc3RzLDMyIGI"
API_KEYS = "tests:admin:an-api-key-of-the-tests"
TEMPLATE = "migrated"
_NEEDED_BYTES = 4 * 1024**3  # servers of the tests and whole systems: some hundred megabytes each
_STATEFUL = (
    "pipeline.access",
    "pipeline.settings",
    "pipeline.store",
    "pipeline.crypto",
    "pipeline.delivery",
    "pipeline.hints",
    "pipeline.intake",
    "pipeline.webhooks",
)


def folder_in_memory() -> str | None:
    """A place where files cost no disk, as none outlives the session; None where it has too little room."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _NEEDED_BYTES
    return str(memory) if has_room else None


class Services:
    """The servers of a test session. Databases are copies of a migrated one."""

    def __init__(self) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="afluente-tests-", dir=folder_in_memory()))
        # Nothing here outlives the session, so nothing need survive a power cut.
        quick = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}
        self._embedded = Embedded(self.data, postgresql_settings=quick)
        self._count = 0
        self._has_template = False

    def start(self) -> None:
        self._embedded.start()

    def stop(self) -> None:
        self._embedded.stop()
        shutil.rmtree(self.data, ignore_errors=True)

    @property
    def broker_url(self) -> str:
        """As the pipeline gets it (kombu's form); `redis_client_url` is the same for redis-py."""
        return embedded_broker_url(self.data)

    @property
    def redis_client_url(self) -> str:
        return f"unix://{socket_folder(self.data)}/redis.sock"

    def make_empty_database(self) -> str:
        """URL of a new database without any table."""
        return self._make_database("template1")

    def make_migrated_database(self) -> str:
        """URL of a new database with the current schema."""
        if not self._has_template:
            make_database(self.data, TEMPLATE)
            _migrate(embedded_database_url(self.data, TEMPLATE))
            self._has_template = True
        return self._make_database(TEMPLATE)

    def copy_database(self, url: str) -> str:
        """URL of a new database that is what this one is now; nobody may be connected to it meanwhile."""
        return self._make_database(sqlalchemy.make_url(url).database or "")

    def drop_database(self, url: str) -> None:
        name = sqlalchemy.make_url(url).database or ""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def empty_redis(self) -> None:
        import redis

        with redis.Redis.from_url(self.redis_client_url) as client:
            client.flushall()

    def _make_database(self, template: str) -> str:
        self._count += 1
        name = f"test_{self._count}"
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
        return embedded_database_url(self.data, name)

    def _execute(self, statement: str, *names: str) -> None:
        with contextlib.closing(psycopg2.connect(host=str(socket_folder(self.data)), user="postgres")) as connection:
            connection.autocommit = True  # databases are not made or dropped inside a transaction
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _migrate(url: str) -> None:
    from pipeline.store.schema import migrate

    engine = sqlalchemy.create_engine(url)
    try:
        migrate(engine)
    finally:
        engine.dispose()


@contextlib.contextmanager
def migrated_database(services: Services, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """A migrated database of its own that the pipeline's settings point to until the end of the block.

    What the process cached about an earlier database is forgotten before and after.
    """
    patch.setenv("AFLUENTE_SECRET_KEYS", SECRET_KEYS)
    forget_caches()
    url = services.make_migrated_database()
    patch.setenv("AFLUENTE_DATABASE_URL", url)
    patch.setenv("AFLUENTE_API_KEYS", API_KEYS)
    patch.setenv("AFLUENTE_DATA", str(services.data))
    shutil.rmtree(services.data / "privacy", ignore_errors=True)  # the ledger of a database that was dropped
    forget_caches()
    try:
        yield url
    finally:
        forget_caches()
        services.drop_database(url)


def forget_caches() -> None:
    """Make this process read settings, keys and connections anew: what functools keeps in the stateful modules."""
    for name in _stateful_modules(len(sys.modules)):
        for cached in _caches_of(name):
            if name == "pipeline.store.engine" and cached.__name__ == "engine" and cached.cache_info().currsize:
                cached().dispose()
            cached.cache_clear()
    if hints := sys.modules.get("pipeline.hints"):
        vars(hints)["_paused_until"] = 0.0  # another Redis may well answer


# A test forgets several times, among thousands of modules and ten thousand names: both are looked through again only
# when there are more of them.
_known_caches: dict[str, tuple[ModuleType, int, list[Any]]] = {}


@lru_cache(maxsize=1)
def _stateful_modules(_count: int) -> list[str]:
    return [name for name, module in list(sys.modules.items()) if module is not None and name.startswith(_STATEFUL)]


def _caches_of(name: str) -> list[Any]:
    module = sys.modules.get(name)
    if module is None:
        return []
    known = _known_caches.get(name)
    if known is None or known[0] is not module or known[1] != len(vars(module)):
        found = [
            attribute
            for attribute in list(vars(module).values())
            if hasattr(attribute, "cache_clear") and getattr(attribute, "__module__", None) == name
        ]
        known = _known_caches[name] = (module, len(vars(module)), found)
    return known[2]
