"""Bulk API 2.0: a job takes thousands of new records as CSV, and its results are told by row, in any order."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from connectors.destinations.salesforce.answers import (
    CONVERTED,
    http_errors,
    raise_for,
    raise_for_content,
    read_json,
    result_of,
    text,
)
from connectors.destinations.salesforce.api import Api
from connectors.kit import JobState, Record, TransientError, WriteResult
from connectors.kit.redaction import without_values

JOB_SIZE = 10_000  # what Salesforce works on at once
_MOST_BYTES = 20_000_000  # of a job: results repeat its rows, and answers are read up to 32 MiB
_CSV = {"Content-Type": "text/csv; charset=UTF-8", "Accept": "text/csv"}
_OPEN, _OVER = {"Open"}, {"JobComplete", "Failed", "Aborted"}
_NOTHING = "#N/A"  # in a cell: empties the field; an empty cell leaves it as it is


class SalesforceJobs:
    """A part of the writer."""

    job_above: int | None = None
    job_size = JOB_SIZE

    _api: Api
    _object: str
    _key_field: str

    def open_job(self) -> str:
        wanted = {
            "object": self._object,
            "operation": "upsert",
            "externalIdFieldName": self._key_field,
            "contentType": "CSV",
            "lineEnding": "LF",
            "columnDelimiter": "COMMA",
        }
        response = self._api.request("POST", "/jobs/ingest", orjson.dumps(wanted))
        raise_for(response, self._api.name)
        made = read_json(response)
        job_id = made.get("id") if isinstance(made, dict) else None
        if not isinstance(job_id, str) or not job_id:
            raise TransientError(f"{self._api.name}: the answer names no job")
        return job_id

    def fill_job(self, job_id: str, records: Sequence[Record]) -> None:
        path = f"/jobs/ingest/{quote(job_id)}"
        table = as_csv(records, self._key_field)
        response = self._api.request("PUT", f"{path}/batches", table, _CSV)
        raise_for_content(response, records)
        self._raise_unless_open(response)
        self._raise_unless_open(self._api.request("PATCH", path, b'{"state":"UploadComplete"}'))

    def job_state(self, job_id: str) -> JobState:
        response = self._api.request("GET", f"/jobs/ingest/{quote(job_id)}")
        if response.status_code == 404:
            return JobState("gone")
        raise_for(response, self._api.name)
        told = read_json(response)
        state = told.get("state") if isinstance(told, dict) else None
        message = without_values(text(told.get("errorMessage")), ()) if isinstance(told, dict) else ""
        if state in _OVER:
            return JobState("over", message or None)
        return JobState("open" if state in _OPEN else "running")

    def job_results(self, job_id: str) -> dict[str, WriteResult]:
        results: dict[str, WriteResult] = {}
        for name, is_success in (("successfulResults", True), ("failedResults", False)):
            response = self._api.request("GET", f"/jobs/ingest/{quote(job_id)}/{name}/", headers=_CSV)
            raise_for(response, self._api.name)
            for row in csv.DictReader(io.StringIO(response.content.decode("utf-8-sig", errors="replace"), newline="")):
                key = row.get(self._key_field)
                if key:
                    results[key] = self._result_of_row(key, row, is_success=is_success)
        return results

    def drop_job(self, job_id: str) -> None:
        path = f"/jobs/ingest/{quote(job_id)}"
        # Refused for one that is over already: it is only deleted then.
        self._api.request("PATCH", path, b'{"state":"Aborted"}')
        response = self._api.request("DELETE", path)
        if response.status_code == 400:
            raise TransientError(f"{self._api.name}: the job is being worked on")
        if response.status_code != 404:
            raise_for(response, self._api.name)

    def _raise_unless_open(self, response: Any) -> None:
        if response.status_code in (400, 404, 409):
            code = text(http_errors(response)[0].get("errorCode"))
            raise TransientError(f"{self._api.name}: the job takes nothing more ({code or response.status_code})")
        raise_for(response, self._api.name)

    def _result_of_row(self, key: str, row: Mapping[str, Any], *, is_success: bool) -> WriteResult:
        fields = {name: value for name, value in row.items() if not str(name).startswith("sf__")}
        answer: dict[str, Any] = {"success": is_success, "id": row.get("sf__Id"), "errors": []}
        if is_success:
            answer["created"] = {"true": True, "false": False}.get(str(row.get("sf__Created")).lower())
        else:
            answer["errors"] = [_error_of(str(row.get("sf__Error") or ""))]
        result = result_of(Record(key, fields), answer, self._key_field)
        if result.code == CONVERTED:  # by itself it is followed to its contact
            return WriteResult(key, "retry", code=CONVERTED, message="the lead was converted: written by itself")
        return result


def as_csv(records: Sequence[Record], key_field: str) -> bytes:
    """A row for each record, as far as a job's bytes reach: of the others its results say nothing."""
    rows = [
        {key_field: record.key, **record.fields, **{link.role: link.crm_id for link in record.links}}
        for record in records
    ]
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(names)
    written: list[list[str]] = []
    size = 0
    for row in rows:
        cells = [_cell(row[name]) if name in row else "" for name in names]
        size += sum(len(cell.encode()) + 3 for cell in cells)
        if written and size > _MOST_BYTES:
            break
        written.append(cells)
    writer.writerows(written)
    return table.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None or value == "":
        return _NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _error_of(told: str) -> dict[str, Any]:
    """`CODE:message:Field1,Field2--`."""
    code, _, rest = told.partition(":")
    message, _, fields = rest.rpartition(":")
    names = [name.strip() for name in fields.removesuffix("--").split(",")]
    are_fields = bool(message) and all(name.replace("_", "").isalnum() or not name for name in names)
    return {
        "statusCode": code.strip(),
        "message": message if are_fields else rest,
        "fields": [name for name in names if name] if are_fields else [],
    }
