"""The first of the two transactions of `dedupe`: what leads say of who they are is stored as evidence.

It is committed before people are resolved (`pipeline/identity/resolution.py`), so of two workers that bring evidence of
one person at the same time at least the later one sees both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.identity.evidence_cache import EvidenceCache, pack
from pipeline.identity.evidence_limits import SuppressedError, limit_evidence
from pipeline.identity.matching.evidence import Evidence, evidence_of, keys_of
from pipeline.identity.matching.rules import identity_rules
from pipeline.identity.screening import screen
from pipeline.records import Lead, new_id
from pipeline.store.identity import evidence_rows
from pipeline.store.identity.evidence_rows import NewEvidence
from pipeline.store.keyring import blind_index


class FiledLeads(msgspec.Struct, frozen=True):
    """Leads whose evidence is stored, for `resolve`.

    `leads`: by the id of their evidence. `corrected`: the events among them that were filed under other evidence
    before, each with the id of the evidence it brings now; and the events that a revision takes the place of, with the
    revision's. `silenced`: those of the latter that have counted until now. `suppressed`: events that are not filed, as
    nobody is to be known by an address of theirs, with the reason.
    """

    leads: dict[UUID, list[Lead]] = {}
    corrected: dict[UUID, UUID] = {}
    silenced: frozenset[UUID] = frozenset()
    suppressed: dict[UUID, str] = {}

    def __repr__(self) -> str:
        return f"<FiledLeads: {len(self.leads)} pieces of evidence, {len(self.corrected)} corrected events>"


def file_evidence(connection: Connection, leads: Sequence[Lead], cache: EvidenceCache | None = None) -> FiledLeads:
    """Store what these leads say of who they are. Commit before resolving them.

    `cache`: hand it on to `resolve`, which then need not open again what was just made.
    """
    cache = cache or EvidenceCache()
    cache.renew()
    said = [(lead, evidence_of(lead)) for lead in leads]
    made = [new_evidence(lead, evidence, cache) for lead, evidence in said]
    stopped: dict[UUID, str] = {}
    try:
        limited = limit_evidence(connection, made, cache, identity_rules())
    except SuppressedError as met:
        stopped = screen(connection, said, met.keys)
        going = [pair for pair in zip(leads, made, strict=True) if pair[0].event_id not in stopped]
        leads, made = [lead for lead, _ in going], [evidence for _, evidence in going]
        limited = limit_evidence(connection, made, cache, identity_rules(), is_screened=True)
    return _file(connection, list(zip(leads, made, strict=True)), limited, cache, stopped)


def _file(
    connection: Connection,
    made: Sequence[tuple[Lead, NewEvidence]],
    limited: Mapping[UUID, Evidence],
    cache: EvidenceCache,
    stopped: dict[UUID, str],
) -> FiledLeads:
    new: dict[UUID, NewEvidence] = {}
    filed: dict[UUID, list[Lead]] = {}
    for lead, evidence in made:
        less = limited.get(evidence.evidence_id)
        row = evidence if less is None else new_evidence(lead, less, cache)
        filed.setdefault(row.evidence_id, []).append(lead)
        known = new.setdefault(row.evidence_id, row)
        if known is not row:
            new[row.evidence_id] = msgspec.structs.replace(known, event_ids=[*known.event_ids, lead.event_id])
    elsewhere = set(evidence_rows.add_evidence(connection, list(new.values())))
    corrected = {
        lead.event_id: evidence_id
        for evidence_id, group in (filed.items() if elsewhere else ())
        for lead in group
        if lead.event_id in elsewhere
    }
    return FiledLeads(filed, corrected, suppressed=stopped)


def new_evidence(lead: Lead, evidence: Evidence, cache: EvidenceCache) -> NewEvidence:
    """A lead's evidence as it is stored; its id is made of what it says."""
    packed, keys = pack(evidence), keys_of(evidence)
    # What shares no key is never compared: equal as it may be, it is evidence of its own (two namesakes, say).
    content = packed if keys else lead.event_id.bytes + packed
    evidence_id = blind_index().content_id(lead.brand.encode() + b"\x00" + content)
    numbers = cache.add(evidence_id, lead.brand, evidence, keys)
    return NewEvidence(
        *(evidence_id, lead.brand, new_id(), packed, numbers, [lead.event_id]),
        generation=cache.index.current.generation,
        coming=cache.coming(numbers),
    )
