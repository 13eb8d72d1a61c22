"""Lists of questions and answers in a payload: `[{"field": {"ref": "email"}, "type": "email", "email": …}, …]`.

A mapping reads such a list as an object of name -> value (its `lists`), so that a question that is skipped moves none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from connectors.kit.paths import escaped_key, get_path, path_below
from pipeline.authoring.guesses import is_of_a_form
from pipeline.stages.mapping.language import ListRule
from pipeline.stages.mapping.shapes import compile_list
from pipeline.values.column_titles import title_key, titles

_FEWEST_ANSWERS = 2
_LONGEST_NAME = 200
_NAME_PATHS = (
    *("key", "name", "ref", "slug", "column_id", "field", "label", "question", "title", "id"),
    *("field.ref", "field.key", "field.name", "field.title", "field.label", "field.id"),
    *("question.ref", "question.key", "question.name", "question.title", "question.label", "question.text"),
    *("question.id",),
    *("q", "prompt", "pregunta", "pergunta", "frage", "domanda"),
)
_VALUE_PATHS = ("value", "values", "answer", "answers", "text", "string_value", "response")
_INNER_VALUES = ("label", "labels", "value", "values", "text", "answer")  # of an answer that is an object
_NO_ANSWERS = frozenset(("type", "kind", "id", "ref", "position", "order", "required", "format"))


@dataclass(frozen=True)
class AnswerList:
    """A list found at the path `at`: where in an entry its name stands, where its value may, what says neither."""

    at: str
    name: str
    values: tuple[str, ...]
    ignored: tuple[str, ...] = ()

    def rule(self) -> ListRule:
        """As a mapping declares it."""
        return ListRule(at=self.at, names=(self.name,), values=self.values, ignored=self.ignored)


def answer_lists(record: dict[str, Any]) -> list[AnswerList]:
    """The lists of answers in a record, but for those within other lists."""
    return list(_search(record, ""))


def is_answer_list(items: list[Any]) -> bool:
    """Whether these entries are questions with their answers, rather than people or things."""
    return read_answer_list(items, "") is not None


def by_name(record: dict[str, Any], lists: list[AnswerList]) -> dict[str, Any]:
    """The record as paths see it where these lists are declared."""
    for answers in lists:
        record = compile_list(answers.rule())(record)
    return record


def read_answer_list(items: list[Any], at: str) -> AnswerList | None:
    """What tells the entries of a list apart and what they answer; None: it is no such list."""
    if len(items) < _FEWEST_ANSWERS or not all(isinstance(entry, dict) for entry in items):
        return None
    readings = [
        (_meaning(items, name), -place, AnswerList(at, name, values, ignored))
        for place, name in enumerate(_NAME_PATHS)
        if _tells_apart(items, name)
        for values, ignored in [_values(items, name.partition(".")[0])]
        if values
    ]
    return max(readings, key=lambda reading: reading[:2])[2] if readings else None


def _search(node: dict[str, Any], path: str) -> Iterator[AnswerList]:
    for key, value in node.items():
        place = path_below(path, key)
        if isinstance(value, dict):
            yield from _search(value, place)
        elif isinstance(value, list) and not is_of_a_form(f"{place}.x"):
            found = read_answer_list(value, place)
            if found is not None:
                yield found


def _tells_apart(items: list[Any], name: str) -> bool:
    names = [get_path(entry, name) for entry in items]
    return all(isinstance(text, str) and 0 < len(text.strip()) <= _LONGEST_NAME for text in names) and len(
        set(names)
    ) == len(names)


def _meaning(items: list[Any], name: str) -> int:
    """How many of the names mean something; those that mean nothing may still be told by their values."""
    return sum(title_key(str(get_path(entry, name))) in titles().fields for entry in items)


def _values(items: list[Any], name_root: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(paths of values, keys that are none): every entry has one of the usual keys, or one key that is left over."""
    found: dict[str, None] = {}
    ignored: dict[str, None] = {}
    for entry in items:
        usual = [key for key in _VALUE_PATHS if key in entry and key != name_root]
        rest = [key for key in entry if key not in _NO_ANSWERS and key != name_root]
        chosen = usual[:1] or (rest if len(rest) == 1 else [])
        if not chosen and rest:
            return (), ()
        for key in chosen:
            found[_value_path(key, entry[key])] = None
        ignored.update(dict.fromkeys(key for key in entry if key not in chosen and key != name_root))
    roots = {path.partition(".")[0] for path in found}
    return tuple(found), tuple(key for key in ignored if key not in roots)


def _value_path(key: str, value: Any) -> str:
    inner = next((name for name in _INNER_VALUES if isinstance(value, dict) and name in value), None)
    return f"{escaped_key(key)}.{inner}" if inner else escaped_key(key)
