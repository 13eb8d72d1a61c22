"""What Celery messages may hold: ids in clear, leads only as ciphertext, and a repr that shows counts.

Celery copies the repr of arguments and results into logs, events and Flower, so both classes here say how many and for
which claim, never what. `task_serializer = "afluente"` is msgpack with two extension types for them.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgpack
from kombu.serialization import register

from pipeline.records import Claim

CONTENT_TYPE = "application/x-afluente"
_CLAIM, _BATCH = 1, 2  # msgpack extension codes: permanent, queued messages carry them


class ClaimNote:
    """A claim on its way to `leads.map_fields`: which events, for which lease."""

    __slots__ = ("claim",)

    def __init__(self, claim: Claim) -> None:
        self.claim = claim

    def __repr__(self) -> str:
        count = len(self.claim.event_ids)
        return f"<claim {self.claim.claim_id} {self.claim.lane}: {count} event{'' if count == 1 else 's'}>"

    def pack(self) -> bytes:
        ids = b"".join(event_id.bytes for event_id in self.claim.event_ids)
        return self.claim.claim_id.bytes + ids + self.claim.lane.encode()[:16].ljust(16)

    @classmethod
    def unpack(cls, data: bytes) -> ClaimNote:
        ids = [UUID(bytes=data[start : start + 16]) for start in range(16, len(data) - 16, 16)]
        return cls(Claim(UUID(bytes=data[:16]), data[-16:].decode().strip(), ids))


class SealedBatch:
    """A Batch as ciphertext. `sealed` opens with `pipeline.crypto.encryption.open_batch`."""

    __slots__ = ("claim_id", "lane", "lead_count", "sealed")

    def __init__(self, claim_id: UUID, lane: str, lead_count: int, sealed: bytes) -> None:
        self.claim_id = claim_id
        self.lane = lane
        self.lead_count = lead_count
        self.sealed = sealed

    def __repr__(self) -> str:
        leads = f"{self.lead_count} lead{'' if self.lead_count == 1 else 's'}"
        return f"<batch {self.claim_id} {self.lane}: {leads}, {len(self.sealed)} bytes sealed>"

    def pack(self) -> bytes:
        head: bytes = msgpack.packb((self.claim_id.bytes, self.lane, self.lead_count, self.sealed), use_bin_type=True)
        return head

    @classmethod
    def unpack(cls, data: bytes) -> SealedBatch:
        claim_id, lane, lead_count, sealed = msgpack.unpackb(data, raw=False)
        return cls(UUID(bytes=claim_id), lane, lead_count, sealed)


def _extend(value: Any) -> Any:
    if isinstance(value, ClaimNote):
        return msgpack.ExtType(_CLAIM, value.pack())
    if isinstance(value, SealedBatch):
        return msgpack.ExtType(_BATCH, value.pack())
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a Celery message: send ids or a SealedBatch")


def _restore(code: int, data: bytes) -> Any:
    if code == _CLAIM:
        return ClaimNote.unpack(data)
    if code == _BATCH:
        return SealedBatch.unpack(data)
    return msgpack.ExtType(code, data)


def dump_message(body: Any) -> bytes:
    packed: bytes = msgpack.packb(body, use_bin_type=True, default=_extend)
    return packed


def load_message(data: bytes) -> Any:
    return msgpack.unpackb(data, raw=False, ext_hook=_restore, strict_map_key=False)


def register_serializer() -> None:
    """Teach kombu the content type. Idempotent; pipeline.app calls it in every process that sends or receives."""
    encode: Any = dump_message  # kombu's types speak of text; with content_encoding "binary" it passes bytes through
    decode: Any = load_message
    register("afluente", encode, decode, content_type=CONTENT_TYPE, content_encoding="binary")
