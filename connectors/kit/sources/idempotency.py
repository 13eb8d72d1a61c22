"""What makes a second delivery of the same thing harmless: a digest that both deliveries share."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import orjson

from connectors.kit.paths import get_path
from connectors.kit.sources.declarations import Connector, Poll, Webhook
from connectors.kit.times import parse_time

# What systems write where there is no id. Two people with one of these are two people.
_NO_IDS = frozenset(
    {"0", "null", "none", "nil", "nan", "undefined", "n/a", "-", "00000000-0000-0000-0000-000000000000"}
)
FIRST = "first"  # of `Connector.revisions`: what was said first stands
FOLLOWS = bytes(8)  # of `contact_of`
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DIGITS = 9  # shorter numbers count versions, not seconds


def idempotency_digest(
    connector: Connector, record: dict[str, Any], *, header_value: str | None = None, index: int = 0
) -> bytes:
    """32 bytes that are equal for two deliveries of one record and differ for different records of a source.

    The record's own id decides; else the sender's header that stays the same over retries, with the record's `index` in
    the body; else all of the content, in which the order of keys does not count.
    """
    named = name_digest(event_id_of(connector, record), header_value, index)
    return whole_digest(record) if named is None else named


def name_digest(own_id: str | None, header_value: str | None, index: int) -> bytes | None:
    """The key of a record by its own id, else by the name of its delivery; None if it has neither."""
    if own_id is not None:
        return _digest("event_id", own_id.encode())
    return _digest("header", f"{header_value}#{index}".encode()) if header_value else None


def content_digest(content: bytes) -> bytes:
    """The key of a record without id by the digest of what its mapping reads."""
    return _digest("read", content)


def whole_digest(record: dict[str, Any]) -> bytes:
    """The key of a record without id by all that stands in it, whatever its mapping reads of it."""
    return _digest("content", orjson.dumps(record, option=orjson.OPT_SORT_KEYS))


def former_digest(
    connector: Connector, record: dict[str, Any], *, header_value: str | None = None, index: int = 0
) -> bytes:
    """The key that a record had before contents were compared: any text or number was an id, and all cells counted."""
    path = connector.event_id
    value = get_path(record, path) if isinstance(path, str) else None  # several paths are newer than such keys
    is_id = isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip()
    if is_id:
        return _digest("event_id", str(value).strip().encode())
    return _digest("header", f"{header_value}#{index}".encode()) if header_value else whole_digest(record)


def revisions_add(connector: Connector, own_id: str | None) -> bool:
    """Whether other content under one key stands beside what was said before, and takes nothing away.

    The name of a delivery names no record: an entry of it may be anybody. And an id that nobody has proven is a word.
    """
    is_unproven = isinstance(connector.intake, Webhook) and connector.intake.signature is None
    return own_id is None or is_unproven or connector.revisions == "add"


def event_id_of(connector: Connector, record: dict[str, Any]) -> str | None:
    """The source's own id of a record as text, or None where it has none."""
    parts = [_id_at(record, path) for path in id_paths(connector)]
    if not parts or parts[-1] is None:
        return None
    return " ".join(part for part in parts if part is not None)


def id_paths(connector: Connector) -> tuple[str, ...]:
    """The paths that an id is read at."""
    path = connector.event_id
    return () if path is None else (path,) if isinstance(path, str) else path


def own_paths(connector: Connector) -> tuple[str, ...]:
    """All paths of a record that the declaration itself reads, whatever the mapping does."""
    moments = (connector.occurred_at, _revised_path(connector), *connector.contact_at)
    return (*id_paths(connector), *(path for path in moments if path is not None))


def _revised_path(connector: Connector) -> str | None:
    path = connector.revised_at
    if path is None and isinstance(connector.intake, Poll) and connector.intake.cursor is not None:
        path = connector.intake.cursor.field
    return path


def _id_at(record: dict[str, Any], path: str) -> str | None:
    value = get_path(record, path)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if text and text.lower() not in _NO_IDS else None


def occurred_at_of(connector: Connector, record: dict[str, Any]) -> datetime | None:
    """When the source says it happened, aware and in UTC; None where it does not say or it cannot be read."""
    return None if connector.occurred_at is None else parse_time(get_path(record, connector.occurred_at))


def revised_at_of(connector: Connector, record: dict[str, Any]) -> datetime | None:
    """When the source says the record was last changed, aware and in UTC. A number that only grows, as a version does,
    is given as that many seconds after 1970. Where the first delivery stands, time is counted backwards from 1970."""
    if connector.revisions == FIRST:
        moment = occurred_at_of(connector, record)
        return None if moment is None else _EPOCH - (moment - _EPOCH)
    path = _revised_path(connector)
    if path is None:
        return None
    value = get_path(record, path)
    text = _text(value)
    if text.isascii() and text.isdigit() and len(text) <= _EPOCH_DIGITS:
        return datetime.fromtimestamp(int(text), UTC)
    return parse_time(value)


def contact_of(connector: Connector, record: dict[str, Any]) -> bytes | None:
    """8 bytes that differ between contacts of one record; None where the record does not say which one it is.

    FOLLOWS where revisions stand beside each other or the first one stands: what names no contact there goes on with
    the one before it, as an answer in a conversation or another day for a meeting.
    """
    for path in connector.contact_at:
        value = get_path(record, path)
        text = _text(value)
        if text:
            moment = parse_time(value)
            meant = moment.isoformat() if moment is not None else text
            return _digest("contact", f"{path}\x00{meant}".encode(errors="replace"))[:8]
    return FOLLOWS if connector.contact_at and connector.revisions != "replace" else None


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _digest(kind: str, value: bytes) -> bytes:
    return hashlib.sha256(kind.encode() + b"\x00" + value).digest()
