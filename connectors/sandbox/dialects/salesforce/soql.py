"""As much of SOQL as programs ask by: fields of one object, conditions, an order and a limit.

`SELECT Id, Email FROM Lead WHERE (Email = 'a@example.org' OR Phone IN ('1','2')) AND Id > '00Q…' ORDER BY Id LIMIT 200`
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)"
_TOKEN = re.compile(rf"\s*('(?:\\.|[^'\\])*'|[A-Za-z_]\w*|{_MOMENT}|-?\d+(?:\.\d+)?|<=|>=|!=|[(),=<>])", re.DOTALL)
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda here, asked: bool(here == asked),
    "!=": lambda here, asked: bool(here != asked),
    ">": lambda here, asked: here is not None and bool(here > asked),
    ">=": lambda here, asked: here is not None and bool(here >= asked),
    "<": lambda here, asked: here is not None and bool(here < asked),
    "<=": lambda here, asked: here is not None and bool(here <= asked),
}

MOMENTS = {"SystemModstamp", "LastModifiedDate", "CreatedDate"}  # compared with moments alone, without quotes

Holds = Callable[[Mapping[str, Any]], bool]


class QueryError(Exception):
    """A query that cannot be read. The text is Salesforce's."""


@dataclass(frozen=True, slots=True)
class Query:
    """`names` are all fields that it speaks of. `among`: where all that is asked is whether a field's value is among
    these."""

    fields: tuple[str, ...]
    object: str
    holds: Holds
    order: tuple[str, ...]
    is_descending: bool
    limit: int | None
    names: frozenset[str]
    among: tuple[str, tuple[str, ...]] | None = None


def read_query(text: str) -> Query:
    """Raises QueryError."""
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        place = 0
        while place < len(text.rstrip()):
            match = _TOKEN.match(text, place)
            if match is None:
                raise QueryError(f"unexpected token: '{text[place : place + 1]}'")
            self._tokens.append(match[1])
            place = match.end()
        self._place = 0
        self._names: set[str] = set()
        self._lists: list[tuple[str, tuple[str, ...]]] = []
        self._conditions = 0

    def query(self) -> Query:
        self._expect("select")
        fields = [self._name()]
        while self._skip(","):
            fields.append(self._name())
        self._expect("from")
        kind = self._next()
        holds: Holds = self._either() if self._skip("where") else lambda _row: True
        order: list[str] = []
        is_descending, limit = False, None
        if self._skip("order"):
            self._expect("by")
            order.append(self._name())
            while self._skip(","):
                order.append(self._name())
            is_descending = self._skip("desc")
            self._skip("asc")
        if self._skip("limit"):
            limit = int(self._next())
        if self._place < len(self._tokens):
            raise QueryError(f"unexpected token: '{self._tokens[self._place]}'")
        among = self._lists[0] if self._conditions == 1 and self._lists else None
        return Query(tuple(fields), kind, holds, tuple(order), is_descending, limit, frozenset(self._names), among)

    def _either(self) -> Holds:
        """Conditions joined by AND or by OR; as in Salesforce, both beside each other need parentheses."""
        parts = [self._condition()]
        word = next((word for word in ("and", "or") if self._is(word)), None)
        while word is not None and self._skip(word):
            parts.append(self._condition())
        if self._is("and") or self._is("or"):
            raise QueryError(f"unexpected token: {self._tokens[self._place]}")
        return (
            (lambda row: any(part(row) for part in parts)) if word == "or" else lambda row: all(p(row) for p in parts)
        )

    def _condition(self) -> Holds:
        if self._skip("("):
            inner = self._either()
            self._expect(")")
            return inner
        name = self._name()
        self._conditions += 1
        if self._skip("in"):
            self._expect("(")
            values = [self._value()]
            while self._skip(","):
                values.append(self._value())
            self._expect(")")
            self._lists.append((name, tuple(value for value in values if isinstance(value, str))))
            known = {value.casefold() if isinstance(value, str) else value for value in values}
            return lambda row: _folded(row.get(name)) in known
        operator = self._next()
        if operator not in _COMPARE:
            raise QueryError(f"unexpected token: '{operator}'")
        if name in MOMENTS and self._is_text():
            raise QueryError(
                f"value of filter criterion for field '{name}' must be of type dateTime and should not be enclosed in"
                " quotes"
            )
        value = self._value()
        return lambda row: _compared(row.get(name), value, operator)

    def _value(self) -> Any:
        token = self._next()
        if token.startswith("'"):
            return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)
        if token.lower() in _WORDS:
            return _WORDS[token.lower()]
        if re.fullmatch(_MOMENT, token):
            return shown_moment(datetime.fromisoformat(token).timestamp())
        try:
            return float(token)
        except ValueError:
            raise QueryError(f"unexpected token: '{token}'") from None

    def _name(self) -> str:
        name = self._next()
        if not re.fullmatch(r"[A-Za-z]\w*", name):
            raise QueryError(f"unexpected token: '{name}'")
        self._names.add(name)
        return name

    def _next(self) -> str:
        if self._place >= len(self._tokens):
            raise QueryError("unexpected token: '<EOF>'")
        self._place += 1
        return self._tokens[self._place - 1]

    def _is(self, word: str) -> bool:
        return self._place < len(self._tokens) and self._tokens[self._place].lower() == word

    def _is_text(self) -> bool:
        return self._place < len(self._tokens) and self._tokens[self._place].startswith("'")

    def _skip(self, word: str) -> bool:
        found = self._is(word)
        self._place += found
        return found

    def _expect(self, word: str) -> None:
        if not self._skip(word):
            found = self._tokens[self._place] if self._place < len(self._tokens) else "<EOF>"
            raise QueryError(f"unexpected token: '{found}'")


def shown_moment(seconds: float) -> str:
    """Seconds of the epoch as Salesforce shows them: to the second, in texts whose order is that of time."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value if isinstance(value, int | float) else None


def _compared(here: Any, asked: Any, operator: str) -> bool:
    """Texts are equal whatever their case, and in order of their letters as ids are."""
    if isinstance(here, str) and isinstance(asked, str) and operator in ("=", "!="):
        here, asked = here.casefold(), asked.casefold()
    return _COMPARE[operator](here, asked)
