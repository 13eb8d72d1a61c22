"""What came in, before anybody read it: requests, events, claims on them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pipeline.records.base import Draft, Fact


class Envelope(Fact, frozen=True):
    """What a sender sent, untouched: encrypted as one value into `event_bodies`.

    `body` is the record's raw bytes; `headers` are those worth keeping (lower-case names, no credentials);
    `origin` says where in a larger whole it stood (`{"file": …, "line": 17}`, `{"place": "entry[0]"}`, `{"page": 2}`).
    """

    content_type: str
    body: bytes
    headers: dict[str, str] = {}
    origin: dict[str, Any] = {}


# In an origin: the body is the sender's own, prepared at mapping. Earlier ones were prepared when they came.
STORED, AS_IT_CAME = "stored", "as it came"
# In the origin of what was read from the source: the key of the record that came under which it stands; absent: in its
# place.
FETCHED_INTO = "into"

EVENTS_HEADER = "Afluente-Events"  # of an answer to a webhook: ids of the events made of it, or repeated by it


class NewRequest(Fact, frozen=True):
    """The body of several records about to be stored, once for all of them. `sealed` is an encrypted Envelope."""

    request_id: UUID
    sealed: bytes


class OpenedRequest(Draft):
    """A stored body of several records, opened once for all events that are read together. `parts`: them by place."""

    envelope: Envelope
    parts: dict[str, Any] | None = None


class NewEvent(Fact, frozen=True):
    """An event about to be stored. `digest` is the 32-byte idempotency key; `sealed` an encrypted Envelope.

    `request` is there for a record of a larger body: `sealed` then holds its place in that and no body.
    `content` is the digest of what the record says (24 bytes, those of the reading first) where the key names the
    record: other content under the key is a revision. None: the key alone decides. `revised_at`, `contact` and `adds`
    say what a revision does (connectors.kit, Connector). `plain` is what keys of earlier readings are made of; it is
    never stored.
    """

    brand: str
    source: str
    lane: str
    digest: bytes
    event_id: UUID
    sealed: bytes
    external_id: str | None = None
    occurred_at: datetime | None = None
    request: NewRequest | None = None
    content: bytes | None = None
    revised_at: datetime | None = None
    contact: bytes | None = None
    adds: bool = False
    plain: Any = None
    unproven: bool = False  # of a source that signs nothing: it has a share of its lane
    to_fetch: bool = False  # it is an id alone: its record is read from the source before it is mapped


class Receipt(Fact, frozen=True):
    """Answer to a NewEvent: `event_id` of the stored event (the first one's, if `repeated`).

    `revises`: the event that said something else of the same record before; None where this is the first.
    """

    event_id: UUID
    repeated: bool
    revises: UUID | None = None

    @property
    def revised(self) -> bool:
        return self.revises is not None and not self.repeated


class RawEvent(Fact, frozen=True):
    """A stored event with its body opened again, ready to be mapped.

    `request` is the body that it is a record of, where it has none of its own. `fetched` is what was read from the
    source by the id that came.
    """

    event_id: UUID
    brand: str
    source: str
    lane: str
    received_at: datetime
    occurred_at: datetime | None
    envelope: Envelope
    is_released: bool = False
    request: OpenedRequest | None = None
    record_id: UUID | None = None
    adds: bool = False
    fetched: Envelope | None = None


class Claim(Fact, frozen=True):
    """Events leased to one chain until `lease_until`."""

    claim_id: UUID
    lane: str
    event_ids: list[UUID]
