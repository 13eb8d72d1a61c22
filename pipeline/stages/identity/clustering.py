"""From weighed pairs to people. What comes out depends on the evidence alone, not on the order it arrived in.

Pairs are joined strongest first. A join is refused where the people it would make one contradict each other: names that
exclude each other, two mailboxes of one employer, or a human's word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from typing import NamedTuple
from uuid import UUID

import msgspec

from pipeline.stages.identity.evidence import Evidence, keys_of
from pipeline.stages.identity.name_agreement import (
    DIFFERENT,
    SAME_FAMILY,
    SAME_GIVEN,
    Name,
    agreement,
    maximal_names,
)
from pipeline.stages.identity.rules import IdentityRules, identity_rules
from pipeline.stages.identity.scoring import Comparison, NamesOn, are_two_mailboxes, compare

Key = UUID  # of a piece of evidence: made of its content, so it does not depend on when it came
Pair = tuple[Key, Key]  # the smaller first
_EXCLUDING = (DIFFERENT, SAME_GIVEN, SAME_FAMILY)
_SURER_THAN_NAMES = 3  # bits above `same` that outweigh a half agreement between other leads of the two people


class Clusters(NamedTuple):
    """`people`: the evidence of each person. `bonds`: the pairs that reach the threshold, joined or refused.
    `reviews`: pairs for a human.
    """

    people: list[frozenset[Key]]
    bonds: dict[Pair, Comparison]
    reviews: dict[Pair, Comparison]


def count_names(names: Iterable[Name], limit: int) -> int:
    """How many of these names cannot be one person's, up to `limit`: what tells a switchboard from a mobile."""
    kept: list[Name] = []
    for name in sorted({name for name in names if name}, key=lambda words: (-len(words), words)):
        if all(agreement(name, other) in _EXCLUDING for other in kept):
            kept.append(name)
            if len(kept) >= limit:
                break
    return len(kept)


def cluster(
    evidence: Mapping[Key, Evidence],
    names_on: NamesOn,
    *,
    must: Collection[Pair] = (),
    cannot: Collection[Pair] = (),
    rules: IdentityRules | None = None,
) -> Clusters:
    """The people among these pieces of evidence.

    `names_on` must know every e-mail and phone key of them. `must` and `cannot` are human decisions; they win over any
    weight, and `cannot` over `must` is refused where it is made.
    """
    rules = rules or identity_rules()
    compared = weigh_pairs(evidence, names_on, rules)
    people = _People(evidence, names_on, rules, cannot)
    for pair in sorted(must):
        if pair[0] in evidence and pair[1] in evidence:
            people.join(pair)
    # Ties are broken by what the evidence says: its keys are other ones in another installation.
    rank = {key: place for place, key in enumerate(sorted(evidence, key=lambda key: _content(evidence[key])))}
    ranked = sorted(compared.items(), key=lambda item: (-item[1].score, *sorted((rank[item[0][0]], rank[item[0][1]]))))
    bonds = {pair: comparison for pair, comparison in ranked if comparison.score >= rules.same}
    for pair, comparison in bonds.items():
        if not people.are_one(pair) and people.may_join(pair, comparison):
            people.join(pair)
    reviews = {
        pair: comparison
        for pair, comparison in ranked
        if comparison.score >= rules.review and not people.are_one(pair) and not people.are_kept_apart(pair)
    }
    return Clusters(people.all(), bonds, reviews)


def weigh_pairs(evidence: Mapping[Key, Evidence], names_on: NamesOn, rules: IdentityRules) -> dict[Pair, Comparison]:
    """Every pair that shares a key, weighed. A crowded key counts for its strong meaning only in `names_on`."""
    blocks: dict[tuple[str, str], list[Key]] = {}
    for key, one in evidence.items():
        for name in keys_of(one):
            blocks.setdefault(name, []).append(key)
    compared: dict[Pair, Comparison] = {}
    for members in blocks.values():
        for pair in combinations(sorted(members)[: rules.crowded], 2):
            if pair not in compared:
                compared[pair] = compare(evidence[pair[0]], evidence[pair[1]], names_on, rules)
    return compared


class _People:
    """Disjoint sets of evidence, with what each says as a whole."""

    def __init__(
        self, evidence: Mapping[Key, Evidence], names_on: NamesOn, rules: IdentityRules, cannot: Collection[Pair]
    ) -> None:
        self._evidence, self._names_on, self._rules = evidence, names_on, rules
        self._parent = {key: key for key in evidence}
        self._members: dict[Key, list[Key]] = {key: [key] for key in evidence}
        self._names = {key: [one.name] if one.name else [] for key, one in evidence.items()}
        self._apart: dict[Key, set[Key]] = {}
        for one, other in cannot:
            self._apart.setdefault(one, set()).add(other)
            self._apart.setdefault(other, set()).add(one)

    def are_one(self, pair: Pair) -> bool:
        return self._root(pair[0]) == self._root(pair[1])

    def are_kept_apart(self, pair: Pair) -> bool:
        """Whether a human said so, of any two members."""
        if not self._apart:
            return False
        other = set(self._members[self._root(pair[1])])
        return any(self._apart.get(key, frozenset()) & other for key in self._members[self._root(pair[0])])

    def may_join(self, pair: Pair, comparison: Comparison) -> bool:
        if self.are_kept_apart(pair):
            return False
        rules = self._rules
        if comparison.score >= rules.certain:
            return True
        one, other = self._root(pair[0]), self._root(pair[1])
        for mine in self._names[one]:
            for theirs in self._names[other]:
                found = agreement(mine, theirs)
                if found == DIFFERENT:
                    return False
                is_half = found in (SAME_GIVEN, SAME_FAMILY) and found != comparison.names
                if is_half and comparison.score < rules.same + _SURER_THAN_NAMES:
                    return False
        return not any(
            are_two_mailboxes(self._evidence[mine], self._evidence[theirs], self._names_on, rules)
            for mine in self._members[one]
            for theirs in self._members[other]
        )

    def join(self, pair: Pair) -> None:
        one, other = self._root(pair[0]), self._root(pair[1])
        if one == other:
            return
        if len(self._members[one]) < len(self._members[other]):
            one, other = other, one
        self._parent[other] = one
        self._members[one] += self._members.pop(other)
        self._names[one] = maximal_names([*self._names[one], *self._names.pop(other)])

    def all(self) -> list[frozenset[Key]]:
        return [frozenset(members) for _, members in sorted(self._members.items())]

    def _root(self, key: Key) -> Key:
        parent = self._parent
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key


def _content(evidence: Evidence) -> tuple[object, ...]:
    return (evidence.name, evidence.email or "", *msgspec.structs.astuple(evidence)[2:])


def components(keys: Iterable[Key], bonds: Iterable[Pair]) -> dict[Key, Key]:
    """The smallest key of all that each key hangs together with, by whatever bonds, refused ones too."""
    parent = {key: key for key in keys}

    def root(key: Key) -> Key:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for one, other in bonds:
        if one in parent and other in parent:
            low, high = sorted((root(one), root(other)))
            parent[high] = low
    return {key: root(key) for key in parent}
