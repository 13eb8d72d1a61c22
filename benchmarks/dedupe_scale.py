"""What finding a lead's person costs as people become many: `deduplicate` on 10,000, 100,000 and 1,000,000 people.

    python -m benchmarks.dedupe_scale [--people 10000,100000,1000000] [--batches N] [--batch N]

A store is filled by COPY with evidence and keys as the product makes them: names as frequent as in a real market (a few
are very common), companies with the numbers of staff that companies have, shared switchboards and role mailboxes. Then
batches are resolved at each size: leads of new people, of known ones who say something new, and exact repeats.
Times are of one process on a quiet machine; compare the rows of one run.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import random
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from benchmarks.identity import embedded_store
from pipeline.identity.matching.name_agreement import Name
from pipeline.records import Batch, Lead, Profile, new_id

_GIVEN = (  # the most frequent first
    "Ana", "Luis", "Marta", "José", "María", "Carmen", "Juan", "Pedro", "Lucía", "Sofía", "Pablo", "Jorge", "Elena",
    "Laura", "Diego", "Carlos", "Paula", "Sara", "Raquel", "Andrés", "Hugo", "Irene", "Julia", "Marcos", "Nuria",
    "Óscar", "Rosa", "Silvia", "Tomás", "Víctor", "Alba", "Bruno", "Clara", "David", "Emma", "Félix", "Gloria",
)  # fmt: skip
_FAMILY = (  # the most frequent first
    "García", "López", "Martínez", "Sánchez", "Pérez", "Gómez", "Martín", "Jiménez", "Ruiz", "Hernández", "Díaz",
    "Moreno", "Muñoz", "Álvarez", "Romero", "Alonso", "Gutiérrez", "Navarro", "Torres", "Domínguez", "Vázquez",
    "Ramos", "Gil", "Ramírez", "Serrano", "Blanco", "Molina", "Morales", "Suárez", "Ortega", "Delgado",
)  # fmt: skip
_SYLLABLES = [
    "ar", "be", "co", "du", "el", "fi", "go", "ha", "im", "jo", "ka", "lu", "me", "no", "or", "pi", "ra", "so",
]  # fmt: skip
# How many there are and how fast they get rare, about as in Spain: the most frequent given name has 3 %, the most
# frequent family name 3 %, the tenth 1 %, the hundredth 0.1 %.
_GIVEN_NAMES, _FAMILY_NAMES = (2_000, 5), (20_000, 3)
_FREE_MAIL = ("gmail.com", "hotmail.com", "yahoo.es", "outlook.com")
_COPIED_AT_ONCE = 20_000
_SHARE_OF_STAFF = 0.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", default="10000,100000,1000000")
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--batch", type=int, default=200)
    options = parser.parse_args()
    found = measure([int(size) for size in options.people.split(",")], options.batches, options.batch)
    print(json.dumps(found, indent=2))
    print(table(found), file=sys.stderr)
    return 0


def measure(sizes: Sequence[int], batches: int, batch: int) -> list[dict[str, Any]]:
    """A row per size: µs per lead and statements per batch of each kind of leads, and how many times the first size."""
    rows: list[dict[str, Any]] = []
    with embedded_store() as new_database:
        new_database("scale")
        people = Population(random.Random(7))
        filled = 0
        for size in sorted(sizes):
            began = time.perf_counter()
            fill(people, filled, size)
            filled = size
            row: dict[str, Any] = {"people": size, "fill_seconds": round(time.perf_counter() - began)}
            for kind in ("new", "known", "repeated"):
                row[kind] = resolve_batches(people, kind, filled, batches, batch)
                row[kind]["times_first"] = round(
                    row[kind]["us_per_lead"] / (rows[0] if rows else row)[kind]["us_per_lead"], 2
                )
            rows.append(row)
            print(table([row]), file=sys.stderr, flush=True)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """As Markdown."""
    lines = ["| people | leads | µs per lead | statements per batch | times the first |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['people']:,} | {kind} | {row[kind]['us_per_lead']} | {row[kind]['statements']} |"
        f" {row[kind]['times_first']} |"
        for row in rows
        for kind in ("new", "known", "repeated")
    ]
    return "\n".join(lines)


class Population:
    """Made-up people by number, always the same ones, and leads of them."""

    def __init__(self, dice: random.Random) -> None:
        self._salt = dice.random()
        self._at = datetime(2026, 1, 1, tzinfo=UTC)
        self.known: set[UUID] = set()  # evidence in the store
        self.names: dict[int, set[Name]] = {}  # on addresses and numbers of many

    def lead(self, number: int, *, says_more: bool = False) -> Lead:
        """A lead as `normalize` gives it. `says_more`: with another phone than the person gave before."""
        dice = random.Random(f"{self._salt}:{number}")
        given = _name(_GIVEN, _ranked(dice, *_GIVEN_NAMES))
        families = [_name(_FAMILY, _ranked(dice, *_FAMILY_NAMES)) for _ in range(1 + (dice.random() < 0.7))]
        family = " ".join(families)
        company = self._company(dice)
        fields: dict[str, Any] = {"first_name": given, "last_name": family, "full_name": f"{given} {family}"}
        word = f"{given}.{family.split()[-1]}".lower().encode("ascii", "ignore").decode()
        if dice.random() < _SHARE_OF_STAFF:
            kind = dice.random()
            mailbox = "info" if kind < 0.04 else word + str(number % 7) * (kind < 0.1)
            fields |= {"email": f"{mailbox}@{company}.es", "company": company.title()}
        else:
            fields |= {"email": f"{word}{number}@{dice.choice(_FREE_MAIL)}"}
        switchboard = dice.random() < 0.05
        fields["phone"] = f"+3491{hash_of(company):07d}" if switchboard else f"+346{dice.randrange(10**8):08d}"
        if says_more:
            fields["phone"] = f"+347{dice.randrange(10**8):08d}"
        return Lead(new_id(), "default", "api", "bulk", self._at, self._at, "1", fields=fields)

    @staticmethod
    def _company(dice: random.Random) -> str:
        """A tenth of all staff work for a hundred companies, the others for two hundred thousand."""
        is_large = dice.random() < 0.1
        number = int(100 * dice.random() ** 2) if is_large else 100 + dice.randrange(200_000)
        made = random.Random(number)
        return "".join(made.choice(_SYLLABLES) for _ in range(4)) + f"{number:x}"


def hash_of(company: str) -> int:
    return random.Random(company).randrange(10**7)


def _ranked(dice: random.Random, names: int, offset: float) -> int:
    """A rank by Zipf's law as Mandelbrot has it: the share of rank r falls as 1 / (r + offset)."""
    return int(offset * ((names + offset) / offset) ** dice.random() - offset)


