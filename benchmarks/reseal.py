"""How long it takes to put everything under a new sealing key, and what intake feels of it.

    python -m benchmarks.reseal [--people 100000] [--leads-per-second 100]

Real PostgreSQL. Each person has a golden record, a piece of evidence, and a lead's body: three sealed values. Then a
new key is put in front and `keys reseal` runs, while leads are stored as intake does, 20 at a time at the given pace.
Prints values and seconds, the write-ahead log that it cost, and how long a commit of intake took before and meanwhile.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pipeline.crypto.encryption import seal_evidence
from pipeline.logs import configure_logging
from pipeline.recompute.resealing import key_use, reseal
from pipeline.records import new_id
from pipeline.store import arrays
from pipeline.store.engine import transaction
from pipeline.store.events.events import insert_events
from pipeline.store.people.people import write_people
from tests.support.services import Services, forget_caches, migrated_database
from tests.support.store_rows import new_event, new_person

NEW_KEY = "a-new-key-of-the-benchmarks-0123456789"
_AT_ONCE = 1_000
_LEADS_AT_ONCE = 20
_EVIDENCE_BYTES = 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--leads-per-second", type=float, default=100.0)
    options = parser.parse_args()
    services = Services()
    services.start()
    try:
        with pytest.MonkeyPatch.context() as patch, migrated_database(services, patch):
            configure_logging("text")
            logging.disable(logging.CRITICAL)
            print(json.dumps(_measure(patch, options)))
    finally:
        services.stop()
    return 0


def _measure(patch: pytest.MonkeyPatch, options: argparse.Namespace) -> dict[str, Any]:
    for first in range(0, options.people, _AT_ONCE):
        _fill(min(_AT_ONCE, options.people - first), first)
    with _intake(options.leads_per_second) as before:
        time.sleep(10)
    patch.setenv("AFLUENTE_SECRET_KEYS", f"{NEW_KEY},{os.environ['AFLUENTE_SECRET_KEYS']}")
    forget_caches()
    wal, begun = _wal_position(), time.monotonic()
    with _intake(options.leads_per_second) as meanwhile:
        done = reseal()
        seconds = time.monotonic() - begun
    values = sum(done.resealed.values())
    return {
        "values": values,
        "seconds": round(seconds, 1),
        "values_per_second": round(values / seconds),
        "wal_megabytes": round((_wal_position() - wal) / 1e6),
        "left": done.left,
        "keys": {key.key_id: sum(key.values.values()) for key in key_use()},
        "commit_milliseconds": {"before": _figures(before), "meanwhile": _figures(meanwhile)},
    }


def _fill(count: int, first: int) -> None:
    ids = [new_id() for _ in range(count)]
    sealed = [seal_evidence(os.urandom(_EVIDENCE_BYTES), evidence_id) for evidence_id in ids]
    with transaction() as connection:
        write_people(
            connection,
            [
                new_person(email=f"person{first + number}@example.com", last_name="Sample", company="Example")
                for number in range(count)
            ],
        )
        insert_events(connection, [new_event("x" * 1_500 + str(first + number)) for number in range(count)])
        connection.exec_driver_sql(
            "INSERT INTO evidence (evidence_id, brand, birth_id, component, sealed)"
            " SELECT id, 'default', id, id, decode(sealed, 'base64')"
            " FROM unnest(%s::uuid[], %s::text[]) AS made (id, sealed)",
            (arrays.uuids(ids), arrays.sealed(sealed)),
        )
    _settle()


def _settle() -> None:
    """As no worker runs here: a reseal lets leads that wait go first."""
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE events SET state = 'settled' WHERE state = 'pending'")


@contextmanager
def _intake(leads_per_second: float) -> Iterator[list[float]]:
    """Stores leads until the end of the block; gives the milliseconds of each commit."""
    is_over, took = threading.Event(), list[float]()

    def store() -> None:
        while not is_over.wait(_LEADS_AT_ONCE / leads_per_second):
            begun = time.monotonic()
            with transaction() as connection:
                insert_events(connection, [new_event() for _ in range(_LEADS_AT_ONCE)])
            took.append((time.monotonic() - begun) * 1000)
            _settle()

    thread = threading.Thread(target=store)
    thread.start()
    try:
        yield took
    finally:
        is_over.set()
        thread.join()


def _figures(took: list[float]) -> dict[str, float]:
    ordered = sorted(took)
    return {"median": round(statistics.median(ordered), 1), "p99": round(ordered[int(len(ordered) * 0.99)], 1)}


def _wal_position() -> int:
    with transaction() as connection:
        return int(connection.exec_driver_sql("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')").scalar_one())


if __name__ == "__main__":
    raise SystemExit(main())
