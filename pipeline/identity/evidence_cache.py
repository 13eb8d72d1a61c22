"""Evidence opened and its keys made, each once in a batch: who files evidence makes them, who resolves it needs them.

Only a cache: without it, or with an empty one, everybody comes to the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from pipeline.identity.matching.evidence import EMAIL, STRONG_KINDS, Evidence, keys_of
from pipeline.store.identity.evidence_rows import StoredEvidence
from pipeline.store.keys import index_keys
from pipeline.store.keys.index_keys import IndexKeys

pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Evidence).decode


class _Keys(msgspec.Struct, frozen=True):
    """The keys of a piece of evidence: as (kind, value), as the numbers they are stored as, and the strong of these."""

    named: list[tuple[str, str]]
    numbers: list[int]
    strong: list[int]


class EvidenceCache:
    """What evidence says and the keys it is found by, by the id of the evidence. Grows with each piece asked about.

    Numbers are those of the index key that is current when the first is made: `renew` at the beginning of each
    transaction forgets them where another one is by now.
    """

    def __init__(self) -> None:
        self._index: IndexKeys | None = None
        self._begin()

    def _begin(self) -> None:
        self._evidence: dict[UUID, Evidence] = {}
        self._keys: dict[UUID, _Keys] = {}
        self._strong: set[int] = set()
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._named: dict[int, tuple[str, str]] = {}
        self._coming: dict[int, int] = {}

    def renew(self) -> None:
        """Keep nothing that was made with other keys of the index than those of now."""
        if self._index is not None and self._index is not index_keys.known():
            self._index = None
            self._begin()

    @property
    def index(self) -> IndexKeys:
        """The keys of the index that numbers are made with."""
        if self._index is None:
            self._index = index_keys.known()
        return self._index

    def add(self, evidence_id: UUID, brand: str, evidence: Evidence, named: list[tuple[str, str]]) -> list[int]:
        """Keep this evidence with its keys, (kind, value) as `keys_of` gives them. Gives them as they are stored."""
        self._evidence[evidence_id] = evidence
        numbers = [self.number(brand, kind, value) for kind, value in named]
        strong = [number for number, (kind, _) in zip(numbers, named, strict=True) if kind in STRONG_KINDS]
        self._keys[evidence_id] = _Keys(named, numbers, strong)
        self._strong.update(strong)
        return numbers

    def number(self, brand: str, kind: str, value: str) -> int:
        """The number that a key is stored as."""
        number = self._numbers.get((brand, kind, value))
        if number is None:
            number = self._numbers[brand, kind, value] = self.index.current.number(brand, kind, value)
            self._named[number] = kind, value
            if self.index.coming is not None:
                self._coming[number] = self.index.coming.number(brand, kind, value)
        return number

    def coming(self, numbers: Iterable[int]) -> dict[int, list[int]]:
        """By generation what these numbers, made here, will be under the coming key; nothing where none comes."""
        key = self.index.coming
        return {} if key is None else {key.generation: [self._coming[number] for number in numbers]}

    def with_coming(self, counts: Mapping[int, int]) -> Mapping[int, int]:
        """The same of these numbers, made here, and of what they will be under the coming key."""
        if self.index.coming is None:
            return counts
        return {**counts, **{self._coming[number]: count for number, count in counts.items()}}

    def all_numbers(self, stored: StoredEvidence) -> set[int]:
        """Everything that a stored piece may be filed under, also by the key that comes and the one that leaves."""
        numbers = set(self.keys(stored))
        for key in self.index.stored[1:]:
            numbers |= {key.number(stored.brand, kind, value) for kind, value in self.named_keys(stored.evidence_id)}
        return numbers

    def screened_numbers(self, pieces: Iterable[tuple[str, UUID]]) -> set[int]:
        """What addresses, numbers and profiles of these pieces, (brand, id), that were added may be suppressed under:
        by any key of the index. Raises KeyError of others."""
        pieces = list(pieces)
        numbers = self.strong_numbers(evidence_id for _, evidence_id in pieces)
        for key in self.index.all:
            if key.generation != self.index.current.generation:
                numbers |= {
                    key.number(brand, kind, value)
                    for brand, evidence_id in pieces
                    for kind, value in self._keys[evidence_id].named
                    if kind in STRONG_KINDS
                }
        return numbers

    def evidence(self, stored: StoredEvidence) -> Evidence:
        """What a stored piece says, opened if it was not yet."""
        evidence = self._evidence.get(stored.evidence_id)
        if evidence is None:
            evidence = self._evidence[stored.evidence_id] = unpack(stored.packed)
        return evidence

    def keys(self, stored: StoredEvidence) -> list[int]:
        """The keys of a stored piece, as they are stored."""
        return self._keys_of(stored).numbers

    def strong_keys(self, stored: StoredEvidence) -> list[int]:
        """Those of its keys that need no name to be worth a look: addresses, numbers, profiles."""
        return self._keys_of(stored).strong

    def strong_numbers(self, evidence_ids: Iterable[UUID]) -> set[int]:
        """The same, of pieces that were added. Raises KeyError of others."""
        return {number for evidence_id in evidence_ids for number in self._keys[evidence_id].strong}

    def own_mailbox(self, stored: StoredEvidence) -> int | None:
        """The key of a personal mailbox at an employer's domain; None: it has none."""
        evidence = self.evidence(stored)
        if not evidence.is_work or evidence.is_shared or not evidence.email:
            return None
        return self.number(stored.brand, EMAIL, evidence.email)

    def added_evidence(self, evidence_id: UUID) -> Evidence:
        """What a piece says that was added. Raises KeyError of others."""
        return self._evidence[evidence_id]

    def named_keys(self, evidence_id: UUID) -> list[tuple[str, str]]:
        """The keys, as (kind, value), of a piece that was added or whose keys were asked for. Raises KeyError."""
        return self._keys[evidence_id].named

    def named(self, number: int) -> tuple[str, str]:
        """The (kind, value) that is stored as this number, of a key met before. Raises KeyError."""
        return self._named[number]

    def is_strong(self, number: int) -> bool:
        """Whether this is an address, number or profile of a piece whose keys were met before."""
        return number in self._strong

    def _keys_of(self, stored: StoredEvidence) -> _Keys:
        if stored.evidence_id not in self._keys:
            evidence = self.evidence(stored)
            self.add(stored.evidence_id, stored.brand, evidence, keys_of(evidence))
        return self._keys[stored.evidence_id]
