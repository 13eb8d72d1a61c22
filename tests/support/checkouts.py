"""Folders that a test may write sources and mappings into: a company's own, and copies of the house."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from unittest.mock import patch

from connectors.kit import registry
from pipeline.stages.mapping import source_mapping
from pipeline.stages.mapping.source_mapping import read_source_mapping
from pipeline.stages.reloading import Reloading
from tests.support.command_line import AFLUENTE, ROOT, run


def own_folder(folder: Path) -> Path:
    """A company's own, empty: what a new source needs to know of the house it finds there by itself."""
    for name in ("connectors/sources", "mappings/sources", "samples"):
        (folder / name).mkdir(parents=True)
    return folder


def run_at(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`afluente …` for the company whose own folder that is, in this process: a tenth of the time of one of its own,
    which matters to tests that make dozens of sources."""
    registry.forget()
    fresh = Reloading("sources", read_source_mapping, missing="no mapping for")
    try:
        with patch.multiple(source_mapping.SOURCE_MAPPINGS, **vars(fresh)):
            return run(*arguments, environment={"AFLUENTE_HOME": str(folder)})
    finally:
        registry.forget()


def make_checkout(folder: Path) -> Path:
    """Copies of the folders that a new source is written into, and of the code that finds it there."""
    for name in ("connectors", "pipeline", "mappings", "samples"):
        # Compiled modules come along: their originals keep their times, and compiling takes longer than copying.
        # Files that end in more than `.pyc` are being written, by another process of the tests.
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    for name in ("celeryconfig.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def run_in(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`afluente …` as it runs in that checkout."""
    return subprocess.run(
        [AFLUENTE, *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
