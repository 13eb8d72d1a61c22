"""Calls of a token server (OAuth 2.0, RFC 6749): a form is posted, a token comes back or a reason.

The reasons differ in who has to act: whoever let us in (`GrantRefusedError`), whoever keeps the app's id and secret
(`ClientRefusedError`), or nobody. No message holds what was sent or what the server wrote about it beside its code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests

from connectors.kit.errors import TerminalError, TransientError
from connectors.kit.http import Session, check_status, session, translated
from connectors.kit.reach import Reach
from connectors.kit.sources.auth.marks import basic_mark
from connectors.kit.sources.declarations import Client

# The session may say otherwise of its own calls, and a form under another type is refused.
FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_PATIENCE_SECONDS = 20.0
_MAX_ANSWER_BYTES = 1_048_576
_MOST_LIFE_SECONDS = 10 * 365 * 86_400.0
_CLIENT_CODES = ("invalid_client", "unauthorized_client")
_PASSING_CODES = ("temporarily_unavailable", "server_error")
_LONGEST_TEXT = 8_192  # of a token: longer ones fit into no header


class GrantRefusedError(TerminalError):
    """What we were let in by (a code, a refresh token) counts no more: whoever gave it has to give it again."""


class ClientRefusedError(TerminalError):
    """The app's id or secret is wrong, or it may not ask in this way."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A token and what came with it. `life_seconds` None: not told. The repr shows no token."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    life_seconds: float | None = None
    scopes: str | None = None


def token_session(url: str, reach: Reach | None = None) -> Session:
    """A session for short calls of a token server."""
    return session(
        url,
        timeout_seconds=_PATIENCE_SECONDS,
        answer_seconds=_PATIENCE_SECONDS,
        max_answer_bytes=_MAX_ANSWER_BYTES,
        reach=reach,
    )


def ask_for_token(http: Session, url: str, form: Mapping[str, str], client: Client, *, what: str) -> Granted:
    """The token that is given for `form`. `what` begins messages.

    Raises GrantRefusedError, ClientRefusedError, TerminalError; QuotaError and TransientError where it may be had
    later.
    """
    secret, fields, mark = client.client_secret, dict(form), None
    if client.told_by == "basic":
        mark = basic_mark(client.client_id, secret or "")
    else:
        fields |= {"client_id": client.client_id, **({"client_secret": secret} if secret else {})}
    with translated(what):
        response = http.post(url, data=fields, headers=FORM_HEADERS, auth=mark)
    answer = json_of(response)
    has_token = isinstance(answer.get("access_token"), str) and bool(answer["access_token"])
    if response.status_code in (400, 401, 403) or (response.ok and not has_token and "error" in answer):
        raise _refusal(response, what)
    check_status(response, what)
    if not has_token or len(answer["access_token"]) > _LONGEST_TEXT:
        raise TransientError(f"{what}: the answer holds no access_token")
    return Granted(
        access_token=answer["access_token"],
        refresh_token=_text(answer.get("refresh_token")),
        life_seconds=_life(answer.get("expires_in")),
        scopes=_text(answer.get("scope")),
    )


def json_of(response: requests.Response) -> dict[str, Any]:
    """The object of an answer; empty if it holds none."""
    try:
        answer = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def error_of(response: requests.Response) -> tuple[str, str]:
    """Code and description, "" where there is none. The description is to be compared, never shown: it may hold a
    name."""
    answer = json_of(response)
    code, description = answer.get("error"), answer.get("error_description")
    is_code = isinstance(code, str) and code.replace("_", "").isalnum()
    return str(code)[:40] if is_code else "", description.lower() if isinstance(description, str) else ""


def _refusal(response: requests.Response, what: str) -> TerminalError | TransientError:
    code, _ = error_of(response)
    told = f"{what}: refused ({code or f'status {response.status_code}'})"
    if code == "invalid_grant":
        return GrantRefusedError(f"{told}: the access that was given has ended")
    if code in _PASSING_CODES:
        return TransientError(told)
    if code in _CLIENT_CODES or (not code and response.status_code == 401):
        return ClientRefusedError(f"{told}: the app's id or secret is wrong, or it may not ask so")
    return TerminalError(f"{told}: the token server does not take what is asked for")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT else None


def _life(value: Any) -> float | None:
    """Seconds; some servers write them as text. None for what tells nothing."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:12])
    is_told = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
    return min(float(value), _MOST_LIFE_SECONDS) if is_told else None
