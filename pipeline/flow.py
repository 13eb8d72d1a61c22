"""The story of a lead after it was accepted. Read this first.

    dispatch   claims due events (a lease, not a lock) and hands them to a chain, one batch at a time
    map_fields opens the raw bodies and names their fields          pure, reads the bodies
    normalize  one spelling per meaning                             pure
    dedupe     evidence of who it is; people come together or apart two transactions
    attribute  writes touches and consents, original and latest     one transaction
    load       settles the events, wants deliveries                 one transaction, the one that counts
    deliver    closes the gap between wanted and sent versions      pipeline/delivery

A batch carries to the next step what that step reads and no more: less to move, less of a person in Redis.
Rows are the truth, messages are hints: every function here may run twice, be killed between any two statements, or find
that its lease has run out, and the result is the same. Only `load` ends an event, and only while its claim holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import TransientError, place_of
from pipeline.identity import activities
from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.filing import FiledLeads, file_evidence
from pipeline.identity.matching.evidence import KEYS_VERSION
from pipeline.identity.record_touches import plan_touches
from pipeline.identity.resolution import resolve_people
from pipeline.identity.revisions import Revisions, Superseded, require_current, set_aside
from pipeline.identity.screening import of_erased, take_out
from pipeline.identity.told import find_whose
from pipeline.identity.withdrawn_points import link_withdrawn
from pipeline.lanes import HOT, LANES
from pipeline.logs import get_logger
from pipeline.privacy.asking.confirmations import ask_confirmations
from pipeline.privacy.erasing.addresses import finder_of_erased
from pipeline.records import SUPERSEDED, Activity, Batch, Claim, Lead, Parked, RawEvent, Stage, Suppressed, Touch
from pipeline.replay import Decided, connectors_of, map_raw_event, normalize_mapped, note_connectors
from pipeline.routing import hold_unnamed, lift_gates, note_destinations, note_returns, told_of_consent, want_people
from pipeline.settings.loading import settings
from pipeline.stages.attribution.touches import touches_of
from pipeline.stages.mappings_in_force import refresh_source_mappings
from pipeline.store.deliveries import deliveries, jobs
from pipeline.store.engine import transaction
from pipeline.store.erasures.events import forget_events
from pipeline.store.events import drift, events, leases, quarantine, record_members
from pipeline.store.identity import evidence_rows, people_moves, upgrades
from pipeline.store.people import activities as stored_activities
from pipeline.store.people import consents, people, touches
from pipeline.targets import destination_of

Item = TypeVar("Item")
_log = get_logger(__name__)

_HOT_BATCH = 50  # small batches keep a hot lead's wait short even in a burst


def claim_batch(lane: str) -> Claim | None:
    """Lease the next due events of a lane, lost ones first. None: nothing is due, or enough chains are under way."""
    tuning = settings().tuning
    limit = min(_HOT_BATCH, tuning.batch_size) if lane == HOT else tuning.batch_size
    with transaction(synchronous=False) as connection:
        if leases.count_in_flight_batches(connection, lane) >= tuning.in_flight_batches:
            return None
        return events.claim_events(connection, lane, limit=limit, lease_seconds=tuning.lease_seconds)


def map_claim(claim: Claim) -> Batch:
    """Open the claimed bodies and name their fields. Events whose lease ran out are left to its new holder."""
    with transaction(synchronous=False) as connection:
        raw_events = events.read_claimed(connection, claim)
        if len(raw_events) < len(claim.event_ids):  # bodies of megabytes: the rest in another batch
            leases.release_unread(connection, claim.claim_id, [raw.event_id for raw in raw_events])
        patches = quarantine.read_patches(connection, [raw.event_id for raw in raw_events])
    note_connectors(raw_events)
    slugs = connectors_of(raw_events)
    refresh_source_mappings(set(slugs.values()))
    batch = Batch(claim_id=claim.claim_id, lane=claim.lane)

    def read_fields(raw: RawEvent) -> Decided:
        decided = map_raw_event(raw, patches.get(raw.event_id), slugs[raw.source])
        if isinstance(decided, Lead):
            decided.is_posted = raw.envelope.origin.get("via") == "webhook"
        return decided

    for raw in raw_events:
        _sort(batch, _decide(Stage.MAP_FIELDS, raw.event_id, raw, read_fields))
    return batch


def normalize_batch(batch: Batch) -> Batch:
    """One spelling per meaning."""
    leads, batch.leads = batch.leads, []
    told, batch.activities = batch.activities, []
    for lead in leads:
        _sort(batch, _decide(Stage.NORMALIZE, lead.event_id, lead, normalize_mapped))
    for activity in told:
        _sort(batch, _decide(Stage.NORMALIZE, activity.event_id, activity, normalize_mapped))
    for lead in batch.leads:  # from here on nobody reads them: explanations and exports are made from the raw event
        lead.raw, lead.flags, lead.custom = {}, {}, {}
    return batch


def deduplicate_batch(batch: Batch) -> Batch:
    """Find or make each lead's person, and let those come together or apart whom its evidence concerns.

    Evidence first, in a transaction of its own: of two workers that meet the same person the later one then sees both.
    """
    came: set[tuple[UUID, int]] = set()
    awaited = upgrades.Awaited()
    if batch.leads or batch.superseded:
        cache = EvidenceCache()
        filed = _file(batch, cache)
        with transaction(synchronous=False) as connection:
            awaited = upgrades.require_finished(connection, KEYS_VERSION)
            turn = Revisions(connection, filed, batch)
            resolved = resolve_people(connection, batch.lane, turn.filed, cache=cache)
            turn.write()
            if any(awaited):
                came = activities.keys_of_leads(filed)
            if awaited.withdrawals:
                link_withdrawn(connection, (), came, lane=batch.lane)
        for evidence_id, leads in turn.filed.leads.items():
            for lead in leads:
                lead.person_id = resolved.owners[evidence_id]
    find_whose(batch, {key for _, key in came} if awaited.activities else set())
    return batch


def _file(batch: Batch, cache: EvidenceCache) -> FiledLeads:
    """Store the evidence of a batch's leads. Those that a revision has ended meanwhile leave the batch."""
    while True:
        try:
            with transaction(synchronous=False) as connection:
                upgrades.require_finished(connection, KEYS_VERSION)
                set_aside(connection, batch)
                filed = file_evidence(connection, batch.leads, cache)
                require_current(connection, filed.corrected)
        except Superseded as gone:
            batch.leads = [lead for lead in batch.leads if lead.event_id not in gone.event_ids]
        else:
            take_out(batch, filed.suppressed)
            return filed


