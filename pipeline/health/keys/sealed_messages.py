"""Which keys sealed the leads that are on their way: in queues, and with workers that have not confirmed them yet.

Nothing here is sealed anew: a message is worked off, and what comes of it is sealed with the newest key.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.delivery.shared_state import shared_redis, translated_redis_errors
from pipeline.errors import TransientError
from pipeline.lanes import QUEUES
from pipeline.messages import CONTENT_TYPE, SealedBatch, load_message
from pipeline.settings.loading import Settings

_AT_ONCE = 100
_HELD = "unacked"  # kombu's hash of messages that workers hold


def count_messages_by_key(known: Settings) -> dict[str, int] | None:
    """Sealed batches by the id of their key; None if Redis cannot be asked. Queues first: a message that a worker takes
    meanwhile is counted twice rather than never."""
    try:
        return dict(Counter(_key_ids(_messages(known))))
    except TransientError:
        return None


def _messages(known: Settings) -> Iterator[dict[str, Any]]:
    client = shared_redis(known.broker_url)
    with translated_redis_errors():
        for queue in QUEUES:
            first = 0
            while page := client.lrange(queue, first, first + _AT_ONCE - 1):
                yield from filter(None, map(_message, page))
                first += len(page)
        for _, held in client.hscan_iter(_HELD, count=_AT_ONCE):
            if isinstance(message := _read(held), list) and message and isinstance(message[0], dict):
                yield message[0]


def _message(text: str | bytes) -> dict[str, Any] | None:
    read = _read(text)
    return read if isinstance(read, dict) else None


def _read(text: str | bytes) -> Any:
    """None for what is no message of ours."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _key_ids(messages: Iterable[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        if message.get("content-type") != CONTENT_TYPE:
            continue
        body = message["body"]
        is_base64 = message.get("properties", {}).get("body_encoding") == "base64"
        for batch in _batches(load_message(base64.b64decode(body) if is_base64 else body.encode())):
            yield batch.sealed[:4].hex()


def _batches(value: Any) -> Iterator[SealedBatch]:
    if isinstance(value, SealedBatch):
        yield value
    elif isinstance(value, dict):
        yield from _batches(list(value.values()))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _batches(inner)
