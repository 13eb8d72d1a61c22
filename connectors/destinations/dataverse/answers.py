"""What Dataverse's answers mean: which part of a batch speaks of which record, and what each of its codes asks for."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import requests

from connectors.kit import Record, TransientError, WriteResult
from connectors.kit.http import retry_after
from connectors.kit.multipart import MultipartError, boundary_of, read_message, read_parts
from connectors.kit.redaction import without_values

LIMITS = {
    "0x80072321": "the limit of execution time in five minutes",
    "0x80072322": "the limit of requests in five minutes",
    "0x80072326": "the limit of calls at once",
}
_UNSAID_WAITS = {"0x80072326": 5.0}  # seconds
_UNSAID_WAIT = 30.0
_NO_SUCH_ROW = "0x80040217"
_GONE = {_NO_SUCH_ROW, "0x80060891"}  # no such id, no such key
_KEY_TAKEN = {"0x80040237", "0x80060892"}
# The same record may pass later.
_PASSING = {
    "0x80040216",  # an unexpected error
    "0x80044151",  # SQL took too long
    "0x8005f101",  # the token ran out in the midst of a batch
}
_SQL_ERROR = "0x80044150"
_SQL_PASSING = re.compile(r"\b(?:1205|1222)\b|deadlock|timeout", re.IGNORECASE)
_PASSING_STATUSES = {408, 425, 429, 502, 503, 504}
# A human has to change the settings, the mapping or Dataverse: for all records, or for what this one touches.
_SETTINGS = {
    _NO_SUCH_ROW,  # what a column of this record points to is not there
    "0x80040220",  # a privilege is missing
    "0x80040225",  # the user is disabled
    "0x80048306",  # a privilege is missing
    "0x8004d24b",  # the user is disabled
    "0x80060888",  # no such column, or no such alternate key
    "0x8006088a",  # no such table
    "0x80072560",  # no user of this environment
}
_UNREADABLE_BODY = "0x80048d19"
_UNKNOWN_COLUMN = re.compile(r"undeclared property|invalid property|property named", re.IGNORECASE)
_GUID = re.compile(r"\(([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\)", re.IGNORECASE)
_SAME_VALUE_FOR = re.compile(r"same value for (.{1,200}?) already exists", re.IGNORECASE)
_LISTS_COLUMNS = "DuplicateAttributes"
_WORD = re.compile(r"[A-Za-z_]\w*")
_READ_OF_MESSAGE = 4_000
_CODE = re.compile(r"0x[0-9a-f]{1,8}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Names:
    """What the table and its columns are called. `table` is an entity set name."""

    table: str
    id_field: str
    key_field: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One part. `fields` is the record that it holds; `place` the Content-ID, if it names one."""

    status: int
    place: str | None = None
    code: str | None = None
    message: str = field(default="", repr=False)
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    entity_id: str = ""
    wait_seconds: float = 0.0

    @property
    def is_limited(self) -> bool:
        return self.code in LIMITS or (self.code is None and self.status == 429)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def answers_by_record(
    response: requests.Response, records: Sequence[Record], names: Names
) -> list[Answer | None] | None:
    """The answer to each record, None where there is none; None where the whole is no batch.

    Parts come in the order sent. That is believed where there are as many as records, or where Dataverse stopped at the
    first failure, and where no part names the key of another record. Else a part counts for the key that it names.
    Raises TransientError for a batch that cannot be read.
    """
    boundary = boundary_of(response.headers.get("Content-Type", ""))
    if boundary is None:
        return None
    try:
        parts = read_parts(response.content, boundary, most=len(records))
        found = [_answer(part.headers, part.body) for part in parts]
    except MultipartError as error:
        raise TransientError(f"the answer is no batch that can be read: {error}") from None
    is_refused = response.status_code >= 400
    if not found and is_refused:
        return None
    answers = [answer for answer in found if answer is not None]
    placed = _by_place(answers, len(records), is_refused=is_refused) if len(answers) == len(found) else None
    if placed is not None and all(
        _may_be_of(record, answer, names) for record, answer in zip(records, placed, strict=True)
    ):
        return placed
    named = {_key(answer, names): answer for answer in answers}
    return [named.get(record.key.casefold()) for record in records]


def result_of(record: Record, answer: Answer | None, names: Names) -> WriteResult:
    """What became of the record. No message holds a value of it."""
    if answer is None:
        return WriteResult(record.key, "retry", code="no_result", message="the answer says nothing of this record")
    if answer.is_success:
        return _success(record, answer, names)
    if record.update_only and answer.code in _GONE:
        return WriteResult(record.key, "written", created=False, code="record_gone", message="nothing to mark")
    code = answer.code or f"status_{answer.status}"
    return WriteResult(
        record.key,
        "retry" if _may_pass_later(answer, names) else "rejected",
        code=code,
        field=_field(answer.message, record),
        message=without_values(answer.message, record.fields.values()),
        # One that it is to be linked to was deleted there: of all who have that link, the same is said of each.
        blames_setting=_blames_setting(answer) and not (record.links and answer.code == _NO_SUCH_ROW),
    )


