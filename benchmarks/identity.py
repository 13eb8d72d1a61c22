"""How well people are told apart, and what that costs: the leads of identity-dev through the real stages, one database.

    python -m benchmarks.identity [--leads FOLDER] [--orders N] [--batch N] [--system]

Streams the leads in their own order and in `--orders` others through map, normalize, dedupe, attribute and load on an
embedded PostgreSQL, and scores each clustering by pairs (precision, recall, F1), B-cubed and traps: of all people, of
each half of them (by a digest of the true person's id), and the gap between the halves, as weights that fit one half
only would do worse on the other. A folder of leads holds `leads.jsonl.gz`, `truth.csv.gz` and `groups.csv.gz`.
With `--system` they go through `afluente up` by `import --wait` instead: on 2 and on 4 workers, `--orders` shuffles
each.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from pipeline.logs import configure_logging
from pipeline.records import Envelope, NewEvent, new_id
from pipeline.settings.installation import embedded_database_url
from pipeline.store.databases import make_database
from pipeline.supervisor.embedded import Embedded
from tests.support.paths import DATA, IDENTITY_DEV

if TYPE_CHECKING:
    from tests.support.system import System

FIGURES = ("precision", "recall", "f1", "bcubed_f1")
_QUICK = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "256MB"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=Path, default=IDENTITY_DEV)
    parser.add_argument("--orders", type=int, default=1)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--system", action="store_true")
    options = parser.parse_args()
    if not options.leads.is_dir():
        print(f"nothing to measure: {options.leads} is not here", file=sys.stderr)
        return 1
    leads = read_leads(options.leads)
    results: dict[str, Any] = {}
    if options.system:
        results = through_the_system(leads, options.leads, orders=options.orders)
        print(json.dumps(results, indent=2))
        return 0 if results["orders_agree"] else 1
    with embedded_store() as new_database:
        clusterings = []
        for order in range(options.orders + 1):
            new_database(f"order_{order}")
            shuffled = list(leads)
            if order:
                random.Random(order).shuffle(shuffled)
            began = time.perf_counter()
            people = stream(shuffled, batch=options.batch)
            seconds = time.perf_counter() - began
            clusterings.append(frozenset(clusters(people)))
            results[f"order_{order}"] = {
                "leads_per_second": round(len(leads) / seconds),
                **score(people, options.leads),
                "halves": score_halves(people, options.leads),
            }
    results["orders_agree"] = len(set(clusterings)) == 1
    print(json.dumps(results, indent=2))
    return 0 if results["orders_agree"] else 1


def through_the_system(leads: Sequence[dict[str, Any]], folder: Path, *, orders: int) -> dict[str, Any]:
    """Each order in a brand of its own, as people of brands are never compared."""
    from tests.support.system import System

    results: dict[str, Any] = {}
    clusterings = []
    for workers in (2, 4):
        with tempfile.TemporaryDirectory(prefix="afluente-identity-") as name:
            data = Path(name) / "data"
            Path(name).chmod(0o755)
            data.mkdir()
            brands = [f"order_{order}" for order in range(1, orders + 1)]
            (data / "afluente.yaml").write_text(json.dumps({"brands": {brand: {} for brand in brands}}))
            with System(data, workers=workers) as system:
                for order, brand in enumerate(brands, start=1):
                    shuffled = list(leads)
                    random.Random(order).shuffle(shuffled)
                    file = Path(name) / f"{brand}.jsonl"
                    file.write_text("".join(json.dumps(lead) + "\n" for lead in shuffled))
                    system.cli("import", str(file), "--source", "api", "--brand", brand, "--wait", timeout=3600)
                    people = people_of(system, brand)
                    clusterings.append(frozenset(clusters(people)))
                    results[f"{workers}_workers_{brand}"] = score(people, folder)
    results["orders_agree"] = len(set(clusterings)) == 1
    return results


def people_of(system: System, brand: str) -> dict[str, str]:
    """The person of each settled lead, by the lead's id at its source."""
    import psycopg2

    url = embedded_database_url(system.data).replace("postgresql+psycopg2://", "postgresql://")
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT external_id, person_id::text FROM events WHERE brand = %s AND state = 'settled'", (brand,)
            )
            return dict(cursor.fetchall())
    finally:
        connection.close()


