"""`make bench`: the budgets of the architecture as ratios and figures of one run, written to benchmarks/results.json.

Everything runs on this machine, against the sandbox CRM, on the embedded PostgreSQL and Redis.
    --rows N      rows of the bulk import (default 100,000)
    --people N,N  how many people are known where `scale` measures (default 10000,100000; 1000000 takes long to fill)
    --profile     sample the bulk node with py-spy during the import and write benchmarks/profile.txt
    --only A,B    measure these alone and leave the other figures in benchmarks/results.json as they are

    stages    the pure stages on one core        hot    from intake to the CRM's answer, nothing else going on
    identity  precision, recall, F1, traps       bulk   a large CSV to the CRM, hot leads in between
    scale     cost of finding a lead's person    dlt    the same file by dlt, to PostgreSQL only
    intake    durable accepts by HTTP
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2

from benchmarks.invented import write_csv
from benchmarks.load import LoadResult, post_leads
from tests.support.system import API_KEY, System

RESULTS = Path(__file__).parent / "results.json"
_ALONE = ("stages", "identity", "scale")  # need no running system
_OF_THE_SYSTEM = ("intake", "hot", "bulk", "dlt")
_CAPTURE_TO_CRM = """
    SELECT extract(epoch FROM deliveries.loaded_at - events.received_at)
    FROM events JOIN deliveries USING (person_id)
    WHERE events.external_id LIKE %s AND deliveries.loaded_at IS NOT NULL
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--people", default="10000,100000")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--only", default="", help=f"comma-separated: {','.join(_ALONE + _OF_THE_SYSTEM)}")
    options = parser.parse_args()
    wanted = set(filter(None, options.only.split(",")))
    if unknown := wanted - {*_ALONE, *_OF_THE_SYSTEM}:
        parser.error(f"--only knows no {', '.join(sorted(unknown))}")
    results: dict[str, Any] = json.loads(RESULTS.read_bytes()) if wanted and RESULTS.exists() else {}
    results |= {"cores": os.cpu_count()}
    wanted = wanted or {*_ALONE, *_OF_THE_SYSTEM}
    if "stages" in wanted:
        results["stages"] = measure_in_a_process("stages")
    if "identity" in wanted:
        results["identity"] = measure_identity()
    if "scale" in wanted:
        results["dedupe_scale"] = measure_in_a_process("dedupe_scale", "--people", options.people)
    balance = measure_system(wanted, results, options) if wanted & {*_OF_THE_SYSTEM} else 0
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))
    return 0 if balance == 0 else 1


