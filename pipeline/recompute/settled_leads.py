"""Settled leads by the mapping of now: what a corrected mapping reads reaches leads that are in already.

Events are taken in the order of their ids, a hundred at a time, under the locks of `dedupe`: workers go on meanwhile.
Evidence of those that say something else of who they are is filed first, in a transaction of its own; all the rest of a
batch is one transaction: people, golden records, touches, consents, the events and the deliveries. What already is as
the mapping wants it is not written; so a run that was killed is simply run again, and a second run changes nothing.

A lead that would stop today (quarantine, suppression) keeps what it was. What a revision took the place of says
nothing; its touch, which is that of its record, is made anew with the record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import ConfigurationError, TransientError, place_of
from pipeline.identity.activities import keys_of_leads
from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.filing import FiledLeads, file_evidence, new_evidence
from pipeline.identity.matching.evidence import KEYS_VERSION, evidence_of
from pipeline.identity.revisions import Superseded, require_current, set_aside
from pipeline.identity.withdrawn_points import link_withdrawn, withdrawn_in
from pipeline.lanes import BULK
from pipeline.recompute.crm_changes import destination_mappings
from pipeline.recompute.lead_rewriting import Rewriting, Run
from pipeline.recompute.replay_report import Replayed, WouldStop
from pipeline.records import Batch, Lead, Parked, RawEvent, Stage, Suppressed, new_id
from pipeline.replay import Decided, connectors_of, decide_again, why_unloadable
from pipeline.settings.loading import settings
from pipeline.settings.set_up_sources import mapping_name
from pipeline.stages.mapping.source_mapping import SOURCE_MAPPINGS
from pipeline.stages.mappings_in_force import refresh_source_mappings
from pipeline.store.engine import in_parts, transaction
from pipeline.store.events import events, quarantine, settled
from pipeline.store.events.settled import Chosen, SettledEvent
from pipeline.store.identity import decisions, upgrades
from pipeline.store.people.withdrawn_points import note_withdrawn, queue_for_ledger

_EVENTS_AT_ONCE = 100
_PAUSES = (0.4, 0.8, 1.6, 3.2)  # seconds, between attempts at one batch: others may be at the same people


class _RolledBackError(Exception):
    """Ends a dry run: nothing of it is written."""


def replay_settled(
    *,
    source: str,
    brand: str | None = None,
    since: datetime | None = None,
    is_dry_run: bool = False,
    events_at_once: int = _EVENTS_AT_ONCE,
    on_progress: Callable[[Replayed, int], None] = lambda _done, _leads: None,
) -> Replayed:
    """Map the settled leads of a source anew, of one brand or received since a moment if given; see the module.

    A dry run does the same and writes nothing; there each batch is looked at by itself, so of people who would come
    together across batches it tells a part. `on_progress` hears what has been done so far, and how many leads there
    are. Raises ConfigurationError if the source's mapping cannot be read, TransientError if the database stays away;
    what is done stays done.
    """
    _require_readable(source)
    chosen = Chosen(source, brand, since, until=new_id())
    with transaction(timeout_seconds=0) as connection:
        total = settled.count_settled(connection, chosen)
    run, after = Run(destination_mappings()), UUID(int=0)
    while True:
        with transaction(timeout_seconds=0) as connection:
            page = settled.next_settled(connection, chosen, after, events_at_once)
        if not page:
            return run.done
        for rewriting in in_parts(partial(_replay, run=run, is_dry_run=is_dry_run), page, pauses=_PAUSES):
            run.add(rewriting)
        after = page[-1].event_id
        on_progress(run.done, total)


def _require_readable(source: str) -> None:
    slug = mapping_name(settings(), source)
    if broken := why_unloadable(source, slug):
        raise ConfigurationError(f"the connector of {source} cannot be loaded: {broken}")
    trouble = SOURCE_MAPPINGS.trouble(slug)
    if trouble:  # workers may go by the version before; nobody means that one here
        raise ConfigurationError(trouble)


def _replay(page: Sequence[SettledEvent], run: Run, *, is_dry_run: bool) -> Rewriting:
    leads, stopped, read = _map(page)
    cache = EvidenceCache()
    rewriting = Rewriting(run, page, stopped, unreadable=len(page) - read, cache=cache)
    if not leads:
        return rewriting
    try:
        if is_dry_run:
            with transaction(timeout_seconds=0) as connection:
                rewriting.write(connection, *_file(connection, leads, cache))
                raise _RolledBackError
        with transaction(synchronous=False) as connection:
            filed = _file(connection, leads, cache)
        with transaction(timeout_seconds=0) as connection:
            rewriting.write(connection, *filed)
        _withdraw(leads, filed[0])
    except _RolledBackError:
        pass
    except Superseded as gone:
        raise TransientError("a revision took the place of a lead meanwhile") from gone
    return rewriting


def _withdraw(leads: Sequence[Lead], filed: FiledLeads) -> None:
    """What these leads withdraw now holds for whoever has the address, and what was withdrawn before for them."""
    withdrawn = withdrawn_in(leads)
    with transaction() as connection:
        note_withdrawn(connection, withdrawn)
        queue_for_ledger(connection, withdrawn)
    with transaction() as connection:
        link_withdrawn(connection, {point.key for point in withdrawn}, keys_of_leads(filed), lane=BULK)


def _map(page: Sequence[SettledEvent]) -> tuple[list[Lead], list[WouldStop], int]:
    """The leads, what would stop, and how many bodies there are."""
    event_ids = [event.event_id for event in page]
    with transaction() as connection:
        patches = quarantine.read_patches(connection, event_ids)
        raw_events = events.read_events(connection, event_ids, with_superseded=False)
    slugs = connectors_of(raw_events)
    refresh_source_mappings(set(slugs.values()))
    leads: list[Lead] = []
    stopped: list[WouldStop] = []
    for raw in raw_events:
        decided = _decide(raw, patches.get(raw.event_id), slugs[raw.source])
        if isinstance(decided, Lead):
            decided.raw, decided.flags, decided.custom = {}, {}, {}
            leads.append(decided)
        elif isinstance(decided, Suppressed):
            stopped.append(WouldStop(raw.event_id, "suppressed", decided.rule or decided.reason))
        else:
            stopped.append(WouldStop(raw.event_id, "quarantined", decided.code, decided.field))
    return leads, stopped, len(raw_events)


def _decide(raw: RawEvent, patch: dict[str, object] | None, slug: str) -> Decided:
    """A bug that one lead meets is that lead's, as in the pipeline."""
    try:
        return decide_again(raw, patch, slug)
    except Exception as error:  # noqa: BLE001 - one lead's bug must not end the run
        return Parked(raw.event_id, Stage.UNKNOWN, "bug", place_of(error))


def _file(connection: Connection, leads: Sequence[Lead], cache: EvidenceCache) -> tuple[FiledLeads, Batch]:
    """The leads by their evidence, of which that is stored which is not yet. Raises TransientError while an update is
    not finished, Superseded if a revision took the place of one."""
    upgrades.require_finished(connection, KEYS_VERSION)
    batch = Batch(new_id(), BULK, list(leads))
    set_aside(connection, batch)
    if batch.superseded:
        raise Superseded([lead.event_id for lead in batch.superseded])
    known = decisions.evidence_of_events(connection, [lead.event_id for lead in leads])
    if len(known) < len(leads):
        raise TransientError("evidence went away before its lead was mapped anew")
    other = [lead for lead in leads if new_evidence(lead, evidence_of(lead), cache).evidence_id != known[lead.event_id]]
    filed = file_evidence(connection, other, cache)
    require_current(connection, filed.corrected)
    by_evidence = {evidence_id: list(group) for evidence_id, group in filed.leads.items()}
    elsewhere = {lead.event_id for lead in other}
    for lead in leads:
        if lead.event_id not in elsewhere:
            by_evidence.setdefault(known[lead.event_id], []).append(lead)
    return FiledLeads(by_evidence, filed.corrected), batch
