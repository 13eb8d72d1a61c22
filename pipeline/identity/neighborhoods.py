"""Locks and reads every component that new evidence could join or split (its neighborhood).

People are always those that clustering all resolved evidence at once gives. So evidence is resolved under locks on
everything it shares a key with, and the workers of other new evidence with these keys are told:

- evidence that has a person is locked by its component (all that hangs together by bonds), new evidence by its row;
- new evidence of other workers is not clustered yet. It gets a notice: what its worker read before is out of date;
- where an address or number turns out to be used by more names than was known, or by fewer, all evidence with it is
  looked at again; where a key turns out to be crowded, all evidence with it is clustered again.

Locks are waited for in one order, and only by whoever holds none. A lock found to be needed later is taken if it is
free; if not, all are released and the next attempt takes it at the start: no two workers wait for each other here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.matching.clustering import CROWDED, KeysOf, count_users
from pipeline.identity.matching.rules import IdentityRules
from pipeline.store.identity import blocks, evidence_rows
from pipeline.store.identity.blocks import Mate
from pipeline.store.identity.evidence_rows import StoredEvidence


class Neighborhood(msgspec.Struct):
    """`known`: the new evidence, and all evidence of every component that it could join or split. `alone`: new evidence
    that shares no key with any other. `names`: how many names use a key, of keys that are shared at all. `noticing`:
    new evidence of other workers. `recounted`: the keys whose count in `names` differs from the stored one.
    `looked_at`: evidence whose every key was looked up. `keys`: the keys of each piece that can make pairs here.
    """

    known: dict[UUID, StoredEvidence]
    alone: set[UUID]
    names: dict[int, int]
    noticing: set[UUID]
    recounted: dict[int, int]
    looked_at: set[UUID]
    keys: KeysOf


class NeighborhoodReader:
    """One attempt to lock and read a neighborhood, in a savepoint of its own: undo that where `read` gives None.

    `wanted`: after an attempt, the components that the next one had better `lock` from the start. `is_locking` False
    reads the same and locks nothing: for whoever only looks.
    """

    def __init__(
        self, connection: Connection, cache: EvidenceCache, rules: IdentityRules, *, is_locking: bool = True
    ) -> None:
        self.wanted: set[UUID] = set()
        self._connection, self._cache, self._rules, self._is_locking = connection, cache, rules, is_locking
        self._locked: set[UUID] = set()  # components
        self._held: set[UUID] = set()  # rows of new evidence
        self._known: dict[UUID, StoredEvidence] = {}
        self._blocks: dict[int, list[UUID]] = {}
        self._crowded: set[int] = set()
        self._looked_at: set[UUID] = set()
        self._asked: set[int] = set()
        self._names: dict[int, int] = {}
        self._recounted: dict[int, int] = {}

    def lock(self, components: Collection[UUID]) -> None:
        """Wait for these components and lock them; before anything else is locked."""
        self._lock(components)

    def read(self, fresh: Mapping[UUID, StoredEvidence], again: Mapping[UUID, StoredEvidence]) -> Neighborhood | None:
        """The neighborhood of `fresh` evidence, which has no person yet, and of evidence to be looked at `again`.

        None: something changed while it was being locked.
        """
        # What has people must not change while its blocks are read; new evidence is given notice where something does.
        if not self._lock({stored.component for stored in again.values()}) or not again.keys() <= self._known.keys():
            return None
        to_look_at = {**fresh, **again}
        noticing: set[UUID] = set()
        while to_look_at:
            self._looked_at.update(to_look_at)
            keys = {key for stored in to_look_at.values() for key in self._cache.keys(stored)} - self._asked
            self._asked |= keys
            mates = self._read_blocks(keys)
            waiting = {mate.evidence_id for mate in mates if mate.is_new} - fresh.keys()
            noticing |= waiting
            if not (self._lock({mate.component for mate in mates if not mate.is_new}) and self._hold(fresh, waiting)):
                return None
            if any(mate.evidence_id not in self._known for mate in mates if not mate.is_new):
                return None  # its component grew together with another while it was waited for
            settled = {
                key
                for stored in to_look_at.values()
                if stored.person_id is not None
                for key in self._cache.keys(stored)
            }
            affected = self._recount(keys, settled)
            to_look_at = {evidence_id: self._known[evidence_id] for evidence_id in affected - self._looked_at}
        return self._neighborhood(fresh, noticing)

    def _read_blocks(self, keys: Collection[int]) -> list[Mate]:
        """The evidence with these keys. That of a crowded key only if it was not known to be crowded: then all evidence
        with it must be clustered once without it."""
        mates, crowded = blocks.read_blocks(self._connection, keys, most=self._rules.crowded)
        if crowded:
            noted = blocks.read_shared_keys(self._connection, crowded)
            self._crowded |= crowded
            self._names |= dict.fromkeys(crowded, CROWDED)
            mates += blocks.read_members(self._connection, [key for key in crowded if noted.get(key) != CROWDED])
        for mate in mates:
            self._blocks.setdefault(mate.key, []).append(mate.evidence_id)
        return mates

    def _lock(self, components: Collection[UUID]) -> bool:
        """Lock components and read them. The first ones are waited for, as nothing is held yet."""
        more = set(components) - self._locked
        if not more:
            return True
        self.wanted |= more
        is_patient = not (self._locked or self._held)
        if self._is_locking and not blocks.lock_components(self._connection, more, is_patient=is_patient):
            return False
        self._locked |= more
        self._known |= evidence_rows.read_components(self._connection, more)
        return True

    def _hold(self, fresh: Mapping[UUID, StoredEvidence], waiting: Collection[UUID]) -> bool:
        """Lock the rows of new evidence. False if it is not as it was when it was read."""
        more = {*fresh, *waiting} - self._held
        if not more:
            return True
        self._known.update(fresh)
        if not self._is_locking:
            return True
        notices = blocks.hold_new(self._connection, more, is_patient=not self._held)
        self._held |= more
        return notices.keys() == more and all(
            notices[evidence_id] == stored.notices for evidence_id, stored in fresh.items() if evidence_id in notices
        )

    def _recount(self, keys: Collection[int], settled: Collection[int]) -> set[UUID]:
        """Count the names that use these keys; gives the evidence with those whose count differs from the stored one.

        `settled`: keys of evidence that has a person, so that they may be noted even where nobody else has them now.
        """
        cache, known = self._cache, self._known
        shared = [key for key in keys if key in self._blocks or (key in settled and key not in self._crowded)]
        noted = blocks.read_shared_keys(self._connection, shared)
        affected: set[UUID] = set()
        for key in shared:
            members = [evidence_id for evidence_id in self._blocks.get(key, ()) if evidence_id in known]
            used = 1
            if key in self._crowded:
                used = CROWDED
            elif len(members) > 1 and cache.is_strong(key):
                pieces = (cache.evidence(known[evidence_id]) for evidence_id in members)
                used = count_users(cache.named(key)[0], pieces, self._rules.of_many)
            self._names[key] = used
            if used != noted.get(key, 1):
                self._recounted[key] = used
                # A crowded key of the weak kind only makes pairs no more: clustering its evidence again is enough.
                if cache.is_strong(key):
                    affected.update(members)
        return affected

    def _neighborhood(self, fresh: Mapping[UUID, StoredEvidence], noticing: set[UUID]) -> Neighborhood:
        known, cache = self._known, self._cache
        accompanied: set[UUID] = set()
        for key, block in self._blocks.items():
            members = [evidence_id for evidence_id in block if evidence_id in known]
            if len(members) > 1 and key not in self._crowded:
                accompanied.update(members)
        bystanders, unsure = self._bystanders()
        noted = blocks.read_shared_keys(self._connection, unsure - self._asked)

        def keys_here(evidence_id: UUID) -> Sequence[tuple[str, str]]:
            keys = bystanders.get(evidence_id)
            return cache.named_keys(evidence_id) if keys is None else keys

        return Neighborhood(
            known,
            fresh.keys() - accompanied,
            noted | self._names,
            noticing,
            self._recounted,
            self._looked_at,
            keys_here,
        )

    def _bystanders(self) -> tuple[dict[UUID, list[tuple[str, str]]], set[int]]:
        """Evidence that was not looked at and hangs together with nothing so far, with the keys it shares with what was
        looked at: by no others can it be joined. And the keys whose names must be known besides those looked up."""
        cache = self._cache
        sizes = Counter(stored.component for stored in self._known.values())
        bystanders: dict[UUID, list[tuple[str, str]]] = {}
        seen: set[int] = set()
        unsure: set[int] = set()
        for stored in self._known.values():
            if stored.evidence_id in self._looked_at:
                continue
            if stored.component == stored.evidence_id and sizes[stored.component] == 1:
                bystanders[stored.evidence_id] = []
                mailbox = cache.own_mailbox(stored)
                if mailbox is not None:  # two of one employer are two people, if both are one name's
                    unsure.add(mailbox)
                continue
            keys = cache.keys(stored)
            unsure.update(cache.strong_keys(stored))
            unsure.update(seen.intersection(keys))
            seen.update(keys)
        for key, block in self._blocks.items():
            for evidence_id in block:
                if evidence_id in bystanders:
                    bystanders[evidence_id].append(cache.named(key))
        return bystanders, unsure
