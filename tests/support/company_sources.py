"""A company's own sources in a folder of the test, known to this process and to commands called in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from connectors.kit import registry
from pipeline.stages.mapping import source_mapping
from pipeline.stages.mapping.source_mapping import read_source_mapping
from pipeline.stages.reloading import Reloading
from tests.support.services import forget_caches

_CONNECTOR = '''
"""A source of the tests."""

from connectors.kit import *

{before}

CONNECTOR = Connector(
    source="{slug}", title="{slug}", owner="@tests", docs_url="https://example.org",
    {said},
)
'''


class CompanySources:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def declare(self, slug: str, said: str, mapping: str, *, before: str = "") -> None:
        """Write a connector (`said` are the arguments of its declaration) and its mapping, and look into the folder
        again, as workers that are started again do."""
        files = {
            f"connectors/sources/{slug}.py": _CONNECTOR.format(slug=slug, said=said, before=dedent(before)),
            f"mappings/sources/{slug}.yaml": f"source: {slug}\nversion: 1\n{dedent(mapping)}",
        }
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            # Written twice within a second: what Python compiled of the first would pass for the second.
            shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
        registry.forget()

    def sample(self, slug: str, text: str, name: str = "typical.json") -> Path:
        path = self.folder / "samples" / slug / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


def company_sources(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[CompanySources]:
    """For fixtures: `yield from company_sources(…)`."""
    patch.setenv("AFLUENTE_HOME", str(folder))
    forget_caches()
    registry.forget()
    fresh = Reloading("sources", read_source_mapping, missing="no mapping for")
    for name, value in vars(fresh).items():
        patch.setattr(source_mapping.SOURCE_MAPPINGS, name, value)
    yield CompanySources(folder)
    patch.undo()
    registry.forget()
    forget_caches()
