"""Fifteen sources at once: a mixed hour of traffic, replayed in two minutes against the whole system.

    python -m benchmarks.fifteen_sources [--seconds 120] [--leads 1200] [--rows 1000] [--polled 200]

Thirteen shipped sources post their typical sample, each time of another person and with the proof their senders give,
at random moments; meanwhile a feed that is polled grows and a file is imported. Prints what each source sent and what
became of it, seconds from arrival to the CRM, the load of the machine, and the balance. Exit 1 if anything is missing.
Nothing is left out: a lead that waited for a cold worker counts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg2
import requests

from benchmarks.invented import rows, write_csv
from benchmarks.run import database_url, percentiles
from connectors.kit.sources.samples import Sample, samples_of
from pipeline.authoring.rehearsal import Sent, send
from pipeline.inspection.names import find_instance
from pipeline.settings.loading import settings
from tests.support.system import AFLUENTE, ROOT, System

# Source: its share of the posts, and the texts of its typical sample that name the record (or the one who writes).
POSTING: dict[str, tuple[int, tuple[str, ...]]] = {
    "web_form": (20, ("0f6dbb1e-6a0b-4a52-9d0e-3f5a4f1c2d01",)),
    "google_ads_lead_form": (15, ("Cj0sample-lead-0001",)),
    "api": (10, ("api-1",)),
    "typeform": (8, ("tok5k2sample01",)),
    "whatsapp_cloud": (8, ("wamid.sample0001", "GB.sample0001")),
    "calendly": (7, ("EV01", "IN01")),
    "standard_webhooks": (6, ("sw-1001",)),
    "gravity_forms": (5, ('"812"',)),
    "cal_com": (5, ("bFsample0001",)),
    "jotform": (4, ("6101000000000000001",)),
    "tally": (4, ("rSam01",)),
    "google_forms": (4, ("2_ABaOsample01",)),
    "contact_form_7": (4, ()),
}
POLLED, FILE = "json_feed", "datablist"
HOT_SECONDS = 1.5  # from arrival to the CRM, of 99 in 100
_SENDERS = 16
_FEED_STEPS = 10
_TO_CRM = """
    SELECT e.source, e.lane, extract(epoch FROM e.settled_at - e.received_at),
        extract(epoch FROM d.loaded_at - e.received_at) FROM events e
    JOIN deliveries d USING (person_id) WHERE d.loaded_at IS NOT NULL AND e.state = 'settled'
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--leads", type=int, default=1_200, help="posts of the thirteen sources")
    parser.add_argument("--rows", type=int, default=1_000, help="rows of the file")
    parser.add_argument("--polled", type=int, default=200, help="leads of the polled feed")
    parser.add_argument("--seed", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="afluente-fifteen-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL has a user of its own there
        data = Path(folder) / "data"
        data.mkdir()
        (data / "afluente.yaml").write_text(f"sources: {{{POLLED}: {{every_seconds: 2}}}}\n")
        with System(data, asks_here=True) as system, _settings_of(system):
            before = _cpu_seconds(system)
            sent = replay(system, Path(folder), options)
            results = measure(system, sent, options, before)
    print(json.dumps(results, indent=2))
    return 0 if results["is_whole"] else 1


@contextlib.contextmanager
def _settings_of(system: System) -> Iterator[None]:
    """This process knows the secrets and the key of the installation that runs, as `afluente source send` does."""
    before = dict(os.environ)
    os.environ.update(system.environment)
    settings.cache_clear()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        settings.cache_clear()


def replay(system: System, folder: Path, options: argparse.Namespace) -> Counter[str]:
    """Send everything. Returns how many leads each source was sent and has acknowledged."""
    dice = random.Random(options.seed)
    names = dice.choices(list(POSTING), [share for share, _ in POSTING.values()], k=options.leads)
    moments = sorted(dice.uniform(0, options.seconds) for _ in names)
    file = folder / "leads.csv"
    write_csv(file, options.rows, seed=options.seed + 1)
    people = rows(options.leads + options.polled, seed=options.seed)
    samples = {source: samples_of(source)[0] for source in (*POSTING, POLLED)}
    posts = [
        (source, varied(samples[source], POSTING[source][1], person))
        for source, person in zip(names, people, strict=False)  # those left over are the feed's
    ]
    feed = [varied_entry(samples[POLLED], number, person) for number, person in enumerate(people)]
    instances = {source: find_instance(source) for source in POSTING}
    sandbox = system.json("status")["addresses"]["sandbox"]
    answers: list[tuple[str, Future[Sent]]] = []
    began = time.monotonic()
    with ThreadPoolExecutor(_SENDERS + 1) as senders:
        imported = senders.submit(_import, system, file, began + options.seconds / 4)
        grown = senders.submit(_grow, sandbox, feed, began, options.seconds)
        for moment, (source, sample) in zip(moments, posts, strict=True):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            answers.append((source, senders.submit(send, instances[source], sample, system.address)))
    sent = Counter({FILE: imported.result(), POLLED: grown.result()})
    for source, answer in answers:
        if not answer.result().ok:
            raise RuntimeError(f"{source} was refused: {answer.result()}")
        sent[source] += len(answer.result().event_ids)
    return sent


def varied(sample: Sample, ids: tuple[str, ...], person: list[str]) -> Sample:
    """The sample, of another person and another record; `person` is a row of `benchmarks.invented`."""
    number = person[0]
    known = (sample.expected or [{}])[0]
    text = sample.body.decode()
    if email := known.get("email"):
        local, _, domain = email.partition("@")
        new_local, _, new_domain = person[8].partition("@")
        text = re.sub(f"{re.escape(local)}(@|%40){re.escape(domain)}", rf"{new_local}\1{new_domain}", text, flags=re.I)
    last_seven = str(known.get("phone") or known.get("whatsapp_id") or "442079460018")[-7:]
    new_seven = re.sub(r"\D", "", person[6])[-7:]
    text = re.sub(r"[ .()-]*".join(last_seven), new_seven, text)
    for name, new in (("first_name", person[3]), ("last_name", person[4])):
        text = re.sub(rf"\b{re.escape(known[name])}\b", new, text, flags=re.I)
    for spelled in ids:
        end = '"' if spelled.endswith('"') else ""
        text = text.replace(spelled, f"{spelled.removesuffix(end)}{'' if spelled.isdigit() else '-'}{number}{end}")
    return replace(sample, body=text.encode())


def varied_entry(sample: Sample, number: int, person: list[str]) -> dict[str, Any]:
    """One entry of the feed's sample, of another person."""
    entries = json.loads(sample.body)
    entry = entries[0] if isinstance(entries, list) else next(iter(entries.values()))[0]
    one = replace(sample, body=json.dumps(entry, ensure_ascii=False).encode())
    return {**json.loads(varied(one, (), person).body), "id": f"fifteen-{number}"}


def _import(system: System, file: Path, due: float) -> int:
    time.sleep(max(0.0, due - time.monotonic()))
    command = [AFLUENTE, "import", str(file), "--source", FILE, "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=system.environment, capture_output=True, text=True, timeout=600, check=True
    )
    return int(json.loads(done.stdout)["accepted"])


def _grow(sandbox: str, feed: list[dict[str, Any]], began: float, seconds: float) -> int:
    """Add to the feed in steps. Gives how many leads it holds, with those that it had."""
    had = len(json.loads(samples_of(POLLED)[0].body)["leads"])
    for step in range(_FEED_STEPS):
        time.sleep(max(0.0, began + seconds * step / _FEED_STEPS - time.monotonic()))
        now = datetime.now(UTC).isoformat()
        added = [{**entry, "updated_at": now} for entry in feed[step::_FEED_STEPS]]
        requests.post(f"{sandbox}/feed/_add", json=added, timeout=60).raise_for_status()
    return had + len(feed)


def measure(
    system: System, sent: Counter[str], options: argparse.Namespace, before: dict[str, float]
) -> dict[str, Any]:
    """Once all has ended: what each source sent and became, and seconds to the CRM.

    `cpu_ms_per_lead` is each program's share since `before`, polls of an idle feed and idling included: it says what
    the load of the machine does not.
    """
    load = os.getloadavg()
    waits_for_feed = time.monotonic() + 120
    while system.json("balance")["sources"].get(POLLED, {}).get("accepted", 0) < sent[POLLED]:
        if time.monotonic() > waits_for_feed:
            break
        time.sleep(1)
    balance = system.wait_until_ended(timeout=600)
    spent = {name: seconds - before.get(name, 0) for name, seconds in _cpu_seconds(system).items()}
    by_source = system.json("balance")["sources"]
    taken = _seconds_taken(system)
    hot = [found for found in taken if found.lane == "hot"]
    to_crm = percentiles([found.to_crm for found in hot])
    shown = ("accepted", "settled", "suppressed", "quarantined", "repeated", "revised")
    return {
        "load_average": [round(load[0], 1), round(load[1], 1)],
        "posts_per_second": round(options.leads / options.seconds, 1),
        "sources": {
            source: {
                "sent": count,
                **{name: by_source[source][name] for name in shown if by_source.get(source, {}).get(name)},
                **percentiles([found.to_crm for found in taken if found.source == source]),
            }
            for source, count in sorted(sent.items())
        },
        "cpu_ms_per_lead": {name: round(1000 * took / sum(sent.values()), 1) for name, took in spent.items()},
        "hot_to_settled": percentiles([found.to_settled for found in hot]),
        "hot_to_crm": {"leads": len(hot), **to_crm, f"p99_in_{HOT_SECONDS}_s": to_crm["p99_ms"] <= HOT_SECONDS * 1000},
        "balance": balance,
        "is_whole": balance["difference"] == 0
        and all(by_source.get(source, {}).get("accepted") == count for source, count in sent.items()),
    }


def _cpu_seconds(system: System) -> dict[str, float]:
    """Seconds of a processor by program of the system, its child processes with it."""
    seconds: dict[str, float] = {}
    for program in system.json("status")["processes"]:
        process = psutil.Process(program["pid"])
        times = process.cpu_times()
        ended = times.children_user + times.children_system
        living = [child.cpu_times() for child in process.children(recursive=True)]
        seconds[program["name"]] = ended + sum(part.user + part.system for part in (times, *living))
    return seconds


class Taken(NamedTuple):
    """Of a settled lead: seconds from its arrival until its person stood, and until the CRM had confirmed them."""

    source: str
    lane: str
    to_settled: float
    to_crm: float


def _seconds_taken(system: System) -> list[Taken]:
    with contextlib.closing(psycopg2.connect(database_url(system))) as connection, connection.cursor() as cursor:
        cursor.execute(_TO_CRM)
        return [Taken(source, lane, float(settled), float(crm)) for source, lane, settled, crm in cursor]


if __name__ == "__main__":
    raise SystemExit(main())
