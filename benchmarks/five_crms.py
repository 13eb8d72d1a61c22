"""One import to five CRMs at once, then once more with one of them down: are the others slowed, and does it catch up?

    python -m benchmarks.five_crms [--rows 1000] [--down 120]

The whole system on this machine, the CRMs' sandboxes in this process and a database of a team as the fifth. Prints, for
both imports and for each CRM, the seconds from the first lead received to the last record there, and for the one that
was down how long after it was up again it had all.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import requests

from benchmarks.invented import write_csv
from connectors.sandbox.server import Sandbox
from pipeline.settings.installation import embedded_database_url
from tests.support.system import System

DIALECTS = {"salesforce": "salesforce", "partner": "salesforce", "hubspot": "hubspot", "dataverse": "dataverse"}
DOWN = "hubspot"
_LOADED = """
    SELECT d.destination, count(*) FILTER (WHERE d.state = 'sent'),
        extract(epoch FROM max(d.loaded_at) FILTER (WHERE d.state = 'sent') - to_timestamp(%s))
    FROM deliveries d JOIN people p USING (person_id) WHERE p.created_at >= to_timestamp(%s) GROUP BY d.destination
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--down", type=float, default=120.0, help="seconds that one CRM answers nothing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _sandboxes(Path(folder)) as sandboxes:
        system = System(_prepare(Path(folder) / "data", sandboxes), environment={"WAREHOUSE_USER": "postgres"}).start()
        try:
            system.cli("destination", "setup", "warehouse")
            results = {
                "all_up": _import(system, Path(folder), 1, options.rows),
                "one_down": _import_with_one_down(system, Path(folder), sandboxes[DOWN], options),
            }
        finally:
            system.stop()
    print(json.dumps(results, indent=2))
    return 0


@contextlib.contextmanager
def _sandboxes(folder: Path) -> Iterator[dict[str, Sandbox]]:
    with contextlib.ExitStack() as opened:
        yield {
            name: opened.enter_context(Sandbox(port=0, state=folder / f"{name}.sqlite", dialect=dialect))
            for name, dialect in DIALECTS.items()
        }


def _prepare(data: Path, sandboxes: dict[str, Sandbox]) -> Path:
    """Settings with the sandboxes; the team's database is the system's own server, in a schema of its own."""
    data.mkdir(parents=True)
    destinations: dict[str, Any] = {
        name: {"kind": DIALECTS[name], "base_url": sandbox.address} for name, sandbox in sandboxes.items()
    }
    url = embedded_database_url(data).replace("postgresql+psycopg2://", "postgresql://")
    url = url.replace("postgres@", "")
    destinations["warehouse"] = {"kind": "sql", "base_url": url, "secrets": {"user": "env:WAREHOUSE_USER"}}
    settings = {"destinations": destinations}
    (data / "afluente.yaml").write_text(json.dumps(settings), encoding="utf-8")
    return data


def _import(system: System, folder: Path, number: int, rows: int) -> dict[str, float]:
    """Seconds until each CRM had everybody."""
    begun = _start_import(system, folder, number, rows)
    return _wait(system, begun, rows, [*DIALECTS, "warehouse"])


def _import_with_one_down(system: System, folder: Path, down: Sandbox, options: argparse.Namespace) -> dict[str, Any]:
    _order(down, status=503, rate=1.0)
    begun = _start_import(system, folder, 2, options.rows)
    others = _wait(system, begun, options.rows, [name for name in (*DIALECTS, "warehouse") if name != DOWN])
    time.sleep(max(0.0, options.down - (time.time() - begun)))
    _order(down)
    up_again = time.time()
    caught_up = _wait(system, begun, options.rows, [DOWN])
    return {**others, f"{DOWN}_after_it_was_up": round(begun + caught_up[DOWN] - up_again, 1)}


def _start_import(system: System, folder: Path, number: int, rows: int) -> float:
    path = folder / f"leads-{number}.csv"
    write_csv(path, rows, seed=number)
    begun = time.time()
    system.cli("import", str(path), "--source", "datablist")
    return begun


def _wait(system: System, begun: float, rows: int, names: list[str]) -> dict[str, float]:
    deadline = time.monotonic() + 300
    with contextlib.closing(psycopg2.connect(_dsn(system))) as connection:
        while True:
            with connection, connection.cursor() as cursor:
                cursor.execute(_LOADED, (begun, begun))
                found = {name: (sent, float(seconds or 0)) for name, sent, seconds in cursor.fetchall()}
            done = {name: round(found[name][1], 2) for name in names if found.get(name, (0, 0))[0] >= rows}
            if len(done) == len(names):
                return done
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all CRMs have everybody: {found}")
            time.sleep(0.3)


def _dsn(system: System) -> str:
    return embedded_database_url(system.data).replace("postgresql+psycopg2://", "postgresql://")


def _order(sandbox: Sandbox, **faults: Any) -> None:
    requests.post(f"{sandbox.address}/_faults", json=faults, timeout=5).raise_for_status()


if __name__ == "__main__":
    raise SystemExit(main())
