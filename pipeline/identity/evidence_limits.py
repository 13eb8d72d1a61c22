"""One name that says ever other things of one address: beyond `alike` leads, what counts of them is the address.

Somebody who tests a form, or a sender that makes up a number for each lead, would otherwise crowd the address until it
joins nobody any more, and fall apart into as many people. So a lead is filed under less than it says: it stays that
person's, but its further addresses and numbers bring nobody else to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from pipeline.identity.matching.evidence import EMAIL, PHONE, STRONG_KINDS, Evidence, own_key
from pipeline.identity.matching.name_agreement import Name
from pipeline.identity.matching.rules import IdentityRules
from pipeline.identity.neighborhoods import Memory, unpack
from pipeline.store.identity import busy_keys
from pipeline.store.identity.evidence_rows import NewEvidence

_ALONE = 4  # in one batch: others may file as many at the same time, and still nobody is crowded out


class _Said(NamedTuple):
    kind: str
    value: str
    name: Name
    piece: UUID


def thinned(
    connection: Connection, new: Iterable[NewEvidence], memory: Memory, rules: IdentityRules
) -> dict[UUID, Evidence]:
    """What pieces of `new` evidence are to be filed as instead, where they are too many.

    Call it in the transaction that files them, before it does. One or two statements, three where there are any.
    """
    groups: dict[int, set[_Said]] = {}
    for one in {one.evidence_id: one for one in new}.values():
        evidence = memory.known_evidence(one.evidence_id)
        for kind, value in memory.named_keys(one.evidence_id):
            if kind in STRONG_KINDS:
                key = memory.number(one.brand, *own_key(evidence, kind, value))
                groups.setdefault(key, set()).add(_Said(kind, value, evidence.name, one.evidence_id))
    busy_keys.hold_keys(connection, [key for key, said in groups.items() if len(said) >= _ALONE])
    least = max(1, rules.alike + 1 - max(map(len, groups.values()), default=0))
    stored = busy_keys.read_busy_keys(connection, groups, least=least, most=rules.crowded + 1)
    # What is crowded already joins nobody, whatever is left out.
    busy = [
        key
        for key, said in groups.items()
        if (known := stored.get(key, 0)) <= rules.crowded and known + len(said) > rules.alike
    ]
    if not busy:
        return {}
    kept: dict[UUID, list[tuple[str, str]]] = {}
    pieces = busy_keys.read_first_pieces(connection, busy, most=rules.crowded)
    for key in busy:
        known_there = {piece: unpack(packed) for piece, packed in pieces[key].items()}
        alike: dict[tuple[str, str, Name], list[UUID]] = {}
        for said in sorted(groups[key]):
            alike.setdefault(said[:3], []).append(said.piece)
        for (kind, value, name), members in alike.items():
            room = rules.alike - sum(
                other.name == name and value in _values(other, kind) for other in known_there.values()
            )
            for piece in [piece for piece in members if piece not in known_there][max(0, room) :]:
                kept.setdefault(piece, []).append((kind, value))
    # Of several the address counts, then the number.
    return {piece: _only(memory.known_evidence(piece), *min(keys)) for piece, keys in kept.items()}


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
