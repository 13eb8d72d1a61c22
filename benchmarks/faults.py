"""Everything that can break does, while leads are imported; afterwards the books must balance.

`python -m benchmarks.faults --leads 20000 --kills 20` runs it in full (some minutes); the test suite runs it small.
Bounded: it ends by itself, and it stops only processes it started.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import redis

from benchmarks.invented import write_csv
from pipeline.settings.installation import embedded_broker_url
from tests.support.system import AFLUENTE, ROOT, System

NODES = ("hot", "bulk", "deliver")
MARK = "Afluente_Merged_Into__c"  # the field of a record that says whose it is one with


def shake(
    system: System, file: Path, *, kills: int, outage_seconds: float, pause_seconds: float = 0.7, seed: int = 20261120
) -> dict[str, Any]:
    """Import `file` into a running system and meanwhile kill `kills` worker processes, wipe Redis twice, let the CRM
    answer 500 for a while and kill `up` itself once. Returns what was done and the balance once all has ended."""
    dice = random.Random(seed)
    before = _arrived(system)
    command = [AFLUENTE, "import", str(file), "--source", "datablist", "--json"]
    importing = subprocess.Popen(
        command, cwd=ROOT, env=system.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    reader = threading.Thread(target=importing.communicate)
    reader.start()
    done = {"kills": 0, "wipes": 0, "outages": 0, "restarts": 0}
    for round_number in range(kills):
        time.sleep(pause_seconds)
        done["kills"] += kill_a_worker(system, dice)
        if round_number in {kills // 4, kills // 2}:
            wipe_redis(system)
            done["wipes"] += 1
        if round_number == kills // 3:
            system.sandbox("/_faults", {"status": 500, "seconds": outage_seconds, "rate": 1.0})
            done["outages"] += 1
        if round_number == (2 * kills) // 3:
            system.kill()
            system.start()
            done["restarts"] += 1
    reader.join()
    if importing.returncode and _arrived(system) == before:  # on a busy machine `up` was killed before it had begun
        subprocess.run(command, cwd=ROOT, env=system.environment, stdout=subprocess.DEVNULL, check=False)
    balance = system.wait_until_ended(timeout=600)
    return {**done, "import_exit": importing.returncode, "balance": balance}


def _arrived(system: System) -> int:
    figures = system.json("balance")["all"]
    return int(figures["accepted"] + figures["repeated"])


def kill_a_worker(system: System, dice: random.Random) -> bool:
    """SIGKILL a random process of a random worker node: its parent or one of its children."""
    nodes = [process for process in system.json("status")["processes"] if process["name"] in NODES]
    try:
        family = [psutil.Process(node["pid"]) for node in nodes]
        family += [child for parent in list(family) for child in parent.children(recursive=True)]
        dice.choice(family).kill()
    except (psutil.NoSuchProcess, IndexError):
        return False
    return True


def wipe_redis(system: System) -> None:
    with redis.Redis.from_url(embedded_broker_url(system.data).replace("redis+socket://", "unix://")) as client:
        client.flushall()


def find_doubles(system: System) -> dict[str, int]:
    """People, CRM records and distinct keys: all three must be one number, and every person's delivery sent.

    Records that say whose they are one with are left out, as their people are.
    """
    records = system.sandbox("/_records")
    keys = [record["external_id"] for record in records if MARK not in record["fields"]]
    people = {person["person_id"] for person in system.lines("people", "export")}
    sent = {row["person_id"] for row in system.lines("deliveries", "export") if row["state"] == "sent"}
    return {"people": len(people), "records": len(keys), "keys": len(set(keys)), "sent": len(sent & people & set(keys))}


def find_unsent(system: System) -> list[dict[str, Any]]:
    """What is known of each person whom the CRM should have and has not, or of whom nothing says so: ids and states."""
    records = {record["external_id"]: record["fields"] for record in system.sandbox("/_records")}
    deliveries = {row["person_id"]: row for row in system.lines("deliveries", "export")}
    names = (
        "destination",
        "state",
        "wanted_version",
        "sent_version",
        "attempts",
        "last_error",
        "wanted_at",
        "loaded_at",
    )
    return [
        {
            "person_id": person_id,
            "mark": records.get(person_id, {}).get(MARK),
            "is_in_crm": person_id in records,
            **{name: delivery.get(name) for name in names},
        }
        for person in system.lines("people", "export")
        for person_id in (person["person_id"],)
        for delivery in (deliveries.get(person_id, {}),)
        if person_id not in records or MARK in records[person_id] or delivery.get("state") != "sent"
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--outage-seconds", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="afluente-faults-") as folder:
        Path(folder).chmod(0o755)
        file = Path(folder) / "leads.csv"
        write_csv(file, options.leads)
        began = time.monotonic()
        with System(Path(folder) / "data") as system:
            result = shake(system, file, kills=options.kills, outage_seconds=options.outage_seconds)
            result.update(find_doubles(system), seconds=round(time.monotonic() - began))
    print(json.dumps(result, indent=2))
    ended = result["balance"]["settled"] + result["balance"]["quarantined"] + result["balance"]["suppressed"]
    is_whole = (
        result["balance"]["difference"] == 0
        and ended == options.leads
        and result["people"] == result["records"] == result["keys"] == result["sent"]
    )
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
