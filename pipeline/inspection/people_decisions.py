"""What a human says of who is who, and the pairs that a human is asked about. Workers are told of what follows."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from pipeline.errors import UsageError
from pipeline.hints import hint_all
from pipeline.identity import merges, unmerges
from pipeline.identity.decisions import Decision, DecisionResult
from pipeline.inspection.masked.told import as_seen
from pipeline.inspection.names import name_of_values
from pipeline.store.deliveries.crm_records import records_of
from pipeline.store.identity.reviews import Review, forget_settled, list_reviews
from pipeline.store.people.people import read_people

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.records import Person


class NamedReview(msgspec.Struct, frozen=True):
    """A pair that may be one person, with the names of the two, for the eyes of whoever decides; of one whom only a CRM
    knows the records there."""

    review: Review
    names: tuple[str | None, str | None]

    def __repr__(self) -> str:
        return f"<NamedReview {self.review.review_id}>"


class ReviewList(msgspec.Struct, frozen=True):
    """The pairs within the limit, surest first; `waiting` is the number of all."""

    waiting: int
    reviews: list[NamedReview]


def merge(one: UUID, other: UUID, *, by: str, why: str | None = None, override: bool = False) -> DecisionResult:
    """Say that two people are one; the older id stays. `override` takes back what keeps them apart.

    Raises DecisionRefusedError, and UsageError without a name behind the decision.
    """
    result = merges.merge_people(one, other, _decision(by, why), override=override)
    hint_all()
    return result


def unmerge(person_id: UUID, *, by: str, why: str | None = None, event_ids: Collection[UUID] = ()) -> DecisionResult:
    """Take a person apart again, where it last came together; or take the leads of `event_ids` out of it.

    Raises DecisionRefusedError, and UsageError without a name behind the decision.
    """
    result = unmerges.unmerge_person(person_id, _decision(by, why), event_ids=event_ids)
    hint_all()
    return result


def accept(review_id: int, *, by: str, why: str | None = None) -> DecisionResult:
    """Say that the two people of a review are one. Raises as `merge` does."""
    result = merges.accept_review(review_id, _decision(by, why))
    hint_all()
    return result


def reject(review_id: int, *, by: str, why: str | None = None) -> DecisionResult:
    """Say that the two people of a review are two: nobody is asked again. Raises as `merge` does."""
    result = merges.reject_review(review_id, _decision(by, why))
    hint_all()
    return result


def read_reviews(connection: Connection, *, limit: int) -> ReviewList:
    """What a human should look at. Pairs that were settled meanwhile are forgotten first."""
    forget_settled(connection)
    reviews, waiting = list_reviews(connection, limit=limit)
    people = read_people(connection, {person for review in reviews for person in review.people}, lock=False)
    unborn = {person for review in reviews for person in review.people} - people.keys()
    there = {person: ", ".join(records) for person, records in records_of(connection, unborn).items()}
    named = []
    for review in reviews:
        one, other = (there.get(person) or _name(people.get(person)) for person in review.people)
        named.append(as_seen(NamedReview(review, (one, other))))
    return ReviewList(waiting, named)


def _decision(by: str, why: str | None) -> Decision:
    if not by.strip():
        raise UsageError("needs a name", argument="by")
    return Decision(by.strip(), why.strip() or None if why else None)


def _name(person: Person | None) -> str | None:
    return name_of_values(person.profile.values() if person else {})
