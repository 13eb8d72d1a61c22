"""Messages to other systems: what may be told, and what is known of a message before its payload is made."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pipeline.records.base import Fact

# Each is written by the database in the transaction of what it tells of (migrations 0013, 0024, 0033). Kept for good:
# rows, settings and receivers hold the names.
WEBHOOK_EVENTS = (
    "lead.settled",
    "lead.quarantined",
    "person.created",
    "person.updated",
    "person.merged",
    "person.unmerged",
    "delivery.sent",
    "delivery.quarantined",
    "consent.granted",
    "consent.refused",
    "consent.confirmation_requested",
)
WEBHOOK_STATES = ("due", "in_flight", "delivered", "failed", "dropped", "held")
HOOK_PREFIX = "hook_"  # names of endpoints that subscribed by the API begin so, those of afluente.yaml never


class WebhookMessage(Fact, frozen=True):
    """One message claimed by a sender. `message_id` is the `webhook-id`, the same at each attempt.

    `subject_id` orders: messages about one subject go out one after the other. `other_id`: the person that this one is
    part of now. `attempts`: those before this one.
    """

    message_id: UUID
    event: str
    brand: str
    subject_id: UUID
    person_id: UUID | None
    event_id: UUID | None
    other_id: UUID | None
    destination: str | None
    version: int | None
    attempts: int
    created_at: datetime

    @property
    def kind(self) -> str:
        """What its event begins with: lead, person, delivery or consent."""
        return self.event.partition(".")[0]


class WebhookOutcome(Fact, frozen=True):
    """What became of one attempt: `state` is delivered, due (again, after `delay_seconds`), failed, dropped or held."""

    message_id: UUID
    state: str
    code: str
    delay_seconds: float = 0.0
    is_attempt: bool = True
