"""What came of a claim's records, brought into the rows of deliveries: outcomes, and whom they wake."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from uuid import UUID

from sqlalchemy import Connection

from pipeline.delivery.backoff import backoff_seconds
from pipeline.delivery.subjects import wake_people_of, wake_touches_of
from pipeline.records import Due, Outcome, new_id
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping.mapping import DestinationMapping
from pipeline.store.deliveries import deliveries
from pipeline.targets import Target


def record_claim(
    connection: Connection,
    target: Target,
    mapping: DestinationMapping,
    dues: Sequence[Due],
    outcomes: Sequence[Outcome],
    *,
    claim: UUID,
    mapping_version: str | None,
    sent_as: str | None,
    unlinked: AbstractSet[UUID],
) -> int:
    """Record outcomes, and wake who waited for them; gives how many the claim still held. `mapping` is the target's,
    `mapping_version` that of what was sent. `unlinked`: people who were written without their company. At most seven
    statements."""
    wake_people_of(connection, target, mapping, dues, outcomes)
    recorded = deliveries.record_outcomes(
        connection,
        target.name,
        claim,
        dues,
        outcomes,
        call_id=new_id(),
        backoff=backoff_seconds,
        max_attempts=settings().tuning.delivery_attempts,
        mapping_version=mapping_version,
        sent_as=sent_as,
    )
    wake_touches_of(connection, target, mapping, dues, outcomes, unlinked=recorded.keys() & unlinked)
    return len(recorded)