def attribute_batch(batch: Batch) -> Batch:
    """Write each lead's touch, those its source remembers from before, and its consents; note who came again.

    Original and latest source follow `occurred_at`, not arrival.
    """
    if not (batch.leads or batch.superseded):
        return batch
    with transaction(synchronous=False) as connection:
        leads = [*batch.leads, *batch.superseded]
        _follow(connection, leads)
        told = told_of_consent(lead.brand for lead in leads)
        if told:  # they get a new version after those who have touches: all are held in one order, at once
            people.hold_people(connection, [lead.person_id for lead in leads if lead.person_id is not None])
        written = {lead.event_id: _touches_of(lead) for lead in leads}
        revised = [lead for lead in leads if lead.record_id is not None]
        if revised:
            leads = [lead for lead in leads if lead.record_id is None] + _attribute_records(
                connection, revised, written
            )
        made = [touch for lead_touches in written.values() for touch in lead_touches]
        new = touches.add_touches(connection, made)
        touches.apply_touches(connection, made)
        consents.add_consents(connection, leads, told=told)
        ask_confirmations(connection, batch.leads)
        note_returns(connection, leads, new)
    for lead in (*batch.leads, *batch.superseded):
        lead.fields, lead.consents, lead.earlier_touches = {}, [], []
    return batch


def _touches_of(lead: Lead) -> list[Touch]:
    """Its touches, and its channel, which is that of its own one."""
    made = touches_of(lead)
    lead.channel = made[0].channel
    return made


def _attribute_records(connection: Connection, leads: Sequence[Lead], written: dict[UUID, list[Touch]]) -> list[Lead]:
    """Of records with revisions: those of their touches that are to be written stay in `written`, or go there. Gives
    all leads that bear on it."""
    own = {lead.event_id: written.pop(lead.event_id) for lead in leads}
    planned = plan_touches(connection, leads)
    if planned.dropped:
        record_members.drop_touches(connection, planned.dropped, planned.people)
        people_moves.rebuild_touches(connection, planned.people)
    for lead in planned.leads:
        written[lead.event_id] = own.get(lead.event_id) or _touches_of(lead)
    return list({lead.event_id: lead for lead in (*planned.silent, *planned.leads, *leads)}.values())


