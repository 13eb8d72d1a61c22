"""Is the audit log as it was written: each entry's hash, each chain's order and end, and its heads of before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection

from pipeline.audit.anchors import Anchor
from pipeline.audit.entries import TAKEN_OUT, digest_of_changes, hashed_content
from pipeline.records.base import Fact
from pipeline.store.audit.entries import FIRST_PREVIOUS, AuditEntry, Head, read_heads, stream_entries


class Broken(Fact, frozen=True):
    """The first entry of a chain that is not as it was written. `number` 0: the chain as a whole."""

    brand: str
    number: int
    why: str


class Verified(Fact, frozen=True):
    """How many entries were looked at, in how many chains, against how many anchors; and the first break of each."""

    entries: int
    chains: int
    anchors: int
    broken: list[Broken]
    torn: tuple[int, ...] = ()  # lines of the file of heads that were cut short while they were written


class _Chain:
    """One brand's entries on their way past. `head`: as it was before the first of them was read; None: there was none,
    so none of them either."""

    def __init__(self, brand: str, anchors: dict[int, bytes], head: Head | None) -> None:
        self.brand = brand
        self.count = 0
        self.last_hash = FIRST_PREVIOUS
        self.broken: Broken | None = None
        self._anchors = anchors
        self._head = head or Head(brand, 0, FIRST_PREVIOUS)
        self._hash_at_head = None if self._head.number else FIRST_PREVIOUS
        self._emptied: dict[str | None, int] = {}  # object -> first entry whose changes are gone without a word so far

    def take(self, entry: AuditEntry) -> None:
        if self.broken is not None:
            return
        why = self._fault(entry)
        if why is not None:
            self.broken = Broken(self.brand, self.count + 1, why)
            return
        self.count = entry.number
        self.last_hash = entry.hash
        if entry.number == self._head.number:
            self._hash_at_head = entry.hash
        if entry.action == TAKEN_OUT:
            self._emptied.pop(entry.object_id, None)
        elif entry.changed is None and entry.changed_digest is not None:
            self._emptied.setdefault(entry.object_id, entry.number)

    def end(self, head: Head | None) -> Broken | None:
        """The first break, once all entries are past. `head`: as it is by now. Entries that were added meanwhile may
        stand behind the one of before."""
        if self.broken is not None:
            return self.broken
        is_at_end = head is not None and self._head.number <= self.count <= head.number
        if not is_at_end or self._hash_at_head != self._head.hash:
            known = 0 if head is None else head.number
            return Broken(self.brand, self.count + 1, f"the chain ends at {self.count}, its head is at {known}")
        if self._emptied:
            return Broken(self.brand, min(self._emptied.values()), "its changes are gone, and no entry says why")
        return None

    def _fault(self, entry: AuditEntry) -> str | None:
        if entry.number != self.count + 1:
            return f"the next entry there is has the number {entry.number}"
        if entry.prev_hash != self.last_hash:
            return "it does not follow from the entry before it"
        if hashlib.sha256(entry.prev_hash + hashed_content(entry)).digest() != entry.hash:
            return "its content is not what its hash was made of"
        if entry.changed is not None and digest_of_changes(entry.changed) != entry.changed_digest:
            return "its changes are not what its hash was made of"
        if self._anchors.get(entry.number, entry.hash) != entry.hash:
            return "another entry stood here when the head was written down outside the database"
        return None


def verify_log(connection: Connection, anchors: Iterable[Anchor] = (), *, torn: Sequence[int] = ()) -> Verified:
    """Look at every entry. `anchors` are heads as they were written down outside the database; `torn` lines of their
    file."""
    by_brand: dict[str, dict[int, bytes]] = {}
    count = 0
    for anchor in anchors:
        by_brand.setdefault(anchor.brand, {})[anchor.number] = anchor.hash
        count += 1
    heads = read_heads(connection)
    chains = {brand: _Chain(brand, by_brand.get(brand, {}), heads.get(brand)) for brand in sorted({*heads, *by_brand})}
    entries = 0
    for entry in stream_entries(connection):
        entries += 1
        chain = chains.setdefault(entry.brand, _Chain(entry.brand, {}, None))
        chain.take(entry)
    heads = read_heads(connection)
    broken = [broken for chain in chains.values() for broken in _breaks(chain, heads, by_brand)]
    return Verified(entries, len(chains), count, broken, tuple(torn))


def _breaks(chain: _Chain, heads: dict[str, Head], anchors: dict[str, dict[int, bytes]]) -> Iterator[Broken]:
    broken = chain.end(heads.get(chain.brand))
    last_anchored = max(anchors.get(chain.brand, {}), default=0)
    if broken is None and last_anchored > chain.count:
        why = f"the chain ends at {chain.count}; outside the database a head at {last_anchored} is written down"
        broken = Broken(chain.brand, chain.count + 1, why)
    if broken is not None:
        yield broken
