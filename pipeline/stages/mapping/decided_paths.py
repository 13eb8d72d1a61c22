"""Which parts of a record somebody has decided about; the rest is kept under `custom` and reported, never dropped."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import reduce
from typing import Any

from connectors.kit.paths import Selector, parse_path
from pipeline.errors import ConfigurationError
from pipeline.values.normalized import is_empty
from pipeline.values.text.text import PARAGRAPHS_LIMIT, raw_excerpt

_CUSTOM_LIMIT = 500  # keys kept of one record
_DEPTH_LIMIT = 12
_LIST_LIMIT = 1_000
_INTEGER_LIMIT = 2**63

_NO_KEY = object()  # a branch that no record can take
Tree = dict[Any, Any]  # step -> subtree; an empty subtree means: all below is decided


class DecidedPaths:
    """A set of paths, asked record by record.

    `names` are keys decided at the top and inside each of `containers`. What lies at one of `opened` is asked entry by
    entry, even where no path leads into it.
    """

    def __init__(
        self,
        paths: Iterable[str],
        *,
        names: Iterable[str] = (),
        containers: Iterable[str] = (),
        opened: Iterable[str] = (),
    ) -> None:
        self._literal = set(paths)
        self._tree: Tree = {}
        for path in self._literal:
            self._add(parse_path(path))
        names = tuple(names)
        for container in ((), *(parse_path(path) for path in containers)):
            for name in names:
                self._add((*container, name))
        for path in opened:
            self._add((*parse_path(path), _NO_KEY))

    def covers(self, path: str) -> bool:
        """True if `path` or something above it is in the set."""
        if path in self._literal:
            return True
        try:
            steps = parse_path(path)
        except ConfigurationError:  # a key of the record that is no path of ours
            return False
        node = self._tree
        for step in steps:
            if step not in node:
                return False
            node = node[step]
            if not node:
                return True
        return False

    @property
    def tree(self) -> Tree:
        """step -> subtree; an empty subtree means: all below is decided."""
        return self._tree

    def meets(self, path: str) -> bool:
        """True if `path`, something above it or something below it is in the set."""
        node = self._tree
        for step in parse_path(path):
            if step not in node:
                return False
            node = node[step]
            if not node:
                return True
        return True

    def rest(self, record: dict[str, Any]) -> dict[str, Any]:
        """What nobody decided about: path -> value, as shallow as possible, empty values left out."""
        undecided: dict[str, Any] = {}
        self._walk(record, self._tree, "", undecided)
        return undecided

    def _add(self, steps: tuple[Any, ...]) -> None:
        node = self._tree
        for place, step in enumerate(steps):
            if step in node and not node[step] and place < len(steps) - 1:
                return  # something above is decided as a whole
            node = node.setdefault(step, {})
        node.clear()

    def _walk(self, value: dict[str, Any], tree: Tree, prefix: str, undecided: dict[str, Any]) -> None:
        for key, item in value.items():
            path = f"{prefix}{key}"
            node = tree.get(key)
            if node is None:
                if not is_empty(item) and path not in self._literal:
                    undecided[path] = item
            elif node:
                self._walk_into(item, node, path, undecided)

    def _walk_into(self, item: Any, node: Tree, path: str, undecided: dict[str, Any]) -> None:
        if isinstance(item, dict):
            self._walk(item, node, f"{path}.", undecided)
        elif isinstance(item, list):
            for index, entry in enumerate(item):
                place = f"{path}[{index}]"
                below = select_entry(entry, index, len(item), node)
                if below is None:
                    if not is_empty(entry):
                        undecided[place] = entry
                elif below:
                    self._walk_into(entry, below, place, undecided)
        elif not is_empty(item):
            undecided[path] = item


def bounded_custom(rest: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """`rest` made safe to store and send: bounded in number, depth and length. True if anything was cut off."""
    if not rest:
        return rest, False
    bounds = _Bounds()
    custom = {raw_excerpt(path[:255]): bounds.bound(value, 0) for path, value in list(rest.items())[:_CUSTOM_LIMIT]}
    return custom, bounds.is_cut or len(rest) > _CUSTOM_LIMIT


def select_entry(entry: Any, index: int, length: int, node: Tree) -> Tree | None:
    """What is decided of the entry at `index` of a list of `length`: by its place, from the front and from the end, and
    by each selector that takes it."""
    found = [node[place] for place in (index, index - length) if place in node]
    selectors = [step for step in node if isinstance(step, Selector)] if isinstance(entry, dict) else []
    found += [node[selector] for selector in selectors if selector.takes(entry)]
    if not found:
        return None
    if not all(found):
        return {}
    # The keys that entries are told apart by have done their work, whichever of them took this one.
    return reduce(_merged, found, {selector.key: {} for selector in selectors})


def _merged(one: Tree, other: Tree) -> Tree:
    """Both trees as one, where an empty one below means all that is there."""
    both = {**one, **other}
    for step in one.keys() & other.keys():
        both[step] = _merged(one[step], other[step]) if one[step] and other[step] else {}
    return both


def _number(value: Any) -> Any:
    """A number that JSON and msgpack can carry: no NaN, no infinity, no integer beyond 64 bits."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return hex(value)[:400] if value is not None and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT else value


class _Bounds:
    def __init__(self) -> None:
        self.is_cut = False

    def bound(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            self.is_cut = self.is_cut or len(value) > PARAGRAPHS_LIMIT
            return raw_excerpt(value).replace("\x00", "")
        if value is None or isinstance(value, bool | int | float):
            return _number(value)
        if depth >= _DEPTH_LIMIT:
            self.is_cut = True
            return None
        if isinstance(value, dict):
            self.is_cut = self.is_cut or len(value) > _CUSTOM_LIMIT
            return {
                raw_excerpt(str(key)[:255]): self.bound(item, depth + 1)
                for key, item in list(value.items())[:_CUSTOM_LIMIT]
            }
        self.is_cut = self.is_cut or len(value) > _LIST_LIMIT
        return [self.bound(item, depth + 1) for item in value[:_LIST_LIMIT]]
