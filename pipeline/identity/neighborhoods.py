"""What new evidence can pull on, locked and read: all that its people depend on, and nothing else.

People are always those of clustering all resolved evidence at once. So evidence is resolved under locks that keep still
whatever it shares a key with, and whoever shares a key learns of it:

- evidence that has people is held by its component (what hangs together has one), new evidence by its row;
- new evidence of other workers has no say yet. It is given notice: what its worker read before is out of date;
- where an address or number turns out to be used by more names than was known, or by fewer, all who use it are looked
  at anew; where a key turns out to be crowded, all who use it are clustered anew.

Locks are waited for in order and once. What shows to be needed later is taken if it is free; if not, all is let go and
begun again with more to lock from the start: no two workers wait for each other here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.identity.matching.clustering import CROWDED, KeysOf, count_names
from pipeline.identity.matching.evidence import EMAIL, STRONG_KINDS, Evidence, keys_of
from pipeline.identity.matching.rules import IdentityRules
from pipeline.store.identity import blocks, evidence_rows
from pipeline.store.identity.blocks import Mate
from pipeline.store.identity.evidence_rows import KnownEvidence
from pipeline.store.keyring import key_number

pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Evidence).decode


class _Keys(msgspec.Struct, frozen=True):
    """The keys of a piece of evidence: as kinds and values, as they are stored, and those that are `strong`."""

    named: list[tuple[str, str]]
    all: list[int]
    strong: list[int]


class Memory:
    """Evidence opened and its keys made, each once: who files evidence makes them, who resolves it needs them again."""

    def __init__(self) -> None:
        self._evidence: dict[UUID, Evidence] = {}
        self._keys: dict[UUID, _Keys] = {}
        self._strong: set[int] = set()
        self._numbers: dict[tuple[str, str, str], int] = {}
        self.moving: dict[UUID, UUID] = {}  # events filed under other evidence before, and what they say now
        self._named: dict[int, tuple[str, str]] = {}

    def remember(self, evidence_id: UUID, brand: str, evidence: Evidence, named: list[tuple[str, str]]) -> list[int]:
        """Gives the keys as they are stored."""
        self._evidence[evidence_id] = evidence
        numbers = [self.number(brand, kind, value) for kind, value in named]
        strong = [number for number, (kind, _) in zip(numbers, named, strict=True) if kind in STRONG_KINDS]
        self._keys[evidence_id] = _Keys(named, numbers, strong)
        self._strong.update(strong)
        return numbers

    def named_keys(self, evidence_id: UUID) -> list[tuple[str, str]]:
        """Of evidence that was remembered or whose keys were asked for."""
        return self._keys[evidence_id].named

    def named(self, number: int) -> tuple[str, str]:
        """The key that was stored as this number, of evidence that was remembered or whose keys were asked for."""
        return self._named[number]

    def number(self, brand: str, kind: str, value: str) -> int:
        found = self._numbers.get((brand, kind, value))
        if found is None:
            found = self._numbers[brand, kind, value] = key_number(brand, kind, value)
            self._named[found] = kind, value
        return found

    def evidence(self, one: KnownEvidence) -> Evidence:
        found = self._evidence.get(one.evidence_id)
        if found is None:
            found = self._evidence[one.evidence_id] = unpack(one.packed)
        return found

    def known_evidence(self, evidence_id: UUID) -> Evidence:
        """Evidence that was remembered."""
        return self._evidence[evidence_id]

    def keys(self, one: KnownEvidence) -> list[int]:
        return self._of(one).all

    def strong_keys(self, one: KnownEvidence) -> list[int]:
        return self._of(one).strong

    def own_mailbox(self, one: KnownEvidence) -> int | None:
        """The key of a personal mailbox at an employer's domain."""
        evidence = self.evidence(one)
        if not evidence.is_work or evidence.is_shared or not evidence.email:
            return None
        return self.number(one.brand, EMAIL, evidence.email)

    def is_strong(self, key: int) -> bool:
        """Of keys of evidence that was remembered or opened."""
        return key in self._strong

    def _of(self, one: KnownEvidence) -> _Keys:
        if one.evidence_id not in self._keys:
            evidence = self.evidence(one)
            self.remember(one.evidence_id, one.brand, evidence, keys_of(evidence))
        return self._keys[one.evidence_id]


class Neighborhood(msgspec.Struct):
    """`known`: the new evidence, and all of every component it may pull on. `alone`: new evidence that shares no key
    with any other. `names`: how many names use a key, of those that are shared at all. `noticing`: new evidence of
    other workers. `recounted`: the keys of which `names` is news. `looked_at`: evidence whose every key was looked up.
    `keys`: the keys of each that can make pairs here.
    """

    known: dict[UUID, KnownEvidence]
    alone: set[UUID]
    names: dict[int, int]
    noticing: set[UUID]
    recounted: dict[int, int]
    looked_at: set[UUID]
    keys: KeysOf


