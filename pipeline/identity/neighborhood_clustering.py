"""A neighborhood that was read, clustered: the people that its evidence makes. Pure, but for evidence being opened."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import msgspec

from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.matching.clustering import Clusters, Pair, cluster, components
from pipeline.identity.matching.evidence import Evidence
from pipeline.identity.matching.reassignment import owners_by_birth
from pipeline.identity.matching.rules import IdentityRules
from pipeline.identity.matching.scoring import NamesOn
from pipeline.identity.neighborhoods import Neighborhood


class Clustering(msgspec.Struct, frozen=True):
    """`people`: the evidence of each. `owners`: the person of each piece of evidence. `components`: what each piece
    hangs together with, by its smallest id. `clusters`: bonds, joins and pairs for a human, by brand."""

    people: list[frozenset[UUID]]
    owners: dict[UUID, UUID]
    components: dict[UUID, UUID]
    clusters: dict[str, Clusters]


def cluster_neighborhood(
    near: Neighborhood, cache: EvidenceCache, *, must: Collection[Pair], cannot: Collection[Pair], rules: IdentityRules
) -> Clustering:
    """The people of this neighborhood, brand by brand. `must` and `cannot`: humans' decisions on its evidence."""
    brands: dict[str, dict[UUID, Evidence]] = {}
    for evidence_id, stored in near.known.items():
        if evidence_id not in near.alone:
            brands.setdefault(stored.brand, {})[evidence_id] = cache.evidence(stored)
    people = [frozenset([evidence_id]) for evidence_id in near.alone]
    together = {evidence_id: evidence_id for evidence_id in near.alone}
    clusters: dict[str, Clusters] = {}
    for brand, evidence in brands.items():
        settled = {
            evidence_id: stored.component
            for evidence_id in evidence
            if evidence_id not in near.looked_at and (stored := near.known[evidence_id]).person_id is not None
        }
        clusters[brand] = cluster(
            evidence,
            names_in(near, cache, brand),
            must=must,
            cannot=cannot,
            rules=rules,
            keys=near.keys,
            settled=settled,
        )
        people += clusters[brand].people
        together |= components(evidence, [*clusters[brand].bonds, *must, *cannot])
    return Clustering(people, owners_by_birth(people, near.known), together, clusters)


def names_in(near: Neighborhood, cache: EvidenceCache, brand: str) -> NamesOn:
    """How many names use a key, for the keys of this neighborhood."""

    def names_on(kind: str, value: str) -> int:
        return near.names.get(cache.number(brand, kind, value), 1)

    return names_on
