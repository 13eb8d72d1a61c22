"""One name that says ever other things of one address: beyond `most_alike` leads, only the address of them counts.

Somebody who tests a form, or a sender that makes up a number for each lead, would otherwise crowd the address until it
joins nobody any more, and fall apart into as many people. So a lead is filed under less than it says: it stays that
person's, but its further addresses and numbers bring nobody else to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.identity.evidence_cache import EvidenceCache, unpack
from pipeline.identity.matching.evidence import EMAIL, PHONE, STRONG_KINDS, Evidence, own_key
from pipeline.identity.matching.name_agreement import Name
from pipeline.identity.matching.rules import IdentityRules
from pipeline.store.identity import busy_keys
from pipeline.store.identity.evidence_rows import NewEvidence

_ALONE = 4  # in one batch: others may file as many at the same time, and still nobody is crowded out
_NamedKey = tuple[str, str]  # (kind, value)


class _Use(NamedTuple):
    """New evidence of somebody of this name that has this strong key."""

    kind: str
    value: str
    name: Name
    evidence_id: UUID


class SuppressedError(Exception):
    """Under some numbers of the new evidence addresses are suppressed: who has these is to be looked at."""

    def __init__(self, keys: Collection[int]) -> None:
        super().__init__(f"{len(keys)} keys")
        self.keys = frozenset(keys)


def limit_evidence(
    connection: Connection,
    new: Collection[NewEvidence],
    cache: EvidenceCache,
    rules: IdentityRules,
    *,
    is_screened: bool = False,
) -> dict[UUID, Evidence]:
    """By the id of `new` evidence of which there is too much: what it is to be filed as instead.

    Call it in the transaction that files it, before it does. One or two statements, three where there is any. Raises
    SuppressedError where an address of theirs may be a suppressed one, unless somebody has looked (`is_screened`).
    """
    uses = _uses_by_key(new, cache)
    busy_keys.hold_keys(connection, [key for key, group in uses.items() if len(group) >= _ALONE])
    least = max(1, rules.most_alike + 1 - max(map(len, uses.values()), default=0))
    screened = () if is_screened else cache.screened_numbers((row.brand, row.evidence_id) for row in new)
    stored, suppressed = busy_keys.read_busy_keys(
        connection, uses, least=least, most=rules.crowded + 1, screened=screened
    )
    if suppressed:
        raise SuppressedError(suppressed)
    # What is crowded already joins nobody, whatever is left out.
    busy = [
        key
        for key, group in uses.items()
        if (known := stored.get(key, 0)) <= rules.crowded and known + len(group) > rules.most_alike
    ]
    if not busy:
        return {}
    kept: dict[UUID, list[_NamedKey]] = {}
    samples = busy_keys.read_evidence_sample(connection, busy, most=rules.crowded)
    for key in busy:
        known_there = {evidence_id: unpack(packed) for evidence_id, packed in samples[key].items()}
        for evidence_id, named_key in _too_much(uses[key], known_there, rules):
            kept.setdefault(evidence_id, []).append(named_key)
    # Of several keys the address is kept, then the number.
    return {evidence_id: _only(cache.added_evidence(evidence_id), *min(keys)) for evidence_id, keys in kept.items()}


def _uses_by_key(new: Iterable[NewEvidence], cache: EvidenceCache) -> dict[int, list[_Use]]:
    """None is there twice: a piece of evidence names a key once."""
    uses: dict[int, list[_Use]] = {}
    for row in {row.evidence_id: row for row in new}.values():
        evidence = cache.added_evidence(row.evidence_id)
        for kind, value in cache.named_keys(row.evidence_id):
            if kind in STRONG_KINDS:
                key = cache.number(row.brand, *own_key(evidence, kind, value))
                uses.setdefault(key, []).append(_Use(kind, value, evidence.name, row.evidence_id))
    return uses


def _too_much(
    uses: Collection[_Use], known_there: Mapping[UUID, Evidence], rules: IdentityRules
) -> Iterable[tuple[UUID, _NamedKey]]:
    """The new evidence beyond `most_alike` of one name and one key, with that key."""
    groups: dict[tuple[str, str, Name], list[UUID]] = {}
    for use in sorted(uses):
        groups.setdefault(use[:3], []).append(use.evidence_id)
    for (kind, value, name), members in groups.items():
        stored = sum(evidence.name == name and value in _values(evidence, kind) for evidence in known_there.values())
        new = [evidence_id for evidence_id in members if evidence_id not in known_there]
        for evidence_id in new[max(0, rules.most_alike - stored) :]:
            yield evidence_id, (kind, value)


def _values(evidence: Evidence, kind: str) -> tuple[str, ...]:
    if kind == EMAIL:
        return (*evidence.others, evidence.email) if evidence.email else evidence.others
    return evidence.phones if kind == PHONE else evidence.profiles


def _only(evidence: Evidence, kind: str, value: str) -> Evidence:
    """The name, and this one address, number or profile."""
    if kind == EMAIL and value == evidence.email:
        return Evidence(evidence.name, value, is_shared=evidence.is_shared, is_work=evidence.is_work)
    if kind == EMAIL:
        return Evidence(evidence.name, value)
    if kind == PHONE:
        return Evidence(evidence.name, phones=(value,))
    return Evidence(evidence.name, profiles=(value,))
