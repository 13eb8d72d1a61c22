"""Fixtures every test may ask for: real PostgreSQL and Redis, started when the first test needs them.

`database`          URL of a migrated database of this test's own; settings, `engine()` and `transaction()` use it.
`module_database`   the same, shared by the tests of one module.
`redis_url`         broker URL of an empty Redis; settings point to it. `redis_client` is a redis-py client for it.
"""

from __future__ import annotations

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from tests.support.properties import register_profiles
from tests.support.services import Services, folder_in_memory, forget_caches, migrated_database

for name in [name for name in os.environ if name.startswith("AFLUENTE_")]:
    del os.environ[name]  # a developer's own installation is no business of the tests


# Where this is set, as in many containers, each process that a test starts would compile the whole product: two thirds
# of the time of a short command, and ten times that for a whole system.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
register_profiles()
if memory := folder_in_memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", memory)  # data folders of whole systems, hundreds of files each

_SLOWEST_FIRST = ("end_to_end", "architecture", "integration", "unit")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first, so that no process is left with one while the others have ended."""
    items.sort(key=lambda item: [name not in item.path.parts for name in _SLOWEST_FIRST])
    _leave_to_the_long_run(items)


def _leave_to_the_long_run(items: list[pytest.Item]) -> None:
    """Of a test marked `short(n)` all parameters but n, spread over all, are long."""
    marked: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("short") is not None and item.get_closest_marker("long") is None:
            marked[item.nodeid.partition("[")[0]].append(item)
    for variants in marked.values():
        marker = variants[0].get_closest_marker("short")
        most = marker.args[0] if marker is not None else len(variants)
        kept = {position * len(variants) // most for position in range(most)}
        for position, variant in enumerate(variants):
            if position not in kept:
                variant.add_marker("long")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """The last lines: what this machine could not run, and why. Nothing is left out without a word."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or config.option.collectonly or hasattr(config, "workerinput"):
        return
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in reporter.getreports("skipped"))
    for reason, count in sorted(reasons.items()):
        reporter.write_line(f"Not run here: {count} {'test' if count == 1 else 'tests'}: {reason}")
    if not reasons:
        reporter.write_line("Not run here: nothing; this machine can run every test.")


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    running = Services()
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def database(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with migrated_database(services, monkeypatch) as url:
        yield url


@pytest.fixture(scope="module")
def module_database(services: Services) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, migrated_database(services, patch) as url:
        yield url


@pytest.fixture
def empty_database(services: Services) -> Iterator[str]:
    """URL of a database without tables; settings do not point to it."""
    url = services.make_empty_database()
    try:
        yield url
    finally:
        services.drop_database(url)


@pytest.fixture
def redis_url(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    services.empty_redis()
    monkeypatch.setenv("AFLUENTE_BROKER_URL", services.broker_url)
    forget_caches()
    yield services.broker_url
    forget_caches()


@pytest.fixture
def redis_client(services: Services, redis_url: str):
    import redis

    with redis.Redis.from_url(services.redis_client_url) as client:
        yield client