@lru_cache(maxsize=65_536)
def _name(frequent: tuple[str, ...], rank: int) -> str:
    if rank < len(frequent):
        return frequent[rank]
    made = random.Random(rank)
    return "".join(made.choice(_SYLLABLES) for _ in range(made.choice((2, 3, 3)))).title()


def fill(people: Population, start: int, end: int) -> None:
    """People `start` to `end` as if each had been resolved alone, with the counts of shared keys that they make."""
    from pipeline.identity.matching.clustering import count_names
    from pipeline.store.engine import transaction
    from pipeline.store.identity import blocks

    with transaction() as connection:  # what was resolved since the last time
        people.known.update(row[0] for row in connection.exec_driver_sql("SELECT evidence_id FROM evidence"))
    for first in range(start, end, _COPIED_AT_ONCE):
        with transaction(synchronous=False, timeout_seconds=0) as connection:
            _copy(connection, _rows(people, range(first, min(first + _COPIED_AT_ONCE, end))))
    with transaction(synchronous=False, timeout_seconds=0) as connection:
        blocks.note_shared_keys(connection, {key: count_names(names, 3) for key, names in people.names.items()})
        connection.exec_driver_sql(_CROWDED)
    _vacuum()
    gc.collect()
    gc.freeze()  # what this process knows of the population is no part of what is measured
    gc.set_threshold(50_000, 20, 20)  # as workers have it


