"""`crm_of`: settings with one destination, `crm`, at a sandbox of its kind, by the shipped mapping or another."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.sandbox.server import Sandbox
from tests.support.services import forget_caches
from tests.support.target_database import Target

Write = Callable[..., None]


@pytest.fixture
def configured(tmp_path, monkeypatch) -> Write:
    """Write afluente.yaml with this destination, and its mapping if `fields` are given."""
    monkeypatch.setenv("AFLUENTE_HOME", str(tmp_path))
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    (tmp_path / "mappings" / "destinations").mkdir(parents=True)

    def write(fields: dict[str, Any] | None = None, **destination: Any) -> None:
        if fields is not None:
            mapping = {"destination": "own", "version": 1, "fields": fields}
            (tmp_path / "mappings" / "destinations" / "own.yaml").write_text(json.dumps(mapping))
            destination = {"mapping": "own", **destination}
        document = {"destinations": {"crm": destination}, "tuning": {"delivery_linger_seconds": 0.0}}
        (tmp_path / "afluente.yaml").write_text(json.dumps(document))
        forget_caches()

    return write


@pytest.fixture
def crm_of(configured, tmp_path) -> Iterator[Callable[..., Sandbox]]:
    with contextlib.ExitStack() as stack:

        def start(kind: str, fields: dict[str, Any] | None = None, **more: Any) -> Sandbox:
            state = tmp_path / f"{kind}.sqlite"
            sandbox = stack.enter_context(Sandbox(port=0, state=state, dialect=kind))
            configured(fields, kind=kind, base_url=sandbox.address, **more)
            return sandbox

        yield start


@pytest.fixture
def target(empty_database) -> Target:
    return Target(empty_database)


@pytest.fixture
def table(target, configured) -> Callable[..., Target]:
    """The destination is a table of a team's database, which is made with `more` columns."""

    def make(fields: dict[str, Any], *more: str, user: str = "postgres") -> Target:
        target.make_table(*more)
        base_url = target.url.replace("postgres@", "")
        configured(fields, kind="sql", base_url=base_url, secrets={"user": "env:TEAM_USER"})
        return target

    return make