def load_batch(batch: Batch) -> dict[tuple[str, str], int]:
    """End the events: settled, suppressed or quarantined, and want the people's deliveries, in one transaction.

    Returns how many deliveries became due per (destination, lane). Commits synchronously, which makes the earlier,
    lazier commits of this batch durable too: PostgreSQL's log is written in order.
    """
    note_destinations(lead.brand for lead in batch.leads)
    if batch.activities:  # by themselves: each ends whatever becomes of the leads, and holds people of its own
        with transaction() as connection:
            versions = {told.event_id: told.lead.mapping_version for told in batch.activities}
            stored_activities.end_events(connection, batch.claim_id, versions)
    with transaction() as connection:
        _follow(connection, batch.leads)
        settled = events.settle_events(connection, batch.claim_id, batch.leads)
        if len(settled) < len(batch.leads):
            unsettled = [lead.event_id for lead in batch.leads if lead.event_id not in settled]
            leases.release_stale(connection, batch.claim_id, unsettled)
        suppressed = [*batch.suppressed, *(Suppressed(lead.event_id, SUPERSEDED) for lead in batch.superseded)]
        ended = events.suppress_events(connection, batch.claim_id, suppressed)
        erased = of_erased(suppressed) & ended
        forget_events(connection, erased, with_keys=False, is_theirs=finder_of_erased(connection, erased))
        quarantine.park_events(connection, batch.claim_id, batch.parked)
        wanted = [
            (lead.person_id, lead.brand)
            for lead in batch.leads
            if lead.event_id in settled and lead.person_id is not None
        ]
        if batch.superseded:  # a refusal counts although its record says something else by now
            told = told_of_consent(lead.brand for lead in batch.superseded)
            wanted += [
                (lead.person_id, lead.brand) for lead in batch.superseded if lead.person_id and lead.brand in told
            ]
        due = want_people(connection, wanted, batch.lane)
        drift.count_drift(connection, [lead for lead in batch.leads if lead.event_id in settled])
    _log.info(
        "batch_loaded",
        claim=str(batch.claim_id),
        lane=batch.lane,
        settled=len(settled),
        suppressed=len(suppressed),
        quarantined=len(batch.parked),
    )
    return due


def give_back(claim_id: UUID, *, is_lost: bool) -> None:
    """End a claim whose chain cannot go on: its events are pending again. Lost ones come back in halves (bisection)."""
    with transaction() as connection:
        leases.release_claim(connection, claim_id, lost=is_lost)


def park_bug(batch: Batch, stage: Stage, error: BaseException) -> bool:
    """Quarantine the only lead of a batch that a bug stops. False if there are several: they are halved first."""
    event_ids = [lead.event_id for lead in batch.leads] + [activity.event_id for activity in batch.activities]
    if len(event_ids) != 1:
        return False
    parked = Parked(event_ids[0], stage, "bug", place_of(error))
    with transaction() as connection:
        quarantine.park_events(connection, batch.claim_id, [*batch.parked, parked])
        events.suppress_events(connection, batch.claim_id, batch.suppressed)
    return True


def sweep() -> list[tuple[str, ...]]:
    """Find what is due whatever became of its messages: expired leases, lost hints, deliveries whose time has come.

    Returns the hints to give: ("dispatch", lane) and ("deliver", destination, lane).
    """
    tuning = settings().tuning
    with transaction() as connection:
        expired = leases.sweep_leases(connection)
        parked = leases.quarantine_lost(connection, after=tuning.quarantine_after_losses)
        deliveries.sweep_deliveries(connection, max_attempts=tuning.delivery_attempts)
        hold_unnamed(connection)
        lift_gates(connection)
        pending = leases.oldest_pending(connection)
        due = deliveries.due_counts(connection)
        waiting = jobs.jobs_to_ask(connection)
    if any(expired.values()) or parked:
        _log.warning("leases_expired", **{lane: expired.get(lane, 0) for lane in LANES}, quarantined=parked)
    hints: list[tuple[str, ...]] = [("dispatch", lane) for lane in LANES if pending.get(lane)]
    hints += sorted(
        {
            ("deliver", destination_of(target), lane)
            for target, lanes in due.items()
            for lane, (count, _) in lanes.items()
            if count and destination_of(target) in settings().destinations
        }
        | {
            ("deliver", destination_of(target), lane)
            for target, lane in waiting
            if destination_of(target) in settings().destinations
        }
    )
    return hints


def _follow(connection: Connection, leads: Sequence[Lead]) -> None:
    """The person may have become one with another, or come apart, since the step before: hold whoever it is now.

    Raises TransientError if the evidence of one went away meanwhile, or if a version that kept none worked on it.
    """
    owners = evidence_rows.hold_owners(connection, [lead.event_id for lead in leads])
    if not all(lead.event_id in owners for lead in leads):
        raise TransientError("evidence went away before its lead was settled: it begins again")
    for lead in leads:
        lead.person_id = owners[lead.event_id]


def _decide(stage: Stage, event_id: UUID, item: Item, decide: Callable[[Item], Decided]) -> Decided:
    """One bad record never stops the batch: whatever a pure stage throws is that record's own quarantine."""
    try:
        return decide(item)
    except Exception as error:  # noqa: BLE001 - a bug in one record's path; deterministic, so a retry would not help
        _log.error("record_failed", stage=stage, event_id=str(event_id), place=place_of(error))
        return Parked(event_id, stage, "bug", place_of(error))


def _sort(batch: Batch, decided: Decided) -> None:
    if isinstance(decided, Lead):
        batch.leads.append(decided)
    elif isinstance(decided, Parked):
        batch.parked.append(decided)
    elif isinstance(decided, Activity):
        batch.activities.append(decided)
    else:
        batch.suppressed.append(decided)
