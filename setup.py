"""What pyproject.toml cannot say: files that lie beside the packages in a checkout go into one of them in a wheel.

Mappings, samples and Celery's settings stand at the top of the repository; in a folder that many projects install
packages into, `celeryconfig` would be read by every other Celery. They go to `pipeline/_shipped/`, where
connectors/kit/folders.py looks for them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_SHIPPED = ("mappings", "samples", "celeryconfig.py")


class BuildWithShippedFiles(build_py):
    """Builds the packages and the shipped files; of what earlier builds left, nothing is taken along."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        if not self.editable_mode:
            self._copy_shipped(Path(self.build_lib, "pipeline", "_shipped"))

    def _copy_shipped(self, target: Path) -> None:
        target.mkdir(parents=True)
        for name in _SHIPPED:
            if Path(name).is_dir():
                shutil.copytree(name, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            else:
                shutil.copy(name, target / name)


setup(cmdclass={"build_py": BuildWithShippedFiles})
