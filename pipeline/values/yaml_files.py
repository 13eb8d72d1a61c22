"""Finds the files of `mappings/`: the company's before the shipped one. They are read strictly (no key twice, no
aliases), as connectors/kit/yaml_files.py does, whose names are here too."""

from __future__ import annotations

from pathlib import Path

from connectors.kit.folders import find_file, find_files
from connectors.kit.yaml_files import MAPPINGS, PlainLoader, is_too_deep, read_yaml, shown

__all__ = ["MAPPINGS", "PlainLoader", "is_too_deep", "mapping_file", "mapping_files", "read_yaml", "shown"]


def mapping_file(path: str) -> Path:
    """The file that counts for `mappings/<path>`: the company's, else the shipped one, which may not exist."""
    return find_file(f"mappings/{path}")


def mapping_files(folder: str) -> list[Path]:
    """The YAML files that count in `mappings/<folder>`, by name."""
    return list(find_files(f"mappings/{folder}", "*.yaml").values())