def measure_system(wanted: set[str], results: dict[str, Any], options: argparse.Namespace) -> int:
    """Adds what is wanted to `results`; gives by how many leads the balance is out."""
    results["rows"] = options.rows
    with tempfile.TemporaryDirectory(prefix="afluente-bench-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL has a user of its own there
        file = Path(folder) / "leads.csv"
        write_csv(file, options.rows)
        with System(Path(folder) / "data") as system:
            if "intake" in wanted:
                results["intake"] = measure_intake(system)
                system.wait_until_ended(timeout=600)
            if "hot" in wanted:
                results["hot_idle"] = measure_hot(system, "idle", seconds=20)
            if "bulk" in wanted:
                results["bulk"] = measure_bulk(system, file, options.rows, profile=options.profile)
                results["hot_under_import"] = results["bulk"].pop("hot")
            if "dlt" in wanted:
                results["dlt"] = measure_dlt(system, file, options.rows)
            if {"bulk", "dlt"} <= wanted:
                results["bulk_to_dlt"] = round(
                    results["bulk"]["leads_per_second"] / results["dlt"]["rows_per_second"], 3
                )
            results["balance"] = system.json("balance")["all"]
    return int(results["balance"]["difference"])


def measure_in_a_process(module: str, *arguments: str) -> Any:
    """What a benchmark of its own prints, before anything else runs."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent, timeout=7200,
    )  # fmt: skip
    return json.loads(done.stdout)


def measure_identity() -> dict[str, Any]:
    """How well people are told apart; needs leads whose truth is known."""
    found: dict[str, Any] = measure_in_a_process("identity", "--orders", "0")["order_0"]
    return found


def measure_intake(system: System) -> dict[str, Any]:
    """Durable accepts: as fast as it goes, then the latency at a steady 300 a second."""
    flood = post_leads(system.port, API_KEY, seconds=8, clients=64, label="flood")
    system.wait_until_ended(timeout=600)
    steady = post_leads(system.port, API_KEY, seconds=10, clients=64, label="steady", per_second=300)
    return {"flood": _summary(flood), "steady_300": _summary(steady)}


def measure_hot(system: System, label: str, *, seconds: float) -> dict[str, Any]:
    """From the commit at intake to the CRM's answer, one lead every 200 ms."""
    post_leads(system.port, API_KEY, seconds=seconds, clients=4, label=f"hot_{label}", per_second=5)
    time.sleep(5)
    latencies = _query(system, _CAPTURE_TO_CRM, f"hot\\_{label}-%")
    return {"leads": len(latencies), **percentiles(latencies)}


def measure_bulk(system: System, file: Path, rows: int, *, profile: bool) -> dict[str, Any]:
    """CSV to CRM, all stages: from the start of the import to the last delivery, with hot leads arriving meanwhile."""
    hot: dict[str, Any] = {}
    stop = threading.Event()

    def keep_hot_leads_coming() -> None:
        post_leads(system.port, API_KEY, seconds=max(10.0, rows / 5000), clients=4, label="hot_import", per_second=5)
        stop.set()

    sampler = _start_profile(system) if profile else None
    began = time.perf_counter()
    thread = threading.Thread(target=keep_hot_leads_coming)
    thread.start()
    done = system.cli("import", str(file), "--source", "datablist", "--wait", "--json", timeout=1800)
    seconds = time.perf_counter() - began
    thread.join()
    time.sleep(5)
    latencies = _query(system, _CAPTURE_TO_CRM, "hot\\_import-%")
    hot = {"leads": len(latencies), **percentiles(latencies)}
    if sampler is not None:
        sampler.wait(60)
    report = json.loads(done.stdout)
    calls = system.sandbox("/_calls")
    return {
        "seconds": round(seconds, 1),
        "leads_per_second": round(rows / seconds),
        "import": report,
        "calls": calls,
        "hot": hot,
    }


def measure_dlt(system: System, file: Path, rows: int) -> dict[str, Any]:
    """dlt's plain CSV to PostgreSQL: read, infer types, normalize, insert. No mapping, identity or CRM."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "benchmarks.plain_dlt", str(file), url_with_host(database_url(system))],
        check=True, cwd=Path(__file__).parent.parent, timeout=1800,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    return {"seconds": round(seconds, 1), "rows_per_second": round(rows / seconds)}


def database_url(system: System) -> str:
    from pipeline.settings.installation import embedded_database_url

    return embedded_database_url(system.data).replace("postgresql+psycopg2://", "postgresql://")


def url_with_host(url: str) -> str:
    """The same with the socket folder where programs look that know no other place for a host."""
    head, _, folder = url.partition("?host=")
    user, _, name = head.removeprefix("postgresql://").partition("@/")
    return f"postgresql://{user}:unused@{quote(folder, safe='')}:5432/{name}"


def _query(system: System, statement: str, *parameters: Any) -> list[float]:
    connection = psycopg2.connect(database_url(system))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return [float(row[0]) for row in cursor]
    finally:
        connection.close()


def _summary(result: LoadResult) -> dict[str, Any]:
    return {
        "per_second": round(result.per_second),
        "statuses": result.statuses,
        **percentiles(result.latencies),
    }


def percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds) or [float("nan")]
    at = lambda share: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1)  # noqa: E731
    return {"p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0)}


def _start_profile(system: System) -> subprocess.Popen[bytes] | None:
    """Sample the bulk node and its children. None if py-spy is not installed."""
    bulk = [process["pid"] for process in system.json("status")["processes"] if process["name"] == "bulk"]
    program = Path(sys.executable).with_name("py-spy")
    if not bulk or not program.exists():
        print("no profile: install the extra `bench`", file=sys.stderr)
        return None
    target = Path(__file__).parent / "profile.txt"
    return subprocess.Popen(
        [program, "record", "--pid", str(bulk[0]), "--subprocesses", "--duration", "15", "--format", "raw",
         "--output", target]
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
