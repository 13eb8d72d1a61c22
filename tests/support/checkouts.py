"""A copy of the house that a test may write sources and mappings into."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.command_line import AFLUENTE, ROOT


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
