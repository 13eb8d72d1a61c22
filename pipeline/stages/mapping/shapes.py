"""The shape in which a mapping's rules see a record: columns by one name, lists of `{name, values}` as objects.

Only what a mapping declares (`headers`, `lists`) is reshaped; the record itself is left as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from connectors.kit.paths import parse_path
from pipeline.stages.mapping.language import ListRule, SourceDeclaration
from pipeline.stages.paths import compile_first
from pipeline.values.folding import fold
from pipeline.values.normalized import is_empty

Record = dict[str, Any]
Renames = Mapping[str, str]  # column as it came -> name in the rules

_PLANS_KEPT = 256  # of one mapping: files come with few different headers
_PLAN_LIMIT = 32_768  # characters of all columns; a wider record is planned each time
_TITLE_LIMIT = 255
_NAME_LIMIT = 255


class Headers:
    """The columns of a file by the names its rules use, compared without case, accents and punctuation."""

    def __init__(self, headers: Mapping[str, Sequence[str]]) -> None:
        self._names = frozenset(headers)
        self._spellings: dict[str, tuple[str, int]] = {}
        for name, titles in headers.items():
            for rank, title in enumerate((name, *titles)):
                self._spellings.setdefault(fold(title), (name, rank))
        self._plan = lru_cache(maxsize=_PLANS_KEPT)(self._plan_anew)

    def renames(self, record: Record) -> Renames:
        """What is to be renamed. A column that has the name already wins, then the earlier alias, then the left one."""
        columns = tuple(record)
        if sum(map(len, columns)) > _PLAN_LIMIT:
            return self._plan_anew(columns)
        return self._plan(columns)

    def _plan_anew(self, columns: tuple[str, ...]) -> Renames:
        best: dict[str, tuple[int, str]] = {}
        for column in columns:
            if column in self._names or len(column) > _TITLE_LIMIT:
                continue
            name, rank = self._spellings.get(fold(column), ("", 0))
            if name and name not in columns and (name not in best or rank < best[name][0]):
                best[name] = (rank, column)
        return {column: name for name, (_, column) in best.items()}


def rename(record: Record, renames: Renames) -> Record:
    """The record with its columns renamed; itself where there is nothing to rename."""
    return {renames.get(column, column): value for column, value in record.items()} if renames else record


def compile_list(rule: ListRule) -> Callable[[Record], Record]:
    """A function record -> record in which the list at `rule.at` is an object name -> value.

    One value stands for itself, several as a list. Where a name occurs twice the first with something in it counts.
    What does not fit (another entry of that name, an entry without name, keys nobody declared) stands beside the
    object under its own place, `field_data[3]` or `field_data[3].key`, so that nothing is lost unseen.
    """
    steps = [str(step) for step in parse_path(rule.at)]
    get_name, get_value = compile_first(list(rule.names)), compile_first(list(rule.values))
    used = {str(parse_path(path)[0]) for path in (*rule.names, *rule.values)} | set(rule.ignored)

    def flatten(record: Record) -> Record:
        entries: Any = record
        for step in steps:
            entries = entries.get(step) if isinstance(entries, dict) else None
        if not isinstance(entries, list) or not entries:
            return record
        named: Record = {}
        rest: Record = {}
        for place, entry in enumerate(entries):
            name = _name(get_name(entry))
            if name is None:
                rest[f"{rule.at}[{place}]"] = entry
                continue
            value = get_value(entry)
            if isinstance(value, list) and len(value) == 1:
                value = value[0]
            if is_empty(named.get(name)):
                named[name] = value
            elif not is_empty(value) and not _is_same(value, named[name]):
                rest[f"{rule.at}[{place}]"] = entry
                continue
            for key in entry.keys() - used:
                rest[f"{rule.at}[{place}].{key}"] = entry[key]
        return _with(record, steps, named, rest)

    return flatten


def _name(value: Any) -> str | None:
    if isinstance(value, str):
        name = value.strip()
        return name if 0 < len(name) <= _NAME_LIMIT else None
    is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18
    return str(value) if is_number else None


def _is_same(value: Any, known: Any) -> bool:
    return isinstance(value, str | int | float) and value == known


def _with(record: Record, steps: list[str], named: Record, rest: Record) -> Record:
    """A copy of the record with `named` at `steps` and `rest` at the top; what lies beside the way is shared."""
    copy = {**record, **rest}
    node = copy
    for step in steps[:-1]:
        node[step] = {**node[step]}
        node = node[step]
    node[steps[-1]] = named
    return copy


def row_titles(declaration: SourceDeclaration, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Columns by the names that rules read them under, those without a `headers` entry of their own too.

    Of two names that differ in case alone neither stands for the other.
    """
    read = [*declaration.decided_paths(), *declaration.kept, *names]
    plain = [path for path in dict.fromkeys(read) if fold(path) and len(parse_path(path)) == 1]
    spellings = Counter(fold(name) for name in {*plain, *declaration.headers})
    known = {fold(title) for titles in declaration.headers.values() for title in titles}
    free = (name for name in plain if spellings[fold(name)] == 1 and fold(name) not in known)
    return {**dict.fromkeys(free, ()), **declaration.headers}
