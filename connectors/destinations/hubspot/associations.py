"""What is associated with what: read, made and undone by the calls of v4, up to 100 pairs in each.

To associate two that are associated changes nothing, so each call may be repeated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import orjson
import requests

from connectors.destinations.hubspot.answers import raise_for, read_json, read_refusal
from connectors.kit import Link, QuotaError, Record, RecordError, TransientError, WriteResult
from connectors.kit.authorized_http import AuthorizedCalls

LINK_GONE = "link_gone"
_MOST_PAGES = 100
_REFUSED = (400, 404)  # of a whole call: perhaps for one that is not there

Pair = tuple[str, str]
"""Ids of the record and of what it leads to."""
ReadKeys = Callable[[str, Sequence[str]], Mapping[str, str]]
"""Name of an object and ids -> our key that each has, "" for none; those that are not there are left out. One call for
each hundred."""


class Associations:
    """Those of the records of one object."""

    def __init__(self, destination: str, base_url: str, name: str, calls: AuthorizedCalls, read_keys: ReadKeys) -> None:
        self._destination = destination
        self._root = f"{base_url}/crm/v4/associations"
        self._name = name
        self._calls = calls
        self._read_keys = read_keys

    def link(self, records: Sequence[Record], results: Mapping[str, WriteResult]) -> dict[str, WriteResult]:
        """Associate records that were written with what they are linked to; gives the results of those that could not.

        One call for each object that is linked to. Where records were written before, one more for each looks what they
        are associated with: what we associated them with earlier, and is another now, is undone by two calls more.
        """
        refused: dict[str, WriteResult] = {}
        others = dict.fromkeys(link.object for record in records for link in record.links)
        for other in others:
            wanted = {
                str(results[record.key].crm_id): (record, link)
                for record in records
                for link in record.links
                if link.object == other
            }
            refused |= self._link_to(other, wanted)
        return refused

    def read(self, other: str, ids: Sequence[str], *, is_reverse: bool = False) -> dict[str, list[str]]:
        """Ids of the other object that each of these is associated with; `is_reverse`: `ids` are the other object's,
        and the answer is of ours. One call, and another for each further page."""
        path = f"{other}/{self._name}" if is_reverse else f"{self._name}/{other}"
        found: dict[str, list[str]] = defaultdict(list)
        inputs: list[dict[str, str]] = [{"id": crm_id} for crm_id in ids]
        for _ in range(_MOST_PAGES):
            if not inputs:
                break
            response = self._post(f"{path}/batch/read", inputs)
            if response.status_code != 404:
                raise_for(response, self._destination)
            inputs = []
            for entry in _entries(read_json(response)):
                crm_id = _id(entry.get("from"))
                found[crm_id] += [str(to.get("toObjectId")) for to in entry.get("to") or [] if isinstance(to, dict)]
                after = ((entry.get("paging") or {}).get("next") or {}).get("after")
                inputs += [{"id": crm_id, "after": str(after)}] if after else []
        return found

    def _link_to(self, name: str, wanted: Mapping[str, tuple[Record, Link]]) -> dict[str, WriteResult]:
        known = [crm_id for crm_id, (record, _) in wanted.items() if record.crm_id]
        there = self.read(name, known) if known else {}
        missing = [
            (crm_id, link.crm_id)
            for crm_id, (_, link) in wanted.items()
            if link.crm_id is not None and link.crm_id not in there.get(crm_id, ())
        ]
        unmade = self._make(name, missing) if missing else []
        former = [
            (crm_id, other)
            for crm_id, others in there.items()
            for other in others
            if crm_id in wanted and other != wanted[crm_id][1].crm_id
        ]
        if former:
            self._undo(name, former)
        return self._refusals(name, unmade, wanted)

    def _make(self, name: str, pairs: Sequence[Pair]) -> list[Pair]:
        """Those that were not made."""
        response = self._post(f"{self._name}/{name}/batch/associate/default", [_input(*pair) for pair in pairs])
        if response.status_code not in _REFUSED:
            raise_for(response, self._destination)
        made = {frozenset((_id(entry.get("from")), _id(entry.get("to")))) for entry in _entries(read_json(response))}
        unmade = [pair for pair in pairs if frozenset(pair) not in made]
        if response.status_code in _REFUSED and not self._gone(name, unmade):
            code = read_refusal(read_json(response)).code
            raise RecordError(code, field=name, message=f"HubSpot associates {self._name} with no {name}")
        return unmade

    def _undo(self, name: str, pairs: Sequence[Pair]) -> None:
        """Of what others associated nothing is undone: only what leads to a record of ours."""
        keys = self._read_keys(name, sorted({other for _, other in pairs}))
        ours = [(crm_id, other) for crm_id, other in pairs if keys.get(other)]
        if not ours:
            return
        inputs = [{"from": {"id": crm_id}, "to": [{"id": other}]} for crm_id, other in ours]
        raise_for(self._post(f"{self._name}/{name}/batch/archive", inputs), self._destination)

    def _refusals(
        self, name: str, unmade: Sequence[Pair], wanted: Mapping[str, tuple[Record, Link]]
    ) -> dict[str, WriteResult]:
        gone = self._gone(name, unmade) if unmade else set()
        results = {}
        for crm_id, other in unmade:
            key = wanted[crm_id][0].key
            if other in gone:
                message = f"{name} {other}, to which it leads, is not in HubSpot any more. All else was written"
                results[key] = WriteResult(key, "rejected", crm_id=crm_id, code=LINK_GONE, field=name, message=message)
            else:
                results[key] = not_linked(key, "the answer says nothing of its association")
        return results

    def _gone(self, name: str, pairs: Sequence[Pair]) -> set[str]:
        """Ids of the other object that are not there."""
        others = sorted({other for _, other in pairs})
        return set(others) - self._read_keys(name, others).keys()

    def _post(self, path: str, inputs: Sequence[Mapping[str, Any]]) -> requests.Response:
        headers = {"Content-Type": "application/json"}
        return self._calls.request("POST", f"{self._root}/{path}", orjson.dumps({"inputs": list(inputs)}), headers)


def with_links(
    associations: Associations,
    records: Sequence[Record],
    results: dict[str, WriteResult],
    *,
    done: Collection[str] = (),
) -> dict[str, WriteResult]:
    """The results of records once they are linked too; `done` are keys of those that are already.

    Raises as `Writer.write` does where nothing of the call would be left.
    """
    written = [
        record
        for record in records
        if record.links
        and record.key not in done
        and results[record.key].state == "written"
        and results[record.key].crm_id
    ]
    if not written:
        return results
    try:
        return results | associations.link(written, results)
    except (TransientError, QuotaError) as error:
        if len(written) == len(records):
            raise
        return results | {record.key: not_linked(record.key, str(error)) for record in written}


def not_linked(key: str, message: str) -> WriteResult:
    return WriteResult(key, "retry", code="not_linked", message=message)


def _input(crm_id: str, other: str) -> dict[str, Any]:
    return {"from": {"id": crm_id}, "to": {"id": other}}


def _entries(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = body.get("results")
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _id(value: Any) -> str:
    return str(value.get("id")) if isinstance(value, dict) else ""
