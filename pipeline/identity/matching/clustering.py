"""From weighed pairs to people. What comes out depends on the evidence alone, not on the order it arrived in.

Pairs are joined strongest first. A join is refused where the people it would make one contradict each other: names that
exclude each other, two mailboxes of one employer, or a human's decision.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple
from uuid import UUID

import msgspec

from pipeline.identity.matching.evidence import PROFILE, STRONG_KINDS, Evidence, keys_of
from pipeline.identity.matching.name_agreement import (
    AGREEING,
    DIFFERENT,
    INITIAL,
    PART,
    SAME_FAMILY,
    SAME_GIVEN,
    UNKNOWN,
    Name,
    agreement,
    maximal_names,
)
from pipeline.identity.matching.rules import IdentityRules, identity_rules
from pipeline.identity.matching.scoring import Comparison, NamesOn, are_two_mailboxes, compare

Key = UUID  # of a piece of evidence: made of its content, so it does not depend on when it came
Pair = tuple[Key, Key]  # the smaller first
_EXCLUDING = (DIFFERENT, SAME_GIVEN, SAME_FAMILY)
KeysOf = Callable[[Key], Sequence[tuple[str, str]]]
CROWDED = 32_767  # of `names_on`: more pieces share the key than are ever compared (`crowded` in the rules)
_PARTLY_AGREEING = AGREEING | {PART}
_MAILBOXES_OF_ONE = 8  # that one person's record may have had: a new employer every few years
_SURER_THAN_NAMES = 3  # bits above `same` that outweigh a half agreement between other leads of the two people


class Veto(NamedTuple):
    """Why two people were not joined: `kind` is human, names or mailboxes; `one` and `other` contradict each other."""

    kind: str
    one: Key
    other: Key


class Clusters(NamedTuple):
    """`people`: the evidence of each person. `bonds`: the pairs that reach the threshold, joined or refused.
    `reviews`: pairs for a human. `joins`: the pairs that made people, a tree within each; `refused`: what stood against
    the pairs that were refused when it was their turn.
    """

    people: list[frozenset[Key]]
    bonds: dict[Pair, Comparison]
    reviews: dict[Pair, Comparison]
    joins: list[Pair]
    refused: dict[Pair, Veto]


def count_names(names: Iterable[Name], limit: int) -> int:
    """How many of these names cannot be one person's, up to `limit`: what tells a switchboard from a mobile."""
    kept: list[Name] = []
    for name in sorted({name for name in names if name}, key=lambda words: (-len(words), words)):
        if all(agreement(name, other) in _EXCLUDING for other in kept):
            kept.append(name)
            if len(kept) >= limit:
                break
    return len(kept)


def count_users(kind: str, pieces: Iterable[Evidence], limit: int) -> int:
    """How many who cannot be one person use a key of this kind, from 1 up to `limit`: by the names of its `pieces`.

    Profiles by mailboxes too: an id that ever other addresses come with is that of a form, a page or a list.
    """
    pieces = list(pieces)
    if kind == PROFILE and len({piece.email for piece in pieces if piece.email}) > _MAILBOXES_OF_ONE:
        return limit
    return max(1, count_names((piece.name for piece in pieces), limit))


def cluster(
    evidence: Mapping[Key, Evidence],
    names_on: NamesOn,
    *,
    must: Collection[Pair] = (),
    cannot: Collection[Pair] = (),
    rules: IdentityRules | None = None,
    keys: KeysOf | None = None,
    settled: Mapping[Key, Key] | None = None,
) -> Clusters:
    """The people among these pieces of evidence.

    `names_on` must know every e-mail and phone key of them, and which keys are `CROWDED` by evidence not given here.
    `must` and `cannot` are human decisions; they win over any weight, and `cannot` over `must` is refused where it is
    made. `keys` gives what `keys_of` gives, for who has it at hand. `settled` are the components of evidence that was
    clustered before and about which nothing is new: two pieces of different components are known to have no bond.
    """
    rules = rules or identity_rules()
    compared = weigh_pairs(evidence, names_on, rules, keys, settled or {})
    people = _People(evidence, names_on, rules, cannot)
    refused: dict[Pair, Veto] = {}
    for pair in sorted(must):
        if pair[0] in evidence and pair[1] in evidence:
            people.join(pair)
    # Ties are broken by what the evidence says: its keys are other ones in another installation.
    rank = {key: place for place, key in enumerate(sorted(evidence, key=lambda key: _content(evidence[key])))}
    ranked = sorted(compared.items(), key=lambda item: (-item[1].score, *sorted((rank[item[0][0]], rank[item[0][1]]))))
    bonds = {pair: comparison for pair, comparison in ranked if comparison.score >= rules.same}
    for pair, comparison in bonds.items():
        if people.are_one(pair):
            continue
        veto = people.veto(pair, comparison)
        if veto is None:
            people.join(pair)
        else:
            refused[pair] = veto
    reviews = {
        pair: comparison
        for pair, comparison in ranked
        if comparison.score >= rules.review and not people.are_one(pair) and not people.are_kept_apart(pair)
    }
    return Clusters(people.all(), bonds, reviews, people.joins, refused)


