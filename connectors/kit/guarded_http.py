"""Calls to addresses that others name: each goes to an address that was looked up once and found public.

The connection is made to that address, with the name in SNI and Host: a name that leads elsewhere at a second look-up
gains nothing. Redirects are answers, no proxy is asked (it would look the name up itself), and of the answer's body
only a little is read, so that the connection can serve again; nothing of it is kept.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from connectors.kit.bounded_http import BoundedAdapter, Limits, with_content
from connectors.kit.connecting import Resolve, connect, refusal_in
from connectors.kit.http import CONNECT_TIMEOUT_SECONDS
from connectors.kit.public_addresses import resolve

_READ_BYTES = 16_384  # of an answer's body

__all__ = ["GuardedSession", "refusal_in"]


class GuardedSession(requests.Session):
    """Posts without redirects, proxies, cookies or credentials of the machine. Not shared between threads.

    `timeout_seconds` is for a whole call. Raises `requests.ConnectionError` around a RefusedAddressError where the name
    leads to a private network: `refusal_in` finds it.
    """

    def __init__(self, *, timeout_seconds: float, allow_private: bool = False) -> None:
        super().__init__()
        self._limits = Limits(_READ_BYTES, timeout_seconds)
        adapter = _GuardedAdapter(self._limits, partial(resolve, allow_private=allow_private))
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        self.trust_env = False
        self._timeout = (min(CONNECT_TIMEOUT_SECONDS, timeout_seconds), timeout_seconds)

    def post_once(self, url: str, body: bytes, headers: dict[str, str]) -> requests.Response:
        """The answer's status and headers; its content is empty."""
        self._limits.start()
        self.cookies.clear()
        return self.post(url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False)


class _GuardedAdapter(BoundedAdapter):
    def __init__(self, limits: Limits, find: Resolve) -> None:
        super().__init__(limits, connection=partial(connect, find=find))

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = HTTPAdapter.send(self, *args, **{**kwargs, "stream": True})
        self._drain(response.raw)
        return with_content(response, b"")

    def _drain(self, raw: Any) -> None:
        """Read a short body to its end, so that the connection can be used again; else close the connection."""
        try:
            if len(raw.read(_READ_BYTES, decode_content=False)) < _READ_BYTES:
                raw.release_conn()
                return
        except (urllib3.exceptions.HTTPError, OSError):
            pass  # the status is known, and that is all that counts
        raw.close()
