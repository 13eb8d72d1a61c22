"""Why two leads are one person, or are not: found anew from the evidence that is stored, as the workers find it.

Everything here is for the eyes of whoever may see a lead: it shows names, addresses and numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import RecordError
from pipeline.identity.matching.clustering import CROWDED, Clusters, Pair, cluster
from pipeline.identity.matching.evidence import Evidence, keys_of
from pipeline.identity.matching.rules import IdentityRules, identity_rules
from pipeline.identity.matching.scoring import Comparison, compare
from pipeline.identity.neighborhoods import Memory
from pipeline.inspection.merges import Forward, find_forward, tell_word
from pipeline.store.identity import blocks, decisions, evidence_rows
from pipeline.store.identity.evidence_rows import KnownEvidence
from pipeline.store.keyring import key_number
from pipeline.store.reports import evidence_of_event

_MEMBERS_LIMIT = 60  # of a person's pieces of evidence that are compared with another person's


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
    near = _Neighborhood(connection, both)
    pair, comparison = near.closest(one, other)
    low_high = (min(pair), max(pair))
    found, rules = near.clusters, near.rules
    veto = found.refused.get(low_high)
    return {
        "kind": "pair",
        "forwards": [forward.story for forward in forwards],
        "one": near.side(one_id, pair[0]),
        "other": near.side(other_id, pair[1]),
        "are_one_person": both[pair[0]].person_id is not None and both[pair[0]].person_id == both[pair[1]].person_id,
        "is_same_evidence": pair[0] == pair[1],
        "share_a_key": bool({*keys_of(near.evidence[pair[0]])} & {*keys_of(near.evidence[pair[1]])}),
        "pieces": near.pieces(pair, comparison),
        "score": comparison.score,
        "thresholds": {"same": rules.same, "review": rules.review, "certain": rules.certain},
        "verdict": _verdict(comparison, rules),
        "decision": near.decision(low_high),
        "word": near.word((low_high,)),
        "veto": None
        if veto is None
        else {
            "kind": veto.kind,
            "one": near.side(None, veto.one),
            "other": near.side(None, veto.other),
            "word": near.word(((min(veto.one, veto.other), max(veto.one, veto.other)),)),
        },
        "chain": [near.link(link) for link in _path(found.joins, *pair)],
    }


def explain_match(connection: Connection, event_id: UUID, events: Collection[UUID]) -> dict[str, Any] | None:
    """Why an event belongs to its person, whose `events` these are; None: it has left no evidence (yet).

    `reason` is `new` (the person's first event), `same` (it says what an earlier one said), `human`, or the kind of the
    heaviest piece of evidence that it shares with another lead of the person; `strongest` is all that it shares with
    that one, and `event_id` in it the first event that said so. `word`: of reason `human`, who said it, when and why.
    """
    key = evidence_of_event(connection, event_id)
    if key is None:
        return None
    own = evidence_rows.read_evidence(connection, [key])
    near = _Neighborhood(connection, own)
    members = next(group for group in near.clusters.people if key in group)
    bonds = {
        pair: comparison
        for pair, comparison in near.clusters.bonds.items()
        if key in pair and pair[0] in members and pair[1] in members
    }
    strongest = max(bonds, key=lambda pair: (bonds[pair].score, pair), default=None)
    same_as = next((one for one in near.events.get(key, ()) if one < event_id), None)
    if same_as is not None:
        reason = "same"
    elif event_id == min(events, default=event_id):
        reason = "new"
    elif strongest is not None:
        reason = max(bonds[strongest].pieces, key=lambda piece: piece.weight).kind
    else:
        reason = "human" if any(key in pair for pair in near.same) else "new"
    linked = [pair for pair in near.same if key in pair] if reason == "human" else ()
    return {
        "person_id": own[key].person_id,
        "reason": reason,
        "word": near.word(linked),
        "same_as": same_as,
        "evidence": near.said(key),
        "strongest": None if strongest is None else near.link(_from(strongest, key)),
    }


class _Neighborhood:
    """All evidence that some pieces of it hang together with, clustered as the workers would."""

    def __init__(self, connection: Connection, asked: Mapping[UUID, KnownEvidence]) -> None:
        self.rules = identity_rules()
        known = evidence_rows.read_components(connection, {one.component for one in asked.values()})
        self.known = {**asked, **known}
        memory = Memory()
        self.evidence = {key: memory.evidence(one) for key, one in self.known.items()}
        (brand,) = {one.brand for one in asked.values()}
        keys = {name: key_number(brand, *name) for one in self.evidence.values() for name in keys_of(one)}
        shared = blocks.read_shared_keys(connection, set(keys.values()))
        self._names = {name: shared.get(key, 1) for name, key in keys.items()}
        self._said = {said.pair: said for said in decisions.read_decisions(connection, self.known)}
        self.same = {pair for pair, said in self._said.items() if said.same}
        self.different = self._said.keys() - self.same
        self.events = evidence_rows.events_of_evidence(connection, self.known)
        self.clusters: Clusters = cluster(
            self.evidence, self._names_on, must=self.same, cannot=self.different, rules=self.rules
        )

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

    def pieces(self, pair: Pair, comparison: Comparison) -> list[dict[str, Any]]:
        """Each with what the two say there; what many use also where the names do not agree, and it counts nothing."""
        one, other = self.evidence[pair[0]], self.evidence[pair[1]]
        kinds = {piece.kind: piece.weight for piece in comparison.pieces}
        for kind in ("email", "phone"):
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
            "by": "human" if low_high in self.same else "rules",
            "word": self.word((low_high,)),
            "pieces": self.pieces(pair, comparison),
        }

    def decision(self, pair: Pair) -> str | None:
        return "same" if pair in self.same else "different" if pair in self.different else None

    def word(self, pairs: Iterable[Pair]) -> dict[str, Any] | None:
        """Who said of one of these pairs that it is one person's or is not, when and why; of several the first."""
        return tell_word(self._said[pair] for pair in pairs if pair in self._said)

    def _names_on(self, kind: str, value: str) -> int:
        return self._names.get((kind, value), 1)

    def _compare(self, pair: Pair) -> Comparison:
        return compare(self.evidence[pair[0]], self.evidence[pair[1]], self._names_on, self.rules)


def _evidence_of(connection: Connection, any_id: UUID, forwards: Iterable[Forward]) -> dict[UUID, KnownEvidence]:
    key = evidence_of_event(connection, any_id)
    keys = {key} if key else {one for found in forwards if found.story["person_id"] == any_id for one in found.evidence}
    found = evidence_rows.read_evidence(connection, keys) or evidence_rows.read_evidence_of_people(connection, [any_id])
    if not found:
        raise RecordError(
            "no_evidence",
            field=None,
            message=f"{any_id} is no event or person whose evidence is stored: it may not have got so far"
            f" (`afluente explain {any_id}` tells)",
        )
    return found


def _less(one: dict[UUID, KnownEvidence], other: Collection[UUID]) -> dict[UUID, KnownEvidence]:
    """The first without what both have, unless that is all of it."""
    return {key: known for key, known in one.items() if key not in other} or one


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
    return evidence.profiles if kind == "profile" else evidence.employers


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
