"""Reads and checks afluente.yaml: all that is wrong with it in one error, with the path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from pipeline.errors import ConfigurationError
from pipeline.settings.checks import doubled_keys, find_problems, told
from pipeline.settings.declarations import SettingsFile
from pipeline.values.yaml_files import PlainLoader, is_too_deep


def read_config(path: Path, *, is_named: bool) -> SettingsFile:
    """Everything at its default where there is no such file. `is_named`: somebody said that there is one. Raises
    ConfigurationError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if is_named:
            raise ConfigurationError(f"AFLUENTE_CONFIG names {path}, which does not exist") from error
        return SettingsFile()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read ({type(error).__name__}): it must be a text file") from error
    try:
        content, doubled = _parsed(text)
        if isinstance(content, dict):
            content = {section: entry for section, entry in content.items() if entry is not None}
        problems = [*doubled, *find_problems(content)]
        if problems:
            raise ConfigurationError(told(path, problems))
        return msgspec.convert(_with_plain_regions(content), SettingsFile)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path}{place}: not readable as YAML") from error
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ConfigurationError(f"{path}: lists or objects stand too deep inside each other") from error
    except (ValueError, KeyError, AttributeError) as error:  # of a date, number or tag that is none
        raise ConfigurationError(f"{path}: a value is no date or number, though written as one: quote it") from error


def _parsed(text: str) -> tuple[Any, list[str]]:
    """What stands there, and which keys stand twice."""
    if is_too_deep(text.encode()):
        raise RecursionError
    loader = PlainLoader(text)
    try:
        node = loader.get_single_node()
        doubled = list(doubled_keys(node))  # before the rest: that writes merged keys out in the nodes
        return (loader.construct_document(node) if node is not None else None) or {}, doubled
    finally:
        loader.dispose()


def _with_plain_regions(content: dict[str, Any]) -> dict[str, Any]:
    """`es` means ES: regions in capitals, as everything that compares them expects."""
    for section in ("brands", "sources"):
        for entry in (content.get(section) or {}).values():
            if entry.get("region"):
                entry["region"] = entry["region"].upper()
    return content
