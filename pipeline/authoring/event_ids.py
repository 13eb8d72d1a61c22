"""The id that makes a second delivery of a record harmless, as far as a sample can tell.

A wrong one loses leads: whatever has the same id as an earlier record passes for that record. So an id is taken only
where it stands with the person and was seen to differ between the records of the sample.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.authoring.guesses import (
    homes_of,
    is_id,
    is_of_a_delivery,
    is_of_the_record,
    is_persons_id,
    is_submission_id,
)
from pipeline.authoring.sample_shapes import Shape

_FEWEST = 2


@dataclass(frozen=True)
class EventId:
    """`path` of the id in a record, None where there is none; whether it `is_seen_to_differ`; that in words."""

    path: str | None = None
    is_seen_to_differ: bool = False
    note: str = "no id was found: a record is known by its content"


def choose_event_id(shape: Shape) -> EventId:
    """The id of a submission before that of a person's record, who may send several; that of a delivery comes last."""
    found = shape.leaves
    homes = homes_of(found)
    candidates = [
        path
        for path in found
        if is_id(path)
        and is_of_the_record(path, homes)
        and _stands_in_record(path, shape)
        and (shape.separator or not is_persons_id(path))  # a list of people is not what they once sent
    ]
    candidates.sort(key=lambda path: (is_of_a_delivery(path), not is_submission_id(path)))
    many = len(shape.records)
    if many < _FEWEST:
        if not candidates:
            return EventId()
        return EventId(candidates[0], note="must differ for every lead: the sample holds one record only")
    for path in candidates:
        values = [str(value) for value in shape.values_at(path) if value not in (None, "")]
        if len(values) == many == len(set(values)):
            return EventId(path, is_seen_to_differ=True, note=f"differs in all {many} records of the sample")
    same = f"{', '.join(candidates)} came again in other records of the sample" if candidates else "no id was found"
    return EventId(note=f"{same}: a record is known by its content")


def _stands_in_record(path: str, shape: Shape) -> bool:
    """Answers that a mapping reads by name are no place that a connector can name."""
    return not any(path.startswith(f"{answers.at}.") for answers in shape.lists)
