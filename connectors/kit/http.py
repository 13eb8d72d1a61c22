"""HTTP as connectors use it: sessions with timeouts and limits, and every foreign error translated once, here.

Messages name the host, the status and the kind of error; never an address with its query, a header or a body.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit

import orjson
import requests
from requests.auth import AuthBase
from requests.utils import get_environ_proxies

from connectors.kit.bounded_http import (
    MAX_ANSWER_BYTES,
    MAX_ANSWER_SECONDS,
    AnswerTooLargeError,
    BoundedAdapter,
    Limits,
)
from connectors.kit.connecting import connect, refusal_in, resolver
from connectors.kit.errors import AfluenteError, QuotaError, TerminalError, TransientError
from connectors.kit.reach import Reach

CONNECT_TIMEOUT_SECONDS = 5.0
MAX_RETRY_AFTER_SECONDS = 3600.0
_UNSAID_QUOTA_WAIT_SECONDS = 30.0
_MOST_REDIRECTS = 10
_MOST_DIGITS = 15
# Wrong addresses and headers stay wrong: a human has to change the settings.
_WRONG_SETTINGS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.TooManyRedirects,
    requests.exceptions.URLRequired,
)


class TooLargeError(TerminalError):
    """An answer is larger than the session reads."""


class Session(requests.Session):
    """A session whose every call times out, and which never carries credentials to another host.

    `timeout_seconds` is the patience with a silence, `answer_seconds` with a whole call, redirects included. An answer
    of more than `max_answer_bytes`, packed or unpacked, is not read on. Each connection goes where `reach` lets it, by
    one look-up of the name. Not shared between threads.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_seconds: float,
        answer_seconds: float = MAX_ANSWER_SECONDS,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        reach: Reach | None = None,
    ) -> None:
        super().__init__()
        self._limits = Limits(max_answer_bytes, max(answer_seconds, timeout_seconds))
        dial = partial(connect, find=resolver(reach or Reach(), base_url), tries_on=True)
        for scheme in ("http://", "https://"):
            self.mount(scheme, BoundedAdapter(self._limits, connection=dial))
        self.headers["Accept-Encoding"] = "gzip, deflate"  # what is unpacked under the limit
        self.max_redirects = _MOST_REDIRECTS
        # Asked once, not at each call; and never ~/.netrc, which would replace our credentials.
        self.trust_env = False
        self.proxies = get_environ_proxies(base_url)
        self.timeout = (min(CONNECT_TIMEOUT_SECONDS, timeout_seconds), timeout_seconds)

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self.timeout
        self._limits.start()
        return super().request(*args, **kwargs)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None, so that the redirect is the answer, where it leads to another host."""
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        here, there = urlsplit(resp.url), urlsplit(urljoin(resp.url, target))
        return str(target) if (here.scheme, here.netloc) == (there.scheme, there.netloc) else None


class BearerToken(AuthBase):
    """`Authorization: Bearer …`. The repr shows no token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def session(
    base_url: str,
    *,
    timeout_seconds: float = 20.0,
    answer_seconds: float = MAX_ANSWER_SECONDS,
    max_answer_bytes: int = MAX_ANSWER_BYTES,
    reach: Reach | None = None,
) -> Session:
    """A session for calls below `base_url`; connecting takes at most five seconds of the timeout. `reach` None: as
    where the settings say nothing."""
    return Session(
        base_url,
        timeout_seconds=timeout_seconds,
        answer_seconds=answer_seconds,
        max_answer_bytes=max_answer_bytes,
        reach=reach,
    )


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turns whatever requests raises inside into an error of ours. `what` says who was called and what for."""
    try:
        yield
    except requests.RequestException as error:
        raise translate_exception(error, what) from _without_details(error)


def translate_exception(error: requests.RequestException, what: str) -> AfluenteError:
    """TerminalError where the settings are wrong; else TransientError, because the network may be well again."""
    name = type(error).__name__
    if isinstance(error, AnswerTooLargeError):
        return TooLargeError(f"{what}: the answer is larger than is read; ask for less at a time, or for smaller pages")
    if (refusal := refusal_in(error)) is not None:
        return TerminalError(f"{what}: not called: {refusal}")
    if isinstance(error, _WRONG_SETTINGS):
        return TerminalError(f"{what}: {name}: the address or a header in the settings cannot be used")
    if isinstance(error, requests.Timeout):
        return TransientError(f"{what}: no answer in time ({name}); it may have been done nevertheless")
    return TransientError(f"{what}: no usable answer ({name})")


def check_status(response: requests.Response, what: str, *, now: Callable[[], float] = time.time) -> None:
    """Raises unless the status is 2xx: 429 QuotaError; 408, 425 and 5xx TransientError; the rest TerminalError."""
    status = response.status_code
    if 200 <= status < 300:
        return
    wait = retry_after(response, now=now())
    if status == 429:
        raise QuotaError(
            f"{what}: answered 429, too many requests",
            retry_after=_UNSAID_QUOTA_WAIT_SECONDS if wait is None else wait,
        )
    if status in (408, 425) or status >= 500:
        raise TransientError(f"{what}: answered {status}", retry_after=wait)
    if status in (401, 403):
        raise TerminalError(f"{what}: answered {status}; the credentials are refused or lack a right")
    if 300 <= status < 400:
        raise TerminalError(f"{what}: answered {status}, a redirect to another host; set the final address")
    raise TerminalError(f"{what}: answered {status}; the address or the request is not what it expects")


def json_object(response: requests.Response, what: str) -> dict[str, Any]:
    """The JSON object of an answer whose status was looked at. Raises TransientError where it holds none: it was cut
    short, or something else than the CRM answered."""
    try:
        answer = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise TransientError(f"{what}: the answer cannot be read: it is no JSON object")
    return answer


def json_list(answer: dict[str, Any], name: str, what: str) -> list[dict[str, Any]]:
    """The list of objects that an answer has under `name`. Raises TransientError where it has none."""
    found = answer.get(name)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise TransientError(f"{what}: the answer cannot be read: {name} is no list of objects")
    return found


def retry_after(response: requests.Response, *, now: float) -> float | None:
    """Seconds asked for by Retry-After (seconds or an HTTP date), between 0 and an hour; None where it says nothing.

    The date is read against the answer's own Date, so that the two clocks need not agree.
    """
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        seconds = float(text)
    else:
        until = _http_date(text)
        if until is None:
            return None
        seconds = until - (_http_date(response.headers.get("Date", "")) or now)
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def whole_number(text: str) -> int | None:
    """Of a header's digits; None for anything else, and for more digits than any count has."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def _http_date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _without_details(error: requests.RequestException) -> Exception:
    # requests puts whole addresses, with tokens and personal data in their query, into its messages.
    return RuntimeError(type(error).__name__)
