"""Reads `mappings/`: YAML with places in its errors, and the vocabularies, each read once per process."""

from __future__ import annotations

import csv
from functools import cache
from typing import Any

from pipeline.errors import ConfigurationError
from pipeline.values.folding import fold
from pipeline.values.yaml_files import mapping_file, mapping_files, read_yaml


@cache
def vocabulary(name: str) -> Any:
    """`mappings/vocabularies/<name>.yaml` as it stands."""
    return read_yaml(mapping_file(f"vocabularies/{name}.yaml"))


@cache
def aliases(name: str) -> dict[str, str]:
    """A vocabulary of `canonical: [alias, …]` turned round: folded spelling -> canonical. The canonical spells itself.

    Raises ConfigurationError if one spelling stands for two things.
    """
    by_spelling: dict[str, str] = {}
    for canonical, spellings in vocabulary(name).items():
        for spelling in (canonical, *(spellings or ())):
            key = fold(str(spelling))
            if by_spelling.setdefault(key, str(canonical)) != str(canonical):
                raise ConfigurationError(
                    f"mappings/vocabularies/{name}.yaml: {spelling!r} stands for {by_spelling[key]!r}"
                    f" and for {canonical!r}"
                )
    return by_spelling


def is_word_table(content: Any) -> bool:
    """Whether a vocabulary is a table of `word: [spelling, …]`, which mappings can name as `vocabulary`."""
    return isinstance(content, dict) and all(
        entry is None or (isinstance(entry, list) and all(isinstance(word, str | int | float) for word in entry))
        for entry in content.values()
    )


def word_tables() -> list[str]:
    """The vocabularies that mappings can name, by name."""
    names = [path.stem for path in mapping_files("vocabularies")]
    return [name for name in names if is_word_table(vocabulary(name))]


@cache
def source_categories() -> dict[str, str]:
    """GA4's traffic sources: name or host in lower case -> search, shopping, social or video."""
    path = mapping_file("vocabularies/ga4_source_categories.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = (row for row in file if not row.startswith("#"))
        return {
            row["source"].lower(): row["source_category"].removeprefix("SOURCE_CATEGORY_").lower()
            for row in csv.DictReader(rows)
        }
