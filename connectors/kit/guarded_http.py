"""Calls to addresses that others name: each goes to an address that was looked up once and found public.

The connection is made to that address, with the name in SNI and Host: a name that leads elsewhere at a second look-up
gains nothing. Redirects are answers, no proxy is asked (it would look the name up itself), and of the answer's body
only a little is read, so that the connection can serve again; nothing of it is kept.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import connection as sockets

from connectors.kit.bounded_http import BoundedAdapter, Limits, with_content
from connectors.kit.http import CONNECT_TIMEOUT_SECONDS
from connectors.kit.public_addresses import RefusedAddressError, resolve

_READ_BYTES = 16_384  # of an answer's body
_MOST_ADDRESSES = 3  # of a name that are tried: each may take the time for connecting

Resolve = Callable[[str, int], list[str]]


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


def refusal_in(error: BaseException) -> RefusedAddressError | None:
    """The refusal that ended a call, if it was one."""
    seen: list[Any] = [error]
    for cause in seen:
        if isinstance(cause, RefusedAddressError):
            return cause
        following = (*getattr(cause, "args", ()), getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        seen += [more for more in following if isinstance(more, BaseException) and more not in seen]
    return None


class _GuardedAdapter(BoundedAdapter):
    def __init__(self, limits: Limits, find: Resolve) -> None:
        super().__init__(limits, connection=partial(_connect, find=find))

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


def _connect(line: HTTPConnection, *, find: Resolve) -> socket.socket:
    """As urllib3 connects, but to the addresses that were checked."""
    host = line._dns_host  # noqa: SLF001 - with its final dot, as the resolver needs it
    port = line.port or line.default_port
    try:
        addresses = find(host, port)
    except socket.gaierror as error:
        raise NameResolutionError(host, line, error) from error
    trouble: OSError | None = None
    for address in addresses[:_MOST_ADDRESSES]:
        try:
            made: socket.socket = sockets.create_connection(
                (address, port), line.timeout, socket_options=line.socket_options
            )
        except TimeoutError as error:
            raise ConnectTimeoutError(line, "no connection in time") from error
        except OSError as error:
            trouble = error
        else:
            sys.audit("http.client.connect", line, address, port)
            return made
    raise NewConnectionError(line, "no connection") from trouble
