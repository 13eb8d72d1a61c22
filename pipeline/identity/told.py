"""Of a batch what is told of somebody, and what is withdrawn: stored, then given to whoever it is about."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.identity import activities
from pipeline.identity.screening import take_out
from pipeline.identity.withdrawn_points import link_withdrawn, withdrawn_in
from pipeline.records import Batch
from pipeline.store.engine import transaction
from pipeline.store.people.withdrawn_points import note_withdrawn, queue_for_ledger


def find_whose(batch: Batch, keys: Collection[int]) -> None:
    """After the batch's own leads are known, and before any of them settles: so a refusal that waited for somebody, or
    is about an address of several, is there before a CRM hears of them. `keys`: by which who waits may be found. No
    statement where nothing is told of anybody or withdrawn, and nothing waits."""
    leads = [*batch.leads, *batch.superseded]
    told = [activity.lead for activity in batch.activities if not activities.names_person(activity)]
    withdrawn = withdrawn_in([*leads, *told])
    named = withdrawn_in(activity.lead for activity in batch.activities if activities.names_person(activity))
    if batch.activities or withdrawn or any(map(activities.is_more, leads)):
        with transaction(synchronous=False) as connection:
            suppressed = activities.file_activities(connection, batch.activities, leads)
            withdrawn = [point for point in withdrawn if point.event_id not in suppressed]
            note_withdrawn(connection, withdrawn)
            queue_for_ledger(connection, [*withdrawn, *named])
        take_out(batch, suppressed)
    own = [lead.person_id for lead in batch.leads if lead.person_id is not None]
    if withdrawn:
        with transaction(synchronous=False) as connection:
            link_withdrawn(connection, {point.key for point in withdrawn}, lane=batch.lane, own=own)
    if batch.activities or keys:
        event_ids = [activity.event_id for activity in batch.activities]
        with transaction(synchronous=False) as connection:
            activities.find_people(connection, event_ids, keys, lane=batch.lane, own=own)
