"""A provider whose leads are read by the ids that come, and the receiver that the ids come to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.sandbox.providers.provider import Provider
from tests.support.fetched_leads import meta
from tests.support.intake_server import Receiver, running_receiver


@pytest.fixture
def provider(database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with meta(tmp_path, monkeypatch) as played:
        yield played


@pytest.fixture
def receiver(provider: Provider) -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running
