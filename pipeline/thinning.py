"""One name that says ever other things of one address: beyond `alike` leads, what counts of them is the address.

Somebody who tests a form, or a sender that makes up a number for each lead, would otherwise crowd the address until it
joins nobody any more, and fall apart into as many people. So a lead is filed under less than it says: it stays that
person's, but its further addresses and numbers bring nobody else to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from itertools import chain
from uuid import UUID

from sqlalchemy import Connection

from pipeline.neighborhoods import Memory, unpack
from pipeline.stages.identity.evidence import EMAIL, PHONE, Evidence
from pipeline.stages.identity.name_agreement import Name
from pipeline.stages.identity.rules import IdentityRules
from pipeline.store import crowds

_ALONE = 4  # in one batch: others may file as many at the same time, and still nobody is crowded out


def thinned(
    connection: Connection, new: Collection[UUID], memory: Memory, rules: IdentityRules
) -> dict[UUID, Evidence]:
    """What pieces of `new` evidence are to be filed as instead, where they are too many.

    Call it in the transaction that files them, before it does. One or two statements, three where there are any.
    """
    keys = {piece: memory.strong_keys_of(piece) for piece in new}
    used = Counter(chain.from_iterable(keys.values()))
    crowds.hold_keys(connection, [key for key, size in used.items() if size >= _ALONE])
    least = max(1, rules.alike + 1 - max(used.values(), default=0))
    stored = crowds.read_busy_keys(connection, used, least=least, most=rules.crowded + 1)
    # What is crowded already joins nobody, whatever is left out.
    busy = {
        key
        for key, size in used.items()
        if (known := stored.get(key, 0)) <= rules.crowded and known + size > rules.alike
    }
    if not busy:
        return {}
    groups: dict[int, dict[Name, list[UUID]]] = {key: {} for key in busy}
    for piece, of_piece in keys.items():
        for key in busy.intersection(of_piece):
            groups[key].setdefault(memory.known_evidence(piece).name, []).append(piece)
    found: dict[UUID, Evidence] = {}
    pieces = crowds.read_first_pieces(connection, busy, most=rules.crowded)
    for key in sorted(busy, key=memory.named):  # of several the address counts, then the number
        names = {piece: unpack(packed).name for piece, packed in pieces[key].items()}
        for name, members in groups[key].items():
            room = rules.alike - sum(other == name for other in names.values())
            for piece in _beyond(room, (piece for piece in members if piece not in names)):
                found.setdefault(piece, _only(memory.known_evidence(piece), *memory.named(key)))
    return found


def _beyond(room: int, pieces: Iterable[UUID]) -> list[UUID]:
    return sorted(pieces)[max(0, room) :]


def _only(evidence: Evidence, kind: str, value: str) -> Evidence:
    """The name, and this one address, number or profile."""
    if kind == EMAIL and value == evidence.email:
        return Evidence(evidence.name, value, is_shared=evidence.is_shared, is_work=evidence.is_work)
    if kind == EMAIL:
        return Evidence(evidence.name, value)
    if kind == PHONE:
        return Evidence(evidence.name, phones=(value,))
    return Evidence(evidence.name, profiles=(value,))
