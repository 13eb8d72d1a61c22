"""What all records share: their states and stages, their ids, and a `repr` that shows nobody."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from uuid import UUID

import msgspec

FETCHING = "fetching"  # its record is still to be read from its source: nobody maps an id alone
EVENT_STATES = ("pending", "in_flight", "settled", "quarantined", "suppressed", FETCHING)
SUPPRESSION_REASONS = ("test", "erased", "no_consent", "spam")
# Why an event is suppressed that its source's mapping takes for no lead at all: a cancellation, a receipt.
NOT_A_LEAD = "not_a_lead"
# What a record may say beside a lead (decisions/0029): why its event is suppressed once its person is known. Until then
# it is NOBODY_YET; UNKNOWN_PERSON if that person never came.
LEAD = "lead"
TOLD_OF_SOMEBODY = ("activity", "consent", "order")
NOBODY_YET, UNKNOWN_PERSON = "nobody_yet", "unknown_person"
SUPERSEDED = "superseded"  # why an event is suppressed that a revision of its record took the place of


class Stage(StrEnum):
    """Where a lead or a delivery may stop. Kept for good: rows, logs, metrics and task names (`leads.load`) hold it.

    UNKNOWN: its worker was lost, nobody knows where. RELEASE: it stopped nowhere; an operator said that it is real.
    """

    INTAKE = "intake"
    FETCH = "fetch"
    MAP_FIELDS = "map_fields"
    NORMALIZE = "normalize"
    DEDUPE = "dedupe"
    ATTRIBUTE = "attribute"
    LOAD = "load"
    DELIVER = "deliver"
    RELEASE = "release"
    UNKNOWN = "unknown"


def new_id() -> UUID:
    """A UUID version 7 (RFC 9562, 5.7 and 6.2 method 3): time to a quarter of a microsecond, then 62 random bits.

    Sorts by time, so inserts stay local; and ids made one after another in one process sort in that order, so the rows
    of a file keep theirs.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    high = (milliseconds << 16) | 0x7000 | (rest * 4096 // 1_000_000)
    low = (0x2 << 62) | (int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1))
    return UUID(int=(high << 64) | low)


def record_id_of(digest: UUID) -> UUID:
    """A digest as the id of a CRM's record, a UUID version 8: so it is told from an event's where evidence has both."""
    return UUID(int=digest.int & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62)


def is_record_id(any_id: UUID) -> bool:
    """Whether this is a CRM's record and no event."""
    return any_id.version == 8


class Fact(msgspec.Struct, frozen=True, gc=False):  # no cycles in a lead: nothing for the collector to find
    """Base of what never changes. Its repr names the type only; subclasses may add ids, never values."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Draft(msgspec.Struct, gc=False):
    """Base of what stages fill in. Its repr names the type only."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
