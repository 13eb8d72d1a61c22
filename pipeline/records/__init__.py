"""The types that travel between stages: what a thing is called here, it is called everywhere.

RawEvent -> Lead -> Touch -> Outcome. A Batch carries leads from one Celery task to the next.
What a batch is made of is packed by position (`array_like`): new fields go at the end, with a default.
No `repr` here shows personal data: only ids and counts, because Celery copies reprs into logs and Flower.
"""

from __future__ import annotations

from pipeline.records.arrivals import (
    AS_IT_CAME,
    EVENTS_HEADER,
    FETCHED_INTO,
    STORED,
    Claim,
    Envelope,
    NewEvent,
    NewRequest,
    OpenedRequest,
    RawEvent,
    Receipt,
)
from pipeline.records.base import (
    EVENT_STATES,
    FETCHING,
    LEAD,
    NOBODY_YET,
    NOT_A_LEAD,
    SUPERSEDED,
    SUPPRESSION_REASONS,
    TOLD_OF_SOMEBODY,
    UNKNOWN_PERSON,
    Stage,
    is_record_id,
    new_id,
    record_id_of,
)
from pipeline.records.leads import (
    SUPPRESSED_ADDRESS,
    Activity,
    Batch,
    Consent,
    EarlierTouch,
    Lead,
    Parked,
    Suppressed,
)
from pipeline.records.people import Due, FieldValue, Outcome, PathTouch, Person, Profile, Touch

__all__ = [
    "AS_IT_CAME",
    "EVENTS_HEADER",
    "EVENT_STATES",
    "FETCHED_INTO",
    "FETCHING",
    "LEAD",
    "NOBODY_YET",
    "NOT_A_LEAD",
    "STORED",
    "SUPERSEDED",
    "SUPPRESSED_ADDRESS",
    "SUPPRESSION_REASONS",
    "TOLD_OF_SOMEBODY",
    "UNKNOWN_PERSON",
    "Activity",
    "Batch",
    "Claim",
    "Consent",
    "Due",
    "EarlierTouch",
    "Envelope",
    "FieldValue",
    "Lead",
    "NewEvent",
    "NewRequest",
    "OpenedRequest",
    "Outcome",
    "Parked",
    "PathTouch",
    "Person",
    "Profile",
    "RawEvent",
    "Receipt",
    "Stage",
    "Suppressed",
    "Touch",
    "is_record_id",
    "new_id",
    "record_id_of",
]
