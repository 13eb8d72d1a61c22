"""Tryton's JSON-RPC: one session of one account, and every answer of the server sorted by what happens next.

A request is `{"id", "method", "params"}`, its last parameter the context; the answer is HTTP 200 with `result`, or with
`error`: `["UserError", [message, description, …]]` where Tryton refuses something, `[text, traceback]` where its own
code failed. Each request is one transaction of the server: it is done as a whole or not at all.
"""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable
from typing import Any, NoReturn
from urllib.parse import quote

import orjson
import requests
from requests.auth import AuthBase

from connectors.kit import RecordError, TerminalError, TransientError
from connectors.kit.http import CONNECT_TIMEOUT_SECONDS, check_status, session, translated
from connectors.kit.reach import Reach
from connectors.kit.redaction import without_values

_LANGUAGE = "en"  # of the server's messages, whatever the account's own: some are told apart by their words
_LEAST_SHARE_OF_TIME = 0.5
_FIELD = re.compile(r'field "([^"]{1,60})"')
# Said of a model or a field as a whole, so of everybody's record.
_LACKS_RIGHT = re.compile(r'^You are not allowed to (?:access|create|modify the field "[^"]*" of|execute)\b')
# The last two: SQLite's and PostgreSQL's words, where an admin made the reference unique (docs/tryton.md).
_LOST_RACE = re.compile(
    r"^The code on party must be unique|that don't exist|UNIQUE constraint failed|duplicate key value"
)