class Gathering:
    """One attempt to lock and read a neighborhood, in a savepoint of its own: undo that where `gather` gives None.

    `wanted`: after an attempt, the components that the next one had better `hold` from the start.
    """

    def __init__(self, connection: Connection, memory: Memory, rules: IdentityRules) -> None:
        self.wanted: set[UUID] = set()
        self._connection, self._memory, self._rules = connection, memory, rules
        self._locked: set[UUID] = set()
        self._held: set[UUID] = set()  # rows of new evidence
        self._known: dict[UUID, KnownEvidence] = {}
        self._blocks: dict[int, list[UUID]] = {}
        self._crowded: set[int] = set()
        self._looked_at: set[UUID] = set()
        self._asked: set[int] = set()
        self._names: dict[int, int] = {}
        self._recounted: dict[int, int] = {}

    def hold(self, components: Collection[UUID]) -> None:
        """Wait for these and lock them; before anything else is locked."""
        self._lock(components)

    def gather(self, fresh: Mapping[UUID, KnownEvidence], again: Mapping[UUID, KnownEvidence]) -> Neighborhood | None:
        """All that `fresh` evidence, which has no person yet, and evidence to be looked at `again` can pull on.

        None: something moved while it was being locked.
        """
        # What has people must not move while its blocks are read; new evidence is given notice where something does.
        if not self._lock({one.component for one in again.values()}) or not again.keys() <= self._known.keys():
            return None
        todo = {**fresh, **again}
        noticing: set[UUID] = set()
        while todo:
            self._looked_at.update(todo)
            keys = {key for one in todo.values() for key in self._memory.keys(one)} - self._asked
            self._asked |= keys
            mates = self._read_blocks(keys)
            waiting = {mate.evidence_id for mate in mates if mate.is_new} - fresh.keys()
            noticing |= waiting
            if not (self._lock({mate.component for mate in mates if not mate.is_new}) and self._hold(fresh, waiting)):
                return None
            if any(mate.evidence_id not in self._known for mate in mates if not mate.is_new):
                return None  # its component grew together with another while it was waited for
            settled = {key for one in todo.values() if one.person_id is not None for key in self._memory.keys(one)}
            affected = self._recount(keys, settled)
            todo = {one: self._known[one] for one in affected - self._looked_at}
        return self._neighborhood(fresh, noticing)

    def _read_blocks(self, keys: Collection[int]) -> list[Mate]:
        """Who shares these keys. Of crowded keys only if that is news: all who share one must hear of it once."""
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
        if not blocks.lock_components(self._connection, more, is_patient=not (self._locked or self._held)):
            return False
        self._locked |= more
        self._known |= evidence_rows.read_components(self._connection, more)
        return True

    def _hold(self, fresh: Mapping[UUID, KnownEvidence], waiting: Collection[UUID]) -> bool:
        """Hold the rows of new evidence. False if it is not as it was when it was read."""
        more = {*fresh, *waiting} - self._held
        if not more:
            return True
        notices = blocks.hold_new(self._connection, more, is_patient=not self._held)
        self._held |= more
        self._known.update(fresh)
        return notices.keys() == more and all(
            notices[key] == one.notices for key, one in fresh.items() if key in notices
        )

    def _recount(self, keys: Collection[int], settled: Collection[int]) -> set[UUID]:
        """Count the names that use these keys; gives who uses those of which the count is news.

        `settled`: keys of evidence that has a person, so that they may be noted even where nobody else has them now.
        """
        memory, known = self._memory, self._known
        shared = [key for key in keys if key in self._blocks or (key in settled and key not in self._crowded)]
        noted = blocks.read_shared_keys(self._connection, shared)
        affected: set[UUID] = set()
        for key in shared:
            members = [one for one in self._blocks.get(key, ()) if one in known]
            used = 1
            if key in self._crowded:
                used = CROWDED
            elif len(members) > 1 and memory.is_strong(key):
                names = (memory.evidence(known[one]).name for one in members)
                used = max(1, count_names(names, self._rules.of_many))
            self._names[key] = used
            if used != noted.get(key, 1):
                self._recounted[key] = used
                # A crowded key of the weak kind only makes pairs no more: clustering who shares it anew is enough.
                if memory.is_strong(key):
                    affected.update(members)
        return affected

    def _neighborhood(self, fresh: Mapping[UUID, KnownEvidence], noticing: set[UUID]) -> Neighborhood:
        known, memory = self._known, self._memory
        accompanied: set[UUID] = set()
        for key, block in self._blocks.items():
            members = [one for one in block if one in known]
            if len(members) > 1 and key not in self._crowded:
                accompanied.update(members)
        alone = fresh.keys() - accompanied
        hanging_together = Counter(one.component for one in known.values())
        bystanders: dict[UUID, list[tuple[str, str]]] = {}
        seen: set[int] = set()
        unsure: set[int] = set()  # keys of those who were not looked at
        for one in known.values():
            if one.evidence_id in self._looked_at:
                continue
            if one.component == one.evidence_id and hanging_together[one.component] == 1:
                # Hangs together with nothing so far: only what was looked at can pull on it, by the keys they share.
                bystanders[one.evidence_id] = []
                mailbox = memory.own_mailbox(one)
                if mailbox is not None:  # two of one employer are two people, if both are one name's
                    unsure.add(mailbox)
                continue
            keys = memory.keys(one)
            unsure.update(memory.strong_keys(one))
            unsure.update(seen.intersection(keys))
            seen.update(keys)
        for key, block in self._blocks.items():
            for member in block:
                if member in bystanders:
                    bystanders[member].append(memory.named(key))
        noted = blocks.read_shared_keys(self._connection, unsure - self._asked)

        def keys_here(evidence_id: UUID) -> Sequence[tuple[str, str]]:
            found = bystanders.get(evidence_id)
            return memory.named_keys(evidence_id) if found is None else found

        return Neighborhood(known, alone, noted | self._names, noticing, self._recounted, self._looked_at, keys_here)
