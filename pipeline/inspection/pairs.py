"""Why two leads are one person, or are not: read and clustered as the workers do it, without a lock.

Everything here is for the eyes of whoever may see a lead: it shows names, addresses and numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import product
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import RecordError, TransientError
from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.matching.clustering import CROWDED, Clusters, Pair
from pipeline.identity.matching.evidence import STRONG_KINDS, Evidence, keys_of
from pipeline.identity.matching.rules import IdentityRules, identity_rules
from pipeline.identity.matching.scoring import Comparison, compare
from pipeline.identity.neighborhood_clustering import cluster_neighborhood, names_in
from pipeline.identity.neighborhoods import Neighborhood, NeighborhoodReader
from pipeline.inspection.masked.told import as_seen
from pipeline.inspection.merges import Forward, find_forward, tell_decision
from pipeline.store.identity import decisions, evidence_rows
from pipeline.store.identity.evidence_rows import StoredEvidence
from pipeline.store.keys import index_keys
from pipeline.store.reports import evidence_of_event

_MEMBERS_LIMIT = 60  # of a person's pieces of evidence that are compared with another person's
_ROUNDS = 5  # attempts to read, as workers change what is being read
_NO_CLUSTERS = Clusters([], {}, {}, [], {})


def explain_pair(connection: Connection, one_id: UUID, other_id: UUID) -> dict[str, Any]:
    """What speaks for and against two events or people being one person, as `explain A B --json` prints it.

    Of people the two leads that have most in common are compared; of an id that was merged away those that were its
    own (`forwards` tells whom it stands for). Raises RecordError (`no_evidence`, `two_brands`).
    """
    forwards = [forward for any_id in (one_id, other_id) if (forward := find_forward(connection, any_id))]
    one, other = _evidence_of(connection, one_id, forwards), _evidence_of(connection, other_id, forwards)
    both = {**one, **other}
    if forwards:  # what was its own is the other one's as well by now
        one, other = _less(one, other), _less(other, one)
    if len({known.brand for known in both.values()}) > 1:
        raise RecordError("two_brands", field=None, message="they are of two brands, whose people are never compared")
    found = _Clustered(connection, both)
    pair, comparison = found.closest(one, other)
    low_high = (min(pair), max(pair))
    rules, veto = found.rules, found.clusters.refused.get(low_high)
    told: dict[str, Any] = {
        "kind": "pair",
        "forwards": [forward.story for forward in forwards],
        "one": found.side(one_id, pair[0]),
        "other": found.side(other_id, pair[1]),
        "are_one_person": both[pair[0]].person_id is not None and both[pair[0]].person_id == both[pair[1]].person_id,
        "is_same_evidence": pair[0] == pair[1],
        "share_a_key": bool({*keys_of(found.evidence[pair[0]])} & {*keys_of(found.evidence[pair[1]])}),
        "pieces": found.weights(pair, comparison),
        "score": comparison.score,
        "thresholds": {"same": rules.same, "review": rules.review, "certain": rules.certain},
        "verdict": _verdict(comparison, rules),
        "decision": found.decision(low_high),
        "word": found.decided((low_high,)),
        "veto": None
        if veto is None
        else {
            "kind": veto.kind,
            "one": found.side(None, veto.one),
            "other": found.side(None, veto.other),
            "word": found.decided(((min(veto.one, veto.other), max(veto.one, veto.other)),)),
        },
        "chain": [found.link(link) for link in _path(found.clusters.joins, *pair)],
    }
    return as_seen(told)


def explain_match(connection: Connection, event_id: UUID, events: Collection[UUID]) -> dict[str, Any] | None:
    """Why an event belongs to its person, whose `events` these are; None: it has left no evidence (yet).

    `reason` is `new` (the person's first event), `same` (it says what an earlier one said), `human`, or the kind of the
    heaviest piece of evidence that it shares with another lead of the person; `strongest` is all that it shares with
    that one, and `event_id` in it the first event that said so. `word`: of reason `human`, who said it, when and why.
    """
    key = evidence_of_event(connection, event_id)
    if key is None:
        return None
    found = _Clustered(connection, [key])
    members = next(group for group in found.people if key in group)
    bonds = {
        pair: comparison
        for pair, comparison in found.clusters.bonds.items()
        if key in pair and pair[0] in members and pair[1] in members
    }
    strongest = max(bonds, key=lambda pair: (bonds[pair].score, pair), default=None)
    same_as = next((earlier for earlier in found.events.get(key, ()) if earlier < event_id), None)
    if same_as is not None:
        reason = "same"
    elif event_id == min(events, default=event_id):
        reason = "new"
    elif strongest is not None:
        reason = max(bonds[strongest].weights, key=lambda match: match.weight).kind
    else:
        reason = "human" if any(key in pair for pair in found.must) else "new"
    must_links = [pair for pair in found.must if key in pair] if reason == "human" else ()
    return {
        "person_id": found.known[key].person_id,
        "reason": reason,
        "word": found.decided(must_links),
        "same_as": same_as,
        "evidence": found.said(key),
        "strongest": None if strongest is None else found.link(_from(strongest, key)),
    }


def _read_neighborhood(connection: Connection, evidence_ids: Collection[UUID], cache: EvidenceCache) -> Neighborhood:
    """All evidence that these pieces could join or split, as `Resolution` reads it. Raises TransientError."""
    for _ in range(_ROUNDS):
        asked = evidence_rows.read_evidence(connection, evidence_ids)
        near = NeighborhoodReader(connection, cache, identity_rules(), is_locking=False).read(
            {key: stored for key, stored in asked.items() if stored.person_id is None},
            {key: stored for key, stored in asked.items() if stored.person_id is not None},
        )
        if near is not None and near.known.keys() >= set(evidence_ids):
            return near
    raise TransientError("workers keep changing these people: try again in a moment")


class _Clustered:
    """The neighborhood of some evidence of one brand, clustered as the workers would."""

    def __init__(self, connection: Connection, evidence_ids: Collection[UUID]) -> None:
        index_keys.refresh(connection)
        self.rules, cache = identity_rules(), EvidenceCache()
        near = _read_neighborhood(connection, evidence_ids, cache)
        self.known = near.known
        self.evidence = {key: cache.evidence(stored) for key, stored in near.known.items()}
        self._links = {link.pair: link for link in decisions.read_links(connection, near.known)}
        self.must = {pair for pair, link in self._links.items() if link.same}
        self.cannot = self._links.keys() - self.must
        self.events = evidence_rows.events_of_evidence(connection, near.known)
        (brand,) = {near.known[key].brand for key in evidence_ids}
        self._names_on = names_in(near, cache, brand)
        clustering = cluster_neighborhood(near, cache, must=self.must, cannot=self.cannot, rules=self.rules)
        self.people = clustering.people
        self.clusters = clustering.clusters.get(brand, _NO_CLUSTERS)

    def closest(self, one: Collection[UUID], other: Collection[UUID]) -> tuple[Pair, Comparison]:
        """Of the pairs between two people the one that weighs most; a person's own evidence is the same already."""
        pairs = product(sorted(one)[:_MEMBERS_LIMIT], sorted(other)[:_MEMBERS_LIMIT])
        weighed = {pair: self._compare(pair) for pair in pairs}
        pair = max(weighed, key=lambda pair: (pair[0] != pair[1], weighed[pair].score, pair))
        return pair, weighed[pair]

    def said(self, key: UUID) -> dict[str, Any]:
        """What a piece of evidence says, in the form it is compared in."""
        evidence = self.evidence[key]
        return {
            "name": " ".join(evidence.name),
            "email": evidence.email,
            "other_emails": list(evidence.others),
            "phones": list(evidence.phones),
            "profiles": list(evidence.profiles),
            "employers": list(evidence.employers),
        }

    def side(self, asked_id: UUID | None, key: UUID) -> dict[str, Any]:
        events = self.events.get(key, [])
        return {
            "id": asked_id,
            "evidence_id": key,
            "event_id": events[0] if events else None,
            "person_id": self.known[key].person_id,
            "evidence": self.said(key),
        }

    def weights(self, pair: Pair, comparison: Comparison) -> list[dict[str, Any]]:
        """Each with what the two say there; what many use also where the names do not agree, and it counts nothing."""
        one, other = self.evidence[pair[0]], self.evidence[pair[1]]
        kinds = {match.kind: match.weight for match in comparison.weights}
        for kind in STRONG_KINDS:
            is_told = any(known == kind or known.startswith(f"{kind}_of_") for known in kinds)
            if not is_told and self._shared(kind, one, other):
                kinds[f"{kind}_of_many"] = 0
        return [
            {"kind": kind, "weight": weight, **_values(kind, one, other), **self._use(kind, weight, one, other)}
            for kind, weight in kinds.items()
        ]

    def _shared(self, kind: str, one: Evidence, other: Evidence) -> set[str]:
        return set(_lists(kind, one)) & set(_lists(kind, other))

    def _use(self, kind: str, weight: float, one: Evidence, other: Evidence) -> dict[str, Any]:
        """`names`: how many names use what the two share, up to `of_many` (None: one, or it is nobody's own by its
        form); `note`: that in words."""
        stem, _, use = kind.partition("_of_")
        if not use:
            return {"names": None, "note": None}
        names = min(self._names_on(stem, value) for value in self._shared(stem, one, other))
        many = self.rules.of_many
        if names >= CROWDED:
            note = f"more than {self.rules.crowded} different leads use it"
        elif names >= many:
            note = f"{many} names or more use it"
        elif use == "two":
            note = f"{names} names use it"
        else:
            return {"names": None, "note": _counts("a function's or a family's mailbox", weight)}
        return {"names": min(names, many), "note": _counts(note, weight) if use == "many" else note}

    def link(self, pair: Pair) -> dict[str, Any]:
        """A pair that joined two pieces of evidence, told from the first one's side."""
        events = self.events.get(pair[1], [])
        before = self.events.get(pair[0], [])
        comparison = self._compare(pair)
        low_high = (min(pair), max(pair))
        return {
            "from_event_id": before[0] if before else None,
            "event_id": events[0] if events else None,
            "score": comparison.score,
            "by": "human" if low_high in self.must else "rules",
            "word": self.decided((low_high,)),
            "pieces": self.weights(pair, comparison),
        }

    def decision(self, pair: Pair) -> str | None:
        return "same" if pair in self.must else "different" if pair in self.cannot else None

    def decided(self, pairs: Iterable[Pair]) -> dict[str, Any] | None:
        """Who decided that one of these pairs is one person's or is not, when and why; of several the first."""
        return tell_decision(self._links[pair] for pair in pairs if pair in self._links)

    def _compare(self, pair: Pair) -> Comparison:
        return compare(self.evidence[pair[0]], self.evidence[pair[1]], self._names_on, self.rules)


def _evidence_of(connection: Connection, any_id: UUID, forwards: Iterable[Forward]) -> dict[UUID, StoredEvidence]:
    key = evidence_of_event(connection, any_id)
    keys = (
        {key}
        if key
        else {
            evidence_id
            for forward in forwards
            if forward.story["person_id"] == any_id
            for evidence_id in forward.evidence
        }
    )
    known = evidence_rows.read_evidence(connection, keys) or evidence_rows.read_evidence_of_people(connection, [any_id])
    if not known:
        raise RecordError(
            "no_evidence",
            field=None,
            message=f"{any_id} is no event or person whose evidence is stored: it may not have got so far"
            f" (`afluente explain {any_id}` tells)",
        )
    return known


def _less(one: dict[UUID, StoredEvidence], other: Collection[UUID]) -> dict[UUID, StoredEvidence]:
    """The first without what both have, unless that is all of it."""
    return {key: stored for key, stored in one.items() if key not in other} or one


def _counts(use: str, weight: float) -> str:
    return f"{use}; it counts only where the names agree" if weight == 0 else use


def _verdict(comparison: Comparison, rules: IdentityRules) -> str:
    if comparison.score >= rules.same:
        return "same"
    return "review" if comparison.score >= rules.review else "apart"


def _values(kind: str, one: Evidence, other: Evidence) -> dict[str, str | None]:
    """What each of the two says where they agree, or contradict each other."""
    if kind.startswith("name_"):
        return {"one": " ".join(one.name) or None, "other": " ".join(other.name) or None}
    if kind == "two_mailboxes":
        return {"one": one.email, "other": other.email}
    if kind == "other_contacts":
        return {"one": _contacts(one), "other": _contacts(other)}
    mine, theirs = _lists(kind, one), _lists(kind, other)
    shared = sorted(set(mine) & set(theirs))
    return {"one": ", ".join(shared or mine) or None, "other": ", ".join(shared or theirs) or None}


def _contacts(evidence: Evidence) -> str | None:
    return ", ".join(filter(None, (evidence.email, *evidence.phones))) or None


def _lists(kind: str, evidence: Evidence) -> tuple[str, ...]:
    if kind.startswith("phone"):
        return evidence.phones
    if kind.startswith("email"):
        return (evidence.email, *evidence.others) if evidence.email else ()
    return evidence.profiles if kind.startswith("profile") else evidence.employers


def _from(pair: Pair, key: UUID) -> Pair:
    return pair if pair[0] == key else (pair[1], pair[0])


def _path(joins: Sequence[Pair], start: UUID, end: UUID) -> list[Pair]:
    """The pairs by which two pieces of evidence hang together, in order: joins are a tree, so there is one way."""
    beside: dict[UUID, list[UUID]] = {}
    for one, other in joins:
        beside.setdefault(one, []).append(other)
        beside.setdefault(other, []).append(one)
    came_from: dict[UUID, UUID] = {start: start}
    waiting = deque([start])
    while waiting and end not in came_from:
        here = waiting.popleft()
        for there in beside.get(here, ()):
            if there not in came_from:
                came_from[there] = here
                waiting.append(there)
    path: list[Pair] = []
    here = end
    while here in came_from and here != start:
        path.append((came_from[here], here))
        here = came_from[here]
    return path[::-1]