def weigh_pairs(
    evidence: Mapping[Key, Evidence],
    names_on: NamesOn,
    rules: IdentityRules,
    keys: KeysOf | None,
    settled: Mapping[Key, Key],
) -> dict[Pair, Comparison]:
    """Every pair that shares a key, weighed. A crowded key makes no pairs: who shares it must share another one too.

    Crowded is what `names_on` says or what is seen here: a part of the evidence gives the pairs that all of it gives.
    """
    blocks: dict[tuple[str, str], list[Key]] = {}
    for evidence_id, piece in evidence.items():
        for key in keys_of(piece) if keys is None else keys(evidence_id):
            blocks.setdefault(key, []).append(evidence_id)
    compared: dict[Pair, Comparison] = {}
    for (kind, value), members in blocks.items():
        if len(members) == 1 or len(members) > rules.crowded:
            continue
        used = names_on(kind, value)
        if used == CROWDED:
            continue
        # Who shares nothing but what is weak, or what many use, needs names that agree to be worth a question.
        is_telling = kind in STRONG_KINDS and used < rules.of_many
        enough = _PARTLY_AGREEING if kind in STRONG_KINDS else AGREEING
        for pair in _pairs(members, settled):
            if pair not in compared and (
                is_telling or agreement(evidence[pair[0]].name, evidence[pair[1]].name) in enough
            ):
                compared[pair] = compare(evidence[pair[0]], evidence[pair[1]], names_on, rules)
    return compared


def _pairs(members: list[Key], settled: Mapping[Key, Key]) -> Iterator[Pair]:
    """The pairs of a block that may have a bond, the smaller key first: linear in a block of settled strangers."""
    anew = sorted(key for key in members if key not in settled)
    together: dict[Key, list[Key]] = {}
    for key in sorted(key for key in members if key in settled):
        together.setdefault(settled[key], []).append(key)
    yield from combinations(anew, 2)
    for known in together.values():
        yield from combinations(known, 2)
        for key in anew:
            yield from ((key, other) if key < other else (other, key) for other in known)


class _People:
    """Disjoint sets of evidence, with what each says as a whole."""

    def __init__(
        self, evidence: Mapping[Key, Evidence], names_on: NamesOn, rules: IdentityRules, cannot: Collection[Pair]
    ) -> None:
        self._evidence, self._names_on, self._rules = evidence, names_on, rules
        self._parent = {key: key for key in evidence}
        self._members: dict[Key, list[Key]] = {key: [key] for key in evidence}
        self._names = {key: [piece.name] if piece.name else [] for key, piece in evidence.items()}
        self._work = {key: [key] if piece.is_work else [] for key, piece in evidence.items()}  # mailboxes at employers
        self.joins: list[Pair] = []
        self._apart: dict[Key, set[Key]] = {}
        for one, other in cannot:
            self._apart.setdefault(one, set()).add(other)
            self._apart.setdefault(other, set()).add(one)

    def are_one(self, pair: Pair) -> bool:
        return self._root(pair[0]) == self._root(pair[1])

    def are_kept_apart(self, pair: Pair) -> bool:
        """Whether a human said so, of any two members."""
        return self._cannot_link(pair) is not None

    def veto(self, pair: Pair, comparison: Comparison) -> Veto | None:
        """What stands against making the people of this pair one; None: they may be."""
        cannot_link = self._cannot_link(pair)
        if cannot_link is not None:
            return cannot_link
        rules = self._rules
        if comparison.score >= rules.certain:
            return None
        one, other = self._root(pair[0]), self._root(pair[1])
        for mine in self._names[one]:
            for theirs in self._names[other]:
                agreed = agreement(mine, theirs)
                is_half = agreed in (SAME_GIVEN, SAME_FAMILY) and agreed != comparison.names
                is_half = is_half or (agreed == INITIAL and comparison.names == UNKNOWN)
                if agreed == DIFFERENT or (is_half and comparison.score < rules.same + _SURER_THAN_NAMES):
                    return Veto("names", self._bearer(one, mine), self._bearer(other, theirs))
        for mine_key in self._work[one]:
            for their_key in self._work[other]:
                if are_two_mailboxes(self._evidence[mine_key], self._evidence[their_key], self._names_on, rules):
                    return Veto("mailboxes", mine_key, their_key)
        return None

    def _cannot_link(self, pair: Pair) -> Veto | None:
        """The cannot-link between the people of this pair, if there is one."""
        if not self._apart:
            return None
        other = set(self._members[self._root(pair[1])])
        for key in self._members[self._root(pair[0])]:
            kept_apart = self._apart.get(key, set()) & other
            if kept_apart:
                return Veto("human", key, min(kept_apart))
        return None

    def _bearer(self, root: Key, name: Name) -> Key:
        return min(key for key in self._members[root] if self._evidence[key].name == name)

    def join(self, pair: Pair) -> None:
        one, other = self._root(pair[0]), self._root(pair[1])
        if one == other:
            return
        if len(self._members[one]) < len(self._members[other]):
            one, other = other, one
        self.joins.append(pair)
        self._parent[other] = one
        self._members[one] += self._members.pop(other)
        self._work[one] += self._work.pop(other)
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
