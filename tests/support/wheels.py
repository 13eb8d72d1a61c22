"""The package as pip builds and installs it, away from the checkout."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.support.paths import ROOT

_BUILT_FROM = (
    "pipeline", "connectors", "mappings", "samples", "celeryconfig.py",
    "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE",
)  # fmt: skip
_OLDEST_SETUPTOOLS = 80


def copy_sources(folder: Path) -> Path:
    """What a wheel is built from, copied: building leaves files in the folder that it is called in."""
    for name in _BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of `source`, built by pip into `folder`."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-q", "--no-deps"]
    if int(importlib.metadata.version("setuptools").partition(".")[0]) >= _OLDEST_SETUPTOOLS:
        command.append("--no-build-isolation")  # else pip fetches a newer one for the build
    _run([*command, "-w", str(folder), str(source)])
    (wheel,) = folder.glob("*.whl")
    return wheel


class Installation:
    """The wheel in an environment of its own, whose other packages are those that the tests run with."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.programs = folder / "bin"
        _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(self.programs / "python")]
        _run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)])
        (self.packages,) = folder.glob("lib/python*/site-packages")
        # A folder named in a .pth file is searched, its own .pth files are not read: the checkout stays out of sight.
        others = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (self.packages / "others.pth").write_text("".join(f"{path}\n" for path in sorted(others)), encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """Of a shell that knows this installation and no other; no compiled files are written into it."""
        known = {name: text for name, text in os.environ.items() if not name.startswith(("AFLUENTE_", "PYTHON"))}
        return {**known, "PYTHONDONTWRITEBYTECODE": "1"}

    def run(
        self, *arguments: str, folder: Path, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`afluente …` in `folder`, to its end."""
        return subprocess.run(
            [str(self.programs / "afluente"), *arguments],
            cwd=folder,
            env={**self.environment(), **(environment or {})},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def files(self) -> dict[str, tuple[int, int]]:
        """Every file of it with its size and the time of its change, to see whether anything was written there."""
        files = (path for path in self.packages.rglob("*") if path.is_file())
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def _run(command: list[str]) -> None:
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
