"""As much of `$filter` as programs ask by: `eq`, `ne`, moments with `ge` and `gt`, `In(…)`, joined by `and` and `or`,
with parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from connectors.sandbox.dialects.dataverse.errors import bad_request

Holds = Callable[[Mapping[str, Any]], bool]

_MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_TOKEN = re.compile(rf"\s*('(?:[^']|'')*'|[A-Za-z_][\w.]*|{_MOMENT}|-?\d+|[(),=\[\]])", re.DOTALL)
_IN = "Microsoft.Dynamics.CRM.In"
_WORDS: dict[str, Any] = {"null": None, "true": True, "false": False}


def read_filter(text: str) -> tuple[Holds, set[str]]:
    """What holds of a row's values, and the columns that are spoken of. Raises ODataError."""
    parser = _Parser(text)
    holds = parser.either()
    parser.end()
    return holds, parser.names


class _Parser:
    def __init__(self, text: str) -> None:
        self.names: set[str] = set()
        self._place = 0
        self._tokens: list[str] = []
        at = 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            if match is None:
                raise _unreadable()
            self._tokens.append(match[1])
            at = match.end()

    def either(self) -> Holds:
        parts = [self._both()]
        while self._skip("or"):
            parts.append(self._both())
        return lambda row: any(part(row) for part in parts)

    def end(self) -> None:
        if self._place < len(self._tokens):
            raise _unreadable()

    def _both(self) -> Holds:
        parts = [self._single()]
        while self._skip("and"):
            parts.append(self._single())
        return lambda row: all(part(row) for part in parts)

    def _single(self) -> Holds:
        if self._skip("("):
            inner = self.either()
            self._expect(")")
            return inner
        if self._skip(_IN):
            return self._one_of()
        name = self._name(self._next())
        operator, value = self._next(), self._value()
        if operator in ("ge", "gt"):
            return _later(name, operator, value)
        if operator not in ("eq", "ne"):
            raise _unreadable()
        return lambda row: _is_same(row.get(name), value) is (operator == "eq")

    def _one_of(self) -> Holds:
        """`In(PropertyName='a',PropertyValues=['x','y'])`"""
        for word in ("(", "PropertyName", "="):
            self._expect(word)
        name = self._name(str(self._value()))
        for word in (",", "PropertyValues", "=", "["):
            self._expect(word)
        values = [self._value()]
        while self._skip(","):
            values.append(self._value())
        for word in ("]", ")"):
            self._expect(word)
        return lambda row: any(_is_same(row.get(name), value) for value in values)

    def _name(self, name: str) -> str:
        self.names.add(name)
        return name

    def _value(self) -> Any:
        token = self._next()
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token in _WORDS:
            return _WORDS[token]
        if re.fullmatch(_MOMENT, token):
            return token
        if not token.lstrip("-").isdecimal():
            raise _unreadable()
        return int(token)

    def _next(self) -> str:
        if self._place >= len(self._tokens):
            raise _unreadable()
        self._place += 1
        return self._tokens[self._place - 1]

    def _skip(self, word: str) -> bool:
        found = self._place < len(self._tokens) and self._tokens[self._place] == word
        self._place += found
        return found

    def _expect(self, word: str) -> None:
        if not self._skip(word):
            raise _unreadable()


def _later(name: str, operator: str, moment: Any) -> Holds:
    """Moments of one form: the order of texts is that of time."""
    if not isinstance(moment, str):
        raise _unreadable()
    return lambda row: (row.get(name) or "") > moment or (operator == "ge" and row.get(name) == moment)


def _is_same(here: Any, asked: Any) -> bool:
    """Texts are the same whatever their case."""
    if isinstance(here, str) and isinstance(asked, str):
        return here.casefold() == asked.casefold()
    return bool(here == asked)


def _unreadable() -> Exception:
    return bad_request("The sandbox knows filters of eq, ne, ge, gt and In, joined by and and or")
