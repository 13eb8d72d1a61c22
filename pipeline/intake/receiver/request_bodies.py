"""Reads a request's body up to a limit, also unpacks it: one that lies about its size costs no more than that."""

from __future__ import annotations

import asyncio
import zlib

from starlette.requests import ClientDisconnect, Request

from pipeline.intake.receiver.answers import RefusedError
from pipeline.intake.receiver.body_work import BodyWork

_READ_SECONDS = 30.0  # for the whole body: a sender that trickles holds no more than a connection
_LENGTH_DIGITS = 15  # a longer Content-Length is beyond every limit, whatever its number
_CLOSE = {"Connection": "close"}  # the rest of the body is not read, so the connection cannot go on


async def read_body(request: Request, limit: int, work: BodyWork, source: str) -> bytes:
    """The body, unpacked by `work` in the share of `source`.

    Raises RefusedError: 413 over `limit` bytes, 415 encoding, 400 broken, 408 too slow.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate", ""):
        raise RefusedError(
            415,
            "encoding_not_accepted",
            "this content encoding is not accepted; send gzip, deflate or none",
            headers={**_CLOSE, "Accept-Encoding": "gzip, deflate"},
        )
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and (len(declared) > _LENGTH_DIGITS or int(declared) > limit):
        raise _too_large(limit)
    try:
        async with asyncio.timeout(_READ_SECONDS):
            raw = await _read(request, limit)
    except TimeoutError:
        raise RefusedError(408, "too_slow", f"the body took over {_READ_SECONDS:g} s", headers=_CLOSE) from None
    except ClientDisconnect:
        raise RefusedError(400, "incomplete_body", "the connection ended within the body", headers=_CLOSE) from None
    if encoding in ("identity", ""):
        return raw
    # However small it is: what it unpacks to may be `limit` bytes.
    return await work.run(source, limit, lambda: unpack(raw, limit))


async def _read(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def unpack(packed: bytes, limit: int) -> bytes:
    """A gzip or zlib body, unpacked. Raises RefusedError: 413 over `limit` bytes, 400 if it is not whole."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, by its own header
    try:
        body = unpacker.decompress(packed, limit + 1)
    except zlib.error:
        raise RefusedError(400, "unreadable_encoding", "the body is not packed as its content-encoding says") from None
    if len(body) > limit or unpacker.unconsumed_tail:
        raise _too_large(limit)
    if not unpacker.eof or unpacker.unused_data:
        raise RefusedError(400, "incomplete_body", "the packed body is cut off, or something follows it")
    return body


def _too_large(limit: int) -> RefusedError:
    return RefusedError(413, "too_large", f"the body is over {limit} bytes", headers=_CLOSE, limit_bytes=limit)
