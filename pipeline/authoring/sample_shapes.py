"""What a sample payload or file tells of its source: where its records stand, and what they hold."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from connectors.kit.errors import RecordError
from connectors.kit.paths import path_below
from connectors.kit.sources.parts import BESIDE, take_apart, with_beside
from pipeline.authoring.answer_lists import AnswerList, answer_lists, by_name, is_answer_list
from pipeline.authoring.guesses import guess_field
from pipeline.errors import ConfigurationError

_FILES = {".csv": ",", ".tsv": "\t"}
_MOST_RECORDS = 200
_CONTACTS = frozenset(("email", "phone", "whatsapp_id"))


@dataclass(frozen=True)
class Shape:
    """`records` as they came, each with what stands beside it under `^`; `document` is the whole body they are from.

    `separator` of a file's columns; None: JSON. `lists` of questions and answers are those of any record.
    """

    records: list[dict[str, Any]]
    document: Any = None
    records_at: tuple[str, ...] = ()
    separator: str | None = None
    lists: list[AnswerList] = field(default_factory=list)

    @cached_property
    def leaves(self) -> dict[str, Any]:
        """path -> value of everything a mapping can name, over all records: the first value with something in it."""
        found: dict[str, Any] = {}
        for leaves_of_one in self._leaves_of_each:
            for path, value in leaves_of_one.items():
                if found.get(path) in (None, ""):
                    found[path] = value
        return found

    def values_at(self, path: str) -> list[Any]:
        """What each record has at a path of `leaves`; None where it has nothing."""
        return [leaves_of_one.get(path) for leaves_of_one in self._leaves_of_each]

    @cached_property
    def _leaves_of_each(self) -> list[dict[str, Any]]:
        return [dict(leaves(by_name(record, self.lists))) for record in self.records]


def read_shape(sample: Path) -> Shape:
    """Raises ConfigurationError for a file that cannot be read, saying where."""
    try:
        text = sample.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {sample} as UTF-8 text: {type(error).__name__}") from error
    suffix = sample.suffix.lower()
    if suffix in _FILES:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=_separator(text, _FILES[suffix])))
        if not rows:
            raise ConfigurationError(f"{sample} has no row below its header: give a sample with at least one")
        return Shape(
            [{str(key): value for key, value in row.items() if key} for row in rows[:_MOST_RECORDS]], separator=","
        )
    return shape_of(_read_json(sample, text, suffix), sample.name)


def shape_of(document: Any, name: str) -> Shape:
    """The shape of a JSON body: one record, a list of them, or an object that holds such lists, however deep.

    Raises ConfigurationError where there is none; `name` says of what.
    """
    records_at = find_records_at(document) if isinstance(document, dict) else ()
    try:
        parts = take_apart(document, records_at or None)
    except RecordError as error:
        raise ConfigurationError(f"{name}: {error.message}") from error
    records = [with_beside(part.value, part.beside) for part in parts if isinstance(part.value, dict) and part.value]
    if not records:
        raise ConfigurationError(f"{name}: neither a JSON object nor a list of objects")
    records = records[:_MOST_RECORDS]
    lists = {answers.at: answers for record in reversed(records) for answers in _lists_of(record)}
    return Shape(records, document, records_at, lists=list(lists.values()))


def find_records_at(document: dict[str, Any]) -> tuple[str, ...]:
    """The lists whose entries are people, as a connector's `records_at` names them; none: the body is one record."""
    return tuple(dict.fromkeys(_lists_of_people(document, "")))


def leaves(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(path, value) of everything a mapping can name: values, and lists of values as one."""

    def walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict) and value:
            for key, entry in value.items():
                yield from walk(entry, path_below(path, str(key)))
        elif isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
            for number, entry in enumerate(value):
                yield from walk(entry, f"{path}[{number}]")
        else:
            yield path, value

    yield from walk(record, "")


def _read_json(sample: Path, text: str, suffix: str) -> Any:
    try:
        if suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        return json.loads(text)
    except ValueError as error:
        place = f" line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigurationError(
            f"{sample}{place}: not readable as JSON; allowed: .json, .jsonl, .csv, .tsv"
        ) from error


def _separator(text: str, usual: str) -> str:
    header = text.partition("\n")[0]
    return max((usual, ";", "\t"), key=header.count)


def _lists_of(record: dict[str, Any]) -> list[AnswerList]:
    return answer_lists({key: value for key, value in record.items() if key != BESIDE})


def _lists_of_people(node: dict[str, Any], path: str) -> Iterator[str]:
    """Lists below an object. None below one that has a contact of its own: that is the record, with lists in it."""
    if _names_somebody(_without_lists(node)) or _is_one_whole(node, path):
        return
    for key, value in node.items():
        place = path_below(path, key)
        if isinstance(value, dict):
            yield from _lists_of_people(value, place)
        elif _is_list_of_objects(value):
            inner = [inner_path for entry in value for inner_path in _lists_of_people(entry, f"{place}[*]")]
            if inner:
                yield from inner
            elif any(_is_record(entry) for entry in value):
                yield place


def _is_one_whole(node: dict[str, Any], path: str) -> bool:
    """Several lists of one entry each, beside each other in an entry of a list: a contact and its message, say."""
    lists = [value for value in node.values() if _is_list_of_objects(value)]
    return "[*]" in path and len(lists) > 1 and all(len(value) == 1 for value in lists)


def _is_list_of_objects(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(entry, dict) for entry in value)
        and not is_answer_list(value)
    )


def _without_lists(node: dict[str, Any]) -> dict[str, Any]:
    """An object without its lists of objects: what is left speaks of itself. Answers are read by their names."""
    named = by_name(node, answer_lists(node))

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kept(entry) for key, entry in value.items() if not _is_list_of_objects(entry)}
        return value

    return dict(kept(named))


def _names_somebody(record: dict[str, Any]) -> bool:
    return any(guess_field(path, value) in _CONTACTS for path, value in leaves(record))


def _is_record(entry: dict[str, Any]) -> bool:
    """An entry that holds a contact and says something else of somebody too: not one address among several."""
    named = by_name(entry, answer_lists(entry))
    fields = {guess_field(path, value) for path, value in leaves(named)} - {None}
    return bool(fields & _CONTACTS) and len(fields) > 1
