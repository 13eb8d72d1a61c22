"""A posted body into what has to be known of each record in it, without a secret, a database or a network.

Small bodies are read by this in the receiver, others in a process of its own (reader.py): what comes out is small and
plain whatever went in. The body itself stays with whoever has it, and is stored as it came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from connectors.kit import Connector, Webhook
from connectors.kit.sources.fetching.fetch import fetch_of
from connectors.kit.sources.fetching.fetched_records import arrival_prepare
from connectors.kit.sources.idempotency import event_id_of, occurred_at_of
from connectors.kit.sources.parts import Part, prepare_part, with_beside
from connectors.kit.sources.records import MAX_VALUES, UnreadableBody, holds_too_many_values, split_body
from pipeline.errors import AfluenteError, ConfigurationError
from pipeline.intake.keys import Plain, Told, tell_apart
from pipeline.stages.mapping.bodies import nest_form_keys
from pipeline.stages.mapping.contents import Contents
from pipeline.stages.mapping.source_mapping import load_source_mapping
from pipeline.values.redaction import looks_personal

_ID_LENGTH = 255  # a longer id of the source still makes the idempotency key, but is not shown in lists


class NotTakenError(Exception):
    """A body that is refused: HTTP status, a stable word, a sentence, and what the answer says beside them."""

    def __init__(self, status: int, error: str, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.extra = extra


class PostedRecord(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one record of a body. `place` is its path there.

    `digest` is its idempotency key; `is_named`: by its own id or that of its delivery. `shown_id` is that id, where it
    is nothing of a person. `identifies`: whether anything in it tells who it is. `content` is what it says, 24 bytes;
    None for an entry that is no record. `former`: its keys under the readings that were asked for. `to_fetch`: it is an
    id, whose record is read from the source.
    """

    place: str
    digest: bytes
    shown_id: str | None = None
    occurred_at: datetime | None = None
    identifies: bool = True
    content: bytes | None = None
    is_named: bool = False
    contact: bytes | None = None
    revised_at: datetime | None = None
    adds: bool = False
    former: tuple[bytes | None, ...] = ()
    to_fetch: bool = False


def read_posted(
    connector: Connector,
    body: bytes,
    content_type: str,
    *,
    header_value: str | None,
    readings: Sequence[Contents | None] = (),
) -> list[PostedRecord]:
    """The records of a webhook's body, in order. `header_value` is its idempotency header, `readings` as Former has it.

    Raises NotTakenError for what is no body of this source, and for one that holds more than it may.
    """
    is_unproven = isinstance(connector.intake, Webhook) and connector.intake.signature is None
    fetch = fetch_of(connector)
    no_records = _Digests(body)
    posted: list[PostedRecord] = []
    try:
        for part, seen, told in _records(connector, body, content_type, header_value):
            to_fetch = fetch is not None and told is not None and fetch.applies_to(seen)
            record = PostedRecord(
                part.place,
                no_records.of(part) if told is None else told.digest,
                shown_id(connector, seen),
                occurred_at_of(connector, seen),
                not is_unproven or to_fetch or identifies_somebody(connector, seen),
                to_fetch=to_fetch,
            )
            posted.append(record if told is None else _with_content(record, told, readings))
    except UnreadableBody as error:
        status = 415 if error.code == "content_type_not_accepted" else 400
        raise NotTakenError(status, error.code, error.message, line=error.line, column=error.column) from None
    except (TypeError, RecursionError):  # what is valid JSON and yet cannot be written again
        raise NotTakenError(400, "unreadable_json", "the body is nested too deeply") from None
    return posted


def _with_content(record: PostedRecord, told: Told, readings: Sequence[Contents | None]) -> PostedRecord:
    plain = told.plain
    if plain is None:
        return record
    return msgspec.structs.replace(
        record,
        content=plain.content,
        is_named=plain.is_named,
        contact=told.contact,
        revised_at=told.revised_at,
        adds=told.adds,
        former=tuple(plain.key_under(reading) for reading in readings),
    )


def plains_of(connector: Connector, body: bytes, content_type: str, *, header_value: str | None) -> list[Plain | None]:
    """The records themselves of a body that was read before, in order; None for what is none."""
    return [
        None if told is None else told.plain for _, _, told in _records(connector, body, content_type, header_value)
    ]


def _records(
    connector: Connector, body: bytes, content_type: str, header_value: str | None
) -> list[tuple[Part, dict[str, Any], Told | None]]:
    """Each part of a body as it is seen, and what tells it apart; None of one that is no record."""
    parts = split_body(connector, body, content_type)
    limit = connector.intake.record_limit if isinstance(connector.intake, Webhook) else len(parts)
    _check_amount([part.value for part in parts], limit, len(body))
    stored_type = content_type if len(parts) == 1 else ""
    read: list[tuple[Part, dict[str, Any], Told | None]] = []
    for index, part in enumerate(parts):
        seen = seen_record(connector, part)
        told = None
        if isinstance(part.value, dict):
            own_id = event_id_of(connector, seen)
            told = tell_apart(connector, seen, stored_type, own_id=own_id, header_value=header_value, index=index)
        read.append((part, seen, told))
    return read


def seen_record(connector: Connector, part: Part) -> dict[str, Any]:
    """A part as the connector's own paths (`event_id`, `occurred_at`) see it, for good or bad: it is stored anyhow.

    Where `prepare` fails the record is taken as it came: a human mends the connector, and replays.
    """
    try:
        record = prepare_part(arrival_prepare(connector), part)
    except Exception:  # noqa: BLE001 - whatever it is, mapping meets it again and says so
        record = part.value if isinstance(part.value, dict) else {}
    return with_beside(record, part.beside)


def shown_id(connector: Connector, record: dict[str, Any]) -> str | None:
    """The source's id of a record, where it may stand in clear: some senders use the person's address or number. That
    stays in the sealed body alone."""
    own_id = event_id_of(connector, record)
    is_shown = own_id is not None and len(own_id) <= _ID_LENGTH and not looks_personal(own_id)
    return own_id if is_shown else None


def identifies_somebody(connector: Connector, record: dict[str, Any]) -> bool:
    """Whether a source's mapping finds in a record anything that tells who it is."""
    try:
        mapping = load_source_mapping(connector.source)
        return mapping.identifies(mapping.shape(nest_form_keys(record)))
    except ConfigurationError:
        return True  # whoever mends the mapping replays what came meanwhile
    except (AfluenteError, RecursionError):
        return False


def _check_amount(records: list[Any], limit: int, size: int) -> None:
    """More records than one body may hold, and a record of more values than leads have, are refused."""
    if len(records) > limit:
        raise NotTakenError(413, "too_many_records", f"one body of this source may hold {limit} records", limit=limit)
    if size > 2 * MAX_VALUES and any(map(holds_too_many_values, records)):
        raise NotTakenError(413, "too_many_values", f"one lead may hold {MAX_VALUES} keys and entries")


class _Digests:
    """Idempotency keys of entries that are no records: known by the body they stand in, as nothing else tells them."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._of_body: bytes | None = None

    def of(self, part: Part) -> bytes:
        if self._of_body is None:
            self._of_body = hashlib.sha256(self._body).digest()
        return hashlib.sha256(b"no-record\x00" + self._of_body + part.place.encode()).digest()
