"""Reads YAML strictly (no key twice, no aliases, no depth that ends a process), errors with their place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from connectors.kit.errors import ConfigurationError
from connectors.kit.folders import company_folder, shipped_folder

MAPPINGS = shipped_folder() / "mappings"  # the product's own
_DEEPEST = 200  # levels; what is written by hand has ten
_BRACKETS = re.compile(rb"[\[\]{}]")
_MANY_LEVELS_IN_A_LINE = re.compile(rb"(?:[-?:][ \t]+){%d}" % _DEEPEST)
PlainLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's parser: ten times faster


class _Loader(PlainLoader):  # type: ignore[misc]  # a base that is known at run time only
    """Refuses a key given twice, of which YAML would silently keep the last, and aliases, which can grow a file of a
    few lines to gigabytes.
    """


def _refuse_aliases(content: bytes, path: Path) -> None:
    for event in yaml.parse(content, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            place = f", line {event.start_mark.line + 1}" if event.start_mark else ""
            raise ConfigurationError(f"{shown(path)}{place}: *{event.anchor} is an alias; write it out")


def is_too_deep(content: bytes) -> bool:
    """Whether it must not be parsed: libyaml calls itself for each level, a hundred thousand of them end the process,
    and no error is raised."""
    depth = 0
    for bracket in _BRACKETS.finditer(content):
        depth = max(0, depth + (1 if bracket[0] in b"[{" else -1))
        if depth > _DEEPEST:
            break
    return depth > _DEEPEST or _MANY_LEVELS_IN_A_LINE.search(content) is not None


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool):
            raise yaml.MarkedYAMLError(problem="a key must be a plain word", problem_mark=key_node.start_mark)
        if key in seen:
            raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
        seen[key] = loader.construct_object(value_node, deep=True)
    return seen


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)


def shown(path: Path) -> str:
    """A path as messages name it: from the company's folder or the repository's root, where it lies there."""
    for root in (company_folder(), MAPPINGS.parent):
        if root is not None and path.is_relative_to(root):
            return str(path.relative_to(root))
    return path.name


def read_yaml(path: Path) -> Any:
    """The parsed file. Raises ConfigurationError naming the file, the line and what is wrong there."""
    try:
        content = path.read_bytes()
        if is_too_deep(content):
            raise RecursionError
        if b"*" in content:
            _refuse_aliases(content, path)
        return yaml.load(content, Loader=_Loader)  # noqa: S506 - a SafeLoader that checks more
    except FileNotFoundError as error:
        raise ConfigurationError(f"{shown(path)} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{shown(path)} cannot be read ({type(error).__name__})") from error
    except RecursionError as error:
        raise ConfigurationError(f"{shown(path)}: lists or objects stand too deep inside each other") from error
    except (ValueError, KeyError, AttributeError) as error:  # of a date, number or tag that is none
        raise ConfigurationError(
            f"{shown(path)}: a value is no date or number, though written as one: quote it"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not readable as YAML"
        place = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{shown(path)}{place}: {problem}") from error
