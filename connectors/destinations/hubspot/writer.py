"""The writer: one result for each record, and every failure sorted by what happens next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import requests

from connectors.destinations.hubspot.abilities import BATCH_SIZE, HubSpotAbilities
from connectors.destinations.hubspot.adoption import AdoptedContacts
from connectors.destinations.hubspot.answers import (
    NO_REASON,
    BatchAnswer,
    Refusal,
    raise_for,
    read_batch,
    read_json,
    read_refusal,
    read_usage,
)
from connectors.destinations.hubspot.associations import Associations, with_links
from connectors.destinations.hubspot.emails import KnownByEmail, waits
from connectors.destinations.hubspot.inputs import batch_input, object_path, read_body
from connectors.destinations.hubspot.marked import MarkedWrites
from connectors.destinations.hubspot.objects import CONTACTS, FACTS
from connectors.destinations.hubspot.tokens import token_source
from connectors.kit import (
    Connection,
    QuotaError,
    Record,
    RecordError,
    TerminalError,
    TransientError,
    Usage,
    WriteResult,
    check_batch,
)
from connectors.kit.authorized_http import AuthorizedCalls
from connectors.kit.http import session
from connectors.kit.redaction import without_values

KEY_PROPERTY = "afluente_id"
_NOBODY = "afluente-check"  # an id that no contact has
_GONE = "OBJECT_NOT_FOUND"
_MOST_PUT_OFF = 10_000
_NOT_UNIQUE = re.compile(r"\b(?:non-unique|not unique)\b")


class KeyNotUniqueError(TerminalError):
    """The property that holds our id may have a value twice."""


class HubSpotWriter(HubSpotAbilities):
    """One object of an account. Not shared between threads: it holds one HTTP session.

    A write makes one call, `batch/upsert`, or `batch/update` where all of its records are only to be updated: an upsert
    would make them. Of a call that holds both kinds one waits ("retry"), by turns.

    HubSpot keeps one contact for an e-mail. Where contacts with the e-mail of records are there already without our
    key, up to three calls more are made, however many they are: one reads whose they are (`batch/read`), one writes
    record and key onto those that are nobody's (`batch/update`), and one writes all but the e-mail of those whose
    e-mail is another person's (`batch/upsert`). So nobody gets a second contact, and nobody is refused for ever.

    Records with links are associated by further calls (`Associations.link`).
    """

    def __init__(self, connection: Connection) -> None:
        self.usage = Usage()
        self._name = connection.name
        self._base_url = connection.base_url.rstrip("/")
        options = connection.options
        self._key_property = str(options.get("external_id_property", KEY_PROPERTY))
        self._object = FACTS[connection.object or CONTACTS]
        self._is_named = connection.object is not None
        self._links = self._object.name == CONTACTS and options.get("on_existing_email", "link") == "link"
        self.sent_as = f"{self._object.name} by {self._key_property}"
        self._fields = connection.fields
        self._version = options.get("api_version", "v3")
        self._root = self._base_url + object_path(connection.name, self._object.name, self._version)
        self._properties = self._base_url + object_path(
            connection.name, self._object.name, self._version, part="properties"
        )
        self._session = session(self._base_url, timeout_seconds=connection.timeout_seconds, reach=connection.reach)
        self._session.headers["Accept"] = "application/json"
        tokens = token_source(connection, self._session)
        self._calls = AuthorizedCalls(
            self._name, self._session, tokens, before_call=connection.before_call, note=self._note_usage
        )
        self._associations = Associations(self._name, self._base_url, self._object.name, self._calls, self._read_keys)
        self._marks = False  # whether our key is no more than a mark, which nothing can be upserted by
        self._put_off: set[str] = set()  # keys of records that waited for those of the other kind

    def write(self, records: Sequence[Record]) -> list[WriteResult]:
        check_batch(records, BATCH_SIZE)
        if not records:
            return []
        chosen, results = self._choose(records)
        if chosen[0].update_only:
            results |= self._update(chosen)
        elif self._marks:
            results |= self._write_marked(chosen)
        else:
            results |= self._upsert(chosen)
        return [results[record.key] for record in records]

    def adopt(self, records: Sequence[Record]) -> list[WriteResult]:
        """By the contacts' own ids: one call, another where an e-mail is another contact's, and those for links."""
        check_batch(records, BATCH_SIZE)
        if not records:
            return []
        adopted = AdoptedContacts(self._key_property, send=self._send, result_of=self._result).write(records)
        results = with_links(self._associations, records, adopted)
        return [results[record.key] for record in records]

    def check(self) -> None:
        """Looks for one that is not there by our key: that tells a key property that is missing as well."""
        response = self._call("batch/read", read_body([_NOBODY], self._key_property, id_property=self._key_property))
        if response.status_code == 404 and read_refusal(read_json(response)).code == _GONE:
            return
        if response.status_code == 400:
            error = self._key_error(read_refusal(read_json(response)))
            if not (self._object.is_activity and isinstance(error, KeyNotUniqueError)):
                raise error
            return
        raise_for(response, self._name)

    def close(self) -> None:
        self._session.close()

    def _choose(self, records: Sequence[Record]) -> tuple[list[Record], dict[str, WriteResult]]:
        """The records of this call, and the results of those that wait for the next one."""
        waiting: dict[str, WriteResult] = {}
        marks = [record for record in records if record.update_only]
        others = [record for record in records if not record.update_only]
        if marks and others:
            marks_first = any(mark.key in self._put_off for mark in marks)
            chosen, rest = (marks, others) if marks_first else (others, marks)
            waiting = {record.key: waits(record, "sent_apart", "others of this batch took the call") for record in rest}
        else:
            chosen = marks or others
        self._put_off.difference_update(record.key for record in chosen)
        if len(self._put_off) < _MOST_PUT_OFF:
            self._put_off.update(waiting)
        first_with: dict[str, str] = {}
        for record in sorted(chosen, key=lambda record: record.crm_id is None):
            email = record.fields.get("email") if self._object.name == CONTACTS else None
            if isinstance(email, str) and first_with.setdefault(email.strip().lower(), record.key) != record.key:
                waiting[record.key] = waits(record, "same_email", "another record of this call has the same e-mail")
        return [record for record in chosen if record.key not in waiting], waiting

    def _update(self, records: Sequence[Record]) -> dict[str, WriteResult]:
        """By our key, not by the contact's id: HubSpot leads the id of a merged contact to the one that was kept."""
        answer = self._send("batch/update", [batch_input(record, self._key_property) for record in records], records)
        results = {}
        for record in records:
            refusal, result = answer.refusals.get(record.key), self._result(record, answer)
            if refusal is not None and refusal.code == _GONE:
                result = WriteResult(record.key, "written", code="record_gone", message="nothing to mark")
            results[record.key] = replace(result, created=False) if result.state == "written" else result
        return results

    def _upsert(self, records: Sequence[Record]) -> dict[str, WriteResult]:
        try:
            inputs = [batch_input(record, self._key_property) for record in records]
            answer = self._send("batch/upsert", inputs, records)
        except KeyNotUniqueError:
            if not self._object.is_activity:
                raise
            self._marks = True
            return self._write_marked(records)
        results = {record.key: self._result(record, answer) for record in records}
        return with_links(self._associations, records, self._taken_over(records, answer, results))

    def _write_marked(self, records: Sequence[Record]) -> dict[str, WriteResult]:
        marked = MarkedWrites(
            self._object,
            self._key_property,
            self._associations,
            read_keys=self._read_keys,
            search=lambda keys: {key: found.crm_id for key, found in self.read(keys).items()},
            send=self._send,
            result_of=self._result,
        )
        results, done = marked.write(records)
        return with_links(self._associations, records, results, done=done)

    def _taken_over(
        self, records: Sequence[Record], answer: BatchAnswer, results: dict[str, WriteResult]
    ) -> dict[str, WriteResult]:
        """With the results of those whose e-mail another contact has already."""
        existing = {key: refusal.existing_id for key, refusal in answer.refusals.items() if refusal.existing_id}
        known = [record for record in records if record.key in existing]
        if not known or not self._links:
            return results
        try:
            return results | KnownByEmail(
                self._key_property, read_keys=self._read_keys, send=self._send, result_of=self._result
            ).write(known, existing, sent=results)
        except (TransientError, QuotaError, RecordError) as error:
            if len(known) == len(records) and not isinstance(error, RecordError):
                raise
            message = str(error)
            return results | {record.key: waits(record, "not_linked", message) for record in known}

    def _read_keys(self, name: str, ids: Sequence[str]) -> dict[str, str]:
        """Our key that each row of an object has, "" for none; without those that are gone."""
        keys = {}
        for begin in range(0, len(ids), BATCH_SIZE):
            body = orjson.dumps(read_body(ids[begin : begin + BATCH_SIZE], self._key_property))
            url = f"{self._base_url}{object_path(self._name, name, self._version)}/batch/read"
            response = self._calls.request("POST", url, body, {"Content-Type": "application/json"})
            if response.status_code == 404 and read_refusal(read_json(response)).code == _GONE:
                continue
            raise_for(response, self._name)
            found = read_json(response).get("results")
            for row in found if isinstance(found, list) else []:
                properties = row.get("properties") if isinstance(row, dict) else None
                if isinstance(properties, dict):
                    keys[str(row.get("id"))] = str(properties.get(self._key_property) or "")
        return keys

    def _send(self, path: str, inputs: list[dict[str, Any]], records: Sequence[Record]) -> BatchAnswer:
        """One call. Raises RecordError where it is refused as a whole for what is in it, of several records."""
        response = self._call(path, {"inputs": inputs})
        error = read_refusal(read_json(response))
        is_of_content = (
            response.status_code in (400, 413)
            or (response.status_code == 409 and error.code != NO_REASON)
            or (response.status_code == 404 and error.code == _GONE)
        )
        if not is_of_content:
            raise_for(response, self._name)
            answer = read_batch(response, [record.key for record in records], self._key_property)
            if answer.doubtful and not answer.results and not answer.refusals:
                raise self._record_error(answer.doubtful[0], records)
            return answer
        if response.status_code == 413:
            error = Refusal("call_too_large")
        if self._is_of_key(error):
            raise self._key_error(error)
        if len(records) == 1:
            return BatchAnswer(refusals={records[0].key: error})
        if error.is_setting and error.property_name and all(error.property_name in record.fields for record in records):
            raise TerminalError(
                f"{self._name}: answered {response.status_code} {error.code}: property {error.property_name}"
            )
        raise self._record_error(error, records)

    def _result(self, record: Record, answer: BatchAnswer) -> WriteResult:
        refusal = answer.refusals.get(record.key)
        if refusal is not None:
            return refusal.result(record, self._key_property)
        result = answer.results.get(record.key)
        if result is None:
            code = answer.doubtful[0].code if answer.doubtful else "no_result"
            return waits(record, code, "the answer says nothing of this record")
        if not result.get("id"):
            return waits(record, "no_id", "accepted, but the answer names no id")
        created = result.get("new")
        return WriteResult(
            record.key, "written", crm_id=str(result["id"]), created=created if isinstance(created, bool) else None
        )

    def _call(self, path: str, body: dict[str, Any]) -> requests.Response:
        headers = {"Content-Type": "application/json"}
        return self._calls.request("POST", f"{self._root}/{path}", orjson.dumps(body), headers)

    def _note_usage(self, response: requests.Response) -> None:
        self.usage = read_usage(response) or self.usage

    def _is_of_key(self, error: Refusal) -> bool:
        if error.code == "CONFLICTING_UNIQUE_VALUE":
            return False
        is_named = re.search(rf"\b{re.escape(self._key_property)}\b", error.message) is not None
        return (
            is_named
            or _NOT_UNIQUE.search(error.message) is not None
            or (error.is_setting and error.property_name == self._key_property)
        )

    def _key_error(self, error: Refusal) -> TerminalError:
        name = self._object.name
        kind = KeyNotUniqueError if _NOT_UNIQUE.search(error.message) else TerminalError
        return kind(
            f"{self._name}: refuses {self._key_property} as the key of {name} ({error.code}): make it in HubSpot, a"
            f" property of {name} with unique values (hasUniqueValue), or name it in options.external_id_property"
        )

    @staticmethod
    def _record_error(error: Refusal, records: Sequence[Record]) -> RecordError:
        values = [value for record in records for value in record.fields.values()]
        return RecordError(error.code, field=error.property_name, message=without_values(error.message, values))
