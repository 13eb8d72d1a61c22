"""Reads one file of `mappings/` and knows where in it it is, so that every complaint has an address.

Every error is a ConfigurationError that names file, path in the file, the value found and what is allowed there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from connectors.kit.paths import parse_path
from pipeline.errors import ConfigurationError
from pipeline.values.nearest import unknown_name
from pipeline.values.vocabularies import aliases, is_word_table, vocabulary
from pipeline.values.yaml_files import mapping_file, mapping_files, read_yaml, shown

__all__ = ["Reader", "unknown_name"]

_MESSAGE_LIMIT = 2_000


class Reader:
    """Takes values apart by type; `place` is where they stand, as `lead.email.from`."""

    def __init__(self, path: Path) -> None:
        self.file = shown(path)
        self.content = read_yaml(path)

    def fail(self, place: str, problem: str) -> NoReturn:
        place, problem = (_printable(text) for text in (place, problem))
        raise ConfigurationError(f"{self.file}: {place}: {problem}" if place else f"{self.file}: {problem}")

    def object(self, place: str, value: Any, allowed: Iterable[str] | None = None) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.fail(place, f"{value!r} is not an object of `key: value`")
        if allowed is not None:
            for key in value:
                if key not in allowed:
                    self.fail(f"{place}.{key}".strip("."), unknown_name(str(key), allowed))
        return {str(key): entry for key, entry in value.items()}

    def objects(self, place: str, value: Any, allowed: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each object of a list, with its place."""
        if value is not None and not isinstance(value, list):
            self.fail(place, f"{value!r} is not a list of rules")
        for number, entry in enumerate(value or ()):
            yield f"{place}[{number}]", self.object(f"{place}[{number}]", entry, allowed)

    def text(self, place: str, value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            self.fail(place, f"{value!r} is not a text")
        return value

    def flag(self, place: str, value: Any) -> bool:
        if not isinstance(value, bool):
            self.fail(place, f"{value!r} is not allowed; allowed: true, false")
        return value

    def one_of(self, place: str, value: Any, allowed: Iterable[str]) -> str:
        if value not in tuple(allowed):
            self.fail(place, f"{value!r} is not allowed; allowed: {', '.join(allowed)}")
        return str(value)

    def texts(self, place: str, value: Any) -> tuple[str, ...]:
        """One text or a list of them."""
        if value is None:
            return ()
        entries = value if isinstance(value, list) else [value]
        return tuple(self.text(f"{place}[{number}]", entry) for number, entry in enumerate(entries))

    def paths(self, place: str, value: Any) -> tuple[str, ...]:
        paths = self.texts(place, value)
        for path in paths:
            try:
                parse_path(path)
            except ConfigurationError as error:
                self.fail(place, str(error))
        return paths

    def path(self, place: str, value: Any) -> str:
        """One path, not several."""
        return self.paths(place, self.text(place, value))[0]

    def vocabulary(self, place: str, value: Any) -> Mapping[str, str]:
        """The spellings of a vocabulary that is a table of `word: [spelling, …]`."""
        name = self.text(place, value)
        path = mapping_file(f"vocabularies/{name}.yaml")
        if not name.isidentifier() or not path.is_file():
            self.fail(place, unknown_name(name, (file.stem for file in mapping_files("vocabularies"))))
        content = vocabulary(name)
        if not is_word_table(content):
            self.fail(place, f"{shown(path)} is no table of `word: [spelling, …]`")
        return aliases(name)

    def version(self, name: str) -> str:
        number = self.content.get("version")
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            self.fail("version", f"{number!r} is not a version; allowed: 1, 2, 3, …")
        # The hash is of what the file says, not of its bytes: comments and line ends change nothing that is mapped.
        digest = hashlib.sha256(repr(self.content).encode()).hexdigest()[:8]
        return f"{name}@{number}+{digest}"


def _printable(text: str) -> str:
    """Fit for a terminal: no control characters, and not longer than anybody reads."""
    clean = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return clean if len(clean) <= _MESSAGE_LIMIT else f"{clean[:_MESSAGE_LIMIT]} …"
