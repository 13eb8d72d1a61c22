"""Bulk API 2.0: jobs that are opened, filled with CSV, and worked on after they are closed; results in any order."""

from __future__ import annotations

import csv
import io
import random
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.dialects.salesforce.rows import PREFIXES, RefusedError
from connectors.sandbox.dialects.salesforce.rules import read_cell
from connectors.sandbox.dialects.salesforce.writes import Writes
from connectors.sandbox.faults import FaultSpec

_POLLS_BEFORE_THE_END = 2  # a job is at work when it is asked about for the first time
_UNPROCESSED = "UNPROCESSED"  # as a `record_error`: such rows were not looked at
_JOB_FAILED = "JOB_FAILED"  # the same: the job fails, and its rows stay


@dataclass
class _Job:
    job_id: str
    kind: str
    key_field: str
    state: str = "Open"
    polls: int = 0
    rows: list[dict[str, str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    done: list[dict[str, str]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    unprocessed: list[dict[str, str]] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.job_id,
            "object": self.kind,
            "operation": "upsert",
            "externalIdFieldName": self.key_field,
            "state": self.state,
            "jobType": "V2Ingest",
            "contentType": "CSV",
            "contentUrl": f"services/data/v67.0/jobs/ingest/{self.job_id}/batches",
            "numberRecordsProcessed": len(self.done) + len(self.failed),
            "numberRecordsFailed": len(self.failed),
            **({"errorMessage": "InternalServerError : it failed on request"} if self.state == "Failed" else {}),
        }


class Ingest:
    """Safe to share between threads. Jobs are kept in memory."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}

    def answer(self, request: Request, job_id: str | None, part: str | None, faults: FaultSpec) -> Reply | None:
        """Raises RefusedError."""
        with self._lock:
            if job_id is None:
                return self._open(request.body) if request.method == "POST" else None
            job = self._jobs.get(job_id)
            if job is None:
                raise RefusedError(404, "NOT_FOUND", "The requested resource does not exist")
            if part is not None:
                return self._part(job, part, request)
            work = {"GET": lambda: self._asked(job, faults), "PATCH": lambda: self._close(job, request.body)}
            if request.method == "DELETE":
                return self._delete(job)
            return work[request.method]() if request.method in work else None

    def _open(self, body: bytes) -> Reply:
        try:
            asked = orjson.loads(body)
            job = _Job(f"750{secrets.token_hex(7)}A", asked["object"], asked["externalIdFieldName"])
        except (ValueError, TypeError, KeyError):
            raise RefusedError(400, "INVALIDJOB", "The job cannot be read") from None
        if job.kind not in PREFIXES:
            raise RefusedError(400, "INVALIDENTITY", "Entity is not supported")
        self._jobs[job.job_id] = job
        return json_reply(200, job.shown(), "POST jobs/ingest")

    def _part(self, job: _Job, part: str, request: Request) -> Reply | None:
        if part == "batches" and request.method == "PUT":
            if job.state != "Open" or job.rows:
                raise RefusedError(400, "INVALIDJOBSTATE", "the job takes no more data")
            reader = csv.DictReader(io.StringIO(request.body.decode(), newline=""))
            job.rows = list(reader)
            job.names = list(reader.fieldnames or [])
            return Reply(201, b"", "PUT jobs/ingest/batches")
        if request.method != "GET":
            return None
        extra, rows = {
            "successfulResults": (("sf__Id", "sf__Created"), job.done),
            "failedResults": (("sf__Id", "sf__Error"), job.failed),
            "unprocessedrecords": ((), job.unprocessed),
        }.get(part, (None, []))
        if extra is None:
            return None
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, [*extra, *job.names], lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(random.sample(rows, len(rows)))
        return Reply(200, table.getvalue().encode(), f"GET jobs/ingest/{part}", content_type="text/csv")

    def _close(self, job: _Job, body: bytes) -> Reply:
        state = orjson.loads(body).get("state")
        allowed = {"UploadComplete": ("Open",), "Aborted": ("Open", "UploadComplete", "InProgress")}
        if job.state not in allowed.get(state, ()):
            raise RefusedError(400, "INVALIDJOBSTATE", f"Job state {job.state} cannot be changed to {state}")
        job.state = state
        return json_reply(200, job.shown(), f"PATCH jobs/ingest {state}")

    def _delete(self, job: _Job) -> Reply:
        if job.state in ("Open", "InProgress"):
            raise RefusedError(400, "INVALIDJOBSTATE", f"Job state {job.state} cannot be deleted")
        del self._jobs[job.job_id]
        return Reply(204, b"", "DELETE jobs/ingest")

    def _asked(self, job: _Job, faults: FaultSpec) -> Reply:
        counts: dict[str, int] = {}
        if job.state in ("UploadComplete", "InProgress"):
            job.polls += 1
            job.state = "InProgress"
            if job.polls >= _POLLS_BEFORE_THE_END:
                counts = self._work(job, faults)
        return json_reply(200, job.shown(), "GET jobs/ingest", counts=counts)

    def _work(self, job: _Job, faults: FaultSpec) -> dict[str, int]:
        fault = faults.record_error
        job.state = "JobComplete"
        rows = job.rows
        if fault is not None and fault.code in (_UNPROCESSED, _JOB_FAILED):
            left = max(1, round(len(rows) * fault.rate))
            job.unprocessed, rows = rows[:left], rows[left:]
            job.state = "Failed" if fault.code == _JOB_FAILED else job.state
            faults = FaultSpec()
        entries = [_entry(row, job) for row in rows]
        keys = [row.get(job.key_field, "") for row in rows]
        results, counts = self._writes.upsert_entries(entries, keys, job.kind, job.key_field, faults)
        for row, result in zip(rows, results, strict=True):
            if result["success"]:
                job.done.append({"sf__Id": result["id"], "sf__Created": str(result["created"]).lower(), **row})
            else:
                job.failed.append({"sf__Id": "", "sf__Error": _told(result["errors"]), **row})
        return counts


def _entry(row: Mapping[str, str], job: _Job) -> dict[str, Any]:
    entry: dict[str, Any] = {"attributes": {"type": job.kind}}
    for name, cell in row.items():
        if cell != "":
            entry[name] = None if cell == "#N/A" else read_cell(name, cell)
    return entry


def _told(errors: Sequence[Mapping[str, Any]]) -> str:
    error = errors[0]
    return f"{error['statusCode']}:{error['message']}:{','.join(error['fields'])}--"
