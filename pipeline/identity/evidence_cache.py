"""Evidence opened and its keys made, each once in a batch: who files evidence makes them, who resolves it needs them.

Only a cache: without it, or with an empty one, everybody comes to the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import msgspec

from pipeline.identity.matching.evidence import EMAIL, STRONG_KINDS, Evidence, keys_of
from pipeline.store.identity.evidence_rows import StoredEvidence
from pipeline.store.keyring import key_number

pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Evidence).decode


class _Keys(msgspec.Struct, frozen=True):
    """The keys of a piece of evidence: as (kind, value), as the numbers they are stored as, and the strong of these."""

    named: list[tuple[str, str]]
    numbers: list[int]
    strong: list[int]


class EvidenceCache:
    """What evidence says and the keys it is found by, by the id of the evidence. Grows with each piece asked about."""

    def __init__(self) -> None:
        self._evidence: dict[UUID, Evidence] = {}
        self._keys: dict[UUID, _Keys] = {}
        self._strong: set[int] = set()
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._named: dict[int, tuple[str, str]] = {}

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
            number = self._numbers[brand, kind, value] = key_number(brand, kind, value)
            self._named[number] = kind, value
        return number

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
