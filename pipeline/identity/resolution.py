"""Who is who, on real rows: the second transaction of `dedupe`. Read `Resolution.run` for its steps, in order:

    lock_wanted        what the attempt before this one needed and could not have        locks components
    read_asked         the evidence asked about, and the events that bring other evidence now
    read_neighborhood  all evidence that it could join or split                          locks components, then new rows
    cluster            from weighed pairs to people; names on shared keys are stored     identity/matching, pure
    note_reviews       pairs that are for a human to decide
    lock_people        the people of this evidence, before and after; corrected events   locks rows of people
    plan               who moves, forwards, absorbs, is made anew                        identity/matching, pure
    carry_out          evidence, touches, golden records, the identity log               people_updates

Each step takes what one before it gives, so they run in this order or not at all. All run in one savepoint: where
others changed the same people meanwhile, it is rolled back, which releases its locks, and the next attempt begins with
more locks from the start. The neighborhood is all that the new evidence depends on, so the outcome is that of
clustering all evidence at once, whatever order it came in: joining two people and taking one apart are the same steps.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.errors import TransientError
from pipeline.identity.corrected_events import CorrectedEvents
from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.filing import FiledLeads
from pipeline.identity.matching.reassignment import moves_between
from pipeline.identity.matching.rules import identity_rules
from pipeline.identity.neighborhood_clustering import Clustering, cluster_neighborhood
from pipeline.identity.neighborhoods import Neighborhood, NeighborhoodReader
from pipeline.identity.people_updates import PeopleUpdate, Recompute, Resolved, add_leads
from pipeline.replay import recompute_leads
from pipeline.routing import want_people
from pipeline.store.identity import blocks, evidence_rows, reviews
from pipeline.store.identity.evidence_rows import StoredEvidence
from pipeline.store.people import people

_ROUNDS = 12  # attempts, as others change what is being locked
NO_LEADS = FiledLeads()


def resolve(
    connection: Connection,
    filed: FiledLeads,
    recompute: Recompute,
    *,
    again: Collection[UUID] = (),
    decided_by: str = "rules",
    cache: EvidenceCache | None = None,
) -> Resolved:
    """Find or make the people of the `filed` leads, and of evidence to be looked at `again`.

    One transaction. A second run, or one beside others, changes nothing. Evidence in `again` that has no person yet is
    left to the worker that brings it. `cache`: of whoever filed the leads. Raises TransientError if others keep
    changing the same people, or if evidence was removed since it was filed: file it again.
    """
    request = Request(filed, again, recompute, decided_by)
    cache = cache or EvidenceCache()
    cache.renew()
    wanted: Collection[UUID] = ()
    for _ in range(_ROUNDS):
        attempt = connection.begin_nested()
        resolution = Resolution(connection, request, cache, wanted)
        resolved = resolution.run()
        if resolved is not None:
            attempt.commit()
            return resolved
        attempt.rollback()
        wanted = resolution.wanted
    raise TransientError("others keep changing the people in question")


def resolve_people(
    connection: Connection,
    lane: str,
    filed: FiledLeads,
    *,
    again: Collection[UUID] = (),
    decided_by: str = "rules",
    cache: EvidenceCache | None = None,
) -> Resolved:
    """`resolve`, and the deliveries of people who came together or apart by it, wanted in the same transaction."""
    resolved = resolve(connection, filed, recompute_leads, again=again, decided_by=decided_by, cache=cache)
    want_people(connection, resolved.changed.items(), lane)
    return resolved


class Request(msgspec.Struct, frozen=True):
    """What is to be resolved (see `resolve`)."""

    filed: FiledLeads
    again: Collection[UUID]
    recompute: Recompute
    decided_by: str


class Asked(msgspec.Struct, frozen=True):
    """What was asked about, as it is stored: `known`, all of it; `fresh`, what has no person yet; `again`, what has one
    and is to be looked at all the same. `corrected`: the events that bring other evidence than before."""

    known: dict[UUID, StoredEvidence]
    fresh: dict[UUID, StoredEvidence]
    again: dict[UUID, StoredEvidence]
    corrected: CorrectedEvents

    @property
    def is_settled(self) -> bool:
        """Whether nothing is new about it."""
        return not (self.fresh or self.again or self.corrected)


class Resolution:
    """One attempt to resolve, in a savepoint of its own. See the top of this module.

    `wanted`: after an attempt in vain, the components to lock from the start in the next one.
    """

    def __init__(
        self, connection: Connection, request: Request, cache: EvidenceCache, wanted: Collection[UUID]
    ) -> None:
        self._connection, self._request, self._cache, self._rules = connection, request, cache, identity_rules()
        self._reader = NeighborhoodReader(connection, cache, self._rules)
        self._wanted = wanted

    @property
    def wanted(self) -> Collection[UUID]:
        return self._reader.wanted

    def run(self) -> Resolved | None:
        """All steps, in order. None: others changed something meanwhile. Raises TransientError if evidence is gone."""
        self.lock_wanted()
        asked = self.read_asked()
        if asked.is_settled:
            return self.add_known_leads(asked)
        near = self.read_neighborhood(asked)
        if near is None:
            return None
        clustering = self.cluster(near)
        self.note_reviews(asked, near, clustering)
        update = self.lock_people(asked, near, clustering)
        return None if update is None else update.carry_out(update.plan())

    def lock_wanted(self) -> None:
        """Before anything is read: whoever is waited for gives notice, so what was read before would be out of date."""
        self._reader.lock(self._wanted)

    def read_asked(self) -> Asked:
        leads, again = self._request.filed.leads, self._request.again
        filed = self._request.filed
        corrected = CorrectedEvents(self._connection, filed.corrected, filed.silenced)
        to_look_at = {*again, *corrected.evidence_ids}
        known = evidence_rows.read_evidence(self._connection, {*leads, *to_look_at})
        if not leads.keys() <= known.keys():
            raise TransientError("evidence went away before it was resolved")
        return Asked(
            known,
            {key: stored for key, stored in known.items() if stored.person_id is None and key in leads},
            {key: stored for key, stored in known.items() if stored.person_id is not None and key in to_look_at},
            corrected,
        )

    def add_known_leads(self, asked: Asked) -> Resolved | None:
        """Put leads that say what was known before into the golden records of their people: nothing to cluster."""
        owners = {key: stored.person_id for key, stored in asked.known.items() if stored.person_id is not None}
        rows = people.read_people(self._connection, set(owners.values()), lock=True)
        if evidence_rows.read_owners(self._connection, owners) != owners:
            return None
        add_leads(self._connection, self._request.filed.leads, owners, rows)
        return Resolved(owners)

    def read_neighborhood(self, asked: Asked) -> Neighborhood | None:
        """All evidence that what was asked about could join or split, without what no event is left of."""
        asked.corrected.remove_keys(asked.known, self._cache)
        near = self._reader.read(asked.fresh, asked.again)
        if near is not None:
            asked.corrected.remove_evidence_from(near)
        return near

    def cluster(self, near: Neighborhood) -> Clustering:
        """The people of the neighborhood. Stores how many names use its keys, and gives notice to other workers."""
        blocks.note_shared_keys(self._connection, self._cache.with_coming(near.recounted))
        blocks.give_notice(self._connection, near.noticing)
        must, cannot = evidence_rows.read_link_pairs(self._connection, near.known.keys() - near.alone)
        return cluster_neighborhood(near, self._cache, must=must, cannot=cannot, rules=self._rules)

    def note_reviews(self, asked: Asked, near: Neighborhood, clustering: Clustering) -> None:
        """Remember the pairs for a human: those of what was asked about, and of what comes apart without a human's
        decision, which may have to be asked about again."""
        moved = moves_between(near.known, clustering.owners).keys()
        news = ((asked.fresh.keys() | asked.again.keys()) - asked.corrected.vanishing.keys()) | moved
        reviews.note_reviews(
            self._connection,
            [
                (brand, pair, comparison)
                for brand, clusters in clustering.clusters.items()
                for pair, comparison in clusters.reviews.items()
                if pair[0] in news or pair[1] in news
            ],
        )

    def lock_people(self, asked: Asked, near: Neighborhood, clustering: Clustering) -> PeopleUpdate | None:
        """The people in question are locked, and corrected events filed under what they bring now."""
        known = asked.known | near.known
        update = PeopleUpdate(
            self._connection,
            {key: stored for key, stored in known.items() if key not in asked.corrected.vanishing},
            clustering,
            self._request.filed.leads,
            corrections=asked.corrected.corrections(known),
            silenced=self._request.filed.silenced,
            recompute=self._request.recompute,
            decided_by=self._request.decided_by,
        )
        return update if update.lock_people() and asked.corrected.file_anew() else None
