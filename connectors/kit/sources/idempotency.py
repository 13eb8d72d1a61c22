"""What makes a second delivery of the same thing harmless: a digest that both deliveries share."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import orjson

from connectors.kit.paths import get_path
from connectors.kit.sources.declarations import Connector
from connectors.kit.times import parse_time


def idempotency_digest(
    connector: Connector, record: dict[str, Any], *, header_value: str | None = None, index: int = 0
) -> bytes:
    """32 bytes that are equal for two deliveries of one record and differ for different records of a source.

    The record's own id decides; else the sender's header that stays the same over retries, with the record's `index` in
    the body; else the content, in which the order of keys does not count.
    """
    own_id = event_id_of(connector, record)
    if own_id is not None:
        return _digest("event_id", own_id.encode())
    if header_value:
        return _digest("header", f"{header_value}#{index}".encode())
    return _digest("content", orjson.dumps(record, option=orjson.OPT_SORT_KEYS))


def event_id_of(connector: Connector, record: dict[str, Any]) -> str | None:
    """The source's own id of a record as text, or None where it has none."""
    if connector.event_id is None:
        return None
    value = get_path(record, connector.event_id)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def occurred_at_of(connector: Connector, record: dict[str, Any]) -> datetime | None:
    """When the source says it happened, aware and in UTC; None where it does not say or it cannot be read."""
    return None if connector.occurred_at is None else parse_time(get_path(record, connector.occurred_at))


def _digest(kind: str, value: bytes) -> bytes:
    return hashlib.sha256(kind.encode() + b"\x00" + value).digest()
