"""Calls to stores of secrets over HTTPS: bounded, without redirects, and with errors that quote no answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from connectors.kit.http import session
from connectors.kit.reach import Reach
from pipeline.settings.stores.found import SecretUnavailableError

_SECONDS = 5.0  # of silence
_ANSWER_SECONDS = 10.0  # for a whole call
_MOST_BYTES = 1_048_576
_RENEWED_AT = 2 / 3  # of a token's life: the other third is for a store that is away meanwhile
_DENIED = (401, 403)
_ANYWHERE = Reach("allow")  # a store is often in the own network, and a machine's own token at a link-local address


class DeniedError(SecretUnavailableError):
    """The store does not take what we show it: perhaps it takes a newer one."""


def ask(
    url: str,
    *,
    what: str,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    ca_file: str | None = None,
) -> dict[str, Any]:
    """The JSON object of an answer: of a POST where there is a form or a body, else of a GET.

    `what` says who is asked and for what, and begins the error's text. Raises SecretUnavailableError.
    """
    host = urlsplit(url).netloc.rpartition("@")[2]
    limits = {"timeout_seconds": _SECONDS, "answer_seconds": _ANSWER_SECONDS}
    with session(url, max_answer_bytes=_MOST_BYTES, reach=_ANYWHERE, **limits) as line:
        line.verify = ca_file or True
        try:
            answer = line.request(
                "GET" if form is None and body is None else "POST",
                url,
                headers=dict(headers or {}),
                data=form,
                json=body,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # `from None`: the library's text quotes the whole address
            raise SecretUnavailableError(f"{what}: {host} gives no usable answer ({type(error).__name__})") from None
        except (OSError, ValueError) as error:  # a file of certificates that is not there, an address that is none
            raise SecretUnavailableError(
                f"{what}: {host} cannot be called ({type(error).__name__}): check its address and certificates",
                is_refused=True,
            ) from None
    return _object_of(answer, f"{what}: {host}")


def _object_of(answer: requests.Response, who: str) -> dict[str, Any]:
    status = answer.status_code
    if status in _DENIED:
        raise DeniedError(
            f"{who} answers {status}: it does not take our token, or the token may not read this", is_refused=True
        )
    if status == 404:
        raise SecretUnavailableError(f"{who} has nothing there (404), or not that version any more", is_refused=True)
    if status == 429 or status >= 500:
        raise SecretUnavailableError(f"{who} answers {status}: it is not at work, or sealed")
    if status != 200:
        raise SecretUnavailableError(f"{who} answers {status}: check what is asked for", is_refused=True)
    try:
        found = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise SecretUnavailableError(f"{who} answers something else than a JSON object")
    return found


class LoginToken:
    """What a store lets us in by, had by a login; and until when (monotonic seconds)."""

    __slots__ = ("text", "until")

    def __init__(self, text: str, seconds: float, *, asked_at: float) -> None:
        self.text = text
        self.until = asked_at + seconds * _RENEWED_AT


class Logins:
    """The tokens of this process, by what they were had with. Safe to share between threads."""

    def __init__(self) -> None:
        self._tokens: dict[str, LoginToken] = {}
        self._guard = Lock()

    def token(self, key: str, log_in: Callable[[], tuple[str, float]]) -> str:
        """A token that lives. `log_in` gives a new one and its life in seconds; it raises SecretUnavailableError."""
        asked_at = time.monotonic()
        with self._guard:
            known = self._tokens.get(key)
        if known is None or known.until <= asked_at:
            known = LoginToken(*log_in(), asked_at=asked_at)
            with self._guard:
                self._tokens[key] = known
        return known.text

    def forget(self, key: str) -> None:
        with self._guard:
            self._tokens.pop(key, None)


@cache
def logins() -> Logins:
    return Logins()


def with_login(key: str, log_in: Callable[[], tuple[str, float]], read: Callable[[str], dict[str, Any]]) -> Any:
    """What is read with a token of a login; with a new one where the store does not take the one that we have."""
    try:
        return read(logins().token(key, log_in))
    except DeniedError:
        logins().forget(key)
        return read(logins().token(key, log_in))


def text_of(answer: Mapping[str, Any], *path: str) -> str:
    """The text that lies there; "" where there is none."""
    found: Any = answer
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def seconds_of(found: Any) -> float:
    """A token's life as stores write it, as a number or its digits; 0 for anything else."""
    try:
        return max(float(found), 0.0)
    except (TypeError, ValueError):
        return 0.0
