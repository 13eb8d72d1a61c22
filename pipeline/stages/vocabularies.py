"""Reads `mappings/`: YAML with places in its errors, and the vocabularies, each read once per process."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import ConfigurationError
from pipeline.stages.text import fold

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's parser: ten times faster
    """Refuses a key given twice, of which YAML would silently keep the last, and aliases, which can grow a file of a
    few lines to gigabytes.
    """


def _refuse_aliases(content: bytes, path: Path) -> None:
    for event in yaml.parse(content, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            place = f", line {event.start_mark.line + 1}" if event.start_mark else ""
            raise ConfigurationError(f"{shown(path)}{place}: *{event.anchor} is an alias; write it out")


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
    """A path as messages name it: from the repository's root, where it lies there."""
    return str(path.relative_to(MAPPINGS.parent)) if path.is_relative_to(MAPPINGS.parent) else path.name


def read_yaml(path: Path) -> Any:
    """The parsed file. Raises ConfigurationError naming the file, the line and what is wrong there."""
    try:
        content = path.read_bytes()
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


@cache
def vocabulary(name: str) -> Any:
    """`mappings/vocabularies/<name>.yaml` as it stands."""
    return read_yaml(MAPPINGS / "vocabularies" / f"{name}.yaml")


@cache
def aliases(name: str) -> dict[str, str]:
    """A vocabulary of `canonical: [alias, …]` turned round: folded spelling -> canonical. The canonical spells itself.

    Raises ConfigurationError if one spelling stands for two things.
    """
    found: dict[str, str] = {}
    for canonical, spellings in vocabulary(name).items():
        for spelling in (canonical, *(spellings or ())):
            key = fold(str(spelling))
            if found.setdefault(key, str(canonical)) != str(canonical):
                raise ConfigurationError(
                    f"mappings/vocabularies/{name}.yaml: {spelling!r} stands for {found[key]!r} and for {canonical!r}"
                )
    return found


def is_word_table(content: Any) -> bool:
    """Whether a vocabulary is a table of `word: [spelling, …]`, which mappings can name as `vocabulary`."""
    return isinstance(content, dict) and all(
        entry is None or (isinstance(entry, list) and all(isinstance(word, str | int | float) for word in entry))
        for entry in content.values()
    )


def word_tables() -> list[str]:
    """The vocabularies that mappings can name, by name."""
    names = sorted(path.stem for path in (MAPPINGS / "vocabularies").glob("*.yaml"))
    return [name for name in names if is_word_table(vocabulary(name))]


@cache
def source_categories() -> dict[str, str]:
    """GA4's traffic sources: name or host in lower case -> search, shopping, social or video."""
    path = MAPPINGS / "vocabularies" / "ga4_source_categories.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = (row for row in file if not row.startswith("#"))
        return {
            row["source"].lower(): row["source_category"].removeprefix("SOURCE_CATEGORY_").lower()
            for row in csv.DictReader(rows)
        }
