"""`$batch`: requests one after the other, change sets that hold together, and where it stops at a failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from uuid import uuid4

import orjson

from connectors.kit.multipart import (
    MultipartError,
    Part,
    boundary_of,
    read_message,
    read_parts,
    write_message,
    write_parts,
)
from connectors.sandbox.dialects.dataverse.addresses import split_address
from connectors.sandbox.dialects.dataverse.errors import ODataError, bad_request
from connectors.sandbox.dialects.dataverse.operations import Answer, Operation, failed
from connectors.sandbox.dialects.dialect import Reply, Request

ROUTE = "POST $batch"
MOST_REQUESTS = 1_000

Run = Callable[[Sequence[Operation]], list[Answer] | ODataError]
Step = tuple[list[Operation], list[str] | None]  # a request, or a change set with its Content-IDs


def answer_batch(request: Request, root: str, run: Run) -> Reply:
    """Runs each request, and each change set as a whole, by `run`. Raises ODataError for a batch that is none."""
    boundary = boundary_of(request.headers.get("content-type", ""))
    if boundary is None:
        raise bad_request("The message header 'Content-Type' has to be multipart/mixed with a boundary.")
    steps = _read_steps(request.body, boundary, root)
    if sum(len(operations) for operations, _ in steps) > MOST_REQUESTS:
        raise bad_request(
            "The current batch message contains too many parts. Only batch messages with a maximum number of"
            f" '{MOST_REQUESTS}' query operations, including changeset operations, are allowed."
        )
    goes_on = "odata.continue-on-error" in request.headers.get("prefer", "")
    parts: list[Part] = []
    counts: Counter[str] = Counter()
    status = 200
    for operations, content_ids in steps:
        done = run(operations)
        answers = [failed(done)] if isinstance(done, ODataError) else done
        for answer in answers:
            counts.update(answer.counts)
        parts.append(_write_answers(answers, content_ids))
        if answers[-1].status >= 400 and not goes_on:
            status = 400
            break
    return multipart_reply(status, parts, ROUTE, counts=counts)


def multipart_reply(
    status: int, parts: Sequence[Part], route: str, *, counts: Counter[str] | None = None, **headers: str
) -> Reply:
    boundary = f"batchresponse_{uuid4()}"
    return Reply(
        status,
        write_parts(parts, boundary),
        route,
        content_type=f"multipart/mixed; boundary={boundary}",
        headers={"OData-Version": "4.0", **headers},
        counts=dict(counts or {}),
    )


def without_last_part(reply: Reply) -> Reply:
    """The reply as it is where it is no batch."""
    boundary = boundary_of(reply.content_type)
    if boundary is None:
        return reply
    parts = read_parts(reply.body, boundary, most=MOST_REQUESTS)
    return replace(reply, body=write_parts(parts[:-1], boundary))


def _read_steps(body: bytes, boundary: str, root: str) -> list[Step]:
    try:
        parts = read_parts(body, boundary, most=MOST_REQUESTS + 1)
        steps: list[Step] = []
        for part in parts:
            inner = boundary_of(part.headers.get("content-type", ""))
            if inner is None:
                steps.append(([_read_operation(part, root)], None))
                continue
            members = read_parts(part.body, inner, most=MOST_REQUESTS + 1)
            operations = [_read_operation(member, root) for member in members]
            if any(operation.method == "GET" for operation in operations):
                raise bad_request("A change set cannot hold a GET request.")
            content_ids = [member.headers.get("content-id", "") for member in members]
            if "" in content_ids:
                raise bad_request("Content-ID header not present in a request of a change set.")
            steps.append((operations, content_ids))
    except MultipartError as error:
        raise bad_request(f"The batch cannot be read: {error}") from None
    if not steps:
        raise bad_request("The batch holds no request.")
    return steps


def _read_operation(part: Part, root: str) -> Operation:
    if not part.headers.get("content-type", "").startswith("application/http"):
        raise bad_request("The Content-Type of a part has to be application/http.")
    message = read_message(part.body)
    words = message.start_line.split()
    if len(words) != 3 or words[2] != "HTTP/1.1":
        raise bad_request("The request line of a part cannot be read.")
    length = message.headers.get("content-length")
    if length is not None and length != str(len(message.body)):
        raise bad_request("The Content-Length of a part is not that of its body.")
    path, query = split_address(words[1])
    return Operation(words[0], root, path, query, message.headers, message.body)


def _write_answers(answers: Sequence[Answer], content_ids: Sequence[str] | None) -> Part:
    """One part; that of a change set holds a part for each answer, or for the one that ended it."""
    if content_ids is None:
        return _write_answer(answers[0])
    boundary = f"changesetresponse_{uuid4()}"
    members = [_write_answer(answer, content_id) for answer, content_id in zip(answers, content_ids, strict=False)]
    return Part({"Content-Type": f"multipart/mixed; boundary={boundary}"}, write_parts(members, boundary))


def _write_answer(answer: Answer, content_id: str | None = None) -> Part:
    headers = {"Content-Type": "application/http", "Content-Transfer-Encoding": "binary"}
    if content_id is not None:
        headers["Content-ID"] = content_id
    return Part(headers, write_answer(answer))


def write_answer(answer: Answer) -> bytes:
    own = dict(answer.headers)
    body = b""
    if answer.content is not None:
        own = {"Content-Type": "application/json; odata.metadata=minimal", "OData-Version": "4.0", **own}
        body = orjson.dumps(answer.content)
    return write_message(f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", own, body)