def read_leads(folder: Path) -> list[dict[str, Any]]:
    """The raw leads, in canonical names."""
    leads = []
    with gzip.open(folder / "leads.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            raw = json.loads(line)
            fields = dict(raw["fields"])
            if "name" in fields:
                fields["full_name"] = fields.pop("name")
            if raw.get("region"):
                fields["region"] = raw["region"]
            leads.append({**fields, "external_id": raw["record_id"], "occurred_at": raw["received_at"]})
    return leads


@contextmanager
def embedded_store() -> Iterator[Any]:
    """A function that makes a migrated database of a name and points this process to it."""
    configure_logging("text", level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="afluente-identity-") as folder:
        data = Path(folder)
        data.chmod(0o755)
        os.environ["AFLUENTE_DATA"] = folder
        os.environ["AFLUENTE_SECRET_KEYS"] = "a-key-of-the-benchmarks-0123456789"
        os.environ["AFLUENTE_CONFIG"] = str(data / "afluente.yaml")
        (data / "afluente.yaml").write_text("{}\n")
        embedded = Embedded(data, postgresql_settings=_QUICK)
        embedded.start()

        def new_database(name: str) -> None:
            from pipeline.store.engine import engine
            from pipeline.store.schema import migrate
            from tests.support.services import forget_caches

            make_database(data, name)
            forget_caches()
            os.environ["AFLUENTE_DATABASE_URL"] = embedded_database_url(data, name)
            forget_caches()
            migrate(engine())

        try:
            yield new_database
        finally:
            embedded.stop()


def stream(leads: Sequence[dict[str, Any]], *, batch: int) -> dict[str, str]:
    """The leads through all stages, `batch` at a time; gives the person of each external id."""
    from pipeline import flow
    from pipeline.crypto.encryption import seal_envelope
    from pipeline.store.engine import transaction
    from pipeline.store.events import events

    for start in range(0, len(leads), batch):
        new = []
        for lead in leads[start : start + batch]:
            event_id, body = new_id(), json.dumps(lead).encode()
            digest = hashlib.sha256(lead["external_id"].encode()).digest()
            sealed = seal_envelope(Envelope("application/json", body), event_id)
            new.append(NewEvent("default", "api", "bulk", digest, event_id, sealed, lead["external_id"]))
        with transaction(synchronous=False) as connection:
            events.insert_events(connection, new)
        while (claim := flow.claim_batch("bulk")) is not None:
            made = flow.normalize_batch(flow.map_claim(claim))
            flow.load_batch(flow.attribute_batch(flow.deduplicate_batch(made)))
    with transaction() as connection:
        rows = connection.exec_driver_sql("SELECT external_id, person_id::text, state FROM events").all()
    return {external_id: person_id for external_id, person_id, _ in rows if person_id}


def at_once(leads: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The same of all leads at once, without a store: what streaming them must come to in any order."""
    from pipeline.identity.matching.clustering import CROWDED, cluster, count_names
    from pipeline.identity.matching.evidence import EMAIL, PHONE, Evidence, evidence_of, keys_of
    from pipeline.identity.matching.rules import identity_rules
    from pipeline.records import Lead, RawEvent
    from pipeline.stages.mapping.source_mapping import load_source_mapping, map_event
    from pipeline.stages.normalization import normalize_lead

    mapping, at, rules = load_source_mapping("api"), datetime(2026, 3, 1, tzinfo=UTC), identity_rules()
    evidence: dict[UUID, Evidence] = {}
    said_by: dict[str, UUID] = {}
    names: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for lead in leads:
        body = Envelope("application/json", json.dumps(lead).encode())
        mapped = map_event(RawEvent(UUID(int=1), "b", "api", "bulk", at, None, body), mapping=mapping)
        normalized = normalize_lead(mapped, default_region=None) if isinstance(mapped, Lead) else mapped
        if not isinstance(normalized, Lead):
            continue
        one = evidence_of(normalized)
        key = UUID(bytes=hashlib.sha256(msgspec.msgpack.encode(one)).digest()[:16])
        said_by[lead["external_id"]] = key
        if key not in evidence:
            evidence[key] = one
            for name in keys_of(one):
                if name[0] in (EMAIL, PHONE):
                    names.setdefault(name, []).append(one.name)
    counts = {
        name: count_names(used, rules.of_many) if len(used) <= rules.crowded else CROWDED
        for name, used in names.items()
    }
    people = cluster(evidence, lambda kind, value: counts.get((kind, value), 1), rules=rules).people
    person_of = {key: str(number) for number, members in enumerate(people) for key in members}
    return {record: person_of[key] for record, key in said_by.items()}


def clusters(people: dict[str, str]) -> Iterator[frozenset[str]]:
    """The clusters alone, without the ids of people, which depend on who came first."""
    members: dict[str, set[str]] = {}
    for record, person in people.items():
        members.setdefault(person, set()).add(record)
    for found in members.values():
        yield frozenset(found)


def score_halves(people: dict[str, str], folder: Path) -> dict[str, Any]:
    """The figures of each half of the true people, clustered together with the other half, and how far they differ."""
    with gzip.open(folder / "truth.csv.gz", "rt", encoding="utf-8", newline="") as file:
        truth = [(row["record_id"], row["entity_id"]) for row in csv.DictReader(file)]
    halves = []
    for parity in (0, 1):
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as half:
            half.write("record_id,entity_id\n")
            half.writelines(f"{record},{entity}\n" for record, entity in truth if half_of(entity) == parity)
            half.flush()
            halves.append(score(people, folder, truth=Path(half.name)))
    gap = {name: round(abs(halves[0][name] - halves[1][name]), 4) for name in FIGURES}
    return {"first": halves[0], "second": halves[1], "gap": gap}


def half_of(entity: str) -> int:
    """0 or 1, the same for all leads of a person, in every run."""
    return hashlib.sha256(entity.encode()).digest()[0] % 2


def score(people: dict[str, str], folder: Path, *, truth: Path | None = None) -> dict[str, Any]:
    """What the scorer says of this clustering; of the people in `truth` alone if given."""
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.write("record_id,entity_id\n")
        file.writelines(f"{record},{person}\n" for record, person in people.items())
        file.flush()
        done = subprocess.run(
            [sys.executable, DATA / "evaluate_identity.py", file.name, truth or folder / "truth.csv.gz",
             "--groups", folder / "groups.csv.gz"],
            check=True, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    found = json.loads(done.stdout)
    return {
        **{name: round(found[name], 4) for name in (*FIGURES, "missing_records")},
        "traps": {
            kind: round(group["merged_rate"], 4) for kind, group in found["groups"].items() if group["cross_pairs"]
        },
        "found": {
            kind: round(group["found_rate"], 4) for kind, group in found["groups"].items() if group["same_pairs"]
        },
    }


if __name__ == "__main__":
    sys.exit(main())
