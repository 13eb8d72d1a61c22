"""The writer: one result for each record, and every failure sorted by what happens next."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
import requests

from connectors.destinations.hubspot.abilities import BATCH_SIZE, HubSpotAbilities
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
from connectors.destinations.hubspot.inputs import batch_input, contacts_path, read_body
from connectors.kit import (
    ConfigurationError,
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
from connectors.kit.http import Session, session
from connectors.kit.oauth import FixedToken, RefreshToken, TokenSource
from connectors.kit.redaction import without_values

KEY_PROPERTY = "afluente_id"
_NOBODY = "afluente-check"  # an id that no contact has
_GONE = "OBJECT_NOT_FOUND"
_MOST_PUT_OFF = 10_000


class HubSpotWriter(HubSpotAbilities):
    """One account. Not shared between threads: it holds one HTTP session.

    A write makes one call, `batch/upsert`, or `batch/update` where all of its records are only to be updated: an upsert
    would make them. Of a call that holds both kinds one waits ("retry"), by turns.

    HubSpot keeps one contact for an e-mail. Where contacts with the e-mail of records are there already without our
    key, up to three calls more are made, however many they are: one reads whose they are (`batch/read`), one writes
    record and key onto those that are nobody's (`batch/update`), and one writes all but the e-mail of those whose
    e-mail is another person's (`batch/upsert`). So nobody gets a second contact, and nobody is refused for ever.
    """

    def __init__(self, connection: Connection) -> None:
        self.usage = Usage()
        self._name = connection.name
        self._base_url = connection.base_url.rstrip("/")
        options = connection.options
        self._key_property = str(options.get("external_id_property", KEY_PROPERTY))
        self._links = options.get("on_existing_email", "link") == "link"
        self.sent_as = f"contacts by {self._key_property}"
        self._fields = connection.fields
        version = options.get("api_version", "v3")
        self._root = self._base_url + contacts_path(connection.name, version)
        self._properties = self._base_url + contacts_path(connection.name, version, part="properties")
        self._session = session(self._base_url, timeout_seconds=connection.timeout_seconds)
        self._session.headers["Accept"] = "application/json"
        tokens = _token_source(connection, self._session)
        self._calls = AuthorizedCalls(
            self._name, self._session, tokens, before_call=connection.before_call, note=self._note_usage
        )
        self._put_off: set[str] = set()  # keys of records that waited for those of the other kind

    def write(self, records: Sequence[Record]) -> list[WriteResult]:
        check_batch(records, BATCH_SIZE)
        if not records:
            return []
        chosen, results = self._choose(records)
        results |= self._update(chosen) if chosen[0].update_only else self._upsert(chosen)
        return [results[record.key] for record in records]

    def check(self) -> None:
        """Looks for a contact that is not there by our key: that tells a key property that is missing as well."""
        response = self._call("batch/read", read_body([_NOBODY], self._key_property, id_property=self._key_property))
        if response.status_code == 404 and read_refusal(read_json(response)).code == _GONE:
            return
        if response.status_code == 400:
            raise self._key_error(read_refusal(read_json(response)))
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
            waiting = {
                record.key: _waits(record, "sent_apart", "others of this batch took the call") for record in rest
            }
        else:
            chosen = marks or others
        self._put_off.difference_update(record.key for record in chosen)
        if len(self._put_off) < _MOST_PUT_OFF:
            self._put_off.update(waiting)
        first_with: dict[str, str] = {}
        for record in sorted(chosen, key=lambda record: record.crm_id is None):
            email = record.fields.get("email")
            if isinstance(email, str) and first_with.setdefault(email.strip().lower(), record.key) != record.key:
                waiting[record.key] = _waits(record, "same_email", "another record of this call has the same e-mail")
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
        answer = self._send("batch/upsert", [batch_input(record, self._key_property) for record in records], records)
        results = {record.key: self._result(record, answer) for record in records}
        existing = {key: refusal.existing_id for key, refusal in answer.refusals.items() if refusal.existing_id}
        known = [record for record in records if record.key in existing]
        if not known or not self._links:
            return results
        try:
            return results | self._link(known, existing, sent=results)
        except (TransientError, QuotaError, RecordError) as error:
            if len(known) == len(records) and not isinstance(error, RecordError):
                raise
            message = str(error)
            return results | {record.key: _waits(record, "not_linked", message) for record in known}

    def _link(
        self, records: Sequence[Record], existing: Mapping[str, str], *, sent: Collection[str]
    ) -> dict[str, WriteResult]:
        """Write records onto the contacts that have their e-mail (`existing`: ids by key), where those are nobody's.

        `sent` are the keys of the whole call: one of them may just have given the e-mail up.
        """
        owners = self._read_owners(sorted(set(existing.values())))
        results: dict[str, WriteResult] = {}
        free: dict[str, Record] = {}
        taken: list[Record] = []
        for record in records:
            contact = existing[record.key]
            owner = owners.get(contact)
            if owner is None or contact in free or (owner in sent and owner != record.key):
                message = f"contact {contact}, which has the e-mail, is changing: looked at again later"
                results[record.key] = _waits(record, "CONFLICT", message)
            elif owner not in ("", record.key) or record.crm_id not in (None, contact):
                taken.append(record)
            else:
                free[contact] = record
        if free:
            inputs = [batch_input(record, self._key_property, contact) for contact, record in free.items()]
            answer = self._send("batch/update", inputs, list(free.values()))
            for record in free.values():
                result = self._result(record, answer)
                results[record.key] = _linked(result) if result.state == "written" else result
        return results | self._write_without_email(taken, existing) if taken else results

    def _write_without_email(self, records: Sequence[Record], existing: Mapping[str, str]) -> dict[str, WriteResult]:
        """Of whom another contact has the e-mail, all else is written, and a human merges the two contacts."""
        bare = [replace(record, fields={**record.fields}) for record in records]
        for record in bare:
            record.fields.pop("email", None)
        answer = self._send("batch/upsert", [batch_input(record, self._key_property) for record in bare], bare)
        results = {}
        for record in bare:
            result = self._result(record, answer)
            results[record.key] = _taken(result, existing[record.key]) if result.state == "written" else result
        return results

    def _read_owners(self, contacts: Sequence[str]) -> dict[str, str]:
        """Our key that each contact has, "" for none; without those that are gone."""
        response = self._call("batch/read", read_body(contacts, self._key_property))
        raise_for(response, self._name)
        found = read_json(response).get("results")
        owners = {}
        for contact in found if isinstance(found, list) else []:
            properties = contact.get("properties") if isinstance(contact, dict) else None
            if isinstance(properties, dict):
                owners[str(contact.get("id"))] = str(properties.get(self._key_property) or "")
        return owners

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
            return _waits(record, code, "the answer says nothing of this record")
        if not result.get("id"):
            return _waits(record, "no_id", "accepted, but the answer names no id")
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
            or "non-unique" in error.message
            or (error.is_setting and error.property_name == self._key_property)
        )

    def _key_error(self, error: Refusal) -> TerminalError:
        return TerminalError(
            f"{self._name}: refuses {self._key_property} as the key of contacts ({error.code}): make it in HubSpot, a"
            " property of contacts with unique values (hasUniqueValue), or name it in options.external_id_property"
        )

    @staticmethod
    def _record_error(error: Refusal, records: Sequence[Record]) -> RecordError:
        values = [value for record in records for value in record.fields.values()]
        return RecordError(error.code, field=error.property_name, message=without_values(error.message, values))


def _waits(record: Record, code: str, message: str) -> WriteResult:
    return WriteResult(record.key, "retry", code=code, message=message)


def _linked(result: WriteResult) -> WriteResult:
    return replace(
        result, created=False, code="linked", message="was in HubSpot by its e-mail; has our key from now on"
    )


def _taken(result: WriteResult, contact: str) -> WriteResult:
    return replace(
        result,
        state="rejected",
        code="CONFLICT",
        field="email",
        message=f"contact {contact} has this e-mail and is another person's: merge the two in HubSpot, then replay."
        " All but the e-mail was written",
    )


def _token_source(connection: Connection, http: Session) -> TokenSource:
    secrets = connection.secrets
    if "access_token" in secrets:
        return FixedToken(secrets["access_token"])
    if not all(secrets.get(name) for name in ("client_id", "client_secret", "refresh_token")):
        raise ConfigurationError(
            f"destinations.{connection.name}.secrets: give access_token, or client_id, client_secret and refresh_token,"
            " as env:NAME or file:PATH"
        )
    return RefreshToken(
        http,
        connection.options.get("token_url") or f"{connection.base_url.rstrip('/')}/oauth/v1/token",
        client_id=secrets["client_id"],
        client_secret=secrets["client_secret"],
        refresh_token=secrets["refresh_token"],
    )