def deletion_of(record: Record, answer: Answer | None) -> WriteResult:
    """What became of a record that was to be deleted."""
    if answer is None:
        return WriteResult(record.key, "retry", code="no_result", message="the answer says nothing of this record")
    if answer.is_success:
        return WriteResult(record.key, "written", crm_id=record.crm_id)
    if answer.code in _GONE:
        return WriteResult(record.key, "written", crm_id=record.crm_id, code="record_gone", message="nothing to delete")
    is_passing_now = answer.is_limited or is_passing(answer.code, answer.message)
    return WriteResult(
        record.key,
        "retry" if is_passing_now or (answer.code is None and answer.status >= 500) else "rejected",
        code=answer.code or f"status_{answer.status}",
        message=without_values(answer.message, record.fields.values()),
        blames_setting=_blames_setting(answer),
    )


def adoption_of(result: WriteResult) -> WriteResult:
    """What became of a record that was to be taken over, from what `result_of` makes of the answer."""
    if result.code in _GONE and result.field is None:
        return replace(result, state="retry", code="record_gone", blames_setting=False)
    if result.code in _KEY_TAKEN and result.state == "retry":
        return replace(result, code="key_taken")
    return result


def error_of(body: bytes) -> tuple[str | None, str]:
    """Code, in lower case, and message of `{"error": {"code", "message"}}`; (None, "") where it is something else."""
    return _error(_json(body))


def is_passing(code: str | None, message: str) -> bool:
    """Whether the code says that the same may pass later."""
    return code in _PASSING or (code == _SQL_ERROR and bool(_SQL_PASSING.search(message)))


def wait_asked_for(headers: Mapping[str, str], code: str | None) -> float:
    """Seconds until a limit lets us in again."""
    answer = requests.Response()
    answer.headers.update(headers)
    asked = retry_after(answer, now=time.time())
    return _UNSAID_WAITS.get(code or "", _UNSAID_WAIT) if asked is None else asked


def _answer(headers: Mapping[str, str], body: bytes) -> Answer | None:
    """None for a part that is no HTTP answer. Raises MultipartError."""
    message = read_message(body)
    if message.status is None:
        return None
    content = _json(message.body)
    code, text = _error(content)
    return Answer(
        message.status,
        place=headers.get("content-id") or message.headers.get("content-id"),
        code=code,
        message=text,
        fields=content if 200 <= message.status < 300 else {},
        entity_id=message.headers.get("odata-entityid") or message.headers.get("location") or "",
        wait_seconds=wait_asked_for(message.headers, code),
    )


def _by_place(answers: Sequence[Answer], expected: int, *, is_refused: bool) -> list[Answer | None] | None:
    places = {answer.place: answer for answer in answers}
    if len(places) == len(answers) and places.keys() <= {str(place) for place in range(1, expected + 1)}:
        return [places.get(str(place)) for place in range(1, expected + 1)]
    failed = [place for place, answer in enumerate(answers) if not answer.is_success]
    stopped_there = is_refused and failed == [len(answers) - 1]
    if len(answers) == expected or stopped_there:
        return [*answers, *[None] * (expected - len(answers))]
    return None


def _key(answer: Answer, names: Names) -> str | None:
    """Our key, in lower case as Dataverse compares it, of the record that an answer holds."""
    key = answer.fields.get(names.key_field)
    return key.casefold() if isinstance(key, str) else None


def _may_be_of(record: Record, answer: Answer | None, names: Names) -> bool:
    return answer is None or _key(answer, names) in (None, record.key.casefold())


def _success(record: Record, answer: Answer, names: Names) -> WriteResult:
    """A 204 is proof enough: its header may name the record by our key in place of its id."""
    known = answer.fields.get(names.id_field)
    header = _GUID.search(answer.entity_id[:_READ_OF_MESSAGE])
    crm_id = known if isinstance(known, str) and known else header[1].lower() if header else None
    if crm_id is None and answer.status != 204:
        return WriteResult(record.key, "retry", code="no_id", message="accepted, but the answer names no id")
    created = {201: True, 200: False}.get(answer.status)
    return WriteResult(record.key, "written", crm_id=crm_id or record.crm_id, created=created)


def _may_pass_later(answer: Answer, names: Names) -> bool:
    if answer.is_limited or is_passing(answer.code, answer.message):
        return True
    if answer.code in _KEY_TAKEN:
        return _is_our_key(answer.message, names.key_field)
    return answer.status in _PASSING_STATUSES or (answer.code is None and answer.status >= 500)


def _is_our_key(message: str, key_field: str) -> bool:
    """Whether our own key was taken a moment ago, so that the next upsert finds the record. Of another key of the table
    a human has to decide. The message names columns as they are called on forms; where it names none, it is ours."""
    if key_field.casefold() in message.casefold():
        return True
    if _LISTS_COLUMNS in message:
        return False
    shown = _SAME_VALUE_FOR.search(message)
    return shown is None or _letters(shown[1]) == _letters(key_field.partition("_")[2] or key_field)


def _letters(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def _blames_setting(answer: Answer) -> bool:
    if answer.code == _UNREADABLE_BODY:
        return bool(_UNKNOWN_COLUMN.search(answer.message))
    return answer.code in _SETTINGS or (answer.code is None and answer.status in (401, 403, 404))


def _field(message: str, record: Record) -> str | None:
    """The first column of the record that the message names."""
    return next((word for word in _WORD.findall(message) if word in record.fields), None)


def _error(content: Mapping[str, Any]) -> tuple[str | None, str]:
    error = content.get("error")
    if not isinstance(error, dict):
        return None, ""
    code, message = error.get("code"), error.get("message")
    return (
        code.lower() if isinstance(code, str) and _CODE.fullmatch(code) else None,
        message[:_READ_OF_MESSAGE] if isinstance(message, str) else "",
    )


def _json(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}
