"""The keys of the index: under which of them people are found, and what is filed, while one takes the place of another.

    coming    everything new is filed under it too, and what is there already is, page by page; nobody looks it up yet
    current   what everybody looks up; new suppressions are digests of it
    leaving   the one before: its numbers are being removed
    kept      nothing is filed under it, but digests of who was erased may be: each lead is screened by it

So whoever is looked for is looked for by one number of each address, whatever is under way: `coming` has all that
`current` has before the two change places, in a transaction for which everybody who files is waited for. A process
learns of a change with the statement by which it holds the keys, at the beginning of each transaction that files.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from pipeline.crypto.blind_index import BlindIndex
from pipeline.errors import ConfigurationError
from pipeline.store.engine import transaction
from pipeline.store.keyring import INDEX_KEY, blind_index, ensure_index_key, opened
from pipeline.store.keys.tables import COMING, CURRENT, KEPT, LEAVING

_PURPOSE = b"the name of an index key"
_ID_BYTES = 4


class IndexKey(NamedTuple):
    """A key of the index. `generation`: 0 is the first."""

    generation: int
    key_id: str
    state: str
    digests: BlindIndex

    def number(self, brand: str, kind: str, value: str) -> int:
        """The number under which evidence that has this address, number or profile is filed, within its brand."""
        return self.digests.number(f"{brand}\x00{kind}\x00{value}")

    @property
    def row_id(self) -> str | None:
        """How rows and digests name it: None for the first one, which none names."""
        return None if self.generation == 0 else self.key_id

    def __repr__(self) -> str:
        return f"<IndexKey {self.key_id}, {self.state}>"


class IndexKeys(msgspec.Struct, frozen=True):
    """All keys that are known, the newest first. `version` grows with each change."""

    version: int
    all: tuple[IndexKey, ...]

    @property
    def current(self) -> IndexKey:
        return next(key for key in self.all if key.state == CURRENT)

    @property
    def coming(self) -> IndexKey | None:
        return next((key for key in self.all if key.state == COMING), None)

    @property
    def leaving(self) -> IndexKey | None:
        return next((key for key in self.all if key.state == LEAVING), None)

    @property
    def filed(self) -> list[IndexKey]:
        """Those that everything new is filed under, the current one first."""
        return [key for state in (CURRENT, COMING) for key in self.all if key.state == state]

    @property
    def stored(self) -> list[IndexKey]:
        """Those under which people's numbers may be stored, the current one first."""
        return [key for state in (CURRENT, COMING, LEAVING) for key in self.all if key.state == state]


class _Known:
    """What this process knows of the keys."""

    keys: IndexKeys | None = None
    is_first_alone = False  # as it was last noted, while nothing was read

    def take(self, found: IndexKeys) -> None:
        """Another thread may have read them since, and later than this."""
        if self.keys is None or self.keys.version < found.version:
            self.keys = found


@cache
def _known() -> _Known:
    return _Known()


def known() -> IndexKeys:
    """The keys as this process last read them; read at first use."""
    holder = _known()
    if holder.keys is None and holder.is_first_alone:
        holder.take(_first_alone(blind_index()))
    elif holder.keys is None:
        with transaction() as connection:
            holder.take(read(connection))
    assert holder.keys is not None  # noqa: S101 - it was just taken
    return holder.keys


def hold(connection: Connection) -> None:
    """Let the keys stay as they are until the transaction ends, and know them: for whoever files, before anything else
    is held. One statement, two where they changed."""
    note(connection, int(connection.exec_driver_sql("SELECT hold_index_keys()").scalar_one()))


def refresh(connection: Connection) -> None:
    """Know the keys as they are at this moment: for whoever only looks. One statement, two where they changed."""
    version = connection.exec_driver_sql("SELECT version FROM filed_versions WHERE name = 'index'").scalar()
    note(connection, int(version or 0))


def note(connection: Connection, version: int) -> None:
    """Read the keys again if they are of another version than this process knows. None or one statement."""
    holder = _known()
    holder.is_first_alone = version == 0
    if holder.keys is not None and holder.keys.version != version:
        holder.take(read(connection))


def key_number(brand: str, kind: str, value: str) -> int:
    """The number by which evidence that has this key is looked up, within its brand."""
    return known().current.number(brand, kind, value)


def stored_numbers(brand: str, kind: str, value: str) -> list[int]:
    """All numbers under which such evidence may be filed."""
    return [key.number(brand, kind, value) for key in known().stored]


def known_numbers(brand: str, kind: str, value: str) -> list[int]:
    """All numbers by which such an address may be withdrawn: by keys too that nothing is filed under any more."""
    return [key.number(brand, kind, value) for key in known().all]


def row_id_of(digest: bytes) -> str | None:
    """Which key made a digest, as `row_id`: its id follows the 8 or 16 bytes."""
    return digest[-_ID_BYTES:].hex() if len(digest) % 8 == _ID_BYTES else None


