"""Answers of bounded size and duration, whoever sends them: an adapter of requests that reads each answer itself.

The limits hold for what travels and for what it unpacks to, and the deadline for the whole call: header lines, body and
redirects together. So neither a small answer that unpacks to gigabytes nor one that drips a byte at a time takes more
than was given to it.
"""

from __future__ import annotations

import http.client
import io
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial, partialmethod
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

MAX_ANSWER_BYTES = 33_554_432  # packed; and as many unpacked
MAX_ANSWER_SECONDS = 60.0
_CHUNK_BYTES = 65_536
_GZIP = 31  # zlib's word for a stream with a gzip header
_GZIP_MAGIC = b"\x1f\x8b"


class AnswerTooLargeError(requests.RequestException):
    """The answer, or what it unpacks to, is larger than the session allows."""


class Limits:
    """What one call may cost. `start` begins a call."""

    def __init__(self, max_bytes: int, seconds: float) -> None:
        self.max_bytes = max_bytes
        self._seconds = seconds
        self._ends_at = time.monotonic() + seconds

    def start(self) -> None:
        self._ends_at = time.monotonic() + self._seconds

    def remaining(self) -> float:
        """Seconds left of the call. Raises TimeoutError if there are none."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the whole answer took too long")
        return left

    def check_size(self, count: int) -> None:
        """Raises AnswerTooLargeError."""
        if count > self.max_bytes:
            raise AnswerTooLargeError


class BoundedAdapter(HTTPAdapter):
    """Gives answers that are read to their end and unpacked, or raises an exception of requests.

    `connection` makes the socket of a connection in place of urllib3's own way; not that to a proxy, which looks names
    up itself."""

    def __init__(self, limits: Limits, *, connection: Callable[[HTTPConnection], Any] | None = None) -> None:
        self._limits = limits
        self._pools = _pool_classes(limits, connection)
        self._proxied_pools = _pool_classes(limits, None)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._proxied_pools
        return manager

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **{**kwargs, "stream": True})
        try:
            packed = b"".join(self._read(response))
            content = _unpack(packed, response.headers.get("Content-Encoding", ""), self._limits)
        except BaseException:
            response.raw.close()  # what is left of it is not worth reading
            raise
        response.raw.release_conn()
        return with_content(response, content)

    def _read(self, response: requests.Response) -> Iterator[bytes]:
        """The answer as it travels, in pieces."""
        announced = response.headers.get("Content-Length", "")
        if announced.isascii() and announced.isdigit() and response.request.method != "HEAD":
            self._limits.check_size(int(announced[:18]))
        count = 0
        try:
            for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=False):
                count += len(chunk)
                self._limits.check_size(count)
                self._limits.remaining()
                yield chunk
        except (urllib3.exceptions.ReadTimeoutError, TimeoutError) as error:
            raise requests.ReadTimeout(type(error).__name__, request=response.request) from None
        except urllib3.exceptions.SSLError as error:
            raise requests.exceptions.SSLError(type(error).__name__, request=response.request) from None
        except urllib3.exceptions.HTTPError as error:
            raise requests.exceptions.ChunkedEncodingError(type(error).__name__, request=response.request) from None


def with_content(response: requests.Response, content: bytes) -> requests.Response:
    """The answer as one that was read, with this body: requests has no public way to say so."""
    response._content = content  # noqa: SLF001 - see above
    response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001 - as above; its stubs lack it
    return response


def _unpack(packed: bytes, encodings: str, limits: Limits) -> bytes:
    """Raises AnswerTooLargeError as soon as it is, ContentDecodingError for what is not packed as it says."""
    content = packed
    for name in reversed([word.strip().lower() for word in encodings.split(",")]):
        if not content or name in ("", "identity"):
            continue
        if name in ("gzip", "x-gzip"):
            content = _unpack_stream(content, _GZIP, limits)
        elif name == "deflate":  # meant is zlib's form; some send the bare stream
            try:
                content = _unpack_stream(content, zlib.MAX_WBITS, limits)
            except requests.exceptions.ContentDecodingError:
                content = _unpack_stream(content, -zlib.MAX_WBITS, limits)
        else:
            raise requests.exceptions.ContentDecodingError("packed in a way that was not asked for")
    return content


def _unpack_stream(packed: bytes, form: int, limits: Limits) -> bytes:
    parts: list[bytes] = []
    count, rest = 0, packed
    while rest:
        unpacker = zlib.decompressobj(form)
        try:
            part = unpacker.decompress(rest, limits.max_bytes - count + 1)
        except zlib.error:
            raise requests.exceptions.ContentDecodingError("not packed as it says") from None
        count += len(part)
        limits.check_size(count)
        if not unpacker.eof:
            raise requests.exceptions.ContentDecodingError("cut off")
        parts.append(part)
        # A gzip file may have several members; anything else behind its end is padding.
        rest = unpacker.unused_data if unpacker.unused_data.startswith(_GZIP_MAGIC) else b""
    return b"".join(parts)


class _TimedRaw(io.RawIOBase):
    """A socket's bytes, each read of them within what is left of the call."""

    def __init__(self, raw: io.RawIOBase, sock: Any, limits: Limits) -> None:
        self._raw = raw
        self._sock = sock
        self._patience: float | None = sock.gettimeout()
        self._limits = limits

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._limits.remaining()
        self._sock.settimeout(left if self._patience is None else min(self._patience, left))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """The standard library's answer, its header lines included, over a timed socket."""

    def __init__(self, sock: Any, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_TimedRaw(raw, sock, limits))


def _connected(line: HTTPConnection, connection: Callable[[HTTPConnection], Any]) -> Any:
    return connection(line)


def _pool_classes(limits: Limits, connection: Callable[[HTTPConnection], Any] | None) -> dict[str, Any]:
    """The connection pools of one session: requests gives no other way to reach the answers' sockets."""
    timed: dict[str, Any] = {"response_class": partial(_TimedResponse, limits=limits)}
    if connection is not None:
        timed["_new_conn"] = partialmethod(_connected, connection)
    plain = type("TimedConnection", (HTTPConnection,), timed)
    secure = type("TimedSecureConnection", (HTTPSConnection,), timed)
    return {
        "http": type("TimedPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("TimedSecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }
