"""A stranger's CRM in a folder of their own: Heron's connector and mapping as they lie in tests/data/heron, and a
server that answers for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.kit import registry
from pipeline.stages.destination_mapping import mapping
from tests.support.heron import Heron, running_heron
from tests.support.paths import ROOT
from tests.support.services import forget_caches

SECRETS = {"HERON_CLIENT_ID": "heron", "HERON_CLIENT_SECRET": "heron-secret"}


def strangers_crm(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Heron]:
    """For fixtures: `yield from strangers_crm(…)`. Settings, registry and mappings look into `folder` meanwhile."""
    shutil.copytree(ROOT / "tests" / "data" / "heron", folder, dirs_exist_ok=True)
    with running_heron() as heron:
        settings = folder / "afluente.yaml"
        text = settings.read_text(encoding="utf-8").replace("https://api.heron.example", heron.url)
        settings.write_text(text, encoding="utf-8")
        patch.setenv("AFLUENTE_HOME", str(folder))
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        forget_caches()
        registry.forget()
        fresh = type(mapping.DESTINATION_MAPPINGS)("destinations", mapping.read_destination_mapping, missing="no")
        for name, value in vars(fresh).items():
            patch.setattr(mapping.DESTINATION_MAPPINGS, name, value)
        yield heron
        patch.undo()
        registry.forget()
        forget_caches()