_READ = """
SELECT coalesce((SELECT version FROM filed_versions WHERE name = 'index'), 0), i.generation, i.key_id, i.state, k.sealed
FROM (VALUES (1)) AS always LEFT JOIN index_keys i ON true
LEFT JOIN keyring k ON k.name = CASE i.generation WHEN 0 THEN 'blind_index' ELSE 'blind_index.' || i.generation END
ORDER BY i.generation DESC
"""


def read(connection: Connection) -> IndexKeys:
    """The keys as they are stored. One statement, two before the first rotation. Raises ConfigurationError if one is
    missing."""
    rows = connection.exec_driver_sql(_READ).all()
    version = int(rows[0][0])
    if rows[0][1] is None:
        if version:
            raise ConfigurationError(
                "the table index_keys is empty, and there were keys: restore it from a backup, or nobody is found"
            )
        return _first_alone(BlindIndex(ensure_index_key(connection)))
    return IndexKeys(version, tuple(_key(*row[1:]) for row in rows))


def _first_alone(index: BlindIndex) -> IndexKeys:
    return IndexKeys(0, (IndexKey(0, id_of(index), CURRENT, index),))


def _key(generation: int, key_id: str, state: str, sealed: bytes | None) -> IndexKey:
    if sealed is None:
        needed = "nobody is found" if state != KEPT else "who was erased is let in again"
        raise ConfigurationError(
            f"key {key_id} of the index ({state}) is not in the table keyring: restore that row, which has the name"
            f" {name_of(generation)}, from a backup; without it {needed}"
        )
    key = opened(name_of(generation), bytes(sealed))
    return IndexKey(generation, key_id, state, BlindIndex(key))


def name_of(generation: int) -> str:
    """The name of a key in the keyring."""
    return INDEX_KEY if generation == 0 else f"{INDEX_KEY}.{generation}"


def id_of(index: BlindIndex) -> str:
    """What a key is called: eight hexadecimal digits, which say nothing of it."""
    return index.content_id(_PURPOSE).hex[:8]


_COUNT = """
SELECT coalesce(generation, 0), count(*) FROM {table} GROUP BY 1
"""
# Those that nobody can make anew, as nobody has the address: by table.
_COUNT_KEPT = """
SELECT 'suppressions', CASE WHEN length(digest) > 16 THEN encode(substring(digest FROM 17), 'hex') END, count(*)
FROM suppressions GROUP BY 2
UNION ALL SELECT 'withdrawn_points', key_id, count(*) FROM withdrawn_points GROUP BY 2
UNION ALL SELECT 'withdrawals_to_ledger', key_id, count(*) FROM withdrawals_to_ledger GROUP BY 2
"""


def count_digests(connection: Connection, keys: Iterable[IndexKey]) -> dict[str, dict[str, int]]:
    """By key id how many digests there are of it in which table; and what is of a key that is not known, by its id or
    generation. Three statements, over all rows."""
    ids = {key.generation: key.key_id for key in keys}
    counts: dict[str, dict[str, int]] = {key_id: {} for key_id in ids.values()}
    for table in ("evidence_keys", "activity_keys"):
        for generation, count in connection.exec_driver_sql(_COUNT.format(table=table)):
            key_id = ids.get(generation, f"generation {generation}")
            counts.setdefault(key_id, {})[table] = count
    for table, key_id, count in connection.exec_driver_sql(_COUNT_KEPT):
        counts.setdefault(key_id or ids[0], {})[table] = count
    return counts


def require_index_keys(connection: Connection) -> None:
    """Raises ConfigurationError if digests that are stored were made with a key that is not there. Goes by what was
    noted, and by what is suppressed and withdrawn. Three statements."""
    keys = read(connection)
    named = {name_of(key.generation) for key in keys.all}
    kept = connection.exec_driver_sql("SELECT name FROM keyring WHERE name LIKE %s", (f"{INDEX_KEY}.%",)).scalars()
    stray = [name for name in kept if name not in named]
    if stray:
        raise ConfigurationError(
            f"the keyring has {' and '.join(sorted(stray))}, and the table index_keys does not know of it: restore"
            " both from one backup, or people become second ones"
        )
    ids = {key.key_id for key in keys.all}
    lost: dict[str, int] = {}
    for _, key_id, count in connection.exec_driver_sql(_COUNT_KEPT):
        if key_id is not None and key_id not in ids:
            lost[key_id] = lost.get(key_id, 0) + count
    if lost:
        told = " and ".join(f"{count} of key {key_id}" for key_id, count in sorted(lost.items()))
        raise ConfigurationError(
            f"suppressed addresses need keys of the index that are not there, or withdrawn ones ({told}): restore the"
            " tables index_keys and keyring from one backup; without them who was erased is let in again, and who"
            " withdrew is written to"
        )
