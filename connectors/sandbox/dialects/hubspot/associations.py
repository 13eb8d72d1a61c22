"""Which rows are associated with one another, seen from both sides, and the calls of v4 about that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from connectors.sandbox.dialects.dialect import Reply, Request
from connectors.sandbox.dialects.hubspot.bodies import batch_reply, read_object
from connectors.sandbox.dialects.hubspot.errors import CallRefusedError, error
from connectors.sandbox.dialects.hubspot.objects import ASSOCIATION_TYPES
from connectors.sandbox.dialects.hubspot.rows import Row, Rows

_MOST_PAIRS = 2_000
_MOST_READ = 1_000
_RECORD_ID = "hs_object_id"

Pair = tuple[str, str]


class Associations:
    """Not safe to share between threads: the dialect holds a lock."""

    def __init__(self, rows: Mapping[str, Rows]) -> None:
        self._rows = rows  # by the object's name
        self.page_size = 500  # of the rows that one is associated with

    def answer(self, request: Request, names: Pair, what: str) -> Reply | None:
        """Raises CallRefusedError."""
        if names not in ASSOCIATION_TYPES:
            raise CallRefusedError(400, "VALIDATION_ERROR", "no association type is known between the two objects")
        route = f"POST associations/{names[0]}/{names[1]}/{what}"
        work = {"associate/default": self._associate, "read": self._read, "archive": self._archive}.get(what)
        return work(names, _inputs(request.body), route) if work and request.method == "POST" else None

    def has(self, name: str, crm_id: str) -> bool:
        return self._rows[name].find(_RECORD_ID, crm_id) is not None

    def find_missing(self, names: Pair, pairs: Iterable[Pair]) -> list[Pair]:
        """Pairs of ids of which one is not there."""
        return [(one, other) for one, other in pairs if not (self.has(names[0], one) and self.has(names[1], other))]

    def make(self, names: Pair, pairs: Iterable[Pair]) -> None:
        """Of rows that are there."""
        self._change(names, pairs, is_made=True)

    def forget(self, name: str, row: Row) -> None:
        """All of a row that goes."""
        for from_name, to_name in ASSOCIATION_TYPES:
            if from_name == name:
                pairs = [(row.id, other) for other in self._rows[name].associated(row, to_name)]
                self._change((name, to_name), pairs, is_made=False)

    def _associate(self, names: Pair, inputs: list[dict[str, Any]], route: str) -> Reply:
        if len(inputs) > _MOST_PAIRS:
            raise CallRefusedError(400, "VALIDATION_ERROR", f"at most {_MOST_PAIRS} inputs are allowed")
        pairs = [(_id(entry.get("from")), _id(entry.get("to"))) for entry in inputs]
        missing = self.find_missing(names, pairs)
        made = [pair for pair in pairs if pair not in missing]
        self.make(names, made)
        spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": ASSOCIATION_TYPES[names]}
        results = [{"from": {"id": one}, "to": {"id": other}, "associationSpec": spec} for one, other in made]
        errors = [
            {**error("OBJECT_NOT_FOUND", "Some objects do not exist", context={"ids": list(pair)}), "errors": []}
            for pair in missing
        ]
        return batch_reply(results, errors, route)

    def _read(self, names: Pair, inputs: list[dict[str, Any]], route: str) -> Reply:
        if len(inputs) > _MOST_READ:
            raise CallRefusedError(400, "VALIDATION_ERROR", f"at most {_MOST_READ} inputs are allowed")
        type_id = {"category": "HUBSPOT_DEFINED", "typeId": ASSOCIATION_TYPES[names], "label": None}
        results, alone = [], []
        for entry in inputs:
            crm_id, begin = _id(entry), int(str(entry.get("after") or 0))
            row = self._rows[names[0]].find(_RECORD_ID, crm_id)
            found = self._rows[names[0]].associated(row, names[1]) if row else []
            if not found:
                alone.append(crm_id)
                continue
            end = begin + self.page_size
            shown = [{"toObjectId": int(other), "associationTypes": [type_id]} for other in found[begin:end]]
            more = {"paging": {"next": {"after": str(end)}}} if end < len(found) else {}
            results.append({"from": {"id": crm_id}, "to": shown, **more})
        errors = [
            {
                **error("OBJECT_NOT_FOUND", f"No {names[1]} is associated", context={"fromObjectId": [crm_id]}),
                "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                "errors": [],
            }
            for crm_id in alone
        ]
        return batch_reply(results, errors, route)

    def _archive(self, names: Pair, inputs: list[dict[str, Any]], route: str) -> Reply:
        pairs = [(_id(entry.get("from")), _id(to)) for entry in inputs for to in entry.get("to") or []]
        self._change(names, pairs, is_made=False)
        return Reply(204, b"", route)

    def _change(self, names: Pair, pairs: Iterable[Pair], *, is_made: bool) -> None:
        sides: dict[str, dict[str, dict[str, list[str]]]] = {name: defaultdict(dict) for name in names}
        for pair in pairs:
            for (name, crm_id), (other_name, other) in (
                ((names[0], pair[0]), (names[1], pair[1])),
                ((names[1], pair[1]), (names[0], pair[0])),
            ):
                row = self._rows[name].find(_RECORD_ID, crm_id)
                if row is None:
                    continue
                before = sides[name][crm_id].get(other_name)
                known = self._rows[name].associated(row, other_name) if before is None else before
                if is_made:
                    sides[name][crm_id][other_name] = known if other in known else [*known, other]
                else:
                    sides[name][crm_id][other_name] = [linked for linked in known if linked != other]
        for name, wanted in sides.items():
            self._rows[name].associate(wanted)


def _inputs(body: bytes) -> list[dict[str, Any]]:
    entries = read_object(body).get("inputs")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CallRefusedError(400, "VALIDATION_ERROR", "Invalid input JSON: inputs is required")
    return entries


def _id(value: Any) -> str:
    return str(value.get("id")) if isinstance(value, dict) else ""