class TrytonAccount:
    """One account of one database. `company` is the id of the company to work for; None: the account's own one.

    `start` begins the time of one write, `timeout_seconds` in all: its requests together take no longer than one.
    """

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        database: str,
        user: str,
        password: str,
        timeout: float,
        company: int | None,
        before_call: Callable[[int], None],
        reach: Reach,
    ) -> None:
        self.name = name
        self._before_call = before_call
        self._url = f"{base_url.rstrip('/')}/{quote(database, safe='')}/rpc/"
        self._user = user
        self._password = password
        self._company = company
        self._timeout = timeout
        self._http = session(base_url, timeout_seconds=timeout, reach=reach)
        self._http.headers["Content-Type"] = "application/json"
        self._auth: AuthBase | None = None
        self._context: dict[str, Any] | None = None
        self._until = 0.0
        self._fields: Collection[str] = ()

    def start(self, fields: Collection[str] = ()) -> None:
        """`fields` are the names that the mapping writes to: one that Tryton does not know is named."""
        self._until = time.monotonic() + self._timeout
        self._fields = fields

    def read(self, method: str, *params: Any) -> Any:
        """The result of a method that changes nothing. Raises TransientError, QuotaError or TerminalError."""
        result = self._ask(method, params, is_write=False)
        if isinstance(result, _Refusal):
            raise TerminalError(f"{self.name}: {method} is refused: {without_values(result.text, ())}")
        return result

    def write(self, method: str, *params: Any, values: Iterable[Any]) -> Any:
        """The result of a method that changes something; `values` are those that no message may hold.

        Raises RecordError where Tryton refuses what is in the call: nothing of it was done. TransientError with a
        `retry_after` where no answer came: the server may still be at it, and who came at once would not see what it
        makes.
        """
        result = self._ask(method, params, is_write=True)
        return result if not isinstance(result, _Refusal) else self._raise_refusal(method, result, list(values))

    def _raise_refusal(self, method: str, error: _Refusal, values: list[Any]) -> NoReturn:
        if _LACKS_RIGHT.match(error.text):
            raise TerminalError(f"{self.name}: {method} is refused: {_first_line(error.text)}; see docs/tryton.md")
        if error.code == "concurrency" or _LOST_RACE.search(error.text):
            raise TransientError(f"{self.name}: somebody else was first to change a record")  # looked at again, it fits
        raise RecordError(error.code, field=_field(error.text, values), message=without_values(error.text, values))

    def close(self) -> None:
        self._http.close()

    def _ask(self, method: str, params: tuple[Any, ...], *, is_write: bool) -> Any:
        left = self._until - time.monotonic()
        if left < self._timeout * _LEAST_SHARE_OF_TIME:
            # A request that is given up too early goes on in the server, unseen: rather not begun.
            raise TransientError(f"{self.name}: too slow for one write in {self._timeout:g} seconds")
        context = self._read_context()
        body = {"id": 1, "method": f"model.{method}", "params": [*params, context]}
        try:
            result = self._result(self._call(body))
        except TransientError as error:
            if not is_write or error.retry_after is not None:
                raise
            raise TransientError(str(error), retry_after=self._timeout) from None
        if isinstance(result, _Refusal) and result.code == "server_error":
            for field in self._fields:
                if result.text == repr(field.removeprefix("party.")):  # Python's word for a name that is not known
                    raise TerminalError(f"{self.name}: Tryton has no field {field}; check the mapping")
        return result

    def _read_context(self) -> dict[str, Any]:
        """Company and employee as the account's preferences say, asked for once."""
        if self._context is None:
            body = {"id": 1, "method": "model.res.user.get_preferences", "params": [True, {"language": _LANGUAGE}]}
            preferences = self._result(self._call(body))
            if isinstance(preferences, _Refusal) or not isinstance(preferences, dict):
                raise TerminalError(f"{self.name}: the account's preferences cannot be read")
            company = self._company or preferences.get("company")
            if company is None:
                raise TerminalError(
                    f"{self.name}: the Tryton user has no company; give it one, or set"
                    f" destinations.{self.name}.options.company"
                )
            employee = preferences.get("employee") if company == preferences.get("company") else None
            # Archived records are ours too: who is not seen would be made again.
            self._context = {"company": company, "employee": employee, "language": _LANGUAGE, "active_test": False}
        return self._context

    def _call(self, body: dict[str, Any]) -> requests.Response:
        auth = self._auth or self._log_in()
        response = self._post(body, auth)
        if response.status_code == 401:  # the session ended: Tryton keeps one for thirty days at most
            response = self._post(body, self._log_in())
        if response.status_code == 401:
            raise TerminalError(f"{self.name}: Tryton refuses the session it just gave")
        return response

    def _log_in(self) -> AuthBase:
        body = {"id": 1, "method": "common.db.login", "params": [self._user, {"password": self._password}, _LANGUAGE]}
        response = self._post(body, None)
        if response.status_code == 401:
            raise TerminalError(f"{self.name}: Tryton refuses user or password; check the destination's secrets")
        result = self._result(response)
        if not isinstance(result, list) or len(result) < 2:
            raise TransientError(f"{self.name}: the answer to the login cannot be read")
        self._auth = _SessionKey(f"{self._user}:{result[0]}:{result[1]}")
        return self._auth

    def _post(self, body: dict[str, Any], auth: AuthBase | None) -> requests.Response:
        self._before_call(1)
        left = max(1.0, self._until - time.monotonic())
        with translated(self.name):
            return self._http.post(
                self._url, data=orjson.dumps(body), auth=auth, timeout=(min(CONNECT_TIMEOUT_SECONDS, left), left)
            )

    def _result(self, response: requests.Response) -> Any:
        """What the method gave, or a _Refusal. Raises where the request as a whole came to nothing."""
        if response.status_code == 413:
            return _Refusal("call_too_large", "the call is larger than the server takes")
        check_status(response, self.name)
        try:
            answer = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict) or not answer.keys() & {"result", "error"}:
            raise TransientError(f"{self.name}: answered {response.status_code} with something else than JSON-RPC")
        return answer["result"] if "error" not in answer else self._refusal(answer["error"])

    def _refusal(self, error: Any) -> _Refusal:
        kind, details = error if isinstance(error, list) and len(error) == 2 else ("", error)
        texts = [text for text in details if isinstance(text, str)] if isinstance(details, list) else []
        if kind == "ConcurrencyException":
            return _Refusal("concurrency", "")
        if kind == "LoginException":
            raise TerminalError(f"{self.name}: Tryton asks for a password of another kind; see docs/tryton.md")
        if kind == "UserWarning":  # a name, the text, an explanation
            return _Refusal("user_warning", " ".join(texts[1:]))
        if kind == "UserError":
            return _Refusal("user_error", " ".join(texts[:2]))
        return _Refusal("server_error", kind if isinstance(kind, str) and kind else "no reason given")


class _Refusal:
    """What Tryton says when it does not do what it was asked. `text` may hold values of a lead."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        self.text = text.strip()


class _SessionKey(AuthBase):
    """`Authorization: Session …`. The repr shows no key."""

    def __init__(self, key: str) -> None:
        self._key = b64encode(key.encode()).decode()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Session {self._key}"
        return request


def _field(text: str, values: list[Any]) -> str | None:
    """The field's label, where the message names one and it is not part of a value that sounds like a message."""
    found = _FIELD.search(text)
    return found[1] if found and without_values(found[1], values) == found[1] else None


def _first_line(text: str) -> str:
    """Names of models, fields and rules, no values: of a message on rights."""
    return (text.splitlines() or [""])[0][:200]