_CROWDED = """
INSERT INTO shared_keys (key, names)
SELECT key, 32767 FROM evidence_keys GROUP BY key HAVING count(*) > 64 ON CONFLICT (key) DO UPDATE SET names = 32767
"""
_COLUMNS = {
    "evidence": "evidence_id, brand, birth_id, person_id, component, sealed",
    "evidence_keys": "key, evidence_id",
    "people": "person_id, brand, version, profile",
}


def _rows(people: Population, numbers: range) -> dict[str, list[str]]:
    from pipeline.crypto.encryption import seal_evidence, seal_profile
    from pipeline.identity.evidence_cache import pack
    from pipeline.identity.matching.evidence import evidence_of, keys_of
    from pipeline.stages.survivorship.survivorship import merge_profile
    from pipeline.store.keyring import blind_index
    from pipeline.store.keys.index_keys import key_number

    rows: dict[str, list[str]] = {name: [] for name in _COLUMNS}
    for number in numbers:
        lead = people.lead(number)
        said = evidence_of(lead)
        packed = pack(said)
        key, person_id = blind_index().content_id(b"default\x00" + packed), new_id()
        if key in people.known:
            continue
        people.known.add(key)
        sealed = seal_evidence(packed, key).hex()
        rows["evidence"].append(f"{key}\tdefault\t{person_id}\t{person_id}\t{key}\t\\\\x{sealed}\n")
        for kind, value in keys_of(said):
            numbered = key_number("default", kind, value)
            rows["evidence_keys"].append(f"{numbered}\t{key}\n")
            if (kind == "email" and said.is_shared) or (kind == "phone" and value.startswith("+3491")):
                people.names.setdefault(numbered, set()).add(said.name)
        profile, _ = merge_profile(Profile(), lead)
        rows["people"].append(f"{person_id}\tdefault\t1\t\\\\x{seal_profile(profile, person_id).hex()}\n")
    return rows


def _copy(connection: Any, rows: dict[str, list[str]]) -> None:
    cursor = connection.connection.cursor()
    for name, lines in rows.items():
        cursor.copy_expert(f"COPY {name} ({_COLUMNS[name]}) FROM STDIN", io.StringIO("".join(lines)))


def _vacuum() -> None:
    from pipeline.store.engine import engine

    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in _COLUMNS:
            connection.exec_driver_sql("SET statement_timeout TO 0")
            connection.exec_driver_sql(f"VACUUM ANALYZE {name}")
        connection.exec_driver_sql("CHECKPOINT")
        connection.exec_driver_sql("RESET statement_timeout")


def resolve_batches(people: Population, kind: str, filled: int, batches: int, batch: int) -> dict[str, Any]:
    """The median batch of `batches`, after one that warms up."""
    from pipeline import flow
    from pipeline.store.engine import count_statements

    dice = random.Random(f"{kind}{filled}")
    seconds, statements = [], []
    for turn in range(batches + 1):
        if kind == "new":
            start = 10**9 + filled * 50 + turn * batch
            leads = [people.lead(start + place) for place in range(batch)]
        else:
            leads = [people.lead(dice.randrange(filled), says_more=kind == "known") for _ in range(batch)]
        with count_statements() as seen:
            began = time.perf_counter()
            flow.deduplicate_batch(Batch(new_id(), "bulk", leads))
            taken = time.perf_counter() - began
        if turn:
            seconds.append(taken)
            statements.append(seen.count)
    seconds.sort()
    return {
        "us_per_lead": round(seconds[len(seconds) // 2] / batch * 1e6),
        "statements": max(statements),
    }


if __name__ == "__main__":
    sys.exit(main())
